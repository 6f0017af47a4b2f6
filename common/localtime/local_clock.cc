#include "common/localtime/local_clock.h"

#include <absl/time/time.h>

#include <stdexcept>

#include "common/observability/log.h"
#include "common/observability/metrics.h"

namespace flowstack {
namespace {

constexpr absl::CivilSecond kEpoch(1970, 1, 1, 0, 0, 0);
constexpr std::size_t kWarnedMax = 10'000;

}  // namespace

bool is_time_zone(const std::string& name) {
    absl::TimeZone zone;
    return !name.empty() && absl::LoadTimeZone(name, &zone);
}

std::optional<Time> quiet_until(const QuietHours& quiet, const std::string& time_zone, Time now) {
    if (quiet.start_minute == quiet.end_minute) return std::nullopt;
    absl::TimeZone zone;
    if (time_zone.empty() || !absl::LoadTimeZone(time_zone, &zone))
        throw std::invalid_argument("unknown time zone \"" + time_zone + "\"");

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

namespace {

absl::TimeZone zone_or_utc(const std::string& name) {
    absl::TimeZone zone;
    if (name.empty() || !absl::LoadTimeZone(name, &zone)) return absl::UTCTimeZone();
    return zone;
}

}  // namespace

LocalTime wall_time(const std::string& time_zone, Time at) {
    const auto civil = zone_or_utc(time_zone).At(absl::FromUnixMicros(unix_micros(at))).cs;
    return LocalTime{std::chrono::seconds{civil - kEpoch}};
}

std::optional<Time> moment_of(const std::string& time_zone, LocalTime wall) {
    const auto moments = zone_or_utc(time_zone).At(kEpoch + wall.time_since_epoch().count());
    if (moments.kind == absl::TimeZone::TimeInfo::SKIPPED) return std::nullopt;
    return from_unix_micros(absl::ToUnixMicros(moments.pre));
}

std::optional<Time> LocalClock::quiet_until(const std::string& tenant, const QuietHours& quiet,
                                            const std::string& time_zone, Time now) {
    if (quiet.start_minute == quiet.end_minute) return std::nullopt;
    return flowstack::quiet_until(quiet, known_zone(tenant, time_zone), now);
}

int LocalClock::year(const std::string& tenant, const std::string& time_zone, Time at) {
    absl::TimeZone zone;
    absl::LoadTimeZone(known_zone(tenant, time_zone), &zone);
    return static_cast<int>(zone.At(absl::FromUnixMicros(unix_micros(at))).cs.year());
}

std::string LocalClock::known_zone(const std::string& tenant, const std::string& time_zone) {
    if (is_time_zone(time_zone)) return time_zone;
    metrics_
        .counter("flowstack_time_zone_unknown_total",
                 "times that were read in UTC because the tenant's time zone is unknown",
                 {{"tenant", tenant}})
        .add();
    const std::lock_guard lock(mutex_);
    if (warned_.size() >= kWarnedMax) warned_.clear();
    if (warned_.insert(tenant + " " + time_zone).second)
        log::warn("the tenant's time zone is unknown, its times are read in UTC",
                  {{"tenant", tenant}, {"time_zone", time_zone}});
    return "UTC";
}

}  // namespace flowstack
