#include "services/gateway/providers/meta/errors.h"

#include <algorithm>
#include <array>

namespace flowstack::gateway::meta {
namespace {

using namespace std::chrono_literals;
using enum ErrorClass;

struct Line {
    std::int64_t code;
    ErrorClass error_class;
    std::chrono::seconds retry_after{0};
};

// Sorted by code.
constexpr std::array kLines{
    Line{1, provider_ill},
    Line{2, provider_ill},
    Line{4, busy},
    Line{190, unauthorised, 15min},
    Line{368, account_blocked},
    Line{80007, busy},
    Line{130429, too_fast},
    Line{131000, provider_ill},
    Line{131016, provider_ill},
    Line{131031, account_blocked},
    Line{131042, needs_operator, 15min},
    Line{131045, needs_operator, 15min},
    Line{131047, window_closed},
    Line{131048, wait, 1h},
    Line{131049, wait, 24h},
    Line{131050, opted_out},
    Line{131056, recipient_too_fast},
    Line{131057, wait, 1min},
    Line{131064, wait, 1h},
    Line{132015, wait, 1h},
    Line{132069, busy},
    Line{133000, wait, 5min},
    Line{133004, provider_ill},
    Line{133008, wait, 1h},
    Line{133009, wait, 5min},
    Line{133010, needs_operator, 15min},
    Line{133015, wait, 5min},
    Line{133016, wait, 72h},
    Line{134101, wait, 10min},
    Line{2494100, wait, 5min},
};
static_assert(std::ranges::is_sorted(kLines, {}, &Line::code));

}  // namespace

SendError classified(std::int64_t code, std::string title, std::string details) {
    const auto line = std::ranges::lower_bound(kLines, code, {}, &Line::code);
    const bool known = line != kLines.end() && line->code == code;
    return {.error_class = known ? line->error_class : rejected,
            .code = std::to_string(code),
            .title = std::move(title),
            .details = std::move(details),
            .retry_after = known ? line->retry_after : 0s};
}

}  // namespace flowstack::gateway::meta
