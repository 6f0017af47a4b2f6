#include "services/campaign/adapters/template_values.h"

#include "flowstack/common/v1/message_content.pb.h"

namespace flowstack::campaign {
namespace {

// Calls `each` for every value that may have {{name}}.
template <class Content, class Each>
void for_each_value(Content& content, Each each) {
    for (auto& value : *content.mutable_body_parameters()) each(value);
    for (auto& parameter : *content.mutable_named_body_parameters())
        each(*parameter.mutable_value());
    if (content.header().has_text()) each(*content.mutable_header()->mutable_text());
    if (content.header().has_named_text())
        each(*content.mutable_header()->mutable_named_text()->mutable_value());
}

}  // namespace

std::vector<std::string> template_values(const common::v1::TemplateContent& content) {
    auto copy = content;
    std::vector<std::string> values;
    for_each_value(copy, [&](const std::string& value) { values.push_back(value); });
    return values;
}

std::string personalized_template(const Draft& draft, std::string_view name) {
    common::v1::TemplateContent content;
    content.ParseFromString(draft.in_template.content);
    for_each_value(content, [&](std::string& value) {
        value = personalized(value, name, draft.default_name);
    });
    return content.SerializeAsString();
}

}  // namespace flowstack::campaign
