#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "common/core/time.h"
#include "common/localtime/quiet_hours.h"

namespace flowstack::metrics {
class Registry;
}

// Wall clocks of the world's time zones (IANA names, abseil's tables).
namespace flowstack {

// Whether `name` is the IANA name of a time zone, such as Africa/Nairobi.
bool is_time_zone(const std::string& name);

// The moment at which the quiet hours that contain `now` end; nothing outside of them. Where the
// clocks change, an hour that does not exist ends at the change, and one that comes twice ends with
// its first passing that is still ahead. Throws std::invalid_argument for an unknown time zone.
std::optional<Time> quiet_until(const QuietHours& quiet, const std::string& time_zone, Time now);

// What a wall clock there shows at that moment, and the moment at which it shows that: nothing for
// a time that it skips, the first one of a time that comes twice. An unknown time zone counts as
// UTC.
LocalTime wall_time(const std::string& time_zone, Time at);
std::optional<Time> moment_of(const std::string& time_zone, LocalTime wall);

// The clocks of tenants. Settings refuse an unknown time zone; one that is stored all the same
// (written before that check existed) counts as UTC, with a warning once per tenant and a metric,
// because a tenant whose messages or invoices never left would be worse. Thread-safe.
class LocalClock {
public:
    explicit LocalClock(metrics::Registry& metrics) : metrics_(metrics) {}

    std::optional<Time> quiet_until(const std::string& tenant, const QuietHours& quiet,
                                    const std::string& time_zone, Time now);

    // The year that the tenant's calendar shows at that moment.
    int year(const std::string& tenant, const std::string& time_zone, Time at);

private:
    // The time zone, or UTC after the warning.
    std::string known_zone(const std::string& tenant, const std::string& time_zone);

    metrics::Registry& metrics_;
    std::mutex mutex_;
    std::set<std::string> warned_;  // "<tenant> <time zone>"
};

}  // namespace flowstack
