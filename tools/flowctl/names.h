#pragma once

#include <string>
#include <vector>

#include "tools/flowctl/context.h"

// Resource names as people type them.
namespace flowstack::flowctl {

// With collection "orders" these are all tenants/demo/orders/7:
//   tenants/demo/orders/7 · demo/orders/7 · demo/7 · orders/7 and 7 (with a tenant).
// Throws UsageError for anything else. An empty tenant is asked for with `tenant()`.
std::string resource_name(const std::string& typed, const std::string& collection,
                          const std::function<std::string()>& tenant);

// "demo" of "tenants/demo" or "demo".
std::string tenant_id(const std::string& typed);
// The last part: "7" of "tenants/demo/orders/7".
std::string short_id(const std::string& name);

// --tenant, else FLOWSTACK_TENANT, else the only one there is. Throws UsageError that lists them.
std::string chosen_tenant(Context& context, const std::string& option);

}  // namespace flowstack::flowctl
