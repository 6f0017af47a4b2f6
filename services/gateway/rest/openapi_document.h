#pragma once

#include <string_view>

namespace flowstack::gateway {

// docs/api/openapi.json as it was when this was built: what this door serves, for callers.
std::string_view openapi_document();

}  // namespace flowstack::gateway
