#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/identity/grants.h"

// Who makes a call: the actor of every event that the call appends.
namespace flowstack::rpc {

// Metadata in which a caller names itself, or the one on whose behalf it calls: "operator:ann",
// "key:<id of an API key>", "service:campaign". Who is believed is decided in admission.h.
inline constexpr std::string_view kActorHeader = "x-flowstack-actor";

inline constexpr std::size_t kActorBytesMax = 200;

// A caller that showed INTERNAL_KEY and no name that can be kept.
inline constexpr const char* kNamelessActor = "internal-key";

struct Caller {
    std::string actor;
    // What it may do, for somebody from outside. Nothing: one of our services, or whoever is let in
    // as one, whose right to call is its certificate or the key.
    std::optional<identity::Grants> grants = std::nullopt;
};

// Reads it from a call's metadata. `trusted`: it showed INTERNAL_KEY. Without a name, or with one
// that cannot be kept (too long, control characters), the caller is "internal-key"; without a key
// it is "anonymous", whatever it calls itself.
Caller caller_named(const std::optional<std::string>& name, bool trusted);

// Whether limits on calls count it: our own services call as often as there is work, and an
// operator must not be stopped while a platform is repaired.
bool is_limited(const Caller& caller);

// Who makes the call that this thread answers. Throws std::logic_error on a thread that answers
// none: an event must not be written in nobody's name by mistake.
const Caller& caller();
// The same, or null.
const Caller* caller_if_any();

// While it lives, its thread answers a call of this caller. rpc::Server holds one around every
// handler; a test may.
class CallerScope {
public:
    explicit CallerScope(Caller caller);
    ~CallerScope();
    CallerScope(const CallerScope&) = delete;
    CallerScope& operator=(const CallerScope&) = delete;

private:
    Caller mine_;
    const Caller* before_;
};

}  // namespace flowstack::rpc
