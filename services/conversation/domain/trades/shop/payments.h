#pragma once

#include <string>

#include "services/conversation/domain/trades/shop/checkout.h"
#include "services/conversation/domain/trades/shop/inputs.h"
#include "services/conversation/domain/trades/shop/scene.h"

// What payment says of payments and orders. Each fact about a payment is noted under its payment
// first: the rules ask the notes, never a variable, since a flow can write variables.
namespace flowstack::conversation {

class Payments {
public:
    Payments(const ShopScene& scene, Checkout& checkout) : scene_(scene), checkout_(checkout) {}

    void on(const PaymentBegan& input);
    void on(const PaymentPageOpened& input);
    void on(const PaymentPaid& input);
    void on(const ReceiptCame& input);
    void on(const PaymentFailed& input);
    void on(const PaymentExpired& input);
    void on(const PaymentUnclear& input);
    void on(const OrderWentOn& input);
    void on(const OrderGivenUp& input);
    void on(const RefundSent& input);
    void on(const InvoiceSent& input);

    // What texts say in this step instead of the dialogue's own: one payment and its order.
    const Values& shown() const { return shown_; }

private:
    // The dialogue is about this order.
    bool is_current(const OrderId& order_id) const;
    // WAITING_FOR_PAYMENT waits for this payment.
    bool waits_for(const IntentId& intent_id, const OrderId& order_id) const;
    // What texts say of one payment: its own order and amounts, never those of the cart or of
    // another order. A payment without an order names none.
    Values values_of(const OrderId& order_id, const std::string& order_number,
                     const std::string& receipt, Money amount) const;
    void note(const IntentId& intent_id, const OrderId& order_id, PaymentNews news, Money amount,
              const std::string& order_number);
    void end_held_reservation(bool sold, ReservationEnd reason);
    // Else an old button would order the same things once more.
    void empty_cart_of_order();
    // The goods of an order that was given up and is paid after all.
    void take_stock_again(const OrderId& order_id, const std::vector<CartLine>& lines);
    void settle_goods(const PaymentPaid& input, bool was_paid, bool waited);
    // The payment brought no money: it failed, or it expired.
    void ended(const OrderId& order_id, const IntentId& intent_id, PaymentNews news,
               const std::string& reason, const std::string& plain_words);

    const ShopScene& scene_;
    Checkout& checkout_;
    Values shown_;
    int late_reservations_ = 0;
};

}  // namespace flowstack::conversation
