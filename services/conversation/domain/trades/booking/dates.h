#pragma once

#include <chrono>
#include <optional>
#include <string_view>

// A day and a time as people write them, in English and in Swahili: "kesho saa nne", "tomorrow
// 10am", "12/5", "Ijumaa", "next monday 3pm", "tarehe 5 mwezi wa sita saa nane mchana".
//
// The Swahili clock counts from six: saa nne is ten o'clock by day, saa nne usiku ten at night. A
// number with a slash is day/month. What may mean two days or two times is unclear, never the
// likelier one: the customer is asked again.
namespace flowstack::conversation {

// What a clock on the tenant's wall shows.
using WallTime = std::chrono::local_time<std::chrono::minutes>;
using WallDay = std::chrono::local_days;

struct DateReading {
    enum class Standing {
        nothing,     // the words name no day and no time
        understood,  // a day, a time, or both
        unclear,     // they may mean more than one
        past,        // they mean one that is over
    };
    Standing standing = Standing::nothing;
    std::optional<WallDay> day{};
    std::optional<std::chrono::minutes> clock{};  // after midnight
    bool operator==(const DateReading&) const = default;
};

// How far ahead a day may be.
inline constexpr std::chrono::days kDateAheadMax{366};

// `now` is what the tenant's wall clock shows.
DateReading read_date(std::string_view words, WallTime now);

}  // namespace flowstack::conversation
