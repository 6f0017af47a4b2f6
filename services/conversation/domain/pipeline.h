#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/core/id.h"
#include "services/conversation/domain/step.h"

// What happens to an inbound message, in order: log → rate limit → session → flow, inside an error
// boundary.
//
// The stages are data: `default_stages()` is the order that the service runs, a test or a later
// feature may put another stage between. A stage that answers false ends the turn.
//
// Messages that nobody answers (reactions, revocations, calls, the provider's own news, types that
// this build does not know, somebody who looks into the chat while a dialogue is open, edits of
// what is no longer asked, STOP and START) are recorded in the customer's open conversation. They
// never begin one: where none is open the turn has no facts.
namespace flowstack::conversation {

// Token bucket of one customer (GCRA): `burst` messages at once, one more every `interval`.
struct RateLimit {
    std::int64_t per_minute = 30;

    Micros interval() const { return Micros{std::chrono::minutes{1}} / per_minute; }
};
// The bucket after a message at `now`, and whether the message was within the limit. A refused
// message takes no token.
std::pair<Time, bool> take_token(Time full_at, Time now, const RateLimit& limit);

struct Inbound {
    std::string id;  // the provider's message id
    CustomerId customer_id;
    ChannelId channel_id;
    SpokenKind kind = SpokenKind::text;
    std::string tap_id;
    std::string text;
    bool choices_numbered = false;  // choices are sent to this channel as a numbered menu
    std::string profile_name;
    std::string phone;
    std::string consent_change;
    Time sent_at{};      // by the provider
    Time received_at{};  // by gateway's log: what the limit counts
    // The earlier message that a reaction, an edit or a revocation speaks of: its `id`.
    std::string subject_id{};
    // Of a location.
    struct Place {
        double latitude = 0;
        double longitude = 0;
        std::string name;
        std::string address;
    };
    std::optional<Place> place{};
    // Of an order: a cart of the provider's catalog.
    std::vector<OrderedLine> cart{};
};

// A version of a flow. Gone: a version that nobody can read any more.
struct FlowAt {
    std::string key;
    std::int64_t version = 0;
    const Flow* flow = nullptr;
};

struct Turn {
    // In.
    const Inbound& in;
    Context context;  // its flow is filled by the session stage
    RateLimit limit{};
    // What new conversations begin with; flow null: the tenant has none that works.
    FlowAt current_flow{};
    std::function<const Flow*(const std::string& key, std::int64_t version)> flow_of{};
    ConversationId new_conversation_id{};

    // State, moved along by the stages.
    Customer customer{};
    Conversation conversation{};  // the customer's latest, may be closed or absent
    Conversation previous{};      // the one before, when a new one was opened

    // Out. Facts of the conversation named `conversation.id`, of the customer, of the conversation.
    std::vector<CustomerEvent> customer_events{};
    std::vector<Event> events{};
    SpokenOutcome outcome = SpokenOutcome::answered;
    bool tell_throttled = false;
    Time bucket_full_at{};
    std::string problem{};  // what went wrong, for the log and the person who takes over
    bool recorded = false;  // what the customer said is among the facts

    void emit(Event event) {
        conversation = evolve(std::move(conversation), event);
        events.push_back(std::move(event));
    }
    void emit(CustomerEvent event) {
        customer = evolve(std::move(customer), event);
        add_joined(customer_events, std::move(event));
    }
};

struct Stage {
    std::string_view name;
    std::function<bool(Turn&)> run;
};
const std::vector<Stage>& default_stages();

// Runs the stages. The error boundary: when a flow misbehaves, or the interpreter fails, the
// customer gets an apology and the conversation goes to a person, so that it is said once. What
// only trying again can mend (Unavailable, Contention), a corrupt stream, and what fails before the
// message is recorded go up to the reactor's host, which tries again and then parks the message.
void run_pipeline(Turn& turn, const std::vector<Stage>& stages = default_stages());

}  // namespace flowstack::conversation
