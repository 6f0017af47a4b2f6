#include "common/core/time.h"

#include <gtest/gtest.h>

#include "common/core/clock.h"

namespace flowstack {
namespace {

using namespace std::chrono_literals;

TEST(Time, IsWrittenWithAsMuchFractionAsItHas) {
    EXPECT_EQ(to_rfc3339(from_unix_seconds(1'736'935'200)), "2025-01-15T10:00:00Z");
    EXPECT_EQ(to_rfc3339(from_unix_millis(1'736'935'200'250)), "2025-01-15T10:00:00.250Z");
    EXPECT_EQ(to_rfc3339(from_unix_micros(1'736'935'200'000'001)), "2025-01-15T10:00:00.000001Z");
    EXPECT_EQ(to_rfc3339(from_unix_micros(-1)), "1969-12-31T23:59:59.999999Z");
}

TEST(Time, IsReadBackAsItWasWritten) {
    for (const std::int64_t micros :
         {0LL, 1LL, -1LL, 951'782'400'123'456LL, 4'102'444'800'000'000LL}) {
        EXPECT_EQ(parse_rfc3339(to_rfc3339(from_unix_micros(micros))), from_unix_micros(micros));
    }
}

TEST(Time, IsReadInAnyZoneAndPrecision) {
    const Time ten = from_unix_seconds(1'736'935'200);
    EXPECT_EQ(parse_rfc3339("2025-01-15T13:00:00+03:00"), ten);
    EXPECT_EQ(parse_rfc3339("2025-01-15T05:30:00-04:30"), ten);
    EXPECT_EQ(parse_rfc3339("2025-01-15t10:00:00.5z"), ten + 500ms);
    EXPECT_EQ(parse_rfc3339("2025-01-15 10:00:00.1234567Z"), ten + 123456us);
}

TEST(Time, RefusesWhatIsNoTime) {
    for (const char* text :
         {"", "2025", "2025-01-15", "2025-01-15T10:00:00", "2025-02-29T10:00:00Z",
          "2025-13-01T10:00:00Z", "2025-01-15T24:00:00Z", "2025-01-15T10:60:00Z",
          "2025-01-15T10:00:60Z", "2025-01-15T10:00:00.Z", "2025-01-15T10:00:00+0300",
          "2025-01-15T10:00:00Zx", "2025-1-15T10:00:00Z", " 2025-01-15T10:00:00Z"}) {
        EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
    }
    EXPECT_TRUE(parse_rfc3339("2024-02-29T10:00:00Z"));
}

TEST(Time, RoundsTowardsThePast) {
    EXPECT_EQ(unix_millis(from_unix_micros(1999)), 1);
    EXPECT_EQ(unix_millis(from_unix_micros(-1)), -1);
    EXPECT_EQ(unix_seconds(from_unix_micros(-1)), -1);
}

TEST(ManualClock, MovesOnlyWhenTold) {
    ManualClock clock{from_unix_seconds(100)};
    EXPECT_EQ(clock.now(), from_unix_seconds(100));
    clock.advance(2s);
    EXPECT_EQ(clock.now(), from_unix_seconds(102));
    clock.set(from_unix_seconds(50));
    EXPECT_EQ(clock.now(), from_unix_seconds(50));
}

}  // namespace
}  // namespace flowstack
