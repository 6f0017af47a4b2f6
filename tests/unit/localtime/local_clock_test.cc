#include "common/localtime/local_clock.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "common/observability/metrics.h"

namespace flowstack {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// 23:00 in Nairobi, 20:00 UTC.
constexpr Time kNight = from_unix_seconds(1'750'017'600);

TEST(LocalClock, EndsQuietHoursOnTheTenantsWall) {
    EXPECT_EQ(quiet_until({22 * 60, 7 * 60}, "Africa/Nairobi", kNight), kNight + hours{8});
    EXPECT_EQ(quiet_until({22 * 60, 7 * 60}, "UTC", kNight), std::nullopt);
}

TEST(LocalClock, KnowsHoursThatDoNotExistAndHoursThatComeTwice) {
    // Berlin, 2025-03-30: 02:00 to 03:00 does not exist. Quiet until 02:30 ends at the change,
    // 01:00 UTC.
    const Time spring = from_unix_seconds(1'743'294'600);  // 00:30 UTC, 01:30 there
    EXPECT_EQ(quiet_until({0, 150}, "Europe/Berlin", spring), spring + minutes{30});
    // 2025-10-26: 02:30 comes at 00:30 and at 01:30 UTC; from 00:45 UTC only the second one is
    // ahead.
    const Time autumn = from_unix_seconds(1'761'439'500);  // 00:45 UTC, 02:45 there
    EXPECT_EQ(quiet_until({0, 170}, "Europe/Berlin", autumn), autumn + minutes{5});
}

TEST(LocalClock, KnowsNamesOfTheZoneDatabaseAndNoOthers) {
    EXPECT_TRUE(is_time_zone("Africa/Nairobi"));
    EXPECT_TRUE(is_time_zone("UTC"));
    for (const auto* unknown : {"", "EAT", "GMT+3", "Africa/nairobi", "No/Where"})
        EXPECT_FALSE(is_time_zone(unknown)) << unknown;
    EXPECT_THROW(quiet_until({20 * 60, 21 * 60}, "EAT", kNight), std::invalid_argument);
}

TEST(LocalClock, CountsAnUnknownZoneAndReadsItsQuietHoursInUtc) {
    metrics::Registry metrics;
    LocalClock clock(metrics);
    EXPECT_EQ(clock.quiet_until("duka", {20 * 60, 21 * 60}, "EAT", kNight), kNight + hours{1});
    EXPECT_EQ(clock.quiet_until("duka", {20 * 60, 21 * 60}, "EAT", kNight), kNight + hours{1});
    const auto unknown = [&] {
        return metrics
            .counter("flowstack_time_zone_unknown_total",
                     "times that were read in UTC because the tenant's time zone is unknown",
                     {{"tenant", "duka"}})
            .value();
    };
    EXPECT_EQ(unknown(), 2);
    // A known zone is not counted, and neither are tenants without quiet hours.
    EXPECT_EQ(clock.quiet_until("duka", {22 * 60, 7 * 60}, "Africa/Nairobi", kNight),
              kNight + hours{8});
    EXPECT_EQ(clock.quiet_until("duka", {}, "EAT", kNight), std::nullopt);
    EXPECT_EQ(unknown(), 2);
}

TEST(LocalClock, ReadsTheYearInTheTenantsZoneAndCountsWhereThereIsNone) {
    metrics::Registry metrics;
    LocalClock clock(metrics);
    const Time new_year = from_unix_seconds(1'767'218'400);  // 2025-12-31 22:00 UTC
    EXPECT_EQ(clock.year("duka", "Africa/Nairobi", new_year), 2026);
    EXPECT_EQ(clock.year("duka", "America/New_York", new_year), 2025);
    EXPECT_EQ(clock.year("duka", "EAT", new_year), 2025);
    EXPECT_EQ(metrics
                  .counter("flowstack_time_zone_unknown_total",
                           "times that were read in UTC because the tenant's time zone is unknown",
                           {{"tenant", "duka"}})
                  .value(),
              1);
}

TEST(LocalClock, TurnsMomentsIntoWallTimesAndBack) {
    const auto wall = wall_time("Africa/Nairobi", kNight);
    EXPECT_EQ(wall - std::chrono::floor<std::chrono::days>(wall), hours{23});
    EXPECT_EQ(moment_of("Africa/Nairobi", wall), kNight);
    EXPECT_EQ(wall_time("EAT", kNight), wall - hours{3});  // unknown: UTC

    // Berlin, 2025-03-30 at 02:30: the clocks skip it. 2025-10-26 at 02:30 comes twice.
    const LocalTime spring =
        std::chrono::local_days{std::chrono::year{2025} / 3 / 30} + hours{2} + minutes{30};
    EXPECT_EQ(moment_of("Europe/Berlin", spring), std::nullopt);
    const LocalTime autumn =
        std::chrono::local_days{std::chrono::year{2025} / 10 / 26} + hours{2} + minutes{30};
    const auto first = moment_of("Europe/Berlin", autumn);
    ASSERT_TRUE(first);
    EXPECT_EQ(wall_time("Europe/Berlin", *first + hours{1}), autumn);
}

}  // namespace
}  // namespace flowstack
