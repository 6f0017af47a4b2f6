#include "services/payment/domain/pricing.h"

#include <stdexcept>

namespace flowstack::payment {

std::optional<PricedOrder> price(std::vector<OrderLine> lines, std::int64_t tax_rate_bp) {
    if (lines.empty() || lines.size() > kOrderLinesMax) return {};
    const auto currency = lines.front().unit_price.currency;
    PricedOrder order;
    Money subtotal{0, currency};
    try {
        for (auto& line : lines) {
            if (line.unit_price.currency != currency || line.unit_price.minor_units < 0) return {};
            if (line.quantity < 1 || line.quantity > kLineQuantityMax) return {};
            line.line_total = line.unit_price * line.quantity;
            subtotal += line.line_total;
        }
        order.totals = totals_of(subtotal, tax_rate_bp);
        if (!is_positive(order.totals.total)) return {};
    } catch (const std::overflow_error&) {
        return {};
    }
    order.lines = std::move(lines);
    return order;
}

}  // namespace flowstack::payment
