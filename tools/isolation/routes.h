#pragma once

#include "tools/isolation/rpcs.h"
#include "tools/isolation/tenants.h"

namespace flowstack::isolation {

// Every route that the running doors have: no key, a wrong key and another tenant's key open
// nothing. Routes of /v1 are attacked by the rows of their RPC, aliases by a table of their own.
void check_routes(const stack::Environment& environment, const Schema& schema, const Door& door,
                  const Tenant& attacker, const Tenant& victim, Report& report);

}  // namespace flowstack::isolation
