#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/core/id.h"
#include "common/core/money.h"
#include "common/core/time.h"
#include "services/conversation/domain/trades/shop/order_text.h"

// What a shop hears from the customer (a cart), the tenant's lane (stock) and from payment.
namespace flowstack::conversation {

// The customer filled a cart in the provider's catalog, whose products have our products' ids.
struct CartSent {
    std::vector<OrderedLine> lines;
};

struct StockAnswered {
    ReservationId reservation_id;
    bool reserved = false;
    ProductId product_id;
    std::int64_t available = 0;
};
// Payment made an order, of a checkout in the chat or one that the shop's own site placed.
struct OrderMade {
    OrderId order_id;
    std::string order_number;
};
struct PaymentBegan {
    OrderId order_id;
    std::string provider;
    Money amount;
    std::string order_number = {};
    IntentId intent_id = {};
};
// The payer pays on a page of the provider.
struct PaymentPageOpened {
    OrderId order_id;
    IntentId intent_id;
    std::string provider;
    Money amount;
    std::string order_number;
    std::string url;
};
struct PaymentPaid {
    OrderId order_id;
    IntentId intent_id;
    std::string receipt;
    Money amount;
    std::string order_number;
    // The order had been paid before: this money goes back.
    bool second_success = false;
};
// The receipt of a payment that was known paid without one.
struct ReceiptCame {
    OrderId order_id;
    std::string receipt;
    Money amount;
    std::string order_number;
};
struct PaymentFailed {
    OrderId order_id;
    std::string reason;  // cancelled | withdrawn | insufficient_funds | no_answer | wrong_pin |
                         // limit | busy | refused | declined | page_expired | not_paid | other
    IntentId intent_id = {};
};
// Payment made no order of a checkout, or no new payment of its order.
struct CheckoutRefused {
    OrderId order_id;
    ReservationId reservation_id;
    std::string reason;  // already_paid | order_cancelled | payment_pending | no_order | not_priced
                         // | phone_not_usable | provider_off | currency_not_usable |
                         // amount_not_usable
};
struct PaymentExpired {
    OrderId order_id;
    IntentId intent_id = {};
};
// Nothing but a person ends this payment: its outcome is unknown, or the evidence contradicts
// itself.
struct PaymentUnclear {
    OrderId order_id;
    IntentId intent_id;
    Money amount;
    std::string order_number;
};
enum class OrderProgress { processing, shipped, delivered };
// The shop went on with the goods of an order.
struct OrderWentOn {
    OrderId order_id;
    OrderProgress progress = OrderProgress::processing;
    std::string order_number;
    std::string note;  // in the shop's words; may be empty
};
// The shop gave an order up.
struct OrderGivenUp {
    OrderId order_id;
    std::string order_number;
    std::string reason;  // in the shop's words
    // Of what was sold and comes back; empty: nobody had paid.
    ReservationId sold_reservation_id = {};
};
// Money of a payment went back to its payer.
struct RefundSent {
    OrderId order_id;
    std::string order_number;
    Money amount;
    std::string receipt;
};
struct InvoiceLine {
    std::string product_name;
    std::int64_t quantity = 0;
    Money unit_price;
    Money line_total;
};
struct InvoiceSent {
    OrderId order_id;
    std::string number;
    std::string order_number;
    std::vector<InvoiceLine> lines;
    Money subtotal, tax, rounding, total;
    Time due_at{};
};
using ShopInput =
    std::variant<CartSent, StockAnswered, OrderMade, PaymentBegan, PaymentPageOpened, PaymentPaid,
                 ReceiptCame, PaymentFailed, CheckoutRefused, PaymentExpired, PaymentUnclear,
                 OrderWentOn, OrderGivenUp, RefundSent, InvoiceSent>;

}  // namespace flowstack::conversation
