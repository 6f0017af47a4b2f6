#include "services/sandbox/templates.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <variant>

#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr int kTooLong = 2388040;
constexpr int kBadFormat = 2388047;
constexpr int kBadFooter = 2388073;
constexpr int kTooManyVariables = 2388293;
constexpr int kVariableAtEnd = 2388299;

constexpr std::size_t kNameLength = 512;
constexpr std::size_t kHeaderLength = 60;
constexpr std::size_t kBodyLength = 1024;
constexpr std::size_t kFooterLength = 60;
constexpr std::size_t kButtonLength = 25;
constexpr std::size_t kUrlLength = 2000;
constexpr std::size_t kPhoneLength = 20;
constexpr std::size_t kCouponLength = 15;
constexpr std::size_t kButtonsOfTemplate = 10;
constexpr std::size_t kTemplatesOfPageMax = 1000;

using Refusal = std::optional<GraphError>;

std::string upper_case(std::string text) {
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}
std::string lower_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

Refusal wrong_param(const std::string& why) { return template_error(100, why); }

// What stands between {{ and }}, in order; nothing when braces do not close or hold other
// characters.
std::optional<std::vector<std::string>> holes_in(std::string_view text) {
    std::vector<std::string> holes;
    for (auto open = text.find("{{"); open != std::string_view::npos; open = text.find("{{")) {
        text.remove_prefix(open + 2);
        const auto close = text.find("}}");
        if (close == std::string_view::npos || close == 0) return std::nullopt;
        const auto inside = text.substr(0, close);
        for (const char c : inside)
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
                return std::nullopt;
        holes.emplace_back(inside);
        text.remove_prefix(close + 2);
    }
    return holes;
}

bool all_digits(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

std::size_t words_in(std::string_view text) {
    std::size_t words = 0;
    bool inside = false;
    for (const char c : text) {
        const bool blank = c == ' ' || c == '\n' || c == '\t';
        words += !blank && !inside;
        inside = !blank;
    }
    return words;
}

// The number of examples under "<part>_text" or "<part>_text_named_params".
std::size_t examples_of(const json::value& component, const std::string& part, bool named) {
    const auto* example = member(component, "example");
    if (example == nullptr) return 0;
    if (named) {
        const auto* params = array_at(*example, part + "_text_named_params");
        if (params == nullptr) return 0;
        std::size_t count = 0;
        for (const auto& param : *params)
            count +=
                !text_or(param, "param_name", "").empty() && !text_or(param, "example", "").empty();
        return count;
    }
    const auto* values = array_at(*example, part + "_text");
    if (values == nullptr) return 0;
    if (!values->empty() && values->front().is_array()) return values->front().get_array().size();
    return values->size();
}

Refusal judge_holes(const json::value& component, const std::string& part, const std::string& text,
                    Template& made) {
    const auto holes = holes_in(text);
    if (!holes) return template_error(kBadFormat, part + ": the variables are malformed");
    if (holes->empty()) return std::nullopt;
    std::set<std::string> distinct(holes->begin(), holes->end());
    const auto numbered = std::count_if(holes->begin(), holes->end(), all_digits);
    if (numbered != 0 && numbered != static_cast<std::ptrdiff_t>(holes->size()))
        return template_error(kBadFormat, part + ": variables with numbers and with names");
    if (numbered != 0)
        for (std::size_t n = 1; n <= distinct.size(); ++n)
            if (!distinct.contains(std::to_string(n)))
                return template_error(kBadFormat, part + ": the variables are not sequential");
    if (examples_of(component, part, numbered == 0) != distinct.size())
        return wrong_param(part + ": an example is missing for its variables");
    if (part != "body") return std::nullopt;
    if (text.starts_with("{{") || text.ends_with("}}"))
        return template_error(kVariableAtEnd,
                              "Variables can't be at the start or end of the template.");
    if (text.find("}}{{") != std::string::npos)
        return template_error(kBadFormat, "body: variables stand next to each other");
    if (words_in(text) <= 2 * distinct.size())
        return template_error(kTooManyVariables,
                              "This template has too many variables for its length.");
    made.body_parameters = static_cast<int>(distinct.size());
    if (numbered == 0) made.names.assign(distinct.begin(), distinct.end());
    return std::nullopt;
}

Refusal judge_header_component(const json::value& component, Template& made) {
    const auto format = upper_case(text_or(component, "format", ""));
    const auto text = text_or(component, "text", "");
    if (format == "TEXT") {
        if (text.empty()) return wrong_param("header: text is missing");
        if (code_points(text) > kHeaderLength) return template_error(kTooLong, "header: too long");
        const auto holes = holes_in(text);
        if (holes && holes->size() > 1)
            return template_error(kBadFormat, "header: at most one variable");
        if (auto refusal = judge_holes(component, "header", text, made)) return refusal;
        made.header = holes && !holes->empty() ? "text" : "";
        return std::nullopt;
    }
    if (format == "IMAGE" || format == "VIDEO" || format == "DOCUMENT") {
        const auto* example = member(component, "example");
        const auto* handles = example == nullptr ? nullptr : array_at(*example, "header_handle");
        if (handles == nullptr || handles->empty())
            return wrong_param("header: example.header_handle is missing");
        made.header = lower_case(format);
        return std::nullopt;
    }
    if (format == "LOCATION") {
        made.header = "location";
        return std::nullopt;
    }
    return wrong_param("header: format is not known: " + format);
}

Refusal judge_button_component(const json::value& button, Template& made) {
    const auto type = upper_case(text_or(button, "type", ""));
    const auto text = text_or(button, "text", "");
    if (type != "COPY_CODE") {
        if (text.empty()) return wrong_param("buttons: text is missing");
        if (code_points(text) > kButtonLength)
            return template_error(kTooLong, "buttons: text is too long");
        if (text.find("{{") != std::string::npos)
            return template_error(kBadFormat, "buttons: text has a variable");
    }
    std::string filled;
    if (type == "QUICK_REPLY") {
        filled = "quick_reply";
    } else if (type == "URL") {
        const auto url = text_or(button, "url", "");
        if (!url.starts_with("http://") && !url.starts_with("https://"))
            return wrong_param("buttons: url is missing or no link");
        if (code_points(url) > kUrlLength) return template_error(kTooLong, "buttons: url too long");
        if (url.find("{{") != std::string::npos) {
            if (!url.ends_with("{{1}}") || url.find("{{") + 5 != url.size())
                return template_error(kBadFormat, "buttons: the variable must end the url");
            const auto* example = array_at(button, "example");
            if (example == nullptr || example->size() != 1)
                return wrong_param("buttons: an example of the url is missing");
            filled = "url";
        }
    } else if (type == "PHONE_NUMBER") {
        const auto phone = text_or(button, "phone_number", "");
        if (phone.empty() || code_points(phone) > kPhoneLength)
            return wrong_param("buttons: phone_number is missing or too long");
    } else if (type == "COPY_CODE") {
        const auto* example = member(button, "example");
        std::string code;
        if (example != nullptr && example->is_string()) code = example->get_string().c_str();
        if (example != nullptr && example->is_array() && !example->get_array().empty())
            code = scalar_text(&example->get_array().front()).value_or("");
        if (code.empty() || code_points(code) > kCouponLength)
            return wrong_param("buttons: an example of the code is missing or too long");
        filled = "copy_code";
    } else if (type == "FLOW") {
        if (text_or(button, "flow_id", "").empty() && text_or(button, "flow_name", "").empty())
            return wrong_param("buttons: flow_id is missing");
        filled = "flow";
    } else if (type == "CATALOG") {
        filled = "catalog";
    } else {
        return wrong_param("buttons: type is not known: " + type);
    }
    made.buttons.push_back(filled);
    return std::nullopt;
}

Refusal judge_buttons_component(const json::value& component, Template& made) {
    const auto* buttons = array_at(component, "buttons");
    if (buttons == nullptr || buttons->empty()) return wrong_param("buttons: are missing");
    if (buttons->size() > kButtonsOfTemplate)
        return wrong_param("buttons: more than " + std::to_string(kButtonsOfTemplate));
    for (const auto& button : *buttons)
        if (auto refusal = judge_button_component(button, made)) return refusal;
    return std::nullopt;
}

Refusal judge_template_components(const json::value& body, Template& made) {
    const auto* components = array_at(body, "components");
    if (components == nullptr || components->empty())
        return wrong_param("The parameter components is required.");
    made.header.clear();
    made.body.clear();
    made.body_parameters = 0;
    made.names.clear();
    made.buttons.clear();
    std::set<std::string> seen;
    for (const auto& component : *components) {
        const auto type = upper_case(text_or(component, "type", ""));
        if (!seen.insert(type).second) return wrong_param("components: " + type + " stands twice");
        if (type == "HEADER") {
            if (auto refusal = judge_header_component(component, made)) return refusal;
        } else if (type == "BODY") {
            made.body = text_or(component, "text", "");
            if (made.body.empty()) return wrong_param("body: text is missing");
            if (code_points(made.body) > kBodyLength)
                return template_error(kTooLong, "body: too long");
            if (auto refusal = judge_holes(component, "body", made.body, made)) return refusal;
        } else if (type == "FOOTER") {
            const auto text = text_or(component, "text", "");
            if (text.empty()) return wrong_param("footer: text is missing");
            if (code_points(text) > kFooterLength)
                return template_error(kTooLong, "footer: too long");
            if (text.find("{{") != std::string::npos)
                return template_error(kBadFooter, "footer: has a variable");
        } else if (type == "BUTTONS") {
            if (auto refusal = judge_buttons_component(component, made)) return refusal;
        } else {
            return wrong_param("components: type is not known: " + type);
        }
    }
    if (!seen.contains("BODY")) return wrong_param("components: the body is missing");
    const bool named = text_or(body, "parameter_format", "POSITIONAL") == "NAMED";
    if (!made.names.empty() && !named)
        return template_error(kBadFormat,
                              "Variables with names need parameter_format to be NAMED.");
    made.components = *components;
    return std::nullopt;
}

bool is_category(const std::string& category) {
    return category == "MARKETING" || category == "UTILITY" || category == "AUTHENTICATION";
}

std::int64_t number_of(const std::string& digits) {
    std::int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

json::object about(const Template& made) {
    json::object value;
    value["message_template_id"] = number_of(made.id);
    value["message_template_name"] = made.name;
    value["message_template_language"] = made.language;
    return value;
}

}  // namespace

GraphError template_error(int code, const std::string& details) {
    GraphError error = graph_error(code, "");
    if (code != 100) {
        error.http = 400;
        error.message = "(#" + std::to_string(code) + ") Invalid template";
    }
    error.user_message = details;
    return error;
}

std::variant<Template, GraphError> judge_new_template(const json::value& body) {
    if (!body.is_object()) return *wrong_param("The body is not a JSON object.");
    for (const auto& [key, value] : body.get_object()) {
        const std::string_view name{key.data(), key.size()};
        constexpr std::string_view kKnown[] = {
            "name",       "language",         "category",
            "components", "parameter_format", "allow_category_change"};
        if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown))
            return *wrong_param("Unexpected key \"" + std::string{name} + "\".");
    }
    Template made;
    made.name = text_or(body, "name", "");
    if (made.name.empty() || made.name.size() > kNameLength)
        return *wrong_param("name: 1 to 512 characters");
    for (const char c : made.name)
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return *wrong_param("name: lower-case letters, digits and underscores only");
    made.language = text_or(body, "language", "");
    if (made.language.size() < 2 || made.language.size() > 15)
        return *wrong_param("language: is missing or not known");
    made.category = text_or(body, "category", "");
    if (!is_category(made.category))
        return *wrong_param("category: must be one of MARKETING, UTILITY, AUTHENTICATION");
    if (made.category == "AUTHENTICATION")
        return *wrong_param("category: this stand-in takes no one-time codes");
    made.status = "PENDING";
    if (auto refusal = judge_template_components(body, made)) return *refusal;
    return made;
}

std::optional<GraphError> judge_template_edit(const json::value& body, Template& made) {
    if (!body.is_object()) return wrong_param("The body is not a JSON object.");
    if (made.status != "APPROVED" && made.status != "REJECTED" && made.status != "PAUSED")
        return wrong_param("A template that is " + made.status + " can't be edited.");
    const auto category = text_or(body, "category", made.category);
    if (!is_category(category)) return wrong_param("category: is not known");
    if (made.status == "APPROVED" && category != made.category)
        return wrong_param("The category of an approved template can't be edited.");
    Template edited = made;
    edited.category = category;
    edited.status = "PENDING";
    edited.rejected_reason.clear();
    if (auto refusal = judge_template_components(body, edited)) return refusal;
    made = std::move(edited);
    return std::nullopt;
}

json::array shown_components(const Template& made) {
    if (!made.components.empty()) return made.components;
    json::array components;
    if (!made.header.empty()) {
        json::object header{{"type", "HEADER"}, {"format", upper_case(made.header)}};
        if (made.header == "text") header["text"] = "About {{1}}";
        components.emplace_back(std::move(header));
    }
    std::string text = made.body;
    if (holes_in(text).value_or(std::vector<std::string>{}).empty()) {
        for (int n = 0; made.names.empty() && n < made.body_parameters; ++n)
            text += " {{" + std::to_string(n + 1) + "}}";
        for (const auto& name : made.names) text += " {{" + name + "}}";
    }
    components.emplace_back(json::object{{"type", "BODY"}, {"text", text}});
    if (!made.buttons.empty()) {
        json::array buttons;
        for (const auto& kind : made.buttons) {
            json::object button{{"type", kind.empty() ? "PHONE_NUMBER" : upper_case(kind)},
                                {"text", "Tap"}};
            if (kind == "url") button["url"] = "https://example.com/{{1}}";
            if (kind.empty()) button["phone_number"] = "+254700000000";
            buttons.emplace_back(std::move(button));
        }
        components.emplace_back(json::object{{"type", "BUTTONS"}, {"buttons", std::move(buttons)}});
    }
    if (made.cards > 0) {
        json::array cards;
        for (int n = 0; n < made.cards; ++n) cards.emplace_back(json::object{});
        components.emplace_back(json::object{{"type", "CAROUSEL"}, {"cards", std::move(cards)}});
    }
    return components;
}

json::object describe_template(const Template& made, const std::vector<std::string>& fields) {
    json::object all{{"name", made.name},
                     {"language", made.language},
                     {"status", made.status},
                     {"category", made.category},
                     {"parameter_format", made.names.empty() ? "POSITIONAL" : "NAMED"},
                     {"components", shown_components(made)}};
    if (!made.rejected_reason.empty() || made.status == "REJECTED")
        all["rejected_reason"] = made.rejected_reason.empty() ? "NONE" : made.rejected_reason;
    all["quality_score"] = json::object{{"score", made.quality}};
    json::object shown;
    for (const auto& [key, value] : all) {
        const std::string_view name{key.data(), key.size()};
        // The list shows the usual members when nobody asks for others.
        const bool usual = name != "quality_score" && name != "rejected_reason";
        if (fields.empty() ? usual : std::find(fields.begin(), fields.end(), name) != fields.end())
            shown[name] = value;
    }
    shown["id"] = made.id;
    return shown;
}

std::variant<json::object, GraphError> list_templates(const TemplateAccount& account,
                                                      const TemplateListing& wanted,
                                                      const std::string& address) {
    std::size_t from = 0;
    if (!wanted.after.empty()) {
        const auto place = from_base64(wanted.after);
        if (!place || !all_digits(*place)) return *wrong_param("after: is no cursor of this list");
        from = static_cast<std::size_t>(number_of(*place));
    }
    if (wanted.limit == 0 || wanted.limit > kTemplatesOfPageMax)
        return *wrong_param("limit: 1 to 1000");
    std::vector<const Template*> found;
    for (const auto& [name, made] : account.templates)
        if ((wanted.name.empty() || wanted.name == name) &&
            (wanted.status.empty() || wanted.status == made.status))
            found.push_back(&made);
    json::array data;
    const auto end = std::min(found.size(), from + wanted.limit);
    for (auto n = std::min(from, end); n < end; ++n)
        data.emplace_back(describe_template(*found[n], wanted.fields));
    json::object paging;
    if (!data.empty()) {
        const auto after = base64(std::to_string(end));
        paging["cursors"] = {{"before", base64(std::to_string(from))}, {"after", after}};
        if (end < found.size()) paging["next"] = address + "&after=" + after;
    }
    return json::object{{"data", std::move(data)}, {"paging", std::move(paging)}};
}

json::object template_status_value(const Template& made, const std::string& event,
                                   const std::string& reason) {
    auto value = about(made);
    value["event"] = event;
    value["reason"] = reason.empty() ? "NONE" : reason;
    value["message_template_category"] = made.category;
    return value;
}

json::object template_quality_value(const Template& made, const std::string& previous) {
    auto value = about(made);
    value["previous_quality_score"] = previous;
    value["new_quality_score"] = made.quality;
    return value;
}

json::object template_category_value(const Template& made, const std::string& previous) {
    auto value = about(made);
    value["previous_category"] = previous;
    value["new_category"] = made.category;
    return value;
}

}  // namespace flowstack::sandbox
