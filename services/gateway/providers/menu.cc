#include "services/gateway/providers/menu.h"

#include <cstdio>

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
    std::string words, menu = list.section_title();
    add_part(words, list.header());
    add_part(words, list.body());
    for (int n = 0; n < list.rows_size(); ++n) {
        const auto& row = list.rows(n);
        if (!row.section_title().empty()) {
            add_part(words, menu);
            menu = row.section_title();
        }
        add_choice(menu, n + 1, row.title(), row.description());
    }
    add_part(words, menu);
    add_part(words, list.footer());
    return words;
}

std::string words_of(const v1::LinkButtonContent& link) {
    std::string words;
    add_part(words, link.header());
    add_part(words, link.body());
    add_part(words, link.title() + ": " + link.url());
    add_part(words, link.footer());
    return words;
}

std::string words_of(const v1::LocationContent& place) {
    std::string words = place.name();
    if (!place.address().empty()) words += (words.empty() ? "" : "\n") + place.address();
    char link[64];
    std::snprintf(link, sizeof link, "https://maps.google.com/?q=%.6f,%.6f", place.latitude(),
                  place.longitude());
    return words + (words.empty() ? "" : "\n") + link;
}

std::string words_of(const v1::ContactsContent& contacts) {
    std::string words;
    for (const auto& card : contacts.cards()) {
        auto lines = card.formatted_name();
        if (!card.organization().empty()) lines += ", " + card.organization();
        for (const auto& phone : card.phones()) lines += "\n" + phone.phone();
        for (const auto& email : card.emails()) lines += "\n" + email;
        for (const auto& url : card.urls()) lines += "\n" + url;
        add_part(words, lines);
    }
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
        case v1::MessageContent::kLinkButton:
            return words_of(content.link_button());
        case v1::MessageContent::kLocation:
            return words_of(content.location());
        case v1::MessageContent::kContacts:
            return words_of(content.contacts());
        // Whoever reads it sends the place by the means of their phone.
        case v1::MessageContent::kLocationRequest:
            return content.location_request().body();
        case v1::MessageContent::kTemplate:
        case v1::MessageContent::kMedia:
        case v1::MessageContent::kReaction:
        case v1::MessageContent::kProduct:
        case v1::MessageContent::kProductList:
        case v1::MessageContent::kCatalog:
        case v1::MessageContent::kForm:
        case v1::MessageContent::CONTENT_NOT_SET:
            break;
    }
    return {};
}

std::string_view words_field(const v1::MessageContent& content) {
    if (content.has_buttons()) return "buttons.body";
    if (content.has_list()) return "list.body";
    if (content.has_link_button()) return "link_button.body";
    if (content.has_location()) return "location";
    if (content.has_contacts()) return "contacts";
    if (content.has_location_request()) return "location_request.body";
    return "text.body";
}

}  // namespace flowstack::gateway
