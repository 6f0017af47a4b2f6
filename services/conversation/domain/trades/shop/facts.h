#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/id.h"
#include "common/core/money.h"
#include "common/core/time.h"
#include "services/conversation/domain/trades/shop/catalog.h"
#include "services/conversation/domain/trades/shop/order_text.h"

// What a shop records of a conversation, beside the facts of every dialogue (flow/dialogue.h).
namespace flowstack::conversation {

struct CartChanged {
    std::vector<CartLine> lines;
    bool operator==(const CartChanged&) const = default;
};
// What a text order did not say clearly and is yet to be asked about, whole.
struct UnclearItemsChanged {
    std::vector<UnclearItem> items;
    bool operator==(const UnclearItemsChanged&) const = default;
};
struct StockRequested {
    ReservationId reservation_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    std::vector<CartLine> lines;
    OrderId paid_order_id = {};  // paid late: taken again, nobody is asked to pay
    OrderId order_id = {};       // the waiting order that is going to be paid
    bool operator==(const StockRequested&) const = default;
};
struct CheckoutRequested {
    OrderId order_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    ChannelId channel_id;
    ReservationId reservation_id;
    std::vector<CartLine> lines;
    std::string currency_code;
    std::string provider;  // of payments, by the tenant's name for it
    std::string language;
    OrderId retry_of_order_id;
    std::string name;
    std::string address;
    std::string phone;
    bool pay_later = false;  // placed by the shop's own site: nothing reserved, nobody asked yet
    bool operator==(const CheckoutRequested&) const = default;
};
// The shop's own site placed an order: what it was told.
struct OrderTaken {
    OrderId order_id;
    Money total;
    Time window_closes_at{};  // as gateway knew it; epoch: not open
    bool operator==(const OrderTaken&) const = default;
};
// Payment made it, and the customer is asked how to pay.
struct OrderOffered {
    OrderId order_id;
    std::string order_number;
    bool operator==(const OrderOffered&) const = default;
};
// Why an order waits for its payment no longer. Closed: a person closed the dialogue.
enum class OrderWaitEnd { paid, order_cancelled, no_order, not_priced, closed };
std::string_view text_of(OrderWaitEnd end);  // "order_cancelled"
struct OrderWaitEnded {
    OrderId order_id;
    OrderWaitEnd reason = OrderWaitEnd::paid;
    bool operator==(const OrderWaitEnded&) const = default;
};
enum class PaymentNews {
    started,
    unclear,  // only a person can end it
    let_go,  // a person handed back or closed the dialogue: it does not wait for the money any more
    paid,
    failed,
    expired,
};
std::string_view text_of(PaymentNews news);  // "let go"
// Payment said this about one payment of the customer.
struct PaymentNoted {
    IntentId intent_id;
    OrderId order_id;  // empty: a payment without an order
    PaymentNews news = PaymentNews::started;
    Money amount;  // zero: as before
    std::string order_number;
    bool operator==(const PaymentNoted&) const = default;
};
struct ReservationEndRequested {
    ReservationId reservation_id;
    bool sold = false;
    ReservationEnd reason = ReservationEnd::paid;
    bool operator==(const ReservationEndRequested&) const = default;
};
using ShopFact =
    std::variant<CartChanged, UnclearItemsChanged, StockRequested, CheckoutRequested, OrderTaken,
                 OrderOffered, OrderWaitEnded, PaymentNoted, ReservationEndRequested>;

}  // namespace flowstack::conversation
