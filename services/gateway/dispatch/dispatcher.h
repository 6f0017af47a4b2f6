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
#include "services/gateway/dispatch/departure.h"
#include "services/gateway/dispatch/options.h"
#include "services/gateway/providers/provider.h"

// Sends what is queued, for the channels whose lanes this replica owns. It alone calls the provider
// for such a number, so limits, priorities, order and the breaker are plain data of one thread.
//
//   LaneRecovery   the lanes that came, and the attempts that an old owner left open
//   QueueReader    rows of the table: which messages are due
//   ChannelQueue   which of them may begin now, and which announced attempt may be called
//   FactsReader    the message, the contact and what came in, read for several attempts together
//   Attempts       decide → append SendAttempted → call → append the outcome
//   Dispatcher     the one thread that joins them, and the answers to those who queue a message
//
// It sleeps until a row is due, a commit of this process has put one, a lane or an answer comes, or
// another replica may have put one.
namespace flowstack::gateway {

class Dispatcher {
public:
    Dispatcher(eventlog::Store& store, eventlog::Owners& owners, Directory& directory,
               Contacts& contacts, const DerivedKeys& keys, const Providers& providers,
               const Clock& clock, metrics::Registry& metrics, DispatcherOptions options);
    ~Dispatcher();

    void start();
    // No new attempts, and nothing leaves at once; those under way get their outcome within
    // `grace`.
    void stop(std::chrono::milliseconds grace);
    // A commit of this process has put rows of a kind.
    void wake(const eventlog::WorkNews& news);
    // A channel or a tenant has changed: what was held may leave now.
    void settings_changed();

    // A message is about to be queued, as `message` says; `contact` is its customer's, as far as
    // this process knows. The dispatcher must outlive the answer. On any thread.
    DeparturePtr ask(const std::string& tenant, const QueueMessage& message,
                     const eventlog::Folded<Contact>& contact, OtherWriters others);

    struct ChannelView {
        resilience::CircuitBreaker::State breaker = resilience::CircuitBreaker::State::closed;
        Time breaker_since{};  // zero: never in another state
        int failures_in_a_row = 0;
        std::chrono::milliseconds retry_after{};
        int in_flight = 0;
    };
    // Nothing when another replica sends for this channel, or this one does not yet. Throws
    // Unavailable when the dispatcher does not answer in time.
    std::optional<ChannelView> look(const std::string& tenant, const ChannelId& channel_id);

    // Work of kind "evidence": the wait of an unknown message is over.
    void evidence_over(const eventlog::WorkRow& row, const eventlog::WorkRunner::Done& done);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace flowstack::gateway
