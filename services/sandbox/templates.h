#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/sandbox/graph.h"
#include "services/sandbox/json.h"

// The rules of Meta's Graph API for the templates of a WhatsApp business account, as values: what a
// template must look like, what may be edited, how the list is paged. Sources: the message template
// pages, the OpenAPI document (v23), the error codes 2388xxx. Lengths are code points.
namespace flowstack::sandbox {

// What one account has. Keyed by name: one for each language.
struct TemplateAccount {
    static constexpr int kTemplatesMax = 250;

    std::multimap<std::string, Template> templates;
    int templates_max = kTemplatesMax;
};

// A refusal about templates: the code, with what is wrong in words for people.
GraphError template_error(int code, const std::string& details);

// A template as POST /{account}/message_templates describes it, or why it is refused. `made` is one
// that is there already and is edited: its name, language and what is not named stay.
std::variant<Template, GraphError> judge_new_template(const json::value& body);
std::optional<GraphError> judge_template_edit(const json::value& body, Template& made);

// The components of one that was registered without any, as the account would show them.
json::array shown_components(const Template& made);
// The answer of GET, with the fields that were asked for; empty: all.
json::object describe_template(const Template& made, const std::vector<std::string>& fields);

// One page of the account's list.
struct TemplateListing {
    std::string name;    // empty: all
    std::string status;  // empty: all
    std::string after;   // a cursor
    std::vector<std::string> fields;
    std::size_t limit = 25;
};
std::variant<json::object, GraphError> list_templates(const TemplateAccount& account,
                                                      const TemplateListing& wanted,
                                                      const std::string& address);

// The values of what Meta's webhooks say about a template. Its id is a number there.
json::object template_status_value(const Template& made, const std::string& event,
                                   const std::string& reason);
json::object template_quality_value(const Template& made, const std::string& previous);
json::object template_category_value(const Template& made, const std::string& previous);

}  // namespace flowstack::sandbox
