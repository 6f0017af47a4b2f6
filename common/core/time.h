#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// One time type for the whole system: UTC, microseconds since 1970, as Postgres and the envelope
// keep it. Rules get it in the command; only a Clock (clock.h) reads the machine's.
namespace flowstack {

using Time = std::chrono::sys_time<std::chrono::microseconds>;
using Micros = std::chrono::microseconds;

constexpr std::int64_t unix_micros(Time at) { return at.time_since_epoch().count(); }
constexpr Time from_unix_micros(std::int64_t micros) { return Time{Micros{micros}}; }

// Rounds towards the past, so that no time is ever after itself.
constexpr std::int64_t unix_millis(Time at) {
    return std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
}
constexpr Time from_unix_millis(std::int64_t millis) {
    return Time{std::chrono::milliseconds{millis}};
}
constexpr std::int64_t unix_seconds(Time at) {
    return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}
constexpr Time from_unix_seconds(std::int64_t seconds) {
    return Time{std::chrono::seconds{seconds}};
}

// "2025-01-15T10:00:00Z"; with a fraction of three or six digits only when there is one.
std::string to_rfc3339(Time at);

// Accepts "Z" and numeric offsets, any number of fraction digits (what is finer than a microsecond
// is cut off), a space or lower-case 't' between date and time. Nothing for any other text, for
// days that do not exist and for a leap second, which this time scale cannot hold.
std::optional<Time> parse_rfc3339(std::string_view text);

}  // namespace flowstack
