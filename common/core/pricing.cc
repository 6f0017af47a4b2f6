#include "common/core/pricing.h"

namespace flowstack {
namespace {

constexpr std::int64_t kCentsPerShilling = 100;

Money whole_shillings(Money amount) {
    // Added as Money, which throws where the sum does not fit.
    const auto up = amount + Money{kCentsPerShilling / 2, amount.currency};
    const auto shillings = up.minor_units / kCentsPerShilling;
    return {(shillings == 0 ? 1 : shillings) * kCentsPerShilling, amount.currency};
}

}  // namespace

Totals totals_of(Money subtotal, std::int64_t tax_rate_bp) {
    Totals totals;
    totals.subtotal = subtotal;
    totals.tax = basis_points_of(subtotal, tax_rate_bp);
    totals.total = subtotal + totals.tax;
    totals.rounding = {0, subtotal.currency};
    if (subtotal.currency == Currency::kes && is_positive(totals.total)) {
        const auto rounded = whole_shillings(totals.total);
        totals.rounding = rounded - totals.total;
        totals.total = rounded;
    }
    return totals;
}

}  // namespace flowstack
