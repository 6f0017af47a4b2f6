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

// After CLOSED only facts that arrive late (a receipt, the end of a reservation, what payment says)
// may be recorded. Any other event means that a rule is wrong.
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

std::string_view text_of(PaymentNews news) {
    constexpr std::array<std::string_view, 6> kNews{"started", "unclear", "let go",
                                                    "paid",    "failed",  "expired"};
    return kNews[static_cast<std::size_t>(news)];
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

const KnownPayment* Conversation::payment(const std::string& intent,
                                          const std::string& order) const {
    const auto found = std::find_if(payments.rbegin(), payments.rend(),
                                    [&](const auto& known) { return known.is(intent, order); });
    return found == payments.rend() ? nullptr : &*found;
}

bool Conversation::is_paid(const std::string& order) const {
    if (const auto* waiting = waiting_order(order); waiting && waiting->ended == "paid") return true;
    return std::any_of(payments.begin(), payments.end(), [&](const auto& known) {
        return known.is("", order) && known.news == PaymentNews::paid;
    });
}

bool Conversation::payment_failed(const std::string& order) const {
    const auto* last = payment("", order);
    return last && !is_paid(order) &&
           (last->news == PaymentNews::failed || last->news == PaymentNews::expired);
}

bool Conversation::payment_unclear(const std::string& order) const {
    const auto* last = payment("", order);
    return last && !is_paid(order) &&
           (last->news == PaymentNews::unclear || last->news == PaymentNews::let_go);
}

namespace {

void note(Conversation& c, const PaymentNoted& e) {
    auto found = std::find_if(c.payments.rbegin(), c.payments.rend(), [&](const auto& known) {
        return known.is(e.intent_id, e.order_id);
    });
    // A new payment of an order that had one, where nobody names the intent.
    const bool again = e.news == PaymentNews::started && found != c.payments.rend() &&
                       found->news != PaymentNews::started;
    if (found == c.payments.rend() || again) {
        c.payments.push_back({e.intent_id, e.order_id, e.news, e.amount, e.order_number});
        if (c.payments.size() > kKnownPaymentsMax) c.payments.pop_front();
        found = c.payments.rbegin();
    }
    found->news = e.news;
    if (found->intent_id.empty()) found->intent_id = e.intent_id;
    if (!is_zero(e.amount)) found->amount = e.amount;
    if (!e.order_number.empty()) found->order_number = e.order_number;
    if (e.news == PaymentNews::started) c.awaited = *found;
}

}  // namespace

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
                if (e.outcome != "answered" || (e.kind != "text" && e.kind != "tap")) return;
                c.last_words_id = e.inbound_id;
                c.last_words_node = c.node;
            },
            [&](const Advanced& e) {
                if (e.from != c.state || !may_advance(e.from, e.to))
                    throw CorruptStream("conversation: a transition that is not in the table");
                c.state = e.to;
                c.state_reason = e.reason;
            },
            [&](const NodeEntered& e) {
                must_be_open(c);
                if (c.node != e.node) c.hinted_node.clear();
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
                if (!e.paid_order_id.empty()) {
                    c.late_reservation_ids.insert(e.reservation_id);
                    return;
                }
                c.asked_reservation_id = e.reservation_id;
                c.asked_order_id = e.order_id;
            },
            [&](const CheckoutRequested& e) {
                must_be_open(c);
                c.asked_reservation_id.clear();
                c.asked_order_id.clear();
                c.held_reservation_id = e.reservation_id;
                if (c.order_id != e.order_id) {
                    if (!c.order_id.empty())
                        c.earlier_orders.push_back({c.order_id, c.order_lines, c.order_address});
                    if (c.earlier_orders.size() > kEarlierOrdersMax) c.earlier_orders.pop_front();
                    // They name the order before this one.
                    c.variables.erase(variable::kOrderNumber);
                    c.variables.erase(variable::kInvoiceNumber);
                }
                c.order_id = e.order_id;
                c.order_lines = e.lines;
                c.order_address = e.address;
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
                c.late_reservation_ids.erase(e.reservation_id);
            },
            [&](const HintGiven& e) {
                must_be_open(c);
                c.hinted_node = e.node;
            },
            [&](const PaymentNoted& e) { note(c, e); },
            [&](const UnclearItemsChanged& e) {
                must_be_open(c);
                c.unclear_items = e.items;
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

// The dialogue does not wait for a payment that is under way: what is held goes back, and the order
// is not paid a second time. Money that comes all the same is late money.
void let_payment_go(const Conversation& c, const std::string& reason, std::vector<Event>& events) {
    if (!c.held_reservation_id.empty())
        events.push_back(ReservationEndRequested{c.held_reservation_id, false, reason});
    const auto& of_order = c.held_reservation_id.empty() ? std::string() : c.order_id;
    const auto* known = c.payment("", of_order);
    if (known && known->news == PaymentNews::started)
        events.push_back(PaymentNoted{known->intent_id, known->order_id, PaymentNews::let_go,
                                      known->amount, known->order_number});
    else if (!of_order.empty() && !c.is_paid(of_order))
        events.push_back(PaymentNoted{"", of_order, PaymentNews::let_go, {}, ""});
    // Else an old button would order the same things once more.
    if (!of_order.empty() && !c.cart.empty() && c.cart == c.order_lines)
        events.push_back(CartChanged{});
}

Answer on(const Conversation& c, const HandBack& command) {
    if (c.state != Lifecycle::escalated) return Rejection::not_escalated;
    std::vector<Event> events;
    let_payment_go(c, "handed_back", events);
    events.push_back(Advanced{c.state, Lifecycle::engaged, command.reason});
    return events;
}

Answer on(const Conversation& c, const Close& command) {
    if (c.state == Lifecycle::closed) return Rejection::already_closed;
    std::vector<Event> events;
    let_payment_go(c, "closed", events);
    for (const auto& order : c.waiting_orders)
        if (order.waits()) events.push_back(OrderWaitEnded{order.id, "closed"});
    auto from = c.state;
    if (!may_advance(from, Lifecycle::closed)) {
        // Only payment's events or a person end the wait for money: this person takes over first.
        events.push_back(Escalated{command.reason});
        events.push_back(Advanced{from, Lifecycle::escalated, command.reason});
        from = Lifecycle::escalated;
    }
    events.push_back(Advanced{from, Lifecycle::closed, command.reason});
    return events;
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
