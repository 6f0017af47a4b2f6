#pragma once

#include <string>
#include <vector>

#include "tools/isolation/rpcs.h"
#include "tools/isolation/values.h"
#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"

namespace flowstack::isolation {

// A call that changes something, so that its events can be looked at.
struct Deed {
    std::string rpc;      // "gateway.v1.TenantService/RegisterTenant"
    std::string request;  // the RPC's JSON, with $attacker and $attacker.<kind>
    // The answer's resource is known by this kind in later requests: the last part of its `name`,
    // or `member` of it.
    std::string keep = {};
    std::string member = {};
};
// In the order in which they are done: some need what earlier ones made.
const std::vector<Deed>& deeds();

// Methods that REST reaches by another verb than GET and that append nothing here, and why.
struct NoDeed {
    std::string rpc;
    std::string why;
};
const std::vector<NoDeed>& no_deeds();

// Every RPC of every service that changes something is called once or more, each time in another
// name: the events of the call must carry that name as their actor. An RPC that the table does not
// have is a failure.
void check_actors(const stack::Environment& environment, const Schema& schema, stack::Api& api,
                  stack::Sandbox& sandbox, Tenant tenant, Report& report);

}  // namespace flowstack::isolation
