#include "common/localtime/quiet_hours.h"

namespace flowstack {

std::optional<LocalTime> quiet_end(const QuietHours& quiet, LocalTime now) {
    using std::chrono::days;
    using std::chrono::minutes;
    if (quiet.start_minute == quiet.end_minute) return std::nullopt;

    const auto midnight = std::chrono::floor<days>(now);
    const auto start = minutes{quiet.start_minute};
    const auto end = minutes{quiet.end_minute};
    const auto since_midnight = now - midnight;

    if (start < end) {
        if (since_midnight < start || since_midnight >= end) return std::nullopt;
        return midnight + end;
    }
    if (since_midnight < end) return midnight + end;
    if (since_midnight >= start) return midnight + days{1} + end;
    return std::nullopt;
}

}  // namespace flowstack
