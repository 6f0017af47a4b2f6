#pragma once

#include "tools/isolation/values.h"
#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"

namespace flowstack::isolation {

// Providers whose webhooks are signed with a tenant's own secret: two shops with a sender each, and
// webhooks for one of them that the other one signs with all that it has. None is taken.
void check_senders(const stack::Environment& environment, stack::Api& api, stack::Sandbox& sandbox,
                   Report& report);

}  // namespace flowstack::isolation
