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

// The facts and commands of one shard, by their words.
const CampaignId kId("campaign-1");
const CustomerId kAmina("amina");
const CustomerId kBrian("brian");
const CustomerId kCarol("carol");

Member member(const CustomerId& id, const std::string& name, const std::string& suppressed = "") {
    return {.customer_id = id, .name = name, .suppressed = suppressed};
}
MembersFrozen frozen(int chunk, std::vector<Member> members, bool last, std::int64_t lane_total) {
    return {.campaign_id = kId,
            .chunk = chunk,
            .members = std::move(members),
            .last = last,
            .lane_total = lane_total,
            .source_position = 17};
}
MembersFrozen frozen(std::vector<Member> members) {
    const auto total = static_cast<std::int64_t>(members.size());
    return frozen(0, std::move(members), true, total);
}
FreezeMembers freeze(int chunk, std::vector<Member> members, bool last) {
    return {.campaign_id = kId,
            .chunk = chunk,
            .members = std::move(members),
            .last = last,
            .source_position = 17};
}
SendAsked asked_for(std::vector<CustomerId> customers, int round = 0) {
    return {.campaign_id = kId, .customer_ids = std::move(customers), .round = round};
}
AskSends ask_for(std::vector<CustomerId> customers, int round = 0) {
    return {.customer_ids = std::move(customers), .round = round};
}
SendWithdrawn withdrawn_of(std::vector<CustomerId> customers, int round = 0) {
    return {.campaign_id = kId, .customer_ids = std::move(customers), .round = round};
}
RecordWithdrawn record_withdrawn(const CustomerId& customer, int round, const std::string& reason) {
    return {.customer_id = customer, .round = round, .reason = reason};
}
RecordEvidence evidence_of(const CustomerId& customer, D disposition,
                           const std::string& reason = "") {
    return {.customer_id = customer, .disposition = disposition, .reason = reason};
}
DispositionChanged changed(const CustomerId& customer, D disposition,
                           const std::string& reason = "") {
    return {
        .campaign_id = kId, .customer_id = customer, .disposition = disposition, .reason = reason};
}
ShardClosed closed_by(const std::string& reason) { return {.campaign_id = kId, .reason = reason}; }
CloseShard close_by(const std::string& reason, std::size_t limit) {
    return {.reason = reason, .limit = limit};
}

const std::vector<Member> kTwo{member(kAmina, "Amina"), member(kBrian, "Brian")};
const MembersFrozen kFrozen = frozen(kTwo);
const SendAsked kAsked = asked_for({kAmina, kBrian});

TEST(Shard, FreezesItsMembersInChunks) {
    const std::vector<Member> first{kTwo[0]};
    const std::vector<Member> second{kTwo[1]};
    const auto one = given().when(freeze(0, first, false));
    EXPECT_EQ(one.events(), events(frozen(0, first, false, 0)));

    const auto after_one = given(frozen(0, first, false, 0));
    EXPECT_EQ(after_one.when(freeze(1, second, true)).events(), events(frozen(1, second, true, 2)));
    EXPECT_EQ(after_one.when(freeze(0, first, false)).rejection(), ShardRejection::chunk_order);
    EXPECT_EQ(after_one.when(freeze(1, first, true)).rejection(), ShardRejection::member_twice);
    EXPECT_EQ(given(kFrozen).when(freeze(1, second, true)).rejection(),
              ShardRejection::frozen_already);
}

TEST(Shard, WithoutMembersIsFrozenToo) {
    const auto state = given(frozen({})).state();
    EXPECT_TRUE(state.frozen);
    EXPECT_EQ(state.members(), 0);
}

TEST(Shard, NeverWritesToWhoOptedOut) {
    const auto shard = given(frozen({member(kAmina, "Amina", "opted_out"), kTwo[1]}));
    EXPECT_EQ(shard.state().count(D::suppressed), 1);
    EXPECT_EQ(next_waiting(shard.state(), 10).size(), 1u);
    EXPECT_EQ(shard.when(ask_for({kAmina, kBrian})).events(), events(asked_for({kBrian})));
}

TEST(Shard, AsksEachMemberOnceARound) {
    EXPECT_EQ(given(kFrozen).when(ask_for({kAmina})).events(), events(asked_for({kAmina})));
    EXPECT_TRUE(given(kFrozen, kAsked).when(ask_for({kAmina})).events().empty());
    EXPECT_EQ(given(kFrozen).when(ask_for({kCarol})).rejection(), ShardRejection::no_member);
    EXPECT_EQ(given().when(ask_for({kAmina})).rejection(), ShardRejection::not_frozen);
}

TEST(Shard, RaisesADispositionAndNeverLowersIt) {
    const auto asked = given(kFrozen, kAsked);
    EXPECT_EQ(asked.when(evidence_of(kAmina, D::sent)).events(), events(changed(kAmina, D::sent)));

    const auto was_read = given(kFrozen, kAsked, changed(kAmina, D::read));
    EXPECT_TRUE(was_read.when(evidence_of(kAmina, D::delivered)).events().empty());
    EXPECT_TRUE(was_read.when(evidence_of(kAmina, D::read)).events().empty());
    EXPECT_EQ(was_read.when(evidence_of(kAmina, D::replied)).events(),
              events(changed(kAmina, D::replied)));
}

TEST(Shard, TakesAFailureAfterTheProviderAccepted) {
    const auto sent = given(kFrozen, kAsked, changed(kAmina, D::sent));
    EXPECT_EQ(sent.when(evidence_of(kAmina, D::failed, "131026")).events(),
              events(changed(kAmina, D::failed, "131026")));
    const auto failed = given(kFrozen, kAsked, changed(kAmina, D::failed, "131026"));
    EXPECT_TRUE(failed.when(evidence_of(kAmina, D::sent)).events().empty());
    EXPECT_TRUE(failed.when(evidence_of(kAmina, D::delivered)).accepted());
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
                << text_of(evidence) << " after " << text_of(now);
            EXPECT_EQ(outranks(evidence, now), j > i)
                << text_of(evidence) << " after " << text_of(now);
        }
    }
    EXPECT_TRUE(outranks(Disposition::failed, Disposition::sent));
    EXPECT_FALSE(outranks(Disposition::failed, Disposition::delivered));
}

TEST(Shard, TakesAnOptOutThatTheProviderReportsAfterAccepting) {
    const auto sent = given(kFrozen, kAsked, changed(kAmina, D::sent));
    EXPECT_EQ(sent.when(evidence_of(kAmina, D::suppressed, "opted_out")).events(),
              events(changed(kAmina, D::suppressed, "opted_out")));
}

TEST(Shard, CountsAReplyOnlyToWhatLeft) {
    EXPECT_TRUE(given(kFrozen).when(evidence_of(kAmina, D::replied)).events().empty());
    EXPECT_TRUE(given(kFrozen, kAsked).when(evidence_of(kAmina, D::replied)).events().empty());
    const auto suppressed = given(frozen({member(kAmina, "Amina", "opted_out")}));
    EXPECT_TRUE(suppressed.when(evidence_of(kAmina, D::replied)).events().empty());
}

TEST(Shard, LearnsAnOutcomeBeforeTheAskWasWrittenDown) {
    const auto shard = given(kFrozen, changed(kAmina, D::delivered), kAsked).state();
    EXPECT_EQ(shard.recipients.at(kAmina).disposition, D::delivered);
    EXPECT_EQ(shard.recipients.at(kBrian).disposition, D::queued);
}

TEST(Shard, RefusesEvidenceAboutStrangersAndNonEvidence) {
    EXPECT_EQ(given(kFrozen).when(evidence_of(kCarol, D::sent)).rejection(),
              ShardRejection::no_member);
    EXPECT_EQ(given(kFrozen).when(evidence_of(kAmina, D::queued)).rejection(),
              ShardRejection::no_evidence);
}

TEST(Shard, LetsAWithdrawnMemberWaitAgain) {
    const auto asked = given(kFrozen, kAsked);
    EXPECT_EQ(asked.when(record_withdrawn(kAmina, 0, "paused")).events(),
              events(withdrawn_of({kAmina})));
    const auto withdrawn = given(kFrozen, kAsked, withdrawn_of({kAmina}));
    EXPECT_EQ(withdrawn.state().recipients.at(kAmina).disposition, D::waiting);
    EXPECT_EQ(withdrawn.when(ask_for({kAmina}, 1)).events(), events(asked_for({kAmina}, 1)));
}

TEST(Shard, IgnoresALateWithdrawalOfAnEarlierRound) {
    const auto again = given(kFrozen, kAsked, withdrawn_of({kAmina}), asked_for({kAmina}, 1));
    EXPECT_TRUE(again.when(record_withdrawn(kAmina, 0, "paused")).events().empty());
    const auto left = given(kFrozen, kAsked, changed(kAmina, D::sent));
    EXPECT_TRUE(left.when(record_withdrawn(kAmina, 0, "paused")).events().empty());
}

TEST(Shard, ClosesByCancellingThoseWhoWait) {
    const auto one_asked = given(kFrozen, asked_for({kAmina}));
    EXPECT_EQ(one_asked.when(close_by("by api", 500)).events(),
              events(changed(kBrian, D::cancelled, "by api"), closed_by("by api")));
}

TEST(Shard, ClosesInPortions) {
    EXPECT_EQ(given(kFrozen).when(close_by("by api", 1)).events(),
              events(changed(kAmina, D::cancelled, "by api")));
    const auto rest = given(kFrozen, changed(kAmina, D::cancelled, "by api"));
    EXPECT_EQ(rest.when(close_by("by api", 1)).events(),
              events(changed(kBrian, D::cancelled, "by api"), closed_by("by api")));
}

TEST(Shard, OnceClosedCancelsWhatIsWithdrawn) {
    const auto closed = given(kFrozen, kAsked, closed_by("by api"));
    EXPECT_EQ(closed.when(record_withdrawn(kAmina, 0, "by api")).events(),
              events(changed(kAmina, D::cancelled, "by api")));
    EXPECT_TRUE(closed.when(ask_for({kAmina}, 1)).events().empty());
    EXPECT_TRUE(closed.when(close_by("again", 500)).events().empty());
}

TEST(Shard, FindsWhatANewPacerMustAskAgain) {
    const auto shard = given(kFrozen, kAsked, changed(kAmina, D::sent)).state();
    EXPECT_EQ(asked_and_open(shard, 0).size(), 1u);
    EXPECT_EQ(asked_and_open(shard, 0).front().first, "brian");
    EXPECT_TRUE(asked_and_open(shard, 1).empty());
}

TEST(Shard, CutDownToOneMemberDecidesTheSameAboutThem) {
    const auto whole = given(kFrozen, kAsked, changed(kAmina, D::sent)).state();
    const auto one = only(whole, kAmina);
    EXPECT_EQ(one.members(), 1);
    for (const auto d : {D::unknown, D::sent, D::failed, D::read, D::replied})
        EXPECT_EQ(decide(one, evidence_of(kAmina, d)).events(),
                  decide(whole, evidence_of(kAmina, d)).events());
    EXPECT_EQ(decide(only(whole, kCarol), evidence_of(kCarol, D::sent)).rejection(),
              ShardRejection::no_member);
}

TEST(Shard, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(given(kFrozen, kFrozen).state(), CorruptStream);
    EXPECT_THROW(given(changed(kAmina, D::sent)).state(), CorruptStream);
    EXPECT_THROW(given(kFrozen, changed(kAmina, D::read), changed(kAmina, D::sent)).state(),
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
            members.push_back(member(CustomerId("c" + std::to_string(100 + i)), "",
                                     up_to(9) == 0 ? "opted_out" : ""));
        Shard shard = evolve({}, frozen(members));
        int round = 0;
        for (int step = 0; step < 200; ++step) {
            const auto who =
                members[static_cast<std::size_t>(up_to(static_cast<int>(members.size()) - 1))]
                    .customer_id;
            ShardCommand command = ask_for({who}, round);
            switch (up_to(9)) {
                case 0:
                    command = ask_for({who}, round);
                    break;
                case 1:
                    command = record_withdrawn(who, up_to(round), "paused");
                    break;
                case 2:
                    ++round;
                    break;
                case 3:
                    if (up_to(40) == 0) command = close_by("by api", 3);
                    break;
                default:
                    command = evidence_of(
                        who, static_cast<D>(2 + up_to(static_cast<int>(kDispositions) - 3)));
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
                const auto decision = decide(shard, evidence_of(kAmina, d));
                for (const auto& event : decision.events()) shard = evolve(std::move(shard), event);
            }
            return shard.recipients.at(kAmina).disposition;
        };
        ASSERT_EQ(fold(shuffled), fold(sorted));
        ASSERT_EQ(fold(shuffled), sorted.back());
    }
}

}  // namespace
}  // namespace flowstack::campaign
