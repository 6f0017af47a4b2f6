#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/payment/domain/ledger.h"

// What an order costs.
//
// line total = quantity × unit price, subtotal = sum of the lines; tax, rounding and total by the
// rule of common/core/pricing.h. The rounding is the invoice's rounding line and goes to the
// account `rounding`.
namespace flowstack::payment {

inline constexpr std::int64_t kLineQuantityMax = 1'000'000;
inline constexpr std::size_t kOrderLinesMax = 200;

struct OrderLine {
    std::string product_id;
    std::string product_name;
    std::int64_t quantity = 0;
    Money unit_price;
    Money line_total;
    bool operator==(const OrderLine&) const = default;
};

struct PricedOrder {
    std::vector<OrderLine> lines;  // with line_total filled
    Totals totals;
};

// Nothing if there is no line or too many, a quantity is not from 1 to kLineQuantityMax, a price is
// negative, currencies differ, the total is not positive, or a sum does not fit.
std::optional<PricedOrder> price(std::vector<OrderLine> lines, std::int64_t tax_rate_bp);

}  // namespace flowstack::payment
