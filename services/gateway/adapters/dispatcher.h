#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/core/clock.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/eventlog/work.h"
#include "common/observability/metrics.h"
#include "common/resilience/circuit_breaker.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/domain/message.h"
#include "services/gateway/providers/provider.h"

// Sends what is queued, for the channels whose lanes this replica owns. It alone calls the provider
// for such a number, so limits, priorities, order and the breaker are plain data of one thread.
//
//   queue row → fold message and contact → decide → append SendAttempted (guards: the contact's
//   version, our ownership of the lane) → call → append the outcome
//
// One chat's messages of one priority leave in order, one at a time; different chats go in
// parallel. A new owner of a lane first waits attempt_start_ms_max, in which an old one may still
// begin a call, then turns every attempt without an outcome into UNKNOWN.
namespace flowstack::gateway {

struct DispatcherOptions {
    std::string replica;
    RetryPolicy policy;
    std::chrono::milliseconds poll_ms{10};  // while others may queue here, see eventlog::Owners
    std::chrono::milliseconds attempt_start_ms_max{2'000};
    std::chrono::milliseconds send_timeout_ms{10'000};
    std::chrono::milliseconds held_retry_ms{1'000};  // a held row is looked at again
    std::chrono::milliseconds window_margin_ms{300'000};
    int in_flight_max = 64;          // calls of one channel
    int queued_in_memory_max = 256;  // rows of one channel and priority
    int breaker_failures = 5;
    std::chrono::milliseconds breaker_open_ms{5'000};
    std::chrono::milliseconds breaker_open_max_ms{60'000};
    int read_threads = 4;
};

class Dispatcher {
public:
    Dispatcher(eventlog::Store& store, eventlog::Owners& owners, Directory& directory,
               Contacts& contacts, const DerivedKeys& keys, const Providers& providers,
               const Clock& clock, metrics::Registry& metrics, DispatcherOptions options);
    ~Dispatcher();

    void start();
    // No new attempts; those under way get their outcome within `grace`.
    void stop(std::chrono::milliseconds grace);
    // Something was queued, to leave at that time or at once.
    void wake(Time due_at);

    struct ChannelView {
        resilience::CircuitBreaker::State breaker = resilience::CircuitBreaker::State::closed;
        Time breaker_since{};  // zero: never in another state
        int failures_in_a_row = 0;
        std::chrono::milliseconds retry_after{};
        int in_flight = 0;
    };
    // Nothing when another replica sends for this channel, or this one does not yet. Throws
    // Unavailable when the dispatcher does not answer in time.
    std::optional<ChannelView> look(const std::string& tenant, const std::string& channel_id);

    // Work of kind "evidence": the wait of an unknown message is over.
    void evidence_over(const eventlog::WorkRow& row, const eventlog::WorkRunner::Done& done);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace flowstack::gateway
