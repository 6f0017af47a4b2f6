#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

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
    std::string reservation_id;
    std::string conversation_id;
    std::string customer_id;
    std::vector<CartLine> lines;
    std::string paid_order_id = {};  // paid late: taken again, nobody is asked to pay
    std::string order_id = {};       // the waiting order that is going to be paid
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
    std::string provider;  // of payments, by the tenant's name for it
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
    let_go,  // a person handed back or closed the dialogue: it does not wait for the money any more
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
struct ReservationEndRequested {
    std::string reservation_id;
    bool sold = false;
    std::string reason;
    bool operator==(const ReservationEndRequested&) const = default;
};
using ShopFact =
    std::variant<CartChanged, UnclearItemsChanged, StockRequested, CheckoutRequested, OrderTaken,
                 OrderOffered, OrderWaitEnded, PaymentNoted, ReservationEndRequested>;

}  // namespace flowstack::conversation
