#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/core/clock.h"
#include "common/eventlog/folds.h"
#include "common/observability/trace.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/adapters/directory.h"

// How the dispatcher reads outbound messages from the log and writes what becomes of them.
namespace flowstack::gateway {

// The event that a command of ours follows from.
struct Cause {
    eventlog::Position event;
    std::string correlation_id;
    trace::Context trace{};  // what the command is a part of; valid only while spans are recorded
};

template <class State>
Cause cause_of(const eventlog::Folded<State>& folded) {
    return {folded.last, folded.correlation_id,
            trace::parse(folded.traceparent).value_or(trace::Context{})};
}

// Thread-safe.
class MessageStreams {
public:
    MessageStreams(eventlog::Store& store, const Directory& directory, const Clock& clock,
                   RetryPolicy policy, std::string actor)
        : folds_(store),
          directory_(directory),
          clock_(clock),
          policy_(policy),
          actor_(std::move(actor)) {}

    eventlog::Folds<MessageCodec>& folds() { return folds_; }
    // The policy with what the tenant chose for messages whose fate is unknown.
    RetryPolicy policy_for(const std::string& tenant) const;
    // Appends these events to the message's stream, if it still has this version. The caller gives
    // it an id.
    eventlog::Command command(const std::string& tenant, const CustomerId& customer_id,
                              const MessageId& message_id, std::int64_t version, const Cause& cause,
                              const std::vector<MessageEvent>& events) const;

private:
    eventlog::Folds<MessageCodec> folds_;
    const Directory& directory_;
    const Clock& clock_;
    RetryPolicy policy_;
    std::string actor_;
};

}  // namespace flowstack::gateway
