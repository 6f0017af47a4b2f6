#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "common/eventlog/membership.h"
#include "tests/support/test_database.h"

// Who works on which lane. A replica that is dropped without leave() is one that was killed.
namespace flowstack::eventlog {
namespace {

using flowstack::testing::TestDatabase;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kLanes = 8;
constexpr milliseconds kForEver{3'600'000};
constexpr milliseconds kShort{400};
const std::vector<int> kAll{0, 1, 2, 3, 4, 5, 6, 7};

TEST(Share, EveryLaneHasOneReplicaAndNobodyHasTwoMoreThanAnother) {
    for (int lanes = 1; lanes <= 64; ++lanes)
        for (int count = 1; count <= 9; ++count) {
            std::vector<std::string> living;
            for (int i = 0; i < count; ++i) living.push_back(std::to_string(i));
            std::vector<int> all;
            std::size_t least = 64, most = 0;
            for (const auto& name : living) {
                const auto share = share_of(name, living, lanes);
                all.insert(all.end(), share.begin(), share.end());
                least = std::min(least, share.size());
                most = std::max(most, share.size());
            }
            ASSERT_EQ(all.size(), static_cast<std::size_t>(lanes));
            for (int lane = 0; lane < lanes; ++lane)
                ASSERT_EQ(all[static_cast<std::size_t>(lane)], lane);
            ASSERT_LE(most - least, 1U);
        }
    EXPECT_THAT(share_of("9", {"0", "1"}, kLanes), IsEmpty());
}

class Replicas : public ::testing::Test {
protected:
    struct Replica {
        Replica(Store& store, const std::string& name, milliseconds lease)
            : owners(store, name),
              membership(store, owners, {.replica = name, .lease_time = lease}) {}
        // What the beating and the consuming thread do.
        void step() {
            membership.beat();
            const auto change = membership.due();
            if (!change) return;
            if (!change->give_back.empty()) membership.give_back(change->give_back);
            membership.take(change->take);
        }
        std::vector<int> lanes() const { return owners.lanes(); }

        Owners owners;
        Membership membership;
    };
    std::unique_ptr<Replica> start(const std::string& name, milliseconds lease = kForEver) {
        return std::make_unique<Replica>(store, name, lease);
    }
    // Steps all of them until nothing changes any more.
    static void settle(const std::vector<Replica*>& replicas) {
        for (int i = 0; i < 4; ++i)
            for (auto* replica : replicas) replica->step();
    }

    TestDatabase database{kLanes};
    Store store{{.service = "test", .database_url = database.service_url(), .lanes = kLanes},
                [](const StreamName&, int, const NewEvent&, Derived&) {}};
};

TEST_F(Replicas, OneAloneTakesEveryLaneAtItsFirstBeat) {
    const auto one = start("0");
    one->step();
    EXPECT_EQ(one->lanes(), kAll);
    one->step();
    EXPECT_THAT(one->membership.report().without_owner, IsEmpty());
}

// The fault that this replaced: killed and started twice in a moment, a process owned nothing.
TEST_F(Replicas, AProcessKilledAndStartedAgainTakesItsLanesAtOnceHoweverQuickly) {
    auto one = start("0");
    one->step();
    for (int i = 0; i < 20; ++i) {
        one = start("0");
        if (i % 3 == 1) one->membership.beat();  // killed again between its beat and its takes
        if (i % 3 == 2) one->step();
    }
    one = start("0");
    one->step();
    EXPECT_EQ(one->lanes(), kAll);
}

TEST_F(Replicas, ANewcomerGetsItsShareFromTheOthers) {
    const auto first = start("0");
    first->step();
    const auto second = start("1");
    second->step();
    EXPECT_THAT(second->lanes(), IsEmpty()) << "the first still works on them";
    settle({first.get(), second.get()});
    EXPECT_THAT(first->lanes(), ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(second->lanes(), ElementsAre(4, 5, 6, 7));
}

TEST_F(Replicas, OneThatLeavesHandsItsLanesOverAtOnce) {
    const auto first = start("0");
    const auto second = start("1");
    settle({first.get(), second.get()});
    second->membership.leave();
    first->step();
    EXPECT_EQ(first->lanes(), kAll);
}

TEST_F(Replicas, TheLanesOfOneThatIsSilentGoToTheOthersWhenItsLeaseHasRunOut) {
    const auto first = start("0", kShort);
    auto second = start("1", kShort);
    settle({first.get(), second.get()});
    ASSERT_THAT(second->lanes(), ElementsAre(4, 5, 6, 7));
    const auto killed = std::chrono::steady_clock::now();
    second.reset();
    while (first->lanes() != kAll) {
        ASSERT_LT(std::chrono::steady_clock::now() - killed, 10 * kShort);
        std::this_thread::sleep_for(kShort / 10);
        first->step();
    }
    EXPECT_GE(std::chrono::steady_clock::now() - killed, kShort / 2);
}

TEST_F(Replicas, NobodyIsNamedAsTheOwnerOfALaneWhoseReplicasLeaseHasRunOut) {
    const auto owner = [&] {
        return store.pool().with(
            [](postgres::Session& session) { return living_owner(session, 3); });
    };
    EXPECT_FALSE(owner()) << "nobody has taken it yet";
    auto one = start("0", kShort);
    one->step();
    ASSERT_TRUE(owner());
    EXPECT_EQ(owner()->replica, "0");
    one.reset();
    std::this_thread::sleep_for(2 * kShort);
    EXPECT_FALSE(owner());
    one = start("0");
    EXPECT_FALSE(owner()) << "it was started anew and has not taken the lane";
    one->step();
    ASSERT_TRUE(owner());
    EXPECT_EQ(owner()->owner_epoch, 2);
}

TEST_F(Replicas, OneThatWasOnlySilentSeesThatItsLanesAreAnothers) {
    const auto first = start("0", kShort);
    const auto second = start("1", kShort);
    settle({first.get(), second.get()});
    while (first->lanes() != kAll) {
        std::this_thread::sleep_for(kShort / 10);
        first->step();
    }
    second->membership.beat();  // it goes on
    EXPECT_THAT(second->lanes(), IsEmpty());
    settle({first.get(), second.get()});
    EXPECT_THAT(first->lanes(), ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(second->lanes(), ElementsAre(4, 5, 6, 7));
}

// When the store was away for longer than a lease, every replica looks silent to the first that
// comes back.
TEST_F(Replicas, AfterALongSilenceOfAllNobodyTakesTheLanesOfTheOthers) {
    const auto first = start("0", kShort);
    const auto second = start("1", kShort);
    settle({first.get(), second.get()});
    std::this_thread::sleep_for(kShort + kShort / 4);
    first->step();
    EXPECT_THAT(first->lanes(), ElementsAre(0, 1, 2, 3));
    second->step();
    first->step();
    EXPECT_THAT(first->lanes(), ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(second->lanes(), ElementsAre(4, 5, 6, 7));
}

TEST_F(Replicas, OfTwoProcessesWithOneNameOnlyTheLaterWorks) {
    const auto earlier = start("0", kShort);
    earlier->step();
    auto later = start("0", kShort);
    later->step();
    EXPECT_EQ(later->lanes(), kAll);
    earlier->step();
    EXPECT_THAT(earlier->lanes(), IsEmpty());
    EXPECT_TRUE(earlier->membership.report().replaced);
    // It comes back when the later one is gone.
    later.reset();
    const auto until = std::chrono::steady_clock::now() + 10 * kShort;
    while (earlier->lanes() != kAll && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(kShort / 10);
        earlier->step();
    }
    EXPECT_EQ(earlier->lanes(), kAll);
    EXPECT_FALSE(earlier->membership.report().replaced);
}

TEST_F(Replicas, AChangeThatWasHandedOutAndNeverMadeIsDueAgainAtTheNextBeat) {
    const auto one = start("0");
    one->membership.beat();
    ASSERT_EQ(one->membership.due()->take, kAll);
    EXPECT_FALSE(one->membership.due().has_value());  // once for each beat
    one->step();
    EXPECT_EQ(one->lanes(), kAll);
    one->owners.revoked({2, 3});  // forgotten here, and still ours in the table
    one->step();
    EXPECT_EQ(one->lanes(), kAll);
}

TEST_F(Replicas, OneThatIsAloneBeatsHalfAsOften) {
    const auto first = start("0");
    EXPECT_EQ(first->membership.beat_again_after(), kBeatEvery);
    first->step();
    EXPECT_EQ(first->membership.beat_again_after(), kBeatAloneEvery);
    const auto second = start("1");
    settle({first.get(), second.get()});
    EXPECT_EQ(first->membership.beat_again_after(), kBeatEvery);
    // A short lease leaves no time for it.
    const auto hasty = start("0", milliseconds(1'000));
    second->membership.leave();
    hasty->step();
    EXPECT_EQ(hasty->membership.beat_again_after(), kBeatEvery);
}

TEST_F(Replicas, ABeatTellsOfHeadsAndOfTheLastSettingsChange) {
    postgres::Session admin({.url = database.admin_url()});
    admin.run("update lanes set position = lane * 10");
    admin.run("insert into settings_changes select n, '', '', '' from generate_series(1, 7) n");
    const auto one = start("0");
    Membership::Seen seen;
    one->membership.on_seen([&](const Membership::Seen& now) { seen = now; });
    one->membership.beat();
    EXPECT_THAT(seen.heads, ElementsAre(0, 10, 20, 30, 40, 50, 60, 70));
    EXPECT_EQ(seen.settings_seq, 7);
}

TEST_F(Replicas, ALaneIsNotTakenTwiceFromOneLook) {
    const auto first = start("0");
    first->membership.beat();
    const auto change = first->membership.due();
    Owners quicker(store, "other");
    quicker.assigned({5});
    first->membership.take(change->take);
    EXPECT_THAT(first->lanes(), ElementsAre(0, 1, 2, 3, 4, 6, 7));
}

TEST_F(Replicas, LanesWithoutALivingOwnerAreNamedWithTheTimeTheyHaveBeenSo) {
    const auto one = start("0");
    one->step();
    Owners dead(store, "9");
    dead.assigned({2, 3, 5});  // holds lanes and has no lease
    one->membership.beat();
    std::this_thread::sleep_for(milliseconds(20));
    one->membership.beat();
    const auto report = one->membership.report();
    EXPECT_THAT(report.living, ElementsAre("0"));
    EXPECT_THAT(report.without_owner, ElementsAre(2, 3, 5));
    EXPECT_GE(report.without_owner_for, milliseconds(20));
    settle({one.get()});
    EXPECT_THAT(one->membership.report().without_owner, IsEmpty());
}

}  // namespace
}  // namespace flowstack::eventlog
