#include "services/conversation/domain/trades/shop/shop.h"

namespace flowstack::conversation {

// What the shop sells of it becomes the cart, at the shop's own prices.
void Shop::on(const CartSent& input) {
    auto& flow = scene_.flow;
    flow.customer_speaks();
    const auto state = scene_.dialogue().state;
    if (state == Lifecycle::escalated || state == Lifecycle::closed || state == Lifecycle::paid)
        return;
    if (flow.answered_as_busy()) return;
    flow.wake("customer sent a cart");
    std::vector<OrderedLine> known;
    std::size_t left_out = 0;
    for (const auto& line : input.lines) {
        if (cart_.product(line.product_id) && line.quantity >= kQuantityMin &&
            line.quantity <= kQuantityMax)
            known.push_back(line);
        else
            ++left_out;
    }
    if (known.empty()) return flow.run_on("cart_unknown");
    cart_.add_lines({}, known);
    // What the provider's catalog calls them, nobody knows here.
    if (left_out > 0)
        flow.speech().reply("cart_not_whole", {{"left_out", std::to_string(left_out)}});
    flow.run_on("cart_sent");
}

void Shop::add_values(Values& values) const {
    const auto& state = scene_.state();
    const auto& lines = state.cart.empty() ? state.order_lines : state.cart;
    if (!lines.empty()) add_totals(values, lines, scene_.tenant());
    if (!state.order_id.empty()) {
        const auto& number = values[variable::kOrderNumber];
        values["order_id"] = number.empty() ? state.order_id.text() : number;
    }
    if (checkout_.on_hold()) values["orders_on_hold"] = "yes";
    values[variable::kPhone] = checkout_.phone();
    for (const auto& [name, value] : payments_.shown()) values[name] = value;
}

bool Shop::take_tap(const std::string& action, const std::string& argument) {
    if (action != kPayOrderAction) return false;
    checkout_.pay_tapped_order(argument);
    return true;
}

}  // namespace flowstack::conversation
