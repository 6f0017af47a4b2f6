#include <algorithm>
#include <set>

#include "common/text/utf8.h"
#include "services/gateway/providers/meta/templates.h"

namespace flowstack::gateway::meta {
namespace {

// Collects what is wrong with a template. Fields are named as in TemplateDraft.
class TemplateFaults {
public:
    void wrong(std::string field, std::string allowed) {
        found.push_back({std::move(field), std::move(allowed)});
    }
    void length(const std::string& field, std::string_view text, std::size_t min, std::size_t max) {
        const auto length = text::code_points(text);
        if (length < min || length > max)
            wrong(field, "must have " + std::to_string(min) + " to " + std::to_string(max) +
                             " characters");
    }
    void empty(const std::string& field, std::string_view text, const std::string& why) {
        if (!text.empty()) wrong(field, why);
    }

    std::vector<FieldError> found;
};

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// "en", "en_US", "zh_CN", "fil": letters with underscores between them.
bool is_language_code(std::string_view code) {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    return code.size() >= kLanguageCodeMin && code.size() <= kLanguageCodeMax &&
           is_letter(code.front()) && is_letter(code.back()) &&
           std::ranges::all_of(code, [&](char c) { return is_letter(c) || c == '_'; }) &&
           code.find("__") == std::string_view::npos;
}

// How often "{{" stands in a text, whatever is inside.
std::size_t openings_in(std::string_view text) {
    std::size_t count = 0;
    for (auto at = text.find("{{"); at != std::string_view::npos; at = text.find("{{", at + 2))
        ++count;
    return count;
}

// {{1}}, {{2}} … in order, or names that differ; never both.
void check_variables(TemplateFaults& faults, const std::string& field, std::string_view text,
                     const std::vector<std::string>& variables) {
    if (openings_in(text) != variables.size())
        return faults.wrong(field,
                            "must have only variables like {{1}} or {{first_name}}: a-z, 0-9 and _ "
                            "inside the braces");
    const auto numbered = std::ranges::count_if(variables, is_numbered);
    if (numbered != 0 && numbered != static_cast<std::ptrdiff_t>(variables.size()))
        return faults.wrong(field, "must have variables with numbers or with names, not both");
    std::set<std::string> seen;
    for (const auto& variable : variables) {
        const bool first = !seen.contains(variable);
        if (numbered != 0 && first && variable != std::to_string(seen.size() + 1))
            return faults.wrong(field, "must number its variables {{1}}, {{2}} … in order");
        seen.insert(variable);
    }
}

// Each variable once, and nothing else.
void check_examples(TemplateFaults& faults, const std::string& field,
                    const std::vector<std::string>& variables,
                    const std::vector<TemplateExample>& examples) {
    std::vector<std::string> wanted;
    for (const auto& variable : variables)
        if (std::ranges::find(wanted, variable) == wanted.end()) wanted.push_back(variable);
    if (examples.size() != wanted.size())
        return faults.wrong(field, "must have an example for each of the " +
                                       std::to_string(wanted.size()) + " variables");
    std::set<std::string> named;
    for (std::size_t n = 0; n < examples.size(); ++n) {
        const auto own = field + "[" + std::to_string(n) + "]";
        faults.length(own + ".value", examples[n].value, 1, kTemplateExampleMax);
        const bool numbered = is_numbered(wanted.front());
        if (numbered)
            faults.empty(own + ".name", examples[n].name,
                         "must be empty: the variables have numbers");
        else if (std::ranges::find(wanted, examples[n].name) == wanted.end() ||
                 !named.insert(examples[n].name).second)
            faults.wrong(own + ".name", "must be a variable of the text, each once");
    }
}

void check_header_part(TemplateFaults& faults, const TemplateHeaderPart& header) {
    const std::string field = "parts.header";
    const auto variables = variables_of(header.text);
    if (header.format.empty()) {
        if (header != TemplateHeaderPart{})
            faults.wrong(field + ".format", "must be text, image, video, document or location");
        return;
    }
    const bool file =
        header.format == "image" || header.format == "video" || header.format == "document";
    if (!file && header.format != "text" && header.format != "location")
        return faults.wrong(field + ".format", "must be text, image, video, document or location");
    if (header.format == "text") {
        faults.length(field + ".text", header.text, 1, kHeaderMax);
        check_variables(faults, field + ".text", header.text, variables);
        if (variables.size() > 1) faults.wrong(field + ".text", "must have at most one variable");
        check_examples(faults, field + ".examples", variables, header.examples);
    } else {
        faults.empty(field + ".text", header.text, "is for the format text only");
        if (!header.examples.empty())
            faults.wrong(field + ".examples", "are for the format text only");
    }
    if (file)
        faults.length(field + ".sample_handle", header.sample_handle, 1, kSampleHandleMax);
    else
        faults.empty(field + ".sample_handle", header.sample_handle,
                     "is for image, video and document only");
}

void check_body_part(TemplateFaults& faults, const TemplateParts& parts) {
    const std::string field = "parts.body";
    const std::string_view body = parts.body;
    faults.length(field, body, 1, kTemplateBodyMax);
    const auto variables = variables_of(body);
    check_variables(faults, field, body, variables);
    if (!variables.empty()) {
        if (body.starts_with("{{") || body.ends_with("}}"))
            faults.wrong(field, "must not begin or end with a variable");
        if (body.find("}}{{") != std::string_view::npos)
            faults.wrong(field, "must have words between two variables");
    }
    check_examples(faults, "parts.body_examples", variables, parts.body_examples);
}

void check_url_button(TemplateFaults& faults, const std::string& own,
                      const TemplateButtonPart& button) {
    const std::string_view url = button.url;
    faults.length(own + ".url", url, 1, kTemplateUrlMax);
    if (!url.starts_with("https://") && !url.starts_with("http://"))
        faults.wrong(own + ".url", "must be an http(s) link");
    const auto variables = variables_of(url);
    const bool variable = openings_in(url) > 0;
    if (variable && (variables != std::vector<std::string>{"1"} || openings_in(url) != 1 ||
                     !url.ends_with("{{1}}")))
        faults.wrong(own + ".url", "may have one variable, {{1}} at its end");
    if (variable)
        faults.length(own + ".url_example", button.url_example, 1, kTemplateUrlMax);
    else
        faults.empty(own + ".url_example", button.url_example, "is for a url with {{1}} only");
}

void check_phone_button(TemplateFaults& faults, const std::string& own,
                        const TemplateButtonPart& button) {
    const auto& phone = button.phone_number;
    faults.length(own + ".phone_number", phone, 1, kTemplatePhoneMax);
    const auto digits = phone.starts_with('+') ? std::string_view(phone).substr(1) : phone;
    if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
        faults.wrong(own + ".phone_number", "must be digits, with + before them or without");
}

void check_button_parts(TemplateFaults& faults, const std::vector<TemplateButtonPart>& buttons,
                        const RecalledLimits& limits) {
    if (static_cast<int>(buttons.size()) > limits.template_buttons_max)
        faults.wrong("parts.buttons",
                     "must be at most " + std::to_string(limits.template_buttons_max));
    for (std::size_t n = 0; n < buttons.size(); ++n) {
        const auto& button = buttons[n];
        const auto own = "parts.buttons[" + std::to_string(n) + "]";
        const auto& kind = button.kind;
        constexpr std::string_view kKinds[] = {"quick_reply", "url",  "phone_number",
                                               "copy_code",   "flow", "catalog"};
        if (std::ranges::find(kKinds, kind) == std::end(kKinds)) {
            faults.wrong(own + ".kind",
                         "must be quick_reply, url, phone_number, copy_code, flow or catalog");
            continue;
        }
        const auto only_of = [&](const std::string& name, std::string_view value,
                                 std::string_view its_kind) {
            if (kind != its_kind)
                faults.empty(own + "." + name, value, "is for " + std::string(its_kind) + " only");
        };
        only_of("url", button.url, "url");
        only_of("url_example", button.url_example, "url");
        only_of("phone_number", button.phone_number, "phone_number");
        only_of("code_example", button.code_example, "copy_code");
        only_of("flow_id", button.flow_id, "flow");
        only_of("screen", button.screen, "flow");
        if (kind == "copy_code") {
            faults.empty(own + ".text", button.text, "must be empty: WhatsApp names this button");
            faults.length(own + ".code_example", button.code_example, 1, limits.copy_code_max);
        } else {
            faults.length(own + ".text", button.text, 1, kTemplateButtonTextMax);
            if (openings_in(button.text) > 0) faults.wrong(own + ".text", "must have no variables");
        }
        if (kind == "url") check_url_button(faults, own, button);
        if (kind == "phone_number") check_phone_button(faults, own, button);
        if (kind == "flow") {
            faults.length(own + ".flow_id", button.flow_id, 1, kIdMax);
            faults.length(own + ".screen", button.screen, 0, kIdMax);
        }
    }
}

}  // namespace

std::vector<FieldError> template_faults(const TemplateSpec& spec, const RecalledLimits& limits) {
    TemplateFaults faults;
    faults.length("name", spec.name, 1, kTemplateNameMax);
    if (!std::ranges::all_of(spec.name, is_name_character))
        faults.wrong("name", "must be of a-z, 0-9 and _");
    if (!is_language_code(spec.language_code))
        faults.wrong("language_code", "must be a code of the provider, e.g. en or en_US");
    if (spec.category == "AUTHENTICATION")
        faults.wrong("category",
                     "must be MARKETING or UTILITY: one-time codes have parts of their own and are "
                     "made in WhatsApp Manager; sync brings them here");
    else if (spec.category != "MARKETING" && spec.category != "UTILITY" && !spec.category.empty())
        faults.wrong("category", "must be MARKETING or UTILITY");
    check_header_part(faults, spec.parts.header);
    check_body_part(faults, spec.parts);
    faults.length("parts.footer", spec.parts.footer, 0, kFooterMax);
    if (openings_in(spec.parts.footer) > 0) faults.wrong("parts.footer", "must have no variables");
    check_button_parts(faults, spec.parts.buttons, limits);
    if (spec.parts.cards != 0)
        faults.wrong("parts.cards", "must be 0: carousels are made in WhatsApp Manager");
    if (!spec.parts.other_parts.empty()) faults.wrong("parts.other_parts", "must be empty");
    return std::move(faults.found);
}

}  // namespace flowstack::gateway::meta
