#pragma once

#include <array>
#include <chrono>
#include <optional>

#include "common/core/time.h"

// When a file of a received message is asked for again.
namespace flowstack::gateway {

// Before the second attempt, the third …; the last wait ends long before the provider forgets it.
inline constexpr std::array<std::chrono::seconds, 5> kMediaWaits{
    std::chrono::seconds{5}, std::chrono::seconds{30}, std::chrono::minutes{2},
    std::chrono::minutes{15}, std::chrono::hours{2}};

// Nothing: attempt number `attempt`, from 1, was the last one.
inline std::optional<Time> next_media_attempt(int attempt, bool final, Time now) {
    if (final || attempt < 1 || attempt > static_cast<int>(kMediaWaits.size())) return std::nullopt;
    return now + kMediaWaits[static_cast<std::size_t>(attempt - 1)];
}

}  // namespace flowstack::gateway
