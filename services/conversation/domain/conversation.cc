#include "services/conversation/domain/conversation.h"

#include <vector>

#include "common/core/corrupt_stream.h"

namespace flowstack::conversation {

void apply(Conversation& conversation, const Event& event) {
    if (!conversation.exists() && !std::holds_alternative<Opened>(event))
        throw CorruptStream("conversation: a fact before it was opened");
    Dialogue& dialogue = conversation;
    std::visit(
        [&](const auto& fact) {
            if constexpr (requires { apply(dialogue, fact); })
                apply(dialogue, fact);
            else if constexpr (requires { apply(conversation.support, dialogue, fact); })
                apply(conversation.support, dialogue, fact);
            else if constexpr (requires { apply(conversation.booking, dialogue, fact); })
                apply(conversation.booking, dialogue, fact);
            else
                apply(conversation.shop, dialogue, fact);
        },
        event);
}

namespace {

using Answer = Decision<Event, Rejection>;

void add(std::vector<Event>& events, std::vector<ShopFact> facts) {
    for (auto& fact : facts)
        std::visit([&](auto& known) { events.push_back(std::move(known)); }, fact);
}

Answer on(const Conversation& c, const Escalate& command) {
    if (!may_advance(c.state, Lifecycle::escalated)) return Rejection::transition_not_allowed;
    return std::vector<Event>{
        Escalated{.reason = command.reason},
        Advanced{.from = c.state, .to = Lifecycle::escalated, .reason = command.reason}};
}

Answer on(const Conversation& c, const HandBack& command) {
    if (c.state != Lifecycle::escalated) return Rejection::not_escalated;
    std::vector<Event> events;
    add(events, let_payment_go(c.shop, ReservationEnd::handed_back));
    events.push_back(Advanced{.from = c.state, .to = Lifecycle::engaged, .reason = command.reason});
    events.push_back(HandedBack{
        .conversation_id = c.id, .customer_id = c.customer_id, .reason = command.reason});
    return events;
}

Answer on(const Conversation& c, const Close& command) {
    if (c.state == Lifecycle::closed) return Rejection::already_closed;
    std::vector<Event> events;
    add(events, let_payment_go(c.shop, ReservationEnd::closed));
    add(events, end_all_waits(c.shop));
    auto from = c.state;
    if (!may_advance(from, Lifecycle::closed)) {
        // Only payment's events or a person end the wait for money: this person takes over first.
        events.push_back(Escalated{.reason = command.reason});
        events.push_back(
            Advanced{.from = from, .to = Lifecycle::escalated, .reason = command.reason});
        from = Lifecycle::escalated;
    }
    events.push_back(Advanced{.from = from, .to = Lifecycle::closed, .reason = command.reason});
    return events;
}

Answer on(const Conversation& c, const ReplyAsAgent& command) {
    if (c.state != Lifecycle::escalated) return Rejection::not_escalated;
    return Event{ReplyRequested{.message_id = command.message_id,
                                .conversation_id = c.id,
                                .customer_id = c.customer_id,
                                .channel_id = c.channel_id,
                                .idempotency_key = command.idempotency_key,
                                .kind = ReplyKind::agent,
                                .purpose = ReplyPurpose::service,
                                .window_evidence = c.last_inbound_at,
                                .agent = command.agent,
                                .content = command.content,
                                .to = c.value(variable::kPhone)}};
}

}  // namespace

Decision<Event, Rejection> decide(const Conversation& conversation, const Command& command) {
    if (!conversation.exists()) return Rejection::no_such_conversation;
    return std::visit([&](const auto& c) { return on(conversation, c); }, command);
}

}  // namespace flowstack::conversation
