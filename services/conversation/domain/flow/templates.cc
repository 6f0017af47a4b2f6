#include "services/conversation/domain/flow/templates.h"

#include <algorithm>
#include <array>
#include <set>
#include <stdexcept>

#include "common/text/fold.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/flow/text.h"

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
        const auto length = text::code_points(choice.title);
        if (is_blank(choice.title) || length > title_max)
            problems.push_back({at(path, i) + ".title",
                                "must have 1 to " + std::to_string(title_max) + " characters"});
        for (std::size_t j = 0; j < i; ++j)
            if (choices[j].title == choice.title)
                problems.push_back({at(path, i) + ".title", "must differ from the others"});
        if (text::code_points(choice.description) > kRowDescriptionMax)
            problems.push_back({at(path, i) + ".description", "must have at most 72 characters"});
        if (!choice.next_template_key.empty() && !known_key(choice.next_template_key))
            problems.push_back({at(path, i) + ".next_template_key",
                                "must be the key of a template of this tenant"});
    }
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find('\n', begin), text.size());
        lines.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

std::string without_outer_blanks(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

// The value with its longest lines shortened to `length_max` code points in all. What follows the
// last "×" of a line (how many, and what they cost) stays.
std::string with_shorter_lines(const std::string& value, std::size_t length_max) {
    auto lines = lines_of(value);
    std::vector<std::size_t> lengths;
    for (const auto& line : lines) lengths.push_back(text::code_points(line));
    const auto length_at = [&](std::size_t width) {
        std::size_t sum = lines.size() - 1;  // the line breaks
        for (const auto length : lengths) sum += std::min(length, width);
        return sum;
    };
    auto width = *std::max_element(lengths.begin(), lengths.end());
    while (width > 1 && length_at(width) > length_max) --width;
    std::string result;
    for (const auto& line : lines) {
        const auto times = line.rfind(" × ");
        const auto amount = times == std::string::npos
                                ? std::size_t{0}
                                : text::code_points(std::string_view(line).substr(times));
        // The end of the name stays too: names often differ there only.
        const auto name = width > amount ? width - amount : 0;
        if (&line != &lines.front()) result += '\n';
        result += text::shortened_in_the_middle(line, width, amount + name / 3);
    }
    return result;
}

// The filled body, at most `length_max` code points long.
std::string filled_within(const std::string& body, std::map<std::string, std::string> values,
                          std::size_t length_max) {
    auto result = without_outer_blanks(fill(body, values));
    const auto names = names_in(body);
    // Each round shortens one value, the longest; a second look at the same one would gain nothing.
    std::set<std::string> done;
    for (auto length = text::code_points(result); length > length_max;
         length = text::code_points(result)) {
        std::string longest;
        for (const auto& name : names)
            if (!done.contains(name) && values.contains(name) &&
                (longest.empty() || values[name].size() > values[longest].size()))
                longest = name;
        if (longest.empty() || values[longest].empty()) break;
        done.insert(longest);
        auto& value = values[longest];
        const auto excess = length - length_max;
        const auto own = text::code_points(value);
        value = with_shorter_lines(value, own > excess ? own - excess : 1);
        result = without_outer_blanks(fill(body, values));
    }
    return text::shortened(result, length_max);
}

// What stands for a value that is not known, in a parameter that must not be empty.
std::string neutral_word(const std::string& line, const std::string& language) {
    const auto names = names_in(line);
    const bool a_name = std::any_of(names.begin(), names.end(), [](const std::string& name) {
        return name == "name" || name == "customer_name";
    });
    if (!a_name) return "-";
    return language == "sw" ? "mteja" : "customer";
}

std::vector<std::string> parameters_of(const std::string& body, const std::string& language,
                                       const std::map<std::string, std::string>& values) {
    std::vector<std::string> parameters;
    for (const auto& line : lines_of(body)) {
        if (is_blank(line)) continue;
        auto parameter = text::one_line(fill(line, values));
        if (parameter.empty()) parameter = neutral_word(line, language);
        parameters.push_back(text::shortened(parameter, kParameterMax));
    }
    return parameters;
}

// Sections that begin and end on different lines would make the number of parameters depend on
// values.
bool has_section_over_lines(const std::string& body) {
    for (const auto& line : lines_of(body)) {
        int open = 0;
        for (std::size_t at = 0; (at = line.find("{{", at)) != std::string::npos; at += 2) {
            const auto mark = line.find_first_not_of(' ', at + 2);
            if (mark != std::string::npos && line[mark] == '#') ++open;
            if (mark != std::string::npos && line[mark] == '/') --open;
        }
        if (open != 0) return true;
    }
    return false;
}

// Every title at most `length_max` code points and none twice.
std::vector<std::string> distinct_titles(const std::vector<std::string>& titles,
                                         std::size_t length_max) {
    std::vector<std::string> cut;
    const auto all_differ = [](const std::vector<std::string>& texts) {
        return std::set<std::string>(texts.begin(), texts.end()).size() == texts.size();
    };
    for (const auto& title : titles) cut.push_back(text::shortened(title, length_max));
    if (all_differ(cut)) return cut;
    // They differ behind the cut: show their ends.
    for (const std::size_t tail : {length_max / 3, length_max / 2, length_max * 2 / 3}) {
        auto tried = cut;
        for (std::size_t i = 0; i < cut.size(); ++i)
            if (std::count(cut.begin(), cut.end(), cut[i]) > 1)
                tried[i] = text::shortened_in_the_middle(titles[i], length_max, tail);
        if (all_differ(tried)) return tried;
    }
    std::set<std::string> taken;
    for (auto& title : cut) {
        const auto whole = title;
        for (int n = 2; !taken.insert(title).second; ++n) {
            const auto number = " (" + std::to_string(n) + ")";
            title = text::shortened(whole, length_max - number.size()) + number;
        }
    }
    return cut;
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
        if ((body_needed && is_blank(variant.body)) || text::code_points(variant.body) > body_max)
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
            if (is_blank(variant.list_button) ||
                text::code_points(variant.list_button) > kListButtonMax)
                problems.push_back({path + ".list_button", "must have 1 to 20 characters"});
            check_choices(variant.rows, path + ".rows", kRowTitleMax, known_key, problems);
        } else if (!variant.rows.empty()) {
            problems.push_back({path + ".rows", "only an interactive_list template has rows"});
        }
        if (candidate.kind == media &&
            (variant.media_link.empty() || !variant.media_link.starts_with("https://")))
            problems.push_back({path + ".media_link", "must be an https address"});
        if (candidate.kind == whatsapp_template && is_blank(variant.whatsapp_template))
            problems.push_back({path + ".whatsapp_template", "must name an approved template"});
        if (candidate.kind == whatsapp_template && has_section_over_lines(variant.body))
            problems.push_back({path + ".body",
                                "each line is one parameter: {{#name}} and {{/name}} must stand on "
                                "the same line"});
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

    if (t.kind == whatsapp_template) {
        content.parameters = parameters_of(variant.body, language, values);
        for (const auto& parameter : content.parameters)
            content.body += (content.body.empty() ? "" : "\n") + parameter;
    } else {
        content.body = filled_within(variant.body, values,
                                     content.kind == text ? kTextBodyMax : kInteractiveBodyMax);
    }

    if (interactive) {
        const bool list = t.kind == interactive_list;
        const auto count = std::min(offered.size(), list ? kRowsMax : kButtonsMax);
        std::vector<std::string> titles;
        for (std::size_t i = 0; i < count; ++i) titles.push_back(fill(offered[i].title, values));
        titles = distinct_titles(titles, list ? kRowTitleMax : kButtonTitleMax);
        for (std::size_t i = 0; i < count; ++i) {
            const auto& choice = offered[i];
            Tap tap{static_cast<int>(i), choice.action, choice.argument, titles[i]};
            if (tap.action.empty() &&
                !(choice.next_template_key.empty() && choice.next_state.empty())) {
                tap.action = kSendTemplateAction;
                tap.argument = choice.next_template_key + "|" + choice.next_state;
            }
            if (list)
                content.rows.push_back({tap.title, text::shortened(fill(choice.description, values),
                                                                   kRowDescriptionMax)});
            else
                content.titles.push_back(tap.title);
            result.taps.push_back(std::move(tap));
        }
        if (list)
            content.list_button = text::shortened(
                variant.list_button.empty() ? "•••" : fill(variant.list_button, values),
                kListButtonMax);
    }
    content.media_kind = variant.media_kind;
    content.media_link = variant.media_link;
    content.whatsapp_template = variant.whatsapp_template;
    content.whatsapp_language_code = variant.whatsapp_language_code;
    return result;
}

}  // namespace flowstack::conversation
