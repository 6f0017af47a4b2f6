#include "common/resilience/backoff.h"

#include <algorithm>
#include <cstdint>

namespace flowstack::resilience {

std::chrono::milliseconds backoff_bound(const BackoffPolicy& policy, int attempt) {
    auto bound = std::min(policy.base, policy.limit);
    // Stops at the limit, so any attempt number is safe from overflow.
    for (int i = 1; i < attempt && bound < policy.limit && bound.count() > 0; ++i)
        bound = bound > policy.limit / 2 ? policy.limit : bound * 2;
    return std::max(bound, std::chrono::milliseconds{0});
}

std::chrono::milliseconds full_jitter(const BackoffPolicy& policy, int attempt, double random) {
    const auto bound = backoff_bound(policy, attempt);
    const double share = std::clamp(random, 0.0, 1.0) * (static_cast<double>(bound.count()) + 1);
    return std::min(bound, std::chrono::milliseconds(static_cast<std::int64_t>(share)));
}

}  // namespace flowstack::resilience
