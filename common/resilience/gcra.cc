#include "common/resilience/gcra.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace flowstack::resilience {

Gcra::Gcra(GcraLimit limit) {
    if (!(limit.per_second > 0) || limit.burst < 1)
        throw std::invalid_argument("gcra: rate and burst must be positive");
    // Rounded up, so that the limit is never exceeded by rounding.
    const double micros = std::ceil(1e6 / limit.per_second);
    constexpr double kMicrosMax = 1e15;  // 31 years: slower than that is never
    interval_ = Duration(static_cast<Duration::rep>(std::min(micros, kMicrosMax)));
    tolerance_ = interval_ * limit.burst;
}

GcraVerdict Gcra::peek(Instant now, int cost) const {
    const Duration need = interval_ * std::max(cost, 1);
    if (need > tolerance_) return {false, Duration::max()};
    const Instant from = std::max(now, full_at_);
    const Instant allowed_at = std::max(from + need - tolerance_, blocked_until_);
    if (allowed_at <= now) return {true, Duration{0}};
    return {false, allowed_at - now};
}

GcraVerdict Gcra::take(Instant now, int cost) {
    const GcraVerdict verdict = peek(now, cost);
    if (verdict.allowed) full_at_ = std::max(now, full_at_) + interval_ * std::max(cost, 1);
    return verdict;
}

void Gcra::block_until(Instant until) { blocked_until_ = std::max(blocked_until_, until); }

}  // namespace flowstack::resilience
