#include "services/conversation/domain/trades/shop/shop.h"

namespace flowstack::conversation {

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
