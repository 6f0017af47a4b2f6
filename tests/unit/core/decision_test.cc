#include "common/core/decision.h"

#include <gtest/gtest.h>

#include <string>

#include "common/core/guarded.h"
#include "common/core/overloaded.h"

namespace flowstack {
namespace {

using Answer = Decision<std::string, int>;

TEST(Decision, HoldsTheFactsOfAnAcceptedCommand) {
    const Answer answer{std::vector<std::string>{"paid", "receipted"}};
    EXPECT_TRUE(answer.accepted());
    EXPECT_EQ(answer.events().size(), 2U);
}

TEST(Decision, HoldsTheReasonOfARefusedOne) {
    const Answer answer{7};
    EXPECT_FALSE(answer.accepted());
    EXPECT_EQ(answer.rejection(), 7);
}

TEST(Overloaded, PicksTheLambdaOfTheAlternative) {
    const std::variant<int, std::string> value{std::string{"text"}};
    EXPECT_EQ(
        std::visit(Overloaded{[](int) { return 1; }, [](const std::string&) { return 2; }}, value),
        2);
}

TEST(Guarded, GivesTheValueOnlyWithItsLock) {
    Guarded<int> value{41};
    value.with([](int& v) { ++v; });
    EXPECT_EQ(value.with([](const int& v) { return v; }), 42);
}

}  // namespace
}  // namespace flowstack
