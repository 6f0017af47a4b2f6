#pragma once

#include <cstdint>

#include "common/core/money.h"

// The one rule for what goods cost, used by the summary that a customer confirms and by the books.
//
//   1. tax = subtotal × tax rate, to the nearest minor unit, halves away from zero. Once on the
//      subtotal and not per line, so that the lines' order and splitting change nothing.
//   2. KES only: the total is rounded to the nearest whole shilling, halves up, because mobile
//      money takes whole shillings only. A positive total below half a shilling becomes one
//      shilling. The difference (−0.49 … +0.99) is the rounding.
//   3. total = subtotal + tax + rounding
namespace flowstack {

struct Totals {
    Money subtotal;
    Money tax;
    Money rounding;
    Money total;
    bool operator==(const Totals&) const = default;
};

// Throws std::overflow_error when a sum does not fit.
Totals totals_of(Money subtotal, std::int64_t tax_rate_bp);

}  // namespace flowstack
