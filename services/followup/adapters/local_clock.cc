#include "services/followup/adapters/local_clock.h"

#include <absl/time/time.h>

namespace flowstack::followup {
namespace {

constexpr absl::CivilSecond kEpoch(1970, 1, 1, 0, 0, 0);

}  // namespace

std::optional<Time> quiet_until(const QuietHours& quiet, const std::string& time_zone, Time now) {
    absl::TimeZone zone;
    if (!absl::LoadTimeZone(time_zone, &zone)) zone = absl::UTCTimeZone();

    const auto civil = zone.At(absl::FromUnixMicros(unix_micros(now))).cs;
    const LocalTime wall{std::chrono::seconds{civil - kEpoch}};
    const auto end = quiet_end(quiet, wall);
    if (!end) return std::nullopt;

    const auto moments = zone.At(kEpoch + end->time_since_epoch().count());
    const bool skipped = moments.kind == absl::TimeZone::TimeInfo::SKIPPED;
    for (const auto moment : {skipped ? moments.trans : moments.pre, moments.post}) {
        const auto at = from_unix_micros(absl::ToUnixMicros(moment));
        if (at > now) return at;
    }
    return std::nullopt;
}

}  // namespace flowstack::followup
