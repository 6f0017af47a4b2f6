#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "common/eventlog/types.h"
#include "common/postgres/session.h"

// The numbers and SQLSTATEs that this library shares with migrations/eventlog/0002_append.sql. A
// test (tests/unit/eventlog) compares both sides.
namespace flowstack::eventlog {

// append()'s verdicts. The first stands for a whole batch, and is no command's.
inline constexpr int kVerdictAllOk = 0;
inline constexpr int kVerdictOk = 1;
inline constexpr int kVerdictWrongVersion = 2;
inline constexpr int kVerdictAlreadyDone = 3;
inline constexpr int kVerdictOtherBody = 4;
inline constexpr int kVerdictClaimTaken = 5;
inline constexpr int kVerdictNotOwner = 6;

inline Outcome outcome_of(int verdict) {
    switch (verdict) {
        case kVerdictOk:
            return Outcome::ok;
        case kVerdictWrongVersion:
            return Outcome::wrong_version;
        case kVerdictAlreadyDone:
            return Outcome::already_done;
        case kVerdictOtherBody:
            return Outcome::other_body;
        case kVerdictClaimTaken:
            return Outcome::claim_taken;
        case kVerdictNotOwner:
            return Outcome::not_owner;
        default:
            throw std::logic_error("append: unknown verdict " + std::to_string(verdict));
    }
}

// SQLSTATEs that our own SQL raises.
inline constexpr std::string_view kNoSuchLane = "FS001";
inline constexpr std::string_view kRefused = "FS002";     // refused while append() is strict
inline constexpr std::string_view kClockAhead = "FS003";  // the lane's clock is more than 5 s ahead
inline constexpr std::string_view kCursorMoved = "FS004";
inline constexpr std::string_view kOtherLane = "FS005";    // a stream is named in a second lane
inline constexpr std::string_view kAppendOnly = "FS006";   // somebody tried to change history
inline constexpr std::string_view kNotParked = "FS007";    // the parked event is not there any more
inline constexpr std::string_view kLaneRefuses = "FS008";  // its tail is lost, or may be
inline constexpr std::string_view kTailDiffers = "FS009";  // a tail that does not fit the log

// Classes of PostgreSQL's own SQLSTATEs (the first two characters).
inline constexpr std::string_view kSyntaxOrMissingTable = "42";
inline constexpr std::string_view kInsufficientResources = "53";
inline constexpr std::string_view kOperatorIntervention = "57";
inline constexpr std::string_view kSystemError = "58";
// The server stops or starts. The other codes of class 57, such as a statement timeout, are about
// one statement.
inline constexpr std::string_view kShuttingDown = "57P";

// The server lacks space, connections or its own health: no statement is to blame.
inline bool server_is_out(const postgres::SqlError& error) {
    return error.sqlstate.starts_with(kInsufficientResources) ||
           error.sqlstate.starts_with(kSystemError);
}

}  // namespace flowstack::eventlog
