#include "services/gateway/domain/send_error.h"

#include <algorithm>
#include <array>

namespace flowstack::gateway {
namespace {

using namespace std::chrono_literals;

struct Line {
    int code;
    ErrorRule rule;
};

constexpr ErrorRule kBackoff{ErrorClass::backoff, 0s, false, false};
constexpr ErrorRule kProviderIll{ErrorClass::backoff, 0s, false, true};
constexpr ErrorRule kNever{ErrorClass::never, 0s, false, false};
constexpr ErrorRule wait_for(std::chrono::seconds how_long) {
    return {ErrorClass::wait, how_long, false, false};
}
constexpr ErrorRule kOperator{ErrorClass::wait, 15min, true, false};
constexpr ErrorRule kAccountLocked{ErrorClass::never, 0s, true, false};

// Sorted by code. Whatever is not here is `never`.
constexpr std::array kLines{
    Line{1, kProviderIll},
    Line{2, kProviderIll},
    Line{4, kBackoff},
    Line{190, kOperator},
    Line{368, kAccountLocked},
    Line{80007, kBackoff},
    Line{130429, kBackoff},
    Line{131000, kProviderIll},
    Line{131016, kProviderIll},
    Line{131031, kAccountLocked},
    Line{131042, kOperator},
    Line{131045, kOperator},
    Line{131047, {ErrorClass::needs_template, 0s, false, false}},
    Line{131048, wait_for(1h)},
    Line{131049, wait_for(24h)},
    Line{131050, {ErrorClass::suppress, 0s, false, false}},
    Line{131052, kNever},
    Line{131056, {ErrorClass::pair_backoff, 0s, false, false}},
    Line{131057, wait_for(1min)},
    Line{131064, wait_for(1h)},
    Line{132015, wait_for(1h)},
    Line{132069, kBackoff},
    Line{133000, wait_for(5min)},
    Line{133004, kProviderIll},
    Line{133008, wait_for(1h)},
    Line{133009, wait_for(5min)},
    Line{133010, kOperator},
    Line{133015, wait_for(5min)},
    Line{133016, wait_for(72h)},
    Line{134101, wait_for(10min)},
    Line{2494100, wait_for(5min)},
};
static_assert(std::ranges::is_sorted(kLines, {}, &Line::code));

}  // namespace

ErrorRule rule_for(int error_code) {
    const auto line = std::ranges::lower_bound(kLines, error_code, {}, &Line::code);
    if (line == kLines.end() || line->code != error_code) return kNever;
    return line->rule;
}

}  // namespace flowstack::gateway
