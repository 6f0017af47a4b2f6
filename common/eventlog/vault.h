#pragma once

#include <optional>
#include <string>

#include "common/eventlog/types.h"

// Where the personal fields of events are sealed before they are stored, and opened after they are
// read. The log keeps, publishes, hashes and verifies sealed bytes; rules, projections and APIs see
// clear ones.
//
// There are three places: append_call() seals, Store's reads by stream and by lane open, and
// Consumption opens what the bus or another service's log brought. Whoever compares bytes (the
// relay, EventLog, the integrity check) reads events as they are stored.
namespace flowstack::eventlog {

// Thread-safe. Neither function may block on the network: both run on the path of every event.
class Vault {
public:
    virtual ~Vault() = default;
    // The bytes to store instead of the payload; nothing when it is stored as it is.
    virtual std::optional<std::string> seal(const StreamName& stream, const Routing& routing,
                                            const NewEvent& event) const = 0;
    // The clear payload of a stored event; nothing when it was stored in clear.
    virtual std::optional<std::string> open(const Recorded& event) const = 0;
};

// The event with a clear payload: itself, or `copy` if it was stored sealed.
const Recorded& in_clear(const Vault& vault, const Recorded& event, std::optional<Recorded>& copy);

// Stores every payload in clear: keys of customers do not exist yet.
const Vault& clear_vault();

}  // namespace flowstack::eventlog
