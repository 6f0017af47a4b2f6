#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/time.h"
#include "services/conversation/domain/catalog.h"
#include "services/conversation/domain/order_text.h"
#include "services/conversation/domain/templates.h"

// A conversation: one dialogue with one customer, from the first word to CLOSED.
//
// This file is its vocabulary: facts, state, and the table of transitions that is the only
// authority on them. What the flow does with an input is in engine.h.
namespace flowstack::conversation {

enum class Lifecycle {
    new_lead,
    engaged,
    awaiting_customer,
    waiting_for_payment,
    paid,
    dormant,
    escalated,
    closed,
};
std::string_view text_of(Lifecycle state);  // "NEW_LEAD"
std::optional<Lifecycle> parse_lifecycle(std::string_view text);

// The table of the domain's page. Anything that is not in it is refused.
bool may_advance(Lifecycle from, Lifecycle to);

// --- Facts

struct Opened {
    std::string conversation_id;
    std::string customer_id;
    std::string channel_id;
    std::string flow_key;
    std::int64_t flow_version = 0;
    std::string language;
    std::string previous_conversation_id;
    bool operator==(const Opened&) const = default;
};
struct Spoke {
    std::string inbound_id;
    std::string kind;  // text | tap | edit | else gateway's word (pipeline.h)
    std::string tap_id;
    std::string outcome;  // see pipeline.h
    Time sent_at{};
    Time bucket_full_at{};
    std::string text;
    bool operator==(const Spoke&) const = default;
};
struct Advanced {
    Lifecycle from = Lifecycle::new_lead;
    Lifecycle to = Lifecycle::new_lead;
    std::string reason;
    bool operator==(const Advanced&) const = default;
};
struct NodeEntered {
    std::string node;
    int retries = 0;
    bool operator==(const NodeEntered&) const = default;
};
// The customer sent something that is no answer at this node and was told so; not again here.
struct HintGiven {
    std::string node;
    bool operator==(const HintGiven&) const = default;
};
struct VariableCaptured {
    std::string name;
    std::string value;
    bool operator==(const VariableCaptured&) const = default;
};
struct CartChanged {
    std::vector<CartLine> lines;
    bool operator==(const CartChanged&) const = default;
};
struct ReplyRequested {
    std::string message_id;
    std::string conversation_id;
    std::string customer_id;
    std::string channel_id;
    std::string idempotency_key;
    std::string template_key;
    std::int64_t template_version = 0;
    std::string kind;     // reply | follow_up | agent
    std::string purpose;  // service | utility | marketing
    Time window_evidence{};
    bool expects_answer = false;
    std::vector<Tap> taps;
    Time nothing_inbound_since{};
    std::string task_id;
    std::string agent;
    Content content;
    std::string to;
    bool operator==(const ReplyRequested&) const = default;
};
struct StockRequested {
    std::string reservation_id;
    std::string conversation_id;
    std::string customer_id;
    std::vector<CartLine> lines;
    std::string paid_order_id;  // paid late: taken again, nobody is asked to pay
    std::string order_id = {};  // the waiting order that is going to be paid
    bool operator==(const StockRequested&) const = default;
};
struct CheckoutRequested {
    std::string order_id;
    std::string conversation_id;
    std::string customer_id;
    std::string channel_id;
    std::string reservation_id;
    std::vector<CartLine> lines;
    std::string currency_code;
    std::string provider;  // mpesa | card
    std::string language;
    std::string retry_of_order_id;
    std::string name;
    std::string address;
    std::string phone;
    bool pay_later = false;  // placed by the shop's own site: nothing reserved, nobody asked yet
    bool operator==(const CheckoutRequested&) const = default;
};
// The shop's own site placed an order: what it was told.
struct OrderTaken {
    std::string order_id;
    Money total;
    Time window_closes_at{};  // as gateway knew it; epoch: not open
    bool operator==(const OrderTaken&) const = default;
};
// Payment made it, and the customer is asked how to pay.
struct OrderOffered {
    std::string order_id;
    std::string order_number;
    bool operator==(const OrderOffered&) const = default;
};
struct OrderWaitEnded {
    std::string order_id;
    std::string reason;  // paid | order_cancelled | no_order | not_priced | closed
    bool operator==(const OrderWaitEnded&) const = default;
};
enum class PaymentNews {
    started,
    unclear,  // only a person can end it
    let_go,   // a person handed back or closed the dialogue: it does not wait for the money any more
    paid,
    failed,
    expired,
};
std::string_view text_of(PaymentNews news);  // "let go"
// Payment said this about one payment of the customer.
struct PaymentNoted {
    std::string intent_id;
    std::string order_id;  // empty: a payment without an order
    PaymentNews news = PaymentNews::started;
    Money amount;  // zero: as before
    std::string order_number;
    bool operator==(const PaymentNoted&) const = default;
};
// What a text order did not say clearly and is yet to be asked about, whole.
struct UnclearItemsChanged {
    std::vector<UnclearItem> items;
    bool operator==(const UnclearItemsChanged&) const = default;
};
struct Escalated {
    std::string reason;
    bool operator==(const Escalated&) const = default;
};
struct FollowUpRequested {
    std::string task_id;
    std::string conversation_id;
    std::string customer_id;
    std::string channel_id;
    std::string kind;
    Time due_at{};
    std::string language;
    std::string text;
    bool operator==(const FollowUpRequested&) const = default;
};
struct ReservationEndRequested {
    std::string reservation_id;
    bool sold = false;
    std::string reason;
    bool operator==(const ReservationEndRequested&) const = default;
};
using Event =
    std::variant<Opened, Spoke, Advanced, NodeEntered, VariableCaptured, CartChanged,
                 ReplyRequested, StockRequested, CheckoutRequested, Escalated, FollowUpRequested,
                 ReservationEndRequested, OrderTaken, OrderOffered, OrderWaitEnded, HintGiven,
                 PaymentNoted, UnclearItemsChanged>;

// --- State

// Names of variables that the engine itself reads: answers of the customer, or words for texts. What
// a rule believes is no variable, so that no flow can write it.
namespace variable {
inline const std::string kLanguage = "language";
inline const std::string kPhone = "phone";  // the number that pays
inline const std::string kAddress = "address";
inline const std::string kCustomerName = "customer_name";
inline const std::string kProductId = "product_id";
inline const std::string kQuantity = "quantity";
inline const std::string kProvider = "provider";
inline const std::string kOrderNumber = "order_number";
inline const std::string kInvoiceNumber = "invoice_number";
inline const std::string kLabel = "state";  // the flow's own label
}  // namespace variable

struct SentChoices {
    std::string message_id;
    std::string template_key;
    std::vector<Tap> taps;
};
inline constexpr std::size_t kSentChoicesMax = 20;

// An order that was placed before anybody chose how to pay it. It holds no stock: what it needs is
// asked for when the customer pays, as for any checkout.
struct WaitingOrder {
    std::string id;
    std::string number;  // empty: payment has not made it yet
    std::vector<CartLine> lines;
    std::string address;
    std::string ended;  // why it waits no longer; empty: it waits

    bool waits() const { return ended.empty(); }
    bool operator==(const WaitingOrder&) const = default;
};
// The oldest are forgotten first: they stay unpaid in the books, and a person helps whoever taps.
inline constexpr std::size_t kWaitingOrdersMax = 10;

// A checkout of this dialogue that another one has followed. Its money may still come.
struct EarlierOrder {
    std::string id;
    std::vector<CartLine> lines;
    std::string address;
};
inline constexpr std::size_t kEarlierOrdersMax = 10;

struct KnownPayment {
    std::string intent_id;
    std::string order_id;
    PaymentNews news = PaymentNews::started;
    Money amount;
    std::string order_number;

    // The same payment? Where one side does not know the intent, the order decides.
    bool is(const std::string& intent, const std::string& order) const {
        if (!intent.empty() && !intent_id.empty()) return intent == intent_id;
        return !order.empty() && order == order_id;
    }
};
inline constexpr std::size_t kKnownPaymentsMax = 20;

struct Conversation {
    std::string id;  // empty: there is none
    std::string customer_id;
    std::string channel_id;
    std::string flow_key;
    std::int64_t flow_version = 0;
    std::string language;
    std::string previous_conversation_id;
    Lifecycle state = Lifecycle::new_lead;
    std::string state_reason;
    std::string node;
    int retries = 0;
    std::string hinted_node;  // empty: no hint was given at the node
    // The last message that was an answer, and the node that it answered: what an edit may change.
    std::string last_words_id;
    std::string last_words_node;
    std::map<std::string, std::string> variables;
    std::vector<CartLine> cart;
    std::vector<UnclearItem> unclear_items;
    std::deque<SentChoices> choices;  // the last messages that can be tapped, oldest first
    // Asked for and not answered yet; empty when nothing is asked.
    std::string asked_reservation_id;
    // The waiting order that it is asked for; empty: for the cart.
    std::string asked_order_id;
    // The same for orders that were paid late.
    std::set<std::string> late_reservation_ids;
    // What the checkout holds, until it is sold or given back.
    std::string held_reservation_id;
    std::string order_id;
    std::vector<CartLine> order_lines;
    std::string order_address;
    std::string order_provider;
    std::deque<EarlierOrder> earlier_orders;  // oldest first
    std::deque<KnownPayment> payments;        // oldest first
    KnownPayment awaited;  // what WAITING_FOR_PAYMENT waits for
    std::deque<WaitingOrder> waiting_orders;  // oldest first, those that ended too
    Time bucket_full_at{};
    bool throttled = false;  // the last message was over the limit, and the customer was told
    Time last_inbound_at{};
    std::string last_inbound_id;

    bool exists() const { return !id.empty(); }
    std::string value(const std::string& name) const {
        const auto found = variables.find(name);
        return found == variables.end() ? std::string{} : found->second;
    }
    const WaitingOrder* waiting_order(const std::string& order) const;
    const KnownPayment* payment(const std::string& intent, const std::string& order) const;
    // Of an order: by its last payment, except that paid stays paid. No order has none of it.
    bool is_paid(const std::string& order) const;
    bool payment_failed(const std::string& order) const;   // or expired: it may be tried again
    bool payment_unclear(const std::string& order) const;  // it must not be tried again
    // A payment may come: between the request for stock and the payment's end.
    bool paying() const {
        return !asked_reservation_id.empty() || state == Lifecycle::waiting_for_payment ||
               (!held_reservation_id.empty() && state != Lifecycle::closed);
    }
};

// Throws CorruptStream if no rule could have produced this history.
Conversation evolve(Conversation conversation, const Event& event);

// --- What people ask of a conversation

struct Escalate {
    std::string reason;
};
struct HandBack {
    std::string reason;
};
// Also what waits for money: a person knows better. Whatever payment says later is told and changes
// nothing.
struct Close {
    std::string reason;
};
// Rendered words of a person in an escalated conversation.
struct ReplyAsAgent {
    std::string message_id;
    std::string idempotency_key;
    std::string agent;
    Content content;
};
using Command = std::variant<Escalate, HandBack, Close, ReplyAsAgent>;

enum class Rejection {
    no_such_conversation,
    transition_not_allowed,
    not_escalated,  // only a person who took over replies, and hands back
    already_closed,
};
Decision<Event, Rejection> decide(const Conversation& conversation, const Command& command);

}  // namespace flowstack::conversation
