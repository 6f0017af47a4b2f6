#include "services/campaign/domain/audience_shard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "common/core/corrupt_stream.h"
#include "tests/support/given.h"

namespace flowstack::campaign {
namespace {

using D = Disposition;

using Given = testing::Given<Shard, ShardEvent>;
Given given(auto... facts) { return {{ShardEvent{facts}...}}; }
auto events(auto... facts) { return std::vector<ShardEvent>{ShardEvent{facts}...}; }

MembersFrozen frozen(std::vector<Member> members) {
    const auto total = static_cast<std::int64_t>(members.size());
    return {"campaign-1", 0, std::move(members), true, total, 17};
}
const std::vector<Member> kTwo{{"amina", "Amina", ""}, {"brian", "Brian", ""}};
const MembersFrozen kFrozen = frozen(kTwo);
const SendAsked kAsked{{"amina", "brian"}, 0};

TEST(Shard, FreezesItsMembersInChunks) {
    const std::vector<Member> first{kTwo[0]};
    const std::vector<Member> second{kTwo[1]};
    const auto one = given().when(FreezeMembers{"campaign-1", 0, first, false, 17});
    EXPECT_EQ(one.events(), events(MembersFrozen{"campaign-1", 0, first, false, 0, 17}));

    const auto after_one = given(MembersFrozen{"campaign-1", 0, first, false, 0, 17});
    EXPECT_EQ(after_one.when(FreezeMembers{"campaign-1", 1, second, true, 17}).events(),
              events(MembersFrozen{"campaign-1", 1, second, true, 2, 17}));
    EXPECT_EQ(after_one.when(FreezeMembers{"campaign-1", 0, first, false, 17}).rejection(),
              ShardRejection::chunk_order);
    EXPECT_EQ(after_one.when(FreezeMembers{"campaign-1", 1, first, true, 17}).rejection(),
              ShardRejection::member_twice);
    EXPECT_EQ(given(kFrozen).when(FreezeMembers{"campaign-1", 1, second, true, 17}).rejection(),
              ShardRejection::frozen_already);
}

TEST(Shard, WithoutMembersIsFrozenToo) {
    const auto state = given(frozen({})).state();
    EXPECT_TRUE(state.frozen);
    EXPECT_EQ(state.members(), 0);
}

TEST(Shard, NeverWritesToWhoOptedOut) {
    const auto shard = given(frozen({{"amina", "Amina", "opted_out"}, kTwo[1]}));
    EXPECT_EQ(shard.state().count(D::suppressed), 1);
    EXPECT_EQ(next_waiting(shard.state(), 10).size(), 1u);
    EXPECT_EQ(shard.when(AskSends{{"amina", "brian"}, 0}).events(),
              events(SendAsked{{"brian"}, 0}));
}

TEST(Shard, AsksEachMemberOnceARound) {
    EXPECT_EQ(given(kFrozen).when(AskSends{{"amina"}, 0}).events(),
              events(SendAsked{{"amina"}, 0}));
    EXPECT_TRUE(given(kFrozen, kAsked).when(AskSends{{"amina"}, 0}).events().empty());
    EXPECT_EQ(given(kFrozen).when(AskSends{{"carol"}, 0}).rejection(), ShardRejection::no_member);
    EXPECT_EQ(given().when(AskSends{{"amina"}, 0}).rejection(), ShardRejection::not_frozen);
}

TEST(Shard, RaisesADispositionAndNeverLowersIt) {
    const auto asked = given(kFrozen, kAsked);
    EXPECT_EQ(asked.when(RecordEvidence{"amina", D::sent, ""}).events(),
              events(DispositionChanged{"amina", D::sent, ""}));

    const auto read = given(kFrozen, kAsked, DispositionChanged{"amina", D::read, ""});
    EXPECT_TRUE(read.when(RecordEvidence{"amina", D::delivered, ""}).events().empty());
    EXPECT_TRUE(read.when(RecordEvidence{"amina", D::read, ""}).events().empty());
    EXPECT_EQ(read.when(RecordEvidence{"amina", D::replied, ""}).events(),
              events(DispositionChanged{"amina", D::replied, ""}));
}

TEST(Shard, TakesAFailureAfterTheProviderAccepted) {
    const auto sent = given(kFrozen, kAsked, DispositionChanged{"amina", D::sent, ""});
    EXPECT_EQ(sent.when(RecordEvidence{"amina", D::failed, "131026"}).events(),
              events(DispositionChanged{"amina", D::failed, "131026"}));
    const auto failed = given(kFrozen, kAsked, DispositionChanged{"amina", D::failed, "131026"});
    EXPECT_TRUE(failed.when(RecordEvidence{"amina", D::sent, ""}).events().empty());
    EXPECT_TRUE(failed.when(RecordEvidence{"amina", D::delivered, ""}).accepted());
}

// Gateway and campaign must never disagree about which of two pieces of evidence counts.
TEST(Shard, RanksStatesOfAMessageAsGatewayDoes) {
    for (std::size_t i = 0; i < kDispositions; ++i) {
        for (std::size_t j = 0; j < kDispositions; ++j) {
            const auto now = static_cast<Disposition>(i);
            const auto evidence = static_cast<Disposition>(j);
            const auto before = delivery_state(now);
            const auto seen = delivery_state(evidence);
            if (!before || !seen) continue;
            EXPECT_EQ(outranks(evidence, now), joined(*before, *seen) != *before)
                << word(evidence) << " after " << word(now);
            EXPECT_EQ(outranks(evidence, now), j > i) << word(evidence) << " after " << word(now);
        }
    }
    EXPECT_TRUE(outranks(Disposition::failed, Disposition::sent));
    EXPECT_FALSE(outranks(Disposition::failed, Disposition::delivered));
}

TEST(Shard, TakesAnOptOutThatTheProviderReportsAfterAccepting) {
    const auto sent = given(kFrozen, kAsked, DispositionChanged{"amina", D::sent, ""});
    EXPECT_EQ(sent.when(RecordEvidence{"amina", D::suppressed, "opted_out"}).events(),
              events(DispositionChanged{"amina", D::suppressed, "opted_out"}));
}

TEST(Shard, CountsAReplyOnlyToWhatLeft) {
    EXPECT_TRUE(given(kFrozen).when(RecordEvidence{"amina", D::replied, ""}).events().empty());
    EXPECT_TRUE(
        given(kFrozen, kAsked).when(RecordEvidence{"amina", D::replied, ""}).events().empty());
    const auto suppressed = given(frozen({{"amina", "Amina", "opted_out"}}));
    EXPECT_TRUE(suppressed.when(RecordEvidence{"amina", D::replied, ""}).events().empty());
}

TEST(Shard, LearnsAnOutcomeBeforeTheAskWasWrittenDown) {
    const auto shard =
        given(kFrozen, DispositionChanged{"amina", D::delivered, ""}, kAsked).state();
    EXPECT_EQ(shard.recipients.at("amina").disposition, D::delivered);
    EXPECT_EQ(shard.recipients.at("brian").disposition, D::queued);
}

TEST(Shard, RefusesEvidenceAboutStrangersAndNonEvidence) {
    EXPECT_EQ(given(kFrozen).when(RecordEvidence{"carol", D::sent, ""}).rejection(),
              ShardRejection::no_member);
    EXPECT_EQ(given(kFrozen).when(RecordEvidence{"amina", D::queued, ""}).rejection(),
              ShardRejection::no_evidence);
}

TEST(Shard, LetsAWithdrawnMemberWaitAgain) {
    const auto asked = given(kFrozen, kAsked);
    EXPECT_EQ(asked.when(RecordWithdrawn{"amina", 0, "paused"}).events(),
              events(SendWithdrawn{{"amina"}, 0}));
    const auto withdrawn = given(kFrozen, kAsked, SendWithdrawn{{"amina"}, 0});
    EXPECT_EQ(withdrawn.state().recipients.at("amina").disposition, D::waiting);
    EXPECT_EQ(withdrawn.when(AskSends{{"amina"}, 1}).events(), events(SendAsked{{"amina"}, 1}));
}

TEST(Shard, IgnoresALateWithdrawalOfAnEarlierRound) {
    const auto again = given(kFrozen, kAsked, SendWithdrawn{{"amina"}, 0}, SendAsked{{"amina"}, 1});
    EXPECT_TRUE(again.when(RecordWithdrawn{"amina", 0, "paused"}).events().empty());
    const auto left = given(kFrozen, kAsked, DispositionChanged{"amina", D::sent, ""});
    EXPECT_TRUE(left.when(RecordWithdrawn{"amina", 0, "paused"}).events().empty());
}

TEST(Shard, ClosesByCancellingThoseWhoWait) {
    const auto one_asked = given(kFrozen, SendAsked{{"amina"}, 0});
    EXPECT_EQ(one_asked.when(CloseShard{"by api", 500}).events(),
              events(DispositionChanged{"brian", D::cancelled, "by api"}, ShardClosed{"by api"}));
}

TEST(Shard, ClosesInPortions) {
    EXPECT_EQ(given(kFrozen).when(CloseShard{"by api", 1}).events(),
              events(DispositionChanged{"amina", D::cancelled, "by api"}));
    const auto rest = given(kFrozen, DispositionChanged{"amina", D::cancelled, "by api"});
    EXPECT_EQ(rest.when(CloseShard{"by api", 1}).events(),
              events(DispositionChanged{"brian", D::cancelled, "by api"}, ShardClosed{"by api"}));
}

TEST(Shard, OnceClosedCancelsWhatIsWithdrawn) {
    const auto closed = given(kFrozen, kAsked, ShardClosed{"by api"});
    EXPECT_EQ(closed.when(RecordWithdrawn{"amina", 0, "by api"}).events(),
              events(DispositionChanged{"amina", D::cancelled, "by api"}));
    EXPECT_TRUE(closed.when(AskSends{{"amina"}, 1}).events().empty());
    EXPECT_TRUE(closed.when(CloseShard{"again", 500}).events().empty());
}

TEST(Shard, FindsWhatANewPacerMustAskAgain) {
    const auto shard = given(kFrozen, kAsked, DispositionChanged{"amina", D::sent, ""}).state();
    EXPECT_EQ(asked_and_open(shard, 0).size(), 1u);
    EXPECT_EQ(asked_and_open(shard, 0).front().first, "brian");
    EXPECT_TRUE(asked_and_open(shard, 1).empty());
}

TEST(Shard, CutDownToOneMemberDecidesTheSameAboutThem) {
    const auto whole = given(kFrozen, kAsked, DispositionChanged{"amina", D::sent, ""}).state();
    const auto one = only(whole, "amina");
    EXPECT_EQ(one.members(), 1);
    for (const auto d : {D::unknown, D::sent, D::failed, D::read, D::replied})
        EXPECT_EQ(decide(one, RecordEvidence{"amina", d, ""}).events(),
                  decide(whole, RecordEvidence{"amina", d, ""}).events());
    EXPECT_EQ(decide(only(whole, "carol"), RecordEvidence{"carol", D::sent, ""}).rejection(),
              ShardRejection::no_member);
}

TEST(Shard, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(given(kFrozen, kFrozen).state(), CorruptStream);
    EXPECT_THROW(given(DispositionChanged{"amina", D::sent, ""}).state(), CorruptStream);
    EXPECT_THROW(given(kFrozen, DispositionChanged{"amina", D::read, ""},
                       DispositionChanged{"amina", D::sent, ""})
                     .state(),
                 CorruptStream);
}

// --- Properties: whatever comes in whatever order, every recipient has one disposition.
// -----------

void expect_sum(const Shard& shard) {
    const auto sum = std::accumulate(shard.counts.begin(), shard.counts.end(), std::int64_t{0});
    ASSERT_EQ(sum, shard.members());
    Totals counted{};
    for (const auto& [customer, recipient] : shard.recipients)
        ++counted[static_cast<std::size_t>(recipient.disposition)];
    ASSERT_EQ(counted, shard.counts);
    ASSERT_LE(shard.settled(), shard.members());
}

TEST(ShardProperty, DispositionsSumToTheAudienceWhateverTheOrder) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto up_to = [&](int n) { return std::uniform_int_distribution<int>{0, n}(random); };

    for (int run = 0; run < 200; ++run) {
        std::vector<Member> members;
        for (int i = 0; i < 1 + up_to(20); ++i)
            members.push_back(
                {"c" + std::to_string(100 + i), "", up_to(9) == 0 ? "opted_out" : ""});
        Shard shard = evolve({}, frozen(members));
        int round = 0;
        for (int step = 0; step < 200; ++step) {
            const auto who =
                members[static_cast<std::size_t>(up_to(static_cast<int>(members.size()) - 1))]
                    .customer_id;
            ShardCommand command = AskSends{{who}, round};
            switch (up_to(9)) {
                case 0:
                    command = AskSends{{who}, round};
                    break;
                case 1:
                    command = RecordWithdrawn{who, up_to(round), "paused"};
                    break;
                case 2:
                    ++round;
                    break;
                case 3:
                    if (up_to(40) == 0) command = CloseShard{"by api", 3};
                    break;
                default:
                    command = RecordEvidence{
                        who, static_cast<D>(2 + up_to(static_cast<int>(kDispositions) - 3)), ""};
            }
            const auto decision = decide(shard, command);
            ASSERT_TRUE(decision.accepted());
            for (const auto& event : decision.events()) shard = evolve(std::move(shard), event);
            expect_sum(shard);
        }
    }
}

TEST(ShardProperty, TheSameEvidenceInAnyOrderEndsInTheSameDisposition) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    // A reply is told apart from chance by what it follows, so it is not among them.
    const std::vector<D> evidence{D::unknown, D::sent, D::failed, D::delivered, D::read, D::sent};
    for (int run = 0; run < 200; ++run) {
        auto shuffled = evidence;
        std::shuffle(shuffled.begin(), shuffled.end(), random);
        shuffled.resize(1 + static_cast<std::size_t>(run) % evidence.size());
        auto sorted = shuffled;
        std::sort(sorted.begin(), sorted.end());

        const auto fold = [](const std::vector<D>& order) {
            Shard shard = evolve({}, kFrozen);
            for (const auto d : order) {
                const auto decision = decide(shard, RecordEvidence{"amina", d, ""});
                for (const auto& event : decision.events()) shard = evolve(std::move(shard), event);
            }
            return shard.recipients.at("amina").disposition;
        };
        ASSERT_EQ(fold(shuffled), fold(sorted));
        ASSERT_EQ(fold(shuffled), sorted.back());
    }
}

}  // namespace
}  // namespace flowstack::campaign
