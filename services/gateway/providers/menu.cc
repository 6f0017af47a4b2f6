#include "services/gateway/providers/menu.h"

namespace flowstack::gateway {
namespace {

namespace v1 = flowstack::common::v1;

// A part of the message, with an empty line before it unless it is the first one.
void add_part(std::string& words, const std::string& part) {
    if (part.empty()) return;
    if (!words.empty()) words += "\n\n";
    words += part;
}

void add_choice(std::string& menu, int number, const std::string& title,
                const std::string& description = "") {
    if (!menu.empty()) menu += '\n';
    menu += std::to_string(number) + ". " + title;
    if (!description.empty()) menu += " – " + description;
}

std::string words_of(const v1::ButtonsContent& buttons) {
    std::string menu;
    for (int n = 0; n < buttons.titles_size(); ++n) add_choice(menu, n + 1, buttons.titles(n));
    std::string words;
    add_part(words, buttons.header());
    add_part(words, buttons.body());
    add_part(words, menu);
    add_part(words, buttons.footer());
    return words;
}

std::string words_of(const v1::ListContent& list) {
    std::string menu = list.section_title();
    for (int n = 0; n < list.rows_size(); ++n)
        add_choice(menu, n + 1, list.rows(n).title(), list.rows(n).description());
    std::string words;
    add_part(words, list.body());
    add_part(words, menu);
    return words;
}

}  // namespace

std::string as_words(const v1::MessageContent& content) {
    switch (content.content_case()) {
        case v1::MessageContent::kText:
            return content.text().body();
        case v1::MessageContent::kButtons:
            return words_of(content.buttons());
        case v1::MessageContent::kList:
            return words_of(content.list());
        case v1::MessageContent::kTemplate:
        case v1::MessageContent::kMedia:
        case v1::MessageContent::CONTENT_NOT_SET:
            break;
    }
    return {};
}

std::string_view words_field(const v1::MessageContent& content) {
    if (content.has_buttons()) return "buttons.body";
    if (content.has_list()) return "list.body";
    return "text.body";
}

}  // namespace flowstack::gateway
