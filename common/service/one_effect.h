#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/core/ids.h"
#include "common/eventlog/store.h"
#include "common/rpc/caller.h"

namespace google::protobuf {
class Message;
}

// The one effect of a call that changes something, however often the call is sent.
namespace flowstack::service {

// How long a request id names one request: its repeat gets the first answer. Later the same id is a
// new request.
inline constexpr std::chrono::days kRequestIdLifetime{30};

// SHA-256 of the request and its type without its request_id, the same in every process: what a
// repeat must be equal to.
std::string hash_of(const google::protobuf::Message& request);

// Which command a request is. The events of a command name it for good, so a request id whose time
// is over hands on to another command.
struct CommandOf {
    std::string id;
    int reused = 0;                // how often the request id was used before for other requests
    bool answered_before = false;  // the command was carried out: this is a repeat
};
CommandOf command_of(eventlog::Store& store, const std::string& tenant, const std::string& method,
                     const std::string& request_id);

// Names in the envelope who makes a call: the actor, and for a person or machine from outside in
// what role, why and from where.
void name_caller(eventlog::Meta& meta, const rpc::Caller& caller);

struct Asked {
    std::string method;
    std::string tenant;
    std::string request_id;             // empty: the caller cannot repeat it
    std::string hash;                   // see hash_of
    std::int64_t settings_version = 0;  // 0: what `make` says
    // Another command holds a claim that this one wants: it throws, or all is decided again.
    std::function<void(const std::string& kind)> claim_taken{};
};

// A request that was answered before is answered again, also when the rules would refuse it now;
// with another body it is IDEMPOTENCY_KEY_REUSED. The answer of a repeat carries kReplayedHeader.
// The events name the caller of the RPC that this thread answers (common/rpc/caller.h).
class OneEffect {
public:
    // Throws FIELD_INVALID for a request id that cannot be kept, and std::logic_error on a thread
    // that answers no call. `store` and `ids` must outlive it.
    OneEffect(eventlog::Store& store, IdSource& ids, Asked asked);

    // `make` decides and fills meta.routing and parts; it may refuse by throwing, and is called
    // again when somebody else wrote first. Nothing: there is nothing to change. The events that
    // were written, now or before. Throws rpc::Failure.
    std::vector<eventlog::Recorded> run(
        const std::function<std::optional<eventlog::Command>()>& make);

    // Ids for what the request makes, the same at every repeat.
    std::string derived_id(std::string_view what);
    // How often the request id was used before for requests whose time is over; 0 for the first.
    int reused();
    bool replayed() const { return replayed_; }

private:
    // Looked up once.
    const CommandOf& command();
    void prepare(eventlog::Command& prepared);
    std::vector<eventlog::Recorded> first_answer();
    std::vector<eventlog::Recorded> events_of(const eventlog::Verdict& verdict);

    eventlog::Store& store_;
    Asked asked_;
    rpc::Caller caller_;
    std::optional<CommandOf> command_;
    bool replayed_ = false;
};

// For a request that carries its own id.
template <class Request>
OneEffect one_effect(eventlog::Store& store, IdSource& ids, std::string method, std::string tenant,
                     const Request& request) {
    return {store,
            ids,
            {.method = std::move(method),
             .tenant = std::move(tenant),
             .request_id = request.request_id(),
             .hash = hash_of(request)}};
}

}  // namespace flowstack::service
