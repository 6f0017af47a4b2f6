#include "services/gateway/providers/twilio/errors.h"

#include <algorithm>
#include <array>

namespace flowstack::gateway::twilio {
namespace {

using namespace std::chrono_literals;
using enum ErrorClass;

struct Line {
    std::int64_t code;
    ErrorClass error_class;
    std::chrono::seconds retry_after{0};
};

// Sorted by code. https://www.twilio.com/docs/api/errors/<code> tells more about each.
constexpr std::array kLines{
    Line{20003, unauthorised, 15min},    // authentication failed
    Line{20429, busy},                   // too many requests of the account
    Line{21211, rejected},               // the To is no number
    Line{21606, needs_operator, 15min},  // the From is not one of the account's
    Line{21608, rejected},               // a trial account, and an unverified recipient
    Line{21610, opted_out},              // the recipient wrote STOP
    Line{30001, busy},                   // the account's queue is full
    Line{30002, account_blocked},        // the account is suspended
    Line{30003, rejected},               // unreachable
    Line{30008, wait, 5min},             // unknown error
    Line{63001, needs_operator, 15min},  // WhatsApp refuses the sender's own credentials
    Line{63003, rejected},               // no WhatsApp at this number
    Line{63005, rejected},               // WhatsApp refused the content
    Line{63007, needs_operator, 15min},  // no sender with this From
    Line{63012, provider_ill},           // WhatsApp is ill
    Line{63013, rejected},               // against WhatsApp's policy
    Line{63015, rejected},               // the recipient has not joined Twilio's sandbox
    Line{63016, window_closed},          // outside of the 24 hours
    Line{63017, busy},                   // above 2000 messages a second of the account
    Line{63018, too_fast},               // above what WhatsApp allows the sender
    Line{63019, rejected},               // WhatsApp could not fetch the file
    Line{63020, rejected},               // template and parameters, up to 63022
    Line{63021, rejected},
    Line{63022, rejected},
    Line{63023, wait, 1min},  // a generic error of the channel
    Line{63024, rejected},    // no valid recipient
    Line{63025, rejected},    // template and parameters
    Line{63027, rejected},
    Line{63028, rejected},
    Line{63029, rejected},
    Line{63030, rejected},
    Line{63032, rejected},         // the recipient is in an experiment of WhatsApp's
    Line{63038, wait, 24h},        // the account's messages of this day are used up
    Line{63049, wait, 24h},        // Meta holds marketing back from this recipient
    Line{63051, account_blocked},  // WhatsApp locked the account
};
static_assert(std::ranges::is_sorted(kLines, {}, &Line::code));

}  // namespace

SendError classified(std::int64_t code, std::string title, std::string details) {
    const auto line = std::ranges::lower_bound(kLines, code, {}, &Line::code);
    const bool known = line != kLines.end() && line->code == code;
    return {.error_class = known ? line->error_class : rejected,
            .code = code == 0 ? std::string() : std::to_string(code),
            .title = std::move(title),
            .details = std::move(details),
            .retry_after = known ? line->retry_after : 0s};
}

}  // namespace flowstack::gateway::twilio
