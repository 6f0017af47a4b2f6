#include "common/eventlog/lag_clock.h"

#include <gtest/gtest.h>

namespace flowstack::eventlog {
namespace {

using namespace std::chrono_literals;

const LagClock::Instant kStart{};

TEST(LagClock, KnowsNoLagWhileAllIsApplied) {
    LagClock lag;
    EXPECT_FALSE(lag.behind_since(0));
    lag.look(7, 7, kStart);
    EXPECT_FALSE(lag.behind_since(7));
    EXPECT_EQ(lag.events_behind(7), 0);
}

TEST(LagClock, CountsFromTheFirstLookThatSawAnEvent) {
    LagClock lag;
    lag.look(7, 9, kStart + 1s);
    lag.look(7, 12, kStart + 5s);
    EXPECT_EQ(lag.behind_since(7), kStart + 1s);
    EXPECT_EQ(lag.behind_since(8), kStart + 1s) << "9 is not applied yet";
    EXPECT_EQ(lag.events_behind(8), 4);
    EXPECT_FALSE(lag.behind_since(9)) << "applied since the last look";
}

TEST(LagClock, IsShortForAReaderThatIsBehindAndFast) {
    LagClock lag;
    for (int i = 0; i < 100; ++i) lag.look(10 * i, 10 * i + 10, kStart + i * 1s);
    EXPECT_EQ(lag.behind_since(995), kStart + 99s);
}

TEST(LagClock, GrowsWhileTheReaderStandsStill) {
    LagClock lag;
    for (int i = 0; i < 100; ++i) lag.look(5, 10 + i, kStart + i * 1s);
    EXPECT_EQ(lag.behind_since(5), kStart);
    EXPECT_EQ(lag.events_behind(5), 104);
}

}  // namespace
}  // namespace flowstack::eventlog
