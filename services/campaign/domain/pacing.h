#pragma once

#include <cstdint>

#include "common/core/time.h"
#include "services/campaign/domain/audience_shard.h"
#include "services/campaign/domain/campaign.h"

// How fast a campaign asks for its sends: no faster than its throttle, and never more than about
// two seconds of sends wait in gateway, so that a pause takes effect at once.
namespace flowstack::campaign {

inline constexpr std::int64_t kBacklogSeconds = 2;
// What an unthrottled campaign takes its channel for, until it has seen better: 80/s is what Meta
// starts with.
inline constexpr std::int64_t kChannelPerSecond = 80;
inline constexpr std::int64_t kChannelPerSecondMax = 1000;

// The pacer's memory of one campaign. A new owner starts with an empty one.
struct Pace {
    Time at{};                                    // of the last look
    std::int64_t settled = 0;                     // recipients with a disposition, then
    std::int64_t per_second = kChannelPerSecond;  // what gateway was seen to get rid of
    std::int64_t credit_us = 0;  // throttle: saved up sends × 1 s, at most one second's worth
};

// Looks again: `now` and `settled` are those of this look. A throttle of 0 is none.
Pace looked(Pace pace, Time now, std::int64_t settled, int throttle_per_second);

// How many sends may be asked for now, with `queued` of them in gateway.
std::int64_t allowance(const Pace& pace, std::int64_t queued, int throttle_per_second);

// After asking for `count`.
Pace asked(Pace pace, std::int64_t count, int throttle_per_second);

}  // namespace flowstack::campaign
