#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "common/text/utf8.h"
#include "services/gateway/providers/meta/json_object.h"
#include "services/gateway/providers/meta/renderer.h"
#include "services/gateway/providers/meta/templates.h"

namespace flowstack::gateway::meta {
namespace {

namespace dom = simdjson::dom;

// Of any one text in the list: more than Meta's own limits.
constexpr std::size_t kListedTextBytesMax = 8 * 1024;
constexpr std::size_t kListedButtonsMax = 100;
constexpr std::size_t kListedExamplesMax = 100;

// Our words of formats and kinds are Meta's in lower case.
std::string upper(std::string_view word) {
    std::string out(word);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c; });
    return out;
}
std::string lower(std::string_view word) {
    std::string out(word);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    return out;
}

// ---- writing

// {"body_text":[["Asha"]]}, {"header_text":["Asha"]} or {"…_named_params":[…]}.
Object examples_json(std::string_view part, const std::vector<TemplateExample>& examples,
                     bool rows) {
    const auto name = std::string(part) + "_text";
    if (!examples.front().name.empty())
        return Object().raw(name + "_named_params",
                            array_of(examples, [](const TemplateExample& example) {
                                return Object()
                                    .text("param_name", example.name)
                                    .text("example", example.value)
                                    .json();
                            }));
    const auto values = array_of(
        examples, [](const TemplateExample& example) { return http::json_string(example.value); });
    return Object().raw(name, rows ? "[" + values + "]" : values);
}

Object header_json(const TemplateHeaderPart& header) {
    Object json;
    json.text("type", "HEADER").text("format", upper(header.format));
    json.text_if("text", header.text);
    if (!header.examples.empty())
        json.object("example", examples_json("header", header.examples, false));
    if (!header.sample_handle.empty())
        json.object("example", Object().raw("header_handle",
                                            "[" + http::json_string(header.sample_handle) + "]"));
    return json;
}

Object body_json(const TemplateParts& parts) {
    Object json;
    json.text("type", "BODY").text("text", parts.body);
    if (!parts.body_examples.empty())
        json.object("example", examples_json("body", parts.body_examples, true));
    return json;
}

Object button_json(const TemplateButtonPart& button) {
    Object json;
    json.text("type", upper(button.kind)).text_if("text", button.text);
    json.text_if("url", button.url);
    if (!button.url_example.empty())
        json.raw("example", "[" + http::json_string(button.url_example) + "]");
    json.text_if("phone_number", button.phone_number);
    json.text_if("example", button.code_example);
    json.text_if("flow_id", button.flow_id);
    if (!button.screen.empty())
        json.text("flow_action", "navigate").text("navigate_screen", button.screen);
    return json;
}

std::string components_json(const TemplateParts& parts) {
    std::vector<std::string> components;
    if (!parts.header.format.empty()) components.push_back(header_json(parts.header).json());
    components.push_back(body_json(parts).json());
    if (!parts.footer.empty())
        components.push_back(Object().text("type", "FOOTER").text("text", parts.footer).json());
    if (!parts.buttons.empty())
        components.push_back(Object()
                                 .text("type", "BUTTONS")
                                 .raw("buttons", array_of(parts.buttons,
                                                          [](const TemplateButtonPart& button) {
                                                              return button_json(button).json();
                                                          }))
                                 .json());
    return array_of(components, [](const std::string& component) { return component; });
}

bool has_named_variables(const TemplateParts& parts) {
    const auto named = [](const std::vector<TemplateExample>& examples) {
        return std::ranges::any_of(examples, [](const auto& e) { return !e.name.empty(); });
    };
    return named(parts.body_examples) || named(parts.header.examples);
}

// ---- reading

std::optional<dom::element> template_document(std::string_view body) {
    thread_local dom::parser parser;
    dom::element root;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
    return root;
}

// Texts as the database can hold them.
std::string listed_text(std::string_view text) {
    std::string out(text::front_of_bytes(text, kListedTextBytesMax));
    std::erase(out, '\0');
    return out;
}

// A member that is a text, or a number as it stands.
std::string member_text(const dom::element& object, std::string_view name) {
    dom::element found;
    if (object[name].get(found) != simdjson::SUCCESS) return {};
    std::string_view text;
    if (found.get(text) == simdjson::SUCCESS) return listed_text(text);
    std::uint64_t number = 0;
    return found.get(number) == simdjson::SUCCESS ? std::to_string(number) : std::string();
}

// The texts of an array, of the first array in an array, or a text alone.
std::vector<std::string> texts_in(const dom::element& object, std::string_view name) {
    std::vector<std::string> texts;
    dom::element found;
    if (object[name].get(found) != simdjson::SUCCESS) return texts;
    const auto add = [&](const dom::element& item) {
        std::string_view text;
        if (item.get(text) == simdjson::SUCCESS && texts.size() < kListedExamplesMax)
            texts.push_back(listed_text(text));
    };
    add(found);
    dom::array items;
    if (found.get(items) != simdjson::SUCCESS) return texts;
    for (const auto item : items) {
        dom::array row;
        if (item.get(row) == simdjson::SUCCESS) {
            for (const auto value : row) add(value);
            break;
        }
        add(item);
    }
    return texts;
}

std::vector<TemplateExample> listed_examples(const dom::element& component, std::string_view part) {
    std::vector<TemplateExample> examples;
    dom::element example;
    if (component["example"].get(example) != simdjson::SUCCESS || !example.is_object())
        return examples;
    const auto name = std::string(part) + "_text";
    dom::array named;
    if (example[name + "_named_params"].get(named) == simdjson::SUCCESS) {
        for (const auto item : named)
            if (item.is_object() && examples.size() < kListedExamplesMax)
                examples.push_back({.name = member_text(item, "param_name"),
                                    .value = member_text(item, "example")});
        return examples;
    }
    for (auto& value : texts_in(example, name))
        examples.push_back({.name = "", .value = std::move(value)});
    return examples;
}

TemplateHeaderPart listed_header(const dom::element& component) {
    TemplateHeaderPart header{.format = lower(member_text(component, "format")),
                              .text = member_text(component, "text"),
                              .examples = listed_examples(component, "header"),
                              .sample_handle = ""};
    if (header.format.empty()) header.format = "text";
    dom::element example;
    if (component["example"].get(example) == simdjson::SUCCESS && example.is_object())
        if (auto handles = texts_in(example, "header_handle"); !handles.empty())
            header.sample_handle = std::move(handles.front());
    return header;
}

TemplateButtonPart listed_button(const dom::element& button) {
    TemplateButtonPart part;
    part.kind = lower(member_text(button, "type"));
    part.text = member_text(button, "text");
    part.url = member_text(button, "url");
    auto examples = texts_in(button, "example");
    if (!examples.empty())
        (part.kind == "url" ? part.url_example : part.code_example) = std::move(examples.front());
    part.phone_number = member_text(button, "phone_number");
    part.flow_id = member_text(button, "flow_id");
    part.screen = member_text(button, "navigate_screen");
    return part;
}

TemplateParts listed_parts(const dom::array& components) {
    TemplateParts parts;
    for (const auto component : components) {
        if (!component.is_object()) continue;
        const auto type = lower(member_text(component, "type"));
        dom::array items;
        if (type == "header") {
            parts.header = listed_header(component);
        } else if (type == "body") {
            parts.body = member_text(component, "text");
            parts.body_examples = listed_examples(component, "body");
        } else if (type == "footer") {
            parts.footer = member_text(component, "text");
        } else if (type == "buttons") {
            if (component["buttons"].get(items) != simdjson::SUCCESS) continue;
            for (const auto button : items)
                if (button.is_object() && parts.buttons.size() < kListedButtonsMax)
                    parts.buttons.push_back(listed_button(button));
        } else if (type == "carousel") {
            if (component["cards"].get(items) == simdjson::SUCCESS)
                parts.cards = static_cast<int>(items.size());
        } else if (!type.empty() && parts.other_parts.size() < kListedButtonsMax) {
            parts.other_parts.push_back(type);
        }
    }
    return parts;
}

std::optional<ListedTemplate> listed_template(const dom::element& item) {
    if (!item.is_object()) return std::nullopt;
    ListedTemplate listed;
    listed.key = {.business_account_id = "",
                  .name = member_text(item, "name"),
                  .language_code = member_text(item, "language")};
    listed.provider_template_id = member_text(item, "id");
    listed.status = member_text(item, "status");
    listed.category = member_text(item, "category");
    listed.reason = member_text(item, "rejected_reason");
    if (listed.reason == "NONE") listed.reason.clear();
    dom::element quality;
    if (item["quality_score"].get(quality) == simdjson::SUCCESS)
        listed.quality = quality.is_object() ? member_text(quality, "score")
                                             : member_text(item, "quality_score");
    dom::array components;
    if (item["components"].get(components) == simdjson::SUCCESS)
        listed.parts = listed_parts(components);
    const auto& name = listed.key.name;
    const bool fits = !name.empty() && name.size() <= kTemplateNameMax &&
                      !listed.key.language_code.empty() &&
                      listed.key.language_code.size() <= kTemplateNameMax;
    if (!fits) return std::nullopt;
    return listed;
}

template <class To>
To failure_as(int http_status, std::string_view body) {
    auto failure = read_failure(http_status, body);
    if (auto* refused = std::get_if<Refused>(&failure)) return std::move(*refused);
    if (auto* lost = std::get_if<Lost>(&failure)) return std::move(*lost);
    return Lost{.reason = "an answer that cannot be read"};
}

}  // namespace

std::string render_template(const TemplateSpec& spec) {
    Object json;
    json.text("name", spec.name).text("language", spec.language_code);
    json.text("category", spec.category);
    if (has_named_variables(spec.parts)) json.text("parameter_format", "NAMED");
    return json.raw("components", components_json(spec.parts)).json();
}

std::string render_template_edit(const TemplateSpec& spec) {
    Object json;
    json.text_if("category", spec.category);
    if (has_named_variables(spec.parts)) json.text("parameter_format", "NAMED");
    return json.raw("components", components_json(spec.parts)).json();
}

TemplateOutcome read_template_answer(int http_status, std::string_view body) {
    if (const auto root = template_document(body); http_status == 200 && root && root->is_object())
        if (auto id = member_text(*root, "id"); !id.empty())
            return TemplateTaken{.provider_template_id = std::move(id),
                                 .status = member_text(*root, "status"),
                                 .category = member_text(*root, "category")};
    return failure_as<TemplateOutcome>(http_status, body);
}

TemplateOutcome read_template_success(int http_status, std::string_view body) {
    bool success = false;
    if (const auto root = template_document(body);
        http_status == 200 && root && root->is_object() &&
        (*root)["success"].get(success) == simdjson::SUCCESS && success)
        return TemplateTaken{};
    return failure_as<TemplateOutcome>(http_status, body);
}

TemplatePageOutcome read_template_page(int http_status, std::string_view body) {
    const auto root = template_document(body);
    dom::array data;
    if (http_status != 200 || !root || !root->is_object() ||
        (*root)["data"].get(data) != simdjson::SUCCESS)
        return failure_as<TemplatePageOutcome>(http_status, body);
    TemplatePage page;
    for (const auto item : data)
        if (auto listed = listed_template(item)) page.templates.push_back(std::move(*listed));
    dom::element next;
    std::string_view after;
    if ((*root)["paging"]["next"].get(next) == simdjson::SUCCESS && next.is_string() &&
        (*root)["paging"]["cursors"]["after"].get(after) == simdjson::SUCCESS)
        page.next = after;
    return page;
}

std::optional<TemplateParts> read_template_parts(std::string_view components) {
    const auto root = template_document(components);
    dom::array items;
    if (!root || root->get(items) != simdjson::SUCCESS) return std::nullopt;
    return listed_parts(items);
}

}  // namespace flowstack::gateway::meta
