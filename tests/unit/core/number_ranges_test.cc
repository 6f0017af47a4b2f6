#include "common/core/number_ranges.h"

#include <gtest/gtest.h>

namespace flowstack {
namespace {

TEST(NumberRanges, AreWrittenAsPeopleReadThem) {
    EXPECT_EQ(number_ranges({}), "");
    EXPECT_EQ(number_ranges({3}), "3");
    EXPECT_EQ(number_ranges({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

}  // namespace
}  // namespace flowstack
