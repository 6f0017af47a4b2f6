#pragma once

#include <array>
#include <optional>
#include <string>

#include "services/conversation/domain/flow/text.h"
#include "services/conversation/domain/trades/booking/bookings.h"

// What a customer has said so far of the booking that is being made: variables that no flow may
// write.
namespace flowstack::conversation {

inline constexpr const char* kDraftService = "booking_service_id";
inline constexpr const char* kDraftDay = "booking_date";         // "2026-12-04"
inline constexpr const char* kDraftClock = "booking_minute";     // after midnight
inline constexpr const char* kDraftAt = "booking_at";            // Unix seconds, of one free time
inline constexpr const char* kDraftSlots = "booking_offered";    // those that were offered
inline constexpr const char* kDraftMoving = "booking_moving";    // the booking that moves
inline constexpr const char* kDraftChosen = "booking_chosen";    // one of the customer's bookings
inline constexpr const char* kDraftChoices = "booking_choices";  // those that were shown
inline constexpr const char* kDraftProblem = "booking_problem";  // "past" or "unclear"
inline constexpr std::array kDraft{kDraftService, kDraftDay,     kDraftClock,
                                   kDraftAt,      kDraftSlots,   kDraftMoving,
                                   kDraftChosen,  kDraftChoices, kDraftProblem};

inline constexpr std::int64_t kUnixSecondsMax = 99'999'999'999;

inline std::optional<Time> drafted_moment(const std::string& text) {
    const auto seconds = parse_count(text, 1, kUnixSecondsMax);
    if (!seconds) return {};
    return from_unix_seconds(*seconds);
}

}  // namespace flowstack::conversation
