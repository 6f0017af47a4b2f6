#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/eventlog/work.h"
#include "tests/support/test_database.h"

namespace flowstack::eventlog {
namespace {

using namespace std::chrono_literals;
using flowstack::testing::TestDatabase;

constexpr int kLanes = 4;

// Rows written by hand, as if events had been appended from which they are derived.
class Work : public ::testing::Test {
protected:
    ~Work() override { runner.stop(); }

    void SetUp() override {
        runner.handle("timer", [this](const WorkRow& row, WorkRunner::Done done) {
            take_away(row);
            {
                const std::lock_guard lock(mutex);
                handed_out.push_back(row.key);
            }
            changed.notify_all();
            done();
        });
    }
    void start() {
        owners.assigned({0, 1, 2, 3});
        runner.start();
    }

    // `count` rows over all lanes, due `due` from now on, a millisecond apart.
    void put(const std::string& name, int count, const std::string& due) {
        admin.query("insert into work select n % " + std::to_string(kLanes) + ", 'timer', '" +
                    name + "-' || n, clock_timestamp() + interval '" + due +
                    "' + n * interval '1 millisecond', 0, '' from generate_series(1, " +
                    std::to_string(count) + ") n");
    }
    void take_away(const WorkRow& row) {
        store.pool().with([&](postgres::Session& session) {
            return session.query("delete from work where lane = $1 and kind = $2 and key = $3",
                                 postgres::Params().add(row.lane).add(row.kind).add(row.key));
        });
    }

    // Waits until so many rows were handed out; what came, in that order.
    std::vector<std::string> handed(std::size_t count) {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, 120s, [&] { return handed_out.size() >= count; });
        return handed_out;
    }

    TestDatabase database{kLanes};
    postgres::Session admin{{.url = database.admin_url()}};
    // The test takes rows away as an append would, for which the role of a service has no right.
    Store store{{.service = "test", .database_url = database.admin_url(), .lanes = kLanes},
                [](const StreamName&, int, const NewEvent&, Derived&) {}};
    Owners owners{store, "replica-1"};
    WorkRunner runner{store, owners, {.poll_interval = 5ms, .retry_delay = 0ms, .threads = 1}};
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> handed_out;
};

TEST_F(Work, WhatIsDueIsHandedOutInTheOrderOfItsTimeWhateverItsLane) {
    put("due", 12, "-1 second");
    put("later", 8, "1 hour");
    start();
    std::vector<std::string> expected;
    for (int n = 1; n <= 12; ++n) expected.push_back("due-" + std::to_string(n));
    EXPECT_EQ(handed(12), expected);
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(handed(12).size(), 12u) << "what is not due was handed out";
}

// A replica that has every lane is told of its own rows only within the last second, so it looks
// when the next one is due, and not each moment.
TEST_F(Work, WhatIsDueLaterIsHandedOutWhenItIsDueAndNotLookedForInBetween) {
    admin.query("insert into work values (1, 'timer', 'first', clock_timestamp(), 0, '')");
    start();
    ASSERT_EQ(handed(1).size(), 1u);
    // Spaced so that looks a whole second apart are late for each of them.
    admin.query(
        "insert into work select 1, 'timer', 'next-' || n, clock_timestamp() + n * interval "
        "'1400 milliseconds', 0, '' from generate_series(1, 4) n");
    const auto began = std::chrono::steady_clock::now();
    auto least = std::chrono::steady_clock::duration::max();
    for (int n = 1; n <= 4; ++n) {
        ASSERT_EQ(handed(1 + static_cast<std::size_t>(n)).size(), 1u + static_cast<std::size_t>(n));
        least = std::min(least, std::chrono::steady_clock::now() - began - n * 1400ms);
    }
    EXPECT_LT(least, 150ms);
    // Written by nobody whom it hears of.
    admin.query("insert into work values (2, 'timer', 'untold', clock_timestamp(), 0, '')");
    EXPECT_EQ(handed(6).size(), 6u);
}

TEST_F(Work, ABacklogOfAKindOfWhichOneMayBeInFlightIsNotWorkedOffBySeconds) {
    runner.handle(
        "single",
        [this](const WorkRow& row, WorkRunner::Done done) {
            take_away(row);
            {
                const std::lock_guard lock(mutex);
                handed_out.push_back(row.key);
            }
            changed.notify_all();
            done();
        },
        1);
    admin.query(
        "insert into work select 1, 'single', n::text, clock_timestamp(), 0, '' "
        "from generate_series(1, 20) n");
    const auto began = std::chrono::steady_clock::now();
    start();
    EXPECT_EQ(handed(20).size(), 20u);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 15s);
}

TEST_F(Work, ABacklogOfManyTimesWhatMayBeInFlightIsWorkedOff) {
    put("due", 3'000, "-1 hour");
    start();
    const auto keys = handed(3'000);
    EXPECT_EQ(keys.size(), 3'000u);
    // Rows are finished while a query runs that still sees them: no rest hides a second time.
    EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
    EXPECT_EQ(admin.query("select count(*) from work").int8(0, 0), 0);
}

// A platform has millions of reminders booked: looking for the few that are due must not read them.
TEST_F(Work, WhatIsNotDueIsNotRead) {
    constexpr int kBooked = 20'000;
    put("later", kBooked, "1 hour");
    put("due", 20, "-1 second");
    const auto rows_read = [&] {
        return admin
            .query(
                "select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables "
                "where relname = 'work'")
            .int8(0, 0);
    };
    const auto polls = [&] {
        return admin
            .query("select seq_scan + idx_scan from pg_stat_user_tables where relname = 'work'")
            .int8(0, 0);
    };
    start();
    EXPECT_EQ(handed(20).size(), 20u);
    // A session hands in what it counted once a second.
    const auto asked = polls();
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (polls() < asked + 100 && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(100ms);
    ASSERT_GE(polls(), asked + 100);
    EXPECT_LT(rows_read(), kBooked);
}

TEST_F(Work, OnlyRowsThatItHandlesWakeARunner) {
    WorkRunner rare(store, owners, {.poll_interval = 1h, .threads = 1});
    rare.handle("timer", [this](const WorkRow& row, const WorkRunner::Done& done) {
        take_away(row);
        {
            const std::lock_guard lock(mutex);
            handed_out.push_back(row.key);
        }
        changed.notify_all();
        done();
    });
    owners.assigned({0, 1, 2, 3});
    rare.start();
    std::this_thread::sleep_for(200ms);  // its first poll finds nothing
    put("due", 1, "-1 second");
    const auto now = std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now());
    rare.wake("another", now);
    std::this_thread::sleep_for(200ms);
    {
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(handed_out.empty());
    }
    rare.wake("timer", now);
    EXPECT_EQ(handed(1).size(), 1u);
    rare.stop();
}

TEST_F(Work, ARowThatStaysIsHandedOutAgain) {
    runner.handle("stubborn", [this](const WorkRow& row, WorkRunner::Done done) {
        std::size_t times = 0;
        {
            const std::lock_guard lock(mutex);
            handed_out.push_back(row.key);
            times = handed_out.size();
        }
        changed.notify_all();
        if (times == 1) throw std::runtime_error("not this time");
        if (times == 3) take_away(row);
        done();
    });
    admin.query("insert into work values (1, 'stubborn', 'a', clock_timestamp(), 0, '')");
    start();
    EXPECT_EQ(handed(3), (std::vector<std::string>{"a", "a", "a"}));
}

}  // namespace
}  // namespace flowstack::eventlog
