#pragma once

#include <chrono>
#include <optional>

// Quiet hours: the part of a tenant's day in which it does not speak first.
namespace flowstack {

// Minutes after midnight on the tenant's wall clock; start = end means there are none. They may
// cross midnight: 22:00 to 07:00 is {1320, 420}.
struct QuietHours {
    int start_minute = 0;
    int end_minute = 0;
    bool operator==(const QuietHours&) const = default;
};

// A wall clock's reading. local_clock.h turns it into a moment, because that takes a time zone.
using LocalTime = std::chrono::local_time<std::chrono::seconds>;

// The wall clock time at which the quiet hours that contain `now` end; nothing outside of them.
std::optional<LocalTime> quiet_end(const QuietHours& quiet, LocalTime now);

}  // namespace flowstack
