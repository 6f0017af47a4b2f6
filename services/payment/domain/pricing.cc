#include "services/payment/domain/pricing.h"

#include <stdexcept>

namespace flowstack::payment {
namespace {

constexpr std::int64_t kCentsPerShilling = 100;

Money whole_shillings(Money amount) {
    auto shillings = (amount.minor_units + kCentsPerShilling / 2) / kCentsPerShilling;
    if (shillings == 0) shillings = 1;
    return {shillings * kCentsPerShilling, amount.currency};
}

}  // namespace

std::optional<PricedOrder> price(std::vector<OrderLine> lines, std::int64_t tax_rate_bp) {
    if (lines.empty() || lines.size() > kOrderLinesMax) return {};
    const auto currency = lines.front().unit_price.currency;
    PricedOrder order;
    auto& totals = order.totals;
    totals.subtotal = totals.rounding = {0, currency};
    try {
        for (auto& line : lines) {
            if (line.unit_price.currency != currency || line.unit_price.minor_units < 0) return {};
            if (line.quantity < 1 || line.quantity > kLineQuantityMax) return {};
            line.line_total = line.unit_price * line.quantity;
            totals.subtotal += line.line_total;
        }
        totals.tax = basis_points_of(totals.subtotal, tax_rate_bp);
        totals.total = totals.subtotal + totals.tax;
        if (!is_positive(totals.total)) return {};
        if (currency == Currency::kes) {
            // The bound keeps the rounding itself from overflowing.
            const Money bound = totals.total + Money{kCentsPerShilling, currency};
            static_cast<void>(bound);
            const auto rounded = whole_shillings(totals.total);
            totals.rounding = rounded - totals.total;
            totals.total = rounded;
        }
    } catch (const std::overflow_error&) {
        return {};
    }
    order.lines = std::move(lines);
    return order;
}

}  // namespace flowstack::payment
