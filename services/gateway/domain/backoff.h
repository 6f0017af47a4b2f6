#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace flowstack::gateway {

// Full jitter: evenly spread below a bound that doubles with each failure, so that retries do not
// march in step. `random` is from [0, 1).
inline std::chrono::milliseconds full_jitter(std::chrono::milliseconds base,
                                             std::chrono::milliseconds max, int failures,
                                             double random) {
    const auto doublings = std::clamp(failures - 1, 0, 30);
    const auto bound = std::min(static_cast<double>(max.count()),
                                std::ldexp(static_cast<double>(base.count()), doublings));
    return std::chrono::milliseconds{static_cast<std::int64_t>(bound * random)};
}

}  // namespace flowstack::gateway
