#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "services/payment/domain/payment_started.h"
#include "services/payment/domain/pricing.h"

// An order: what a customer wants to buy, whether its money is here, and how far its goods are.
//
//   Absent ── place ──▶ Open ── mark paid ──▶ Paid
//                        └───── cancel ────────┴─▶ Cancelled
//
// Goods and money go their ways apart: an open and a paid order both advance, confirmed →
// processing → shipped → delivered. Steps may be passed over; none is taken back. Nothing is
// cancelled that is shipped. A paid order is cancelled together with a refund of what it still
// holds.
//
// The types are here, the rules in order.cc. Both are pure.
namespace flowstack::payment {

struct Buyer {
    std::string name;
    std::string address;
    std::string phone;  // E.164 with +
    bool operator==(const Buyer&) const = default;
};

// Facts.
struct OrderPlaced {
    OrderId order_id;
    std::string number;  // "ORD-7K2M9Q"
    CustomerId customer_id;
    ConversationId conversation_id;
    ChannelId channel_id;
    ReservationId reservation_id;
    std::vector<OrderLine> lines;
    Totals totals;
    std::string language;
    Buyer buyer;
    InvoiceId invoice_id;
    bool operator==(const OrderPlaced&) const = default;
};
struct OrderConfirmed {
    OrderId order_id;
    bool operator==(const OrderConfirmed&) const = default;
};
struct OrderPaid {
    OrderId order_id;
    IntentId intent_id;
    bool operator==(const OrderPaid&) const = default;
};
// How far the shop is with the goods, in this order.
enum class Progress { confirmed, processing, shipped, delivered };

struct OrderAdvanced {
    OrderId order_id;
    Progress progress = Progress::processing;
    ConversationId conversation_id;
    CustomerId customer_id;
    std::string order_number;
    std::string note;  // what the customer is told with it
    bool operator==(const OrderAdvanced&) const = default;
};
struct OrderCancelled {
    OrderId order_id;
    std::string reason;
    ConversationId conversation_id;
    CustomerId customer_id;
    std::string order_number;
    // Of goods that were sold: they come back. Empty: the order was not paid.
    ReservationId sold_reservation_id;
    bool operator==(const OrderCancelled&) const = default;
};
// Money of the order went back.
struct OrderRefunded {
    OrderId order_id;
    RefundId refund_id;
    Money amount;
    bool whole = false;  // nothing of it is left
    bool operator==(const OrderRefunded&) const = default;
};
using OrderEvent = std::variant<OrderPlaced, OrderConfirmed, PaymentStarted, OrderPaid,
                                OrderAdvanced, OrderCancelled, OrderRefunded>;

// A checkout led to no order, or to no new payment of one. A fact of a stream of its own.
struct CheckoutRefused {
    OrderId order_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    ReservationId reservation_id;
    std::string reason;  // see refusal::
    std::string detail;
    bool retry = false;
    bool operator==(const CheckoutRefused&) const = default;
};

// The customer's text is chosen by these words.
namespace refusal {
inline const std::string kAlreadyPaid = "already_paid";
inline const std::string kOrderCancelled = "order_cancelled";
inline const std::string kPaymentPending = "payment_pending";  // another one of the same order
inline const std::string kNoOrder = "no_order";
inline const std::string kNotPriced = "not_priced";
inline const std::string kPhoneNotUsable = "phone_not_usable";  // the provider cannot ask it
inline const std::string kProviderOff = "provider_off";         // of this build, or not the shop's
inline const std::string kCurrencyNotUsable = "currency_not_usable";
inline const std::string kAmountNotUsable = "amount_not_usable";  // too small, too large, too fine
}  // namespace refusal

// What the order's latest intent is doing, as its own stream says. The caller folds that stream and
// guards the append with its version, so that this still holds when the order changes.
enum class PreviousIntent {
    none,
    waiting,  // nobody was asked yet and may still be
    pending,  // asked, or its outcome is unknown: money may come
    paid,
    over,  // failed or expired
};

// Commands.
struct PlaceOrder {
    OrderPlaced order;
};
struct StartPayment {
    IntentId intent_id;
    std::string provider;
    PreviousIntent previous = PreviousIntent::none;
};
struct MarkOrderPaid {
    IntentId intent_id;
};
struct AdvanceOrder {
    Progress to = Progress::processing;
    std::string note;
};
struct CancelOrder {
    std::string reason;
    PreviousIntent previous = PreviousIntent::none;
    bool refunds = false;  // all of its money has gone back, is going, or goes with this append
};
struct RefundOrder {
    RefundId refund_id;
    Money amount;
};
using OrderCommand =
    std::variant<PlaceOrder, StartPayment, MarkOrderPaid, AdvanceOrder, CancelOrder, RefundOrder>;

enum class OrderRejection {
    exists_already,
    not_placed,       // there is no such order
    not_priced,       // no lines, or totals that do not add up
    payment_pending,  // one intent at a time: wait for its end
    already_paid,
    cancelled,
    reason_missing,
    further_already,  // a step back
    shipped,          // too late to cancel
    not_paid,         // nothing can go back
};

// Stages.
struct NoOrder {
    bool operator==(const NoOrder&) const = default;
};
struct OpenOrder {
    OrderPlaced placed;
    bool confirmed = false;
    std::vector<IntentId> intents;  // the oldest first
    Progress progress = Progress::confirmed;
    bool operator==(const OpenOrder&) const = default;
};
struct PaidOrder {
    OrderPlaced placed;
    std::vector<IntentId> intents;
    IntentId paid_by;
    Progress progress = Progress::confirmed;
    Money refunded;
    bool operator==(const PaidOrder&) const = default;
};
struct CancelledOrder {
    OrderPlaced placed;
    std::vector<IntentId> intents;
    std::string reason;
    std::optional<IntentId> paid_by;
    Money refunded;
    bool operator==(const CancelledOrder&) const = default;
};
using Order = std::variant<NoOrder, OpenOrder, PaidOrder, CancelledOrder>;

// Throws std::logic_error when there is no order.
const OrderPlaced& placed_of(const Order& order);

Decision<OrderEvent, OrderRejection> decide(const Order& order, const OrderCommand& command);

// Why a checkout is refused when this rule rejects it.
std::string refusal_of(OrderRejection rejection);

// Throws CorruptStream if no `decide` could have written this history.
Order evolve(const Order& order, const OrderEvent& event);

}  // namespace flowstack::payment
