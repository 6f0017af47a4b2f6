#include "services/campaign/domain/pacing.h"

#include <gtest/gtest.h>

namespace flowstack::campaign {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kNow = from_unix_seconds(1'750'000'000);

TEST(Pacing, KeepsTwoSecondsOfSendsInGateway) {
    const Pace pace = looked({}, kNow, 0, 0);
    EXPECT_EQ(allowance(pace, 0, 0), 160);
    EXPECT_EQ(allowance(pace, 100, 0), 60);
    EXPECT_EQ(allowance(pace, 500, 0), 0);
}

TEST(Pacing, FollowsAChannelThatIsFaster) {
    Pace pace = looked({}, kNow, 0, 0);
    pace = looked(pace, kNow + seconds{1}, 400, 0);
    EXPECT_EQ(allowance(pace, 0, 0), 800);
    pace = looked(pace, kNow + seconds{2}, 100'000, 0);
    EXPECT_EQ(allowance(pace, 0, 0), kChannelPerSecondMax * kBacklogSeconds);
    pace = looked(pace, kNow + seconds{3}, 100'000, 0);
    EXPECT_EQ(allowance(pace, 0, 0), 160);
}

TEST(Pacing, TakesNoBurstForTheRate) {
    Pace pace = looked({}, kNow, 0, 0);
    pace = looked(pace, kNow + milliseconds{10}, 100, 0);
    EXPECT_EQ(allowance(pace, 0, 0), 160);
}

TEST(Pacing, AsksNoFasterThanItsThrottle) {
    constexpr int kThrottle = 10;
    Pace pace;
    std::int64_t sent = 0;
    for (int tick = 0; tick < 100; ++tick) {  // ten a second, ten seconds
        pace = looked(pace, kNow + milliseconds{100 * tick}, sent, kThrottle);
        const auto now = allowance(pace, 0, kThrottle);
        pace = asked(pace, now, kThrottle);
        sent += now;
    }
    EXPECT_GE(sent, 95);
    EXPECT_LE(sent, 110);  // one second's worth may come at once
}

TEST(Pacing, SavesNoMoreThanASecond) {
    Pace pace = looked({}, kNow, 0, 5);
    pace = asked(pace, allowance(pace, 0, 5), 5);
    pace = looked(pace, kNow + seconds{3600}, 5, 5);
    EXPECT_EQ(allowance(pace, 0, 5), 5);
}

}  // namespace
}  // namespace flowstack::campaign
