#include "services/campaign/domain/pacing.h"

#include <algorithm>

namespace flowstack::campaign {
namespace {
constexpr std::int64_t kSecond = 1'000'000;
}

Pace looked(Pace pace, Time now, std::int64_t settled, int throttle_per_second) {
    const bool first = pace.at == Time{};
    const std::int64_t elapsed =
        first ? kSecond : std::max<std::int64_t>(0, (now - pace.at).count());
    // Half a second at least, so that a short look does not take a burst for the rate.
    if (!first && elapsed >= kSecond / 2) {
        const auto seen = (settled - pace.settled) * kSecond / elapsed;
        pace.per_second = std::clamp(seen, kChannelPerSecond, kChannelPerSecondMax);
    }
    if (first || elapsed >= kSecond / 2) {
        pace.settled = settled;
        const auto worth = throttle_per_second * kSecond;
        pace.credit_us =
            std::min(worth, pace.credit_us + std::min(elapsed, kSecond) * throttle_per_second);
        pace.at = now;
    }
    return pace;
}

std::int64_t allowance(const Pace& pace, std::int64_t queued, int throttle_per_second) {
    const auto rate = throttle_per_second > 0
                          ? std::min<std::int64_t>(throttle_per_second, pace.per_second)
                          : pace.per_second;
    auto allowed = std::max<std::int64_t>(0, rate * kBacklogSeconds - queued);
    if (throttle_per_second > 0) allowed = std::min(allowed, pace.credit_us / kSecond);
    return allowed;
}

Pace asked(Pace pace, std::int64_t count, int throttle_per_second) {
    if (throttle_per_second > 0)
        pace.credit_us = std::max<std::int64_t>(0, pace.credit_us - count * kSecond);
    return pace;
}

}  // namespace flowstack::campaign
