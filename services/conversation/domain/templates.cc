#include "services/conversation/domain/templates.h"

#include <array>
#include <stdexcept>

#include "services/conversation/domain/text.h"

namespace flowstack::conversation {
namespace {

struct KindName {
    TemplateKind kind;
    std::string_view name;
};
constexpr std::array<KindName, 5> kKinds{{{TemplateKind::text, "text"},
                                          {TemplateKind::interactive_button, "interactive_button"},
                                          {TemplateKind::interactive_list, "interactive_list"},
                                          {TemplateKind::media, "media"},
                                          {TemplateKind::whatsapp_template, "whatsapp_template"}}};

std::string at(const std::string& path, std::size_t i) {
    return path + "[" + std::to_string(i) + "]";
}

void check_choices(const std::vector<Choice>& choices, const std::string& path,
                   std::size_t title_max, const std::function<bool(const std::string&)>& known_key,
                   std::vector<Problem>& problems) {
    for (std::size_t i = 0; i < choices.size(); ++i) {
        const auto& choice = choices[i];
        const auto length = utf8_length(choice.title);
        if (trim(choice.title).empty() || length > title_max)
            problems.push_back({at(path, i) + ".title",
                                "must have 1 to " + std::to_string(title_max) + " characters"});
        for (std::size_t j = 0; j < i; ++j)
            if (choices[j].title == choice.title)
                problems.push_back({at(path, i) + ".title", "must differ from the others"});
        if (utf8_length(choice.description) > kRowDescriptionMax)
            problems.push_back({at(path, i) + ".description", "must have at most 72 characters"});
        if (!choice.next_template_key.empty() && !known_key(choice.next_template_key))
            problems.push_back({at(path, i) + ".next_template_key",
                                "must be the key of a template of this tenant"});
    }
}

}  // namespace

std::string_view text_of(TemplateKind kind) {
    for (const auto& known : kKinds)
        if (known.kind == kind) return known.name;
    return "text";
}

bool parse(std::string_view text, TemplateKind& kind) {
    for (const auto& known : kKinds)
        if (known.name == text) {
            kind = known.kind;
            return true;
        }
    return false;
}

std::vector<Problem> check(const Template& candidate,
                           const std::function<bool(const std::string& key)>& known_key) {
    using enum TemplateKind;
    std::vector<Problem> problems;
    if (candidate.variants.empty())
        problems.push_back({"variants", "must have at least one language"});
    std::size_t i = 0;
    for (const auto& [language, variant] : candidate.variants) {
        const auto path = at("variants", i++);
        if (language.size() != 2)
            problems.push_back({path + ".language", "must be two letters: en, sw"});
        const bool interactive =
            candidate.kind == interactive_button || candidate.kind == interactive_list;
        const auto body_max = interactive ? kInteractiveBodyMax : kTextBodyMax;
        const bool body_needed = candidate.kind == text || interactive;
        if ((body_needed && trim(variant.body).empty()) || utf8_length(variant.body) > body_max)
            problems.push_back(
                {path + ".body", "must have 1 to " + std::to_string(body_max) + " characters"});
        if (candidate.kind == interactive_button) {
            if (variant.buttons.empty() || variant.buttons.size() > kButtonsMax)
                problems.push_back({path + ".buttons", "must be 1 to 3"});
            check_choices(variant.buttons, path + ".buttons", kButtonTitleMax, known_key, problems);
        } else if (!variant.buttons.empty()) {
            problems.push_back(
                {path + ".buttons", "only an interactive_button template has buttons"});
        }
        if (candidate.kind == interactive_list) {
            if (variant.rows.empty() || variant.rows.size() > kRowsMax)
                problems.push_back({path + ".rows", "must be 1 to 10"});
            if (trim(variant.list_button).empty() ||
                utf8_length(variant.list_button) > kListButtonMax)
                problems.push_back({path + ".list_button", "must have 1 to 20 characters"});
            check_choices(variant.rows, path + ".rows", kRowTitleMax, known_key, problems);
        } else if (!variant.rows.empty()) {
            problems.push_back({path + ".rows", "only an interactive_list template has rows"});
        }
        if (candidate.kind == media &&
            (variant.media_link.empty() || !variant.media_link.starts_with("https://")))
            problems.push_back({path + ".media_link", "must be an https address"});
        if (candidate.kind == whatsapp_template && trim(variant.whatsapp_template).empty())
            problems.push_back({path + ".whatsapp_template", "must name an approved template"});
    }
    return problems;
}

const Variant& variant_of(const Template& t, const std::string& language) {
    const auto found = t.variants.find(language);
    if (found != t.variants.end()) return found->second;
    if (t.variants.empty()) throw std::invalid_argument("template " + t.key + " has no text");
    return t.variants.begin()->second;
}

Rendered render(const Template& t, const std::string& language,
                const std::map<std::string, std::string>& values,
                const std::vector<Choice>* choices) {
    using enum TemplateKind;
    const auto& variant = variant_of(t, language);
    Rendered result;
    auto& content = result.content;
    content.kind = t.kind;

    const auto& offered =
        choices ? *choices : (t.kind == interactive_list ? variant.rows : variant.buttons);
    const bool interactive = t.kind == interactive_button || t.kind == interactive_list;
    if (interactive && offered.empty()) content.kind = text;

    const auto body_max = content.kind == text ? kTextBodyMax : kInteractiveBodyMax;
    content.body = utf8_cut(trim(fill(variant.body, values)), body_max);

    if (interactive) {
        const bool list = t.kind == interactive_list;
        const auto count_max = list ? kRowsMax : kButtonsMax;
        for (const auto& choice : offered) {
            if (result.taps.size() == count_max) break;
            Tap tap{static_cast<int>(result.taps.size()), choice.action, choice.argument,
                    utf8_cut(fill(choice.title, values), list ? kRowTitleMax : kButtonTitleMax)};
            if (tap.action.empty() && !choice.next_template_key.empty()) {
                tap.action = kSendTemplateAction;
                tap.argument = choice.next_template_key + "|" + choice.next_state;
            }
            if (list)
                content.rows.push_back(
                    {tap.title, utf8_cut(fill(choice.description, values), kRowDescriptionMax)});
            else
                content.titles.push_back(tap.title);
            result.taps.push_back(std::move(tap));
        }
        if (list)
            content.list_button =
                utf8_cut(variant.list_button.empty() ? "•••" : fill(variant.list_button, values),
                         kListButtonMax);
    }
    content.media_kind = variant.media_kind;
    content.media_link = variant.media_link;
    content.whatsapp_template = variant.whatsapp_template;
    content.whatsapp_language_code = variant.whatsapp_language_code;
    if (t.kind == whatsapp_template && !content.body.empty()) {
        // The body holds the parameters, one a line.
        std::size_t begin = 0;
        while (begin <= content.body.size()) {
            const auto end = std::min(content.body.find('\n', begin), content.body.size());
            content.parameters.push_back(content.body.substr(begin, end - begin));
            begin = end + 1;
        }
    }
    return result;
}

}  // namespace flowstack::conversation
