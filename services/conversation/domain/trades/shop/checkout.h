#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/trades/shop/inputs.h"
#include "services/conversation/domain/trades/shop/scene.h"

// From "how would you like to pay?" to the order: offers, the stock that is asked for, the checkout
// that payment makes an order of; and the orders of the shop's own site that wait for their
// payment.
//
// Orders are taken by value where facts follow: a fact moves the state that a pointer would point
// to.
namespace flowstack::conversation {

// A tap on a payment provider's button; its argument is the provider.
inline constexpr std::string_view kPayAction = "pay";
// A tap on the button that offers a failed payment again.
inline constexpr std::string_view kRetryAction = "retry";
// A tap that pays an order which waits: "<provider>|<order>". The shop answers it in every flow.
inline constexpr std::string_view kPayOrderAction = "pay_order";

class Checkout {
public:
    explicit Checkout(const ShopScene& scene) : scene_(scene) {}

    void on(const StockAnswered& input);
    void on(const OrderMade& input);
    void on(const CheckoutRefused& input);

    // The number that pays: what the customer said, else where they write from.
    std::string phone() const;
    // The provider that was asked for, else the first one. The tenant has at least one.
    std::string one_that_is_on(const std::string& provider) const;
    // A button for each way to pay that the tenant has on; the tap's argument ends with `more`.
    std::vector<Choice> provider_buttons(std::string_view action, const std::string& more) const;

    // The tenant lets nobody pay for anything else while the outcome of an earlier payment is
    // unclear.
    bool on_hold() const;

    // The waiting order that is spoken of: what this step is about, else the latest that was
    // offered.
    const WaitingOrder* offered_order() const;
    void say_order(const std::string& template_key, const WaitingOrder& order);
    // Asks how to pay it, as the flow does; in the middle of something else, in words only.
    void offer(const OrderId& order_id);
    void ask_stock_for(const std::vector<CartLine>& lines);
    void ask_stock_for(WaitingOrder order, const std::string& provider);
    // A tap on a button of say_order.
    void pay_tapped_order(const std::string& argument);

    // It waits for its payment no longer.
    void end_wait(const OrderId& order_id, OrderWaitEnd reason);

    // The dialogue does not close while an order waits: its buttons belong to this dialogue. After
    // a payment the next one is offered. While orders are on hold it stays open too, because only
    // this dialogue knows of the unclear payment.
    bool keeps_open();

private:
    void refuse(const std::string& reason);
    void capture_product_name(const std::vector<CartLine>& lines, const ProductId& product_id);
    // The reservation is for an order whose money has come.
    void end_reservation_of_paid(const StockAnswered& input);
    void stock_is_refused(const StockAnswered& input, const std::vector<CartLine>& lines);
    void check_out(const StockAnswered& input, const std::vector<CartLine>& lines,
                   const OrderId& waiting_order_id);

    const ShopScene& scene_;
    OrderId offered_;  // the waiting order that this step is about
};

}  // namespace flowstack::conversation
