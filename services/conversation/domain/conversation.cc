#include "services/conversation/domain/conversation.h"

#include <algorithm>
#include <array>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"

namespace flowstack::conversation {
namespace {

constexpr std::array<std::string_view, 8> kNames{
    "NEW_LEAD", "ENGAGED", "AWAITING_CUSTOMER", "WAITING_FOR_PAYMENT",
    "PAID",     "DORMANT", "ESCALATED",         "CLOSED"};

// Who sells the held reservation's end short: no event may follow CLOSED but what records facts
// that came late.
void must_be_open(const Conversation& c) {
    if (c.state == Lifecycle::closed)
        throw CorruptStream("conversation: a dialogue went on after it was closed");
}

}  // namespace

std::string_view text_of(Lifecycle state) { return kNames[static_cast<std::size_t>(state)]; }

std::optional<Lifecycle> parse_lifecycle(std::string_view text) {
    for (std::size_t i = 0; i < kNames.size(); ++i)
        if (kNames[i] == text) return static_cast<Lifecycle>(i);
    return {};
}

bool may_advance(Lifecycle from, Lifecycle to) {
    using enum Lifecycle;
    const auto is_one_of = [&](auto... allowed) { return ((to == allowed) || ...); };
    switch (from) {
        case new_lead:
            return is_one_of(engaged, escalated, closed);
        case engaged:
            return is_one_of(awaiting_customer, waiting_for_payment, escalated, closed);
        case awaiting_customer:
            return is_one_of(engaged, dormant, escalated, closed);
        case waiting_for_payment:
            return is_one_of(paid, engaged, escalated);
        case paid:
            return is_one_of(closed, engaged, escalated);
        case dormant:
            return is_one_of(engaged, escalated, closed);
        case escalated:
            return is_one_of(engaged, closed);
        case closed:
            return false;
    }
    return false;
}

const WaitingOrder* Conversation::waiting_order(const std::string& order) const {
    const auto found = std::find_if(waiting_orders.begin(), waiting_orders.end(),
                                    [&](const auto& waiting) { return waiting.id == order; });
    return found == waiting_orders.end() ? nullptr : &*found;
}

Conversation evolve(Conversation c, const Event& event) {
    if (!c.exists() && !std::holds_alternative<Opened>(event))
        throw CorruptStream("conversation: a fact before it was opened");
    std::visit(
        Overloaded{
            [&](const Opened& e) {
                if (c.exists()) throw CorruptStream("conversation: opened twice");
                c.id = e.conversation_id;
                c.customer_id = e.customer_id;
                c.channel_id = e.channel_id;
                c.flow_key = e.flow_key;
                c.flow_version = e.flow_version;
                c.language = e.language;
                c.previous_conversation_id = e.previous_conversation_id;
            },
            [&](const Spoke& e) {
                must_be_open(c);
                c.bucket_full_at = e.bucket_full_at;
                c.throttled = e.outcome == "throttled";
                c.last_inbound_at = std::max(c.last_inbound_at, e.sent_at);
                c.last_inbound_id = e.inbound_id;
            },
            [&](const Advanced& e) {
                if (e.from != c.state || !may_advance(e.from, e.to))
                    throw CorruptStream("conversation: a transition that is not in the table");
                c.state = e.to;
                c.state_reason = e.reason;
            },
            [&](const NodeEntered& e) {
                must_be_open(c);
                c.node = e.node;
                c.retries = e.retries;
            },
            [&](const VariableCaptured& e) {
                if (e.name == variable::kLanguage) c.language = e.value;
                c.variables[e.name] = e.value;
            },
            [&](const CartChanged& e) {
                must_be_open(c);
                c.cart = e.lines;
            },
            [&](const ReplyRequested& e) {
                if (e.taps.empty()) return;
                c.choices.push_back({e.message_id, e.template_key, e.taps});
                if (c.choices.size() > kSentChoicesMax) c.choices.pop_front();
            },
            [&](const StockRequested& e) {
                must_be_open(c);
                (e.paid_order_id.empty() ? c.asked_reservation_id : c.late_reservation_id) =
                    e.reservation_id;
                if (e.paid_order_id.empty()) c.asked_order_id = e.order_id;
            },
            [&](const CheckoutRequested& e) {
                must_be_open(c);
                c.asked_reservation_id.clear();
                c.asked_order_id.clear();
                c.held_reservation_id = e.reservation_id;
                c.order_id = e.order_id;
                c.order_lines = e.lines;
                c.order_provider = e.provider;
                if (!e.pay_later) return;
                c.waiting_orders.push_back({e.order_id, "", e.lines, e.address, ""});
                if (c.waiting_orders.size() > kWaitingOrdersMax) c.waiting_orders.pop_front();
            },
            [&](const Escalated&) {},
            [&](const FollowUpRequested&) {},
            [&](const ReservationEndRequested& e) {
                if (c.asked_reservation_id == e.reservation_id) {
                    c.asked_reservation_id.clear();
                    c.asked_order_id.clear();
                }
                if (c.held_reservation_id == e.reservation_id) c.held_reservation_id.clear();
                if (c.late_reservation_id == e.reservation_id) c.late_reservation_id.clear();
            },
            [&](const OrderTaken&) { must_be_open(c); },
            [&](const OrderOffered& e) {
                for (auto& order : c.waiting_orders)
                    if (order.id == e.order_id) order.number = e.order_number;
            },
            [&](const OrderWaitEnded& e) {
                for (auto& order : c.waiting_orders)
                    if (order.id == e.order_id) order.ended = e.reason;
            },
        },
        event);
    return c;
}

namespace {

using Answer = Decision<Event, Rejection>;

Answer on(const Conversation& c, const Escalate& command) {
    if (!may_advance(c.state, Lifecycle::escalated)) return Rejection::transition_not_allowed;
    return std::vector<Event>{Escalated{command.reason},
                              Advanced{c.state, Lifecycle::escalated, command.reason}};
}

Answer on(const Conversation& c, const HandBack& command) {
    if (c.state != Lifecycle::escalated) return Rejection::not_escalated;
    return Event{Advanced{c.state, Lifecycle::engaged, command.reason}};
}

Answer on(const Conversation& c, const ReplyAsAgent& command) {
    if (c.state != Lifecycle::escalated) return Rejection::not_escalated;
    ReplyRequested reply;
    reply.message_id = command.message_id;
    reply.conversation_id = c.id;
    reply.customer_id = c.customer_id;
    reply.channel_id = c.channel_id;
    reply.idempotency_key = command.idempotency_key;
    reply.kind = "agent";
    reply.purpose = "service";
    reply.window_evidence = c.last_inbound_at;
    reply.agent = command.agent;
    reply.content = command.content;
    reply.to = c.value(variable::kPhone);
    return Event{reply};
}

}  // namespace

Decision<Event, Rejection> decide(const Conversation& conversation, const Command& command) {
    if (!conversation.exists()) return Rejection::no_such_conversation;
    return std::visit([&](const auto& c) { return on(conversation, c); }, command);
}

}  // namespace flowstack::conversation
