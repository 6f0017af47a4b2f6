#pragma once

#include <chrono>

namespace flowstack::resilience {

struct BackoffPolicy {
    std::chrono::milliseconds base{200};      // bound of the first wait
    std::chrono::milliseconds limit{60'000};  // bound of every wait
};

// How long to wait before retry number `attempt` (1 = the first retry): full jitter, that is evenly
// spread over [0, min(limit, base * 2^(attempt-1))]. `random` is in [0, 1) and comes from the
// caller, so the same inputs give the same wait.
std::chrono::milliseconds full_jitter(const BackoffPolicy& policy, int attempt, double random);

// The bound itself, for tests and for logs.
std::chrono::milliseconds backoff_bound(const BackoffPolicy& policy, int attempt);

}  // namespace flowstack::resilience
