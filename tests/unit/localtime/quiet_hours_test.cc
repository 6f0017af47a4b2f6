#include "common/localtime/quiet_hours.h"

#include <gtest/gtest.h>

namespace flowstack {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr LocalTime kMidnight{days{20'000}};
constexpr QuietHours kNight{22 * 60, 7 * 60};
constexpr QuietHours kSiesta{13 * 60, 14 * 60 + 30};

TEST(QuietHours, ThatCrossMidnightEndInTheMorning) {
    EXPECT_EQ(quiet_end(kNight, kMidnight + hours{23}), kMidnight + days{1} + hours{7});
    EXPECT_EQ(quiet_end(kNight, kMidnight + hours{3}), kMidnight + hours{7});
    EXPECT_EQ(quiet_end(kNight, kMidnight + hours{12}), std::nullopt);
}

TEST(QuietHours, WithinADayEndTheSameDay) {
    EXPECT_EQ(quiet_end(kSiesta, kMidnight + hours{13} + minutes{5}),
              kMidnight + hours{14} + minutes{30});
    EXPECT_EQ(quiet_end(kSiesta, kMidnight + hours{9}), std::nullopt);
}

TEST(QuietHours, BeginWithTheirFirstSecondAndEndBeforeTheirLast) {
    EXPECT_EQ(quiet_end(kNight, kMidnight + hours{22} - seconds{1}), std::nullopt);
    EXPECT_TRUE(quiet_end(kNight, kMidnight + hours{22}));
    EXPECT_TRUE(quiet_end(kNight, kMidnight + hours{7} - seconds{1}));
    EXPECT_EQ(quiet_end(kNight, kMidnight + hours{7}), std::nullopt);
}

TEST(QuietHours, ThatStartWhereTheyEndAreNone) {
    EXPECT_EQ(quiet_end(QuietHours{480, 480}, kMidnight + hours{8}), std::nullopt);
    EXPECT_EQ(quiet_end(QuietHours{}, kMidnight), std::nullopt);
}

TEST(QuietHours, UntilMidnightEndWithTheDay) {
    EXPECT_EQ(quiet_end(QuietHours{21 * 60, 0}, kMidnight + hours{22}), kMidnight + days{1});
}

}  // namespace
}  // namespace flowstack
