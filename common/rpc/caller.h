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

// Metadata with which one of our services passes on, beside the actor, in what role that one came
// in at its door and from what address.
inline constexpr std::string_view kRoleHeader = "x-flowstack-role";
inline constexpr std::string_view kSourceHeader = "x-flowstack-source";
inline constexpr std::size_t kRoleBytesMax = 32;
inline constexpr std::size_t kSourceBytesMax = 64;

// Roles besides those that a token grants in a tenant (identity::Role).
inline constexpr std::string_view kOperatorRole = "operator";
inline constexpr std::string_view kApiKeyRole = "api_key";

// Of a call's reason so much is kept in the envelope of its events.
inline constexpr std::size_t kReasonBytesMax = 500;

// A caller that showed INTERNAL_KEY and no name that can be kept.
inline constexpr const char* kNamelessActor = "internal-key";

struct Caller {
    std::string actor;
    // What it may do, for somebody from outside. Nothing: one of our services, or whoever is let in
    // as one, whose right to call is its certificate or the key.
    std::optional<identity::Grants> grants = std::nullopt;
    // In what role it calls: "operator", "api_key", "admin", "agent", "auditor", "viewer". Empty:
    // one of our services, on its own account.
    std::string role = {};
    // Where the call came from: an IP address. Empty where the role is.
    std::string source_address = {};
    // Why, where the request has a field `reason`. Without what could be a telephone number.
    std::string reason = {};
};

// Reads it from a call's metadata. `trusted`: it showed INTERNAL_KEY. Without a name, or with one
// that cannot be kept (too long, control characters), the caller is "internal-key"; without a key
// it is "anonymous", whatever it calls itself.
Caller caller_named(const std::optional<std::string>& name, bool trusted);

// The role that grants give in a tenant: the one that may most; empty where they give none.
std::string_view role_in(const identity::Grants& grants, std::string_view tenant);

// "ipv4:192.0.2.7:50814", "ipv6:%5B2001:db8::7%5D:50814" as gRPC names a peer: the address alone.
// Empty for anything else, such as a socket in the file system.
std::string address_of_peer(std::string_view peer);

// As it may stand in an envelope: at most kReasonBytesMax bytes of whole characters, without what
// could be a telephone number.
std::string kept_reason(std::string_view reason);

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
