#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/campaign/domain/campaign.h"

namespace flowstack::common::v1 {
class TemplateContent;
}

// What a campaign puts into a template of the provider.
namespace flowstack::campaign {

// The values that may have {{name}}.
std::vector<std::string> template_values(const common::v1::TemplateContent& content);

// The draft's template for one recipient, serialised.
std::string personalized_template(const Draft& draft, std::string_view name);

}  // namespace flowstack::campaign
