#pragma once

#include <vector>

#include "tools/isolation/values.h"
#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"

namespace flowstack::isolation {

// Each tenant's log has its own ten messages and nothing of the others; what left by its number has
// its own words; its dialogues are its own customer's.
void check_logs(stack::Api& api, stack::Sandbox& sandbox, const std::vector<Tenant>& tenants,
                Report& report);

// How many events of a tenant there are, in all five logs, when none has come for a while.
std::size_t settled_events(stack::Api& api, const Tenant& tenant);

}  // namespace flowstack::isolation
