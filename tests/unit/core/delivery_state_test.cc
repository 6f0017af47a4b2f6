#include "common/core/delivery_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace flowstack {
namespace {

using enum DeliveryState;

TEST(DeliveryState, AFailureBetweenSentAndDeliveredIsAFailureInEitherOrder) {
    EXPECT_EQ(joined(sent, failed), failed);
    EXPECT_EQ(joined(failed, sent), failed);
    EXPECT_EQ(joined(sent, suppressed), suppressed);
}

TEST(DeliveryState, AFailureAfterDeliveryChangesNothing) {
    for (const auto state : {delivered, read, played}) {
        EXPECT_EQ(joined(state, failed), state);
        EXPECT_EQ(joined(failed, state), state);
        EXPECT_TRUE(arrived(state));
        EXPECT_EQ(tried_again(state), state);
    }
}

TEST(DeliveryState, IsTheSameWhateverTheOrderOfTheEvidence) {
    std::vector<DeliveryState> evidence{sending, unknown, sent, failed, delivered};
    do {
        auto state = queued;
        for (const auto piece : evidence) state = joined(state, piece);
        EXPECT_EQ(state, delivered);
    } while (std::ranges::next_permutation(evidence).found);
}

TEST(DeliveryState, AnotherAttemptForgetsWhatTheLastOneCameTo) {
    for (const auto state : {queued, unknown, sent, failed}) EXPECT_EQ(tried_again(state), sending);
}

TEST(DeliveryState, EveryStateHasAWordOfItsOwn) {
    for (std::size_t i = 0; i < kDeliveryStateWords.size(); ++i) {
        const auto state = static_cast<DeliveryState>(i);
        EXPECT_EQ(delivery_state_of(text_of(state)), state);
    }
    EXPECT_FALSE(delivery_state_of("LOST"));
    EXPECT_FALSE(reported_state("warning"));
}

}  // namespace
}  // namespace flowstack
