#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/core/money.h"
#include "common/core/time.h"

// What a shop hears from the tenant's lane (stock) and from payment.
namespace flowstack::conversation {

struct StockAnswered {
    std::string reservation_id;
    bool reserved = false;
    std::string product_id;
    std::int64_t available = 0;
};
// Payment made an order, of a checkout in the chat or one that the shop's own site placed.
struct OrderMade {
    std::string order_id;
    std::string order_number;
};
struct PaymentBegan {
    std::string order_id;
    std::string provider;
    Money amount;
    std::string order_number = {};
    std::string intent_id = {};
};
struct PaymentPaid {
    std::string order_id;
    std::string intent_id;
    std::string receipt;
    Money amount;
    std::string order_number;
    // The order had been paid before: this money goes back.
    bool second_success = false;
};
// The receipt of a payment that was known paid without one.
struct ReceiptCame {
    std::string order_id;
    std::string receipt;
    Money amount;
    std::string order_number;
};
struct PaymentFailed {
    std::string order_id;
    std::string reason;  // cancelled | withdrawn | insufficient_funds | no_answer | wrong_pin |
                         // limit | busy | refused | not_paid | other
    std::string intent_id = {};
};
// Payment made no order of a checkout, or no new payment of its order.
struct CheckoutRefused {
    std::string order_id;
    std::string reservation_id;
    std::string reason;  // already_paid | order_cancelled | payment_pending | no_order | not_priced
                         // | phone_not_usable | provider_off | currency_not_usable |
                         // amount_not_usable
};
struct PaymentExpired {
    std::string order_id;
    std::string intent_id = {};
};
// Nothing but a person ends this payment: its outcome is unknown, or the evidence contradicts
// itself.
struct PaymentUnclear {
    std::string order_id;
    std::string intent_id;
    Money amount;
    std::string order_number;
};
struct InvoiceLine {
    std::string product_name;
    std::int64_t quantity = 0;
    Money unit_price;
    Money line_total;
};
struct InvoiceSent {
    std::string order_id;
    std::string number;
    std::string order_number;
    std::vector<InvoiceLine> lines;
    Money subtotal, tax, rounding, total;
    Time due_at{};
};
using ShopInput =
    std::variant<StockAnswered, OrderMade, PaymentBegan, PaymentPaid, ReceiptCame, PaymentFailed,
                 CheckoutRefused, PaymentExpired, PaymentUnclear, InvoiceSent>;

}  // namespace flowstack::conversation
