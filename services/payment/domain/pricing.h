#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/payment/domain/ledger.h"

// What an order costs.
//
// The rule, in this order:
//   1. line total = quantity × unit price;  subtotal = sum of the lines
//   2. tax = subtotal × tax rate, to the nearest minor unit, halves away from zero. Once on the
//      subtotal, not per line, so that the lines' order and splitting change nothing.
//   3. KES only: the total is rounded to the nearest whole shilling, halves up, because M-Pesa
//   takes
//      whole shillings only. The difference (−0.49 … +0.50) is the invoice's rounding line and goes
//      to the account `rounding`. A total below half a shilling becomes one shilling.
//   4. total = subtotal + tax + rounding
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
