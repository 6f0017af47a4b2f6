#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/core/id.h"
#include "services/conversation/domain/flow/dialogue.h"
#include "services/conversation/domain/trades/shop/facts.h"

// What a conversation knows as a shop: the cart, the orders, and what payment said of them.
namespace flowstack::conversation {

// Variables that the shop reads, or fills for texts.
namespace variable {
inline const std::string kPhone = "phone";  // the number that pays
inline const std::string kProductId = "product_id";
inline const std::string kQuantity = "quantity";
inline const std::string kProvider = "provider";
inline const std::string kOrderNumber = "order_number";
inline const std::string kInvoiceNumber = "invoice_number";
}  // namespace variable

inline constexpr std::size_t kCartLinesMax = 20;
// The most lines whose stock is counted: a reservation is one append, with a part for each of these
// products and one of its own.
inline constexpr std::size_t kCountedLinesMax = 15;

// An order that was placed before anybody chose how to pay it. It holds no stock: what it needs is
// asked for when the customer pays, as for any checkout.
struct WaitingOrder {
    OrderId id;
    std::string number;  // empty: payment has not made it yet
    std::vector<CartLine> lines;
    std::string address;
    std::optional<OrderWaitEnd> ended;  // nothing: it waits

    bool waits() const { return !ended; }
    // Payment has made it: the customer may be asked how to pay.
    bool is_offered() const { return waits() && !number.empty(); }
    bool operator==(const WaitingOrder&) const = default;
};
// The oldest are forgotten first: they stay unpaid in the books, and a person helps whoever taps.
inline constexpr std::size_t kWaitingOrdersMax = 10;

// A checkout of this dialogue that another one has followed. Its money may still come.
struct EarlierOrder {
    OrderId id;
    std::vector<CartLine> lines;
    std::string address;
    bool operator==(const EarlierOrder&) const = default;
};
inline constexpr std::size_t kEarlierOrdersMax = 10;

struct KnownPayment {
    IntentId intent_id;
    OrderId order_id;
    PaymentNews news = PaymentNews::started;
    Money amount;
    std::string order_number;

    // The same payment? Where one side does not know the intent, the order decides.
    bool is(const IntentId& intent, const OrderId& order) const {
        if (!intent.empty() && !intent_id.empty()) return intent == intent_id;
        return !order.empty() && order == order_id;
    }
    bool operator==(const KnownPayment&) const = default;
};
inline constexpr std::size_t kKnownPaymentsMax = 20;

// The lines and the address of an order that the dialogue knows.
struct OrderContents {
    std::vector<CartLine> lines;
    std::string address;
};

struct ShopState {
    std::vector<CartLine> cart;
    std::vector<UnclearItem> unclear_items;
    // Asked for and not answered yet; empty when nothing is asked.
    ReservationId asked_reservation_id;
    // The waiting order that it is asked for; empty: for the cart.
    OrderId asked_order_id;
    // The same for orders that were paid late.
    std::set<ReservationId> late_reservation_ids;
    // What the checkout holds, until it is sold or given back.
    ReservationId held_reservation_id;
    OrderId order_id;
    std::vector<CartLine> order_lines;
    std::string order_address;
    std::string order_provider;
    std::deque<EarlierOrder> earlier_orders;  // oldest first
    std::deque<KnownPayment> payments;        // oldest first
    KnownPayment awaited;                     // what WAITING_FOR_PAYMENT waits for
    std::deque<WaitingOrder> waiting_orders;  // oldest first, those that ended too

    const WaitingOrder* waiting_order(const OrderId& order) const;
    const KnownPayment* payment(const IntentId& intent, const OrderId& order) const;
    // Nothing if the dialogue does not know the order (any more).
    std::optional<OrderContents> find_order(const OrderId& order) const;
    // Of an order: by its last payment, except that paid stays paid. No order has none of it.
    bool is_paid(const OrderId& order) const;
    bool payment_failed(const OrderId& order) const;   // or expired: it may be tried again
    bool payment_unclear(const OrderId& order) const;  // it must not be tried again
    // Of any order, or of none: payment has said that only a person can end it, and nobody has.
    bool has_unclear_payment() const;
    // A payment may come: between the request for stock and the payment's end.
    bool paying(Lifecycle state) const {
        return !asked_reservation_id.empty() || state == Lifecycle::waiting_for_payment ||
               (!held_reservation_id.empty() && state != Lifecycle::closed);
    }
    // Nothing has come of what the customer said so far.
    bool is_untouched() const { return cart.empty() && order_id.empty(); }
    bool operator==(const ShopState&) const = default;
};

// Each moves the shop's state along, and the dialogue's where a fact empties a variable. Throws
// CorruptStream if no rule could have produced the fact here.
void apply(ShopState& shop, Dialogue& dialogue, const CartChanged& fact);
void apply(ShopState& shop, Dialogue& dialogue, const UnclearItemsChanged& fact);
void apply(ShopState& shop, Dialogue& dialogue, const StockRequested& fact);
void apply(ShopState& shop, Dialogue& dialogue, const CheckoutRequested& fact);
void apply(ShopState& shop, Dialogue& dialogue, const OrderTaken& fact);
void apply(ShopState& shop, Dialogue& dialogue, const OrderOffered& fact);
void apply(ShopState& shop, Dialogue& dialogue, const OrderWaitEnded& fact);
void apply(ShopState& shop, Dialogue& dialogue, const PaymentNoted& fact);
void apply(ShopState& shop, Dialogue& dialogue, const ReservationEndRequested& fact);

// A person ended the wait: the dialogue does not wait for a payment that is under way. What is held
// goes back, and the order is not paid a second time. Money that comes all the same is late money.
std::vector<ShopFact> let_payment_go(const ShopState& shop, ReservationEnd reason);
// A person closed the dialogue: no order waits in it any more.
std::vector<ShopFact> end_all_waits(const ShopState& shop);

}  // namespace flowstack::conversation
