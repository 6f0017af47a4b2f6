#include "tests/bench/statistics.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace flowstack::bench {
namespace {

TEST(Spread, IsOfTheSamplesInAnyOrder) {
    const auto spread = spread_of({30, 10, 20});
    EXPECT_EQ(spread.min, 10);
    EXPECT_EQ(spread.median, 20);
    EXPECT_EQ(spread.max, 30);
}

TEST(Spread, TakesTheMeanOfTheMiddleOfAnEvenCount) {
    EXPECT_EQ(spread_of({4, 1, 3, 2}).median, 2.5);
}

TEST(Spread, OfNothingIsAMistake) { EXPECT_THROW(spread_of({}), std::invalid_argument); }

// The machine was half as fast in the second round: for both, so the ratio stands.
TEST(Ratio, ComparesWithinARound) { EXPECT_EQ(ratio_of({400, 200, 400}, {100, 50, 100}), 4); }

TEST(Ratio, CountsTheRoundsThatBothHave) { EXPECT_EQ(ratio_of({10, 90}, {5}), 2); }

TEST(Latencies, QuantileIsAValueThatWasSeen) {
    Latencies latencies;
    for (int micros = 100; micros >= 1; --micros) latencies.add(micros * 1000);
    EXPECT_EQ(latencies.quantile_ms(0.5), 50);
    EXPECT_EQ(latencies.quantile_ms(0.99), 99);
    EXPECT_EQ(latencies.quantile_ms(1), 100);
    EXPECT_EQ(latencies.quantile_ms(0), 1);
}

TEST(Latencies, OfNothingAreZeroAndAddUp) {
    Latencies all, one;
    EXPECT_EQ(all.quantile_ms(0.99), 0);
    one.add(2500);
    all.add(one);
    EXPECT_EQ(all.count(), 1u);
    EXPECT_EQ(all.quantile_ms(0.99), 2.5);
}

}  // namespace
}  // namespace flowstack::bench
