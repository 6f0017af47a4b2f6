#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/time.h"
#include "common/core/uuid.h"

// The vocabulary of the lane log: what is stored, what is asked, what is answered.
// The store behind it is store.h, the SQL migrations/eventlog/0002_append.sql.
namespace flowstack::eventlog {

// One aggregate: (tenant, category, key). Lives in one lane, by its routing, for ever.
struct StreamName {
    std::string tenant;
    std::string category;
    std::string key;

    friend auto operator<=>(const StreamName&, const StreamName&) = default;
};

// What decides the lane. `lane` routing takes the lane's own number as key.
enum class RoutingKind { customer, tenant, named, lane };

struct Routing {
    RoutingKind kind = RoutingKind::customer;
    std::string key;

    friend auto operator<=>(const Routing&, const Routing&) = default;
};

// One place of one lane of one service.
struct Position {
    std::string service;
    int lane = 0;
    std::int64_t position = 0;

    friend auto operator<=>(const Position&, const Position&) = default;
};

// The rest of an event's envelope. Set once per command, the same for all its events.
struct Meta {
    Routing routing;
    std::string actor = "system";
    std::string request_hash;
    std::string correlation_id;
    std::optional<Position> causation;
    std::int64_t settings_version = 0;
    std::string traceparent;
    // Of a call by a person or machine: in what role, why, and from where (common/rpc/caller.h).
    std::string role;
    std::string reason;
    std::string source_address;
};

// An event that is to be appended. `payload` is a serialised protobuf message named by `type`.
struct NewEvent {
    std::string type;
    std::string payload;
    Time occurred_at{};
    bool is_private = false;   // travels on the bus without its payload
    std::optional<Uuid> id{};  // made from the command id and its place when absent
};

// An event as it is stored.
struct Recorded {
    std::string service;
    int lane = 0;
    int epoch = 1;
    std::int64_t position = 0;
    StreamName stream;
    std::int64_t version = 0;
    Uuid event_id{};
    std::string type;
    Time recorded_at{};
    Time occurred_at{};
    std::string command_id;
    Meta meta;
    bool is_private = false;
    bool payload_omitted = false;
    std::string meta_bytes;  // EventMeta exactly as stored
    std::string payload;

    Position where() const { return {service, lane, position}; }
};

// Expected versions of a part besides an exact one.
inline constexpr std::int64_t kAny = -1;
inline constexpr std::int64_t kCreate = 0;

// What one command writes to one stream. Without events it is a guard: the stream must be at that
// version.
struct Part {
    StreamName stream;
    std::int64_t expected = kAny;
    std::vector<NewEvent> events;
};

// Where the log finds out that it saw this command before.
enum class Dedupe {
    none,      // the caller's own order protects it (a consumer's cursor)
    creation,  // the first part creates its stream
    version,   // the first part expects an exact version
    claim,     // the command id itself is claimed; costs a row
};

struct OwnerGuard {
    int lane = 0;
    std::int64_t owner_epoch = 0;
};

// One intention: all of it or nothing, in one lane. At most kPartsMax parts.
struct Command {
    std::string id;
    Meta meta;
    std::string tenant;  // with meta.routing: the lane
    Dedupe dedupe = Dedupe::none;
    std::vector<Part> parts;
    std::optional<OwnerGuard> owner_guard;
};
inline constexpr std::size_t kPartsMax = 16;

// --- Side rows, a pure function of events, so that they can be made again from them.

// (scope, kind, key) has one holder. Scope is a tenant, or empty for the whole platform. value ≤ 64
// bytes.
struct Claim {
    std::string scope;
    std::string kind;
    std::string key;
    std::string value;
    StreamName holder;
};

struct WorkPut {
    int lane = 0;
    std::string kind;
    std::string key;
    Time due_at{};
    int priority = 0;
    std::string ref;
};

struct WorkDel {
    int lane = 0;
    std::string kind;
    std::string key;
};

struct SettingsChange {
    std::string tenant;
    std::string kind;
    std::string key;
};

struct Derived {
    std::vector<Claim> claims;
    std::vector<WorkPut> work_put;
    std::vector<WorkDel> work_del;
    std::vector<SettingsChange> settings;
};

// One function per service. Knows only the event: no clock, no state. `lane` is the lane that the
// event is written to, for work rows of the same owner.
using DeriveFn = std::function<void(const StreamName&, int lane, const NewEvent&, Derived&)>;

// --- Answers.

enum class Outcome { ok, wrong_version, already_done, other_body, claim_taken, not_owner };

struct Verdict {
    Outcome outcome = Outcome::ok;
    // ok and already_done: where the command's events are.
    int lane = 0;
    std::int64_t first_position = 0;
    int event_count = 0;
    Time recorded_at{};
    // ok: the version before, for each part.
    std::vector<std::int64_t> base_versions;
    // wrong_version.
    int part = 0;
    std::int64_t actual = 0;
    // claim_taken and other_body.
    std::string claim_kind;
    std::string claim_value;
    Uuid claim_holder{};

    bool accepted() const { return outcome == Outcome::ok || outcome == Outcome::already_done; }
};

// --- Names and numbers. One hash for every service, see docs/ARCHITECTURE.md.

// lane = be64(SHA-256("flowstack.lane.v1\0" kind "\0" tenant "\0" key)[0..8]) mod lanes.
int lane_of(const Routing& routing, std::string_view tenant, int lanes);

// First 16 bytes of SHA-256(tenant "\0" category "\0" key).
Uuid stream_id(const StreamName& name);

// First 16 bytes of SHA-256(scope "\0" kind "\0" key).
Uuid claim_id(std::string_view scope, std::string_view kind, std::string_view key);

// An id made by handler `handler` for its n-th effect of this cause: a UUIDv7 with the cause's
// time, the same however often the cause is handled.
Uuid derive_id(const Uuid& cause, std::string_view handler, int n);

// The same for a cause that is no event of ours: any stable text, and its time.
Uuid derive_id(std::string_view cause, Time at, std::string_view handler, int n);

// customer | tenant | named | lane, as in envelopes and hashes.
std::string_view text_of(RoutingKind kind);
std::optional<RoutingKind> routing_kind_from(std::string_view text);

}  // namespace flowstack::eventlog
