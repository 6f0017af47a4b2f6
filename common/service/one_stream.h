#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/eventlog/folds.h"
#include "common/rpc/error.h"

// What an RPC about one stream does around its decision: a task, a campaign.
namespace flowstack::service {

// The stream's fold. Throws NOT_FOUND that names it while the stream does not exist.
template <class Codec>
auto load_existing(eventlog::Folds<Codec>& folds, const eventlog::StreamName& stream,
                   const std::string& name) {
    auto folded = folds.load(stream);
    if (folded.version == 0) throw rpc::not_found(name);
    return folded;
}

// Throws VERSION_MISMATCH unless the caller gave no etag, or that of this version. `what` is "the
// task".
void check_etag(const std::string& etag, std::int64_t version, const std::string& what);

// The command that adds what was decided to `part`, by the service's own encode().
template <class Event>
eventlog::Command command_of(eventlog::Part part, eventlog::Routing routing,
                             std::string correlation_id, const std::vector<Event>& events,
                             Time at) {
    eventlog::Command command;
    command.meta.routing = std::move(routing);
    command.meta.correlation_id = std::move(correlation_id);
    for (const auto& event : events) part.events.push_back(encode(event, at));
    command.parts.push_back(std::move(part));
    return command;
}

// The stream as the last of these events left it: what the call that made them answers, also when a
// repeat is answered later.
template <class Codec>
auto fold_after(eventlog::Folds<Codec>& folds, const std::vector<eventlog::Recorded>& events) {
    return folds.load_at(events.back().stream, events.back().version);
}

}  // namespace flowstack::service
