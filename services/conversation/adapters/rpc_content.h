#pragma once

#include <string>
#include <vector>

#include "services/conversation/adapters/rpc.h"

// What the doors to a tenant's content share: each writes one event of one stream on the tenant's
// lane.
namespace flowstack::conversation {

// Letters, digits, _ and -, at most 63.
bool good_key(const std::string& key);

// The id that a caller gives to what is saved, else one that is made of the request's id. `what` is
// "promotion" for promotion.promotion_id. A bad one is FIELD_INVALID.
std::string given_or_made_id(const Doors& doors, const std::string& what, const std::string& tenant,
                             const std::string& given, const std::string& request_id);

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : map) keys.push_back(key);
    return keys;
}

// One event on the tenant's lane, at the version that the rule saw.
template <class Fact>
eventlog::Command one(const Doors& doors, const std::string& tenant,
                      const eventlog::StreamName& name, std::int64_t expected,
                      const std::vector<Fact>& facts) {
    eventlog::Command command;
    command.meta.routing = tenant_routing(tenant);
    eventlog::Part part{name, expected, {}};
    for (const auto& fact : facts) part.events.push_back(encode(fact, doors.clock.now()));
    command.parts.push_back(std::move(part));
    return command;
}

}  // namespace flowstack::conversation
