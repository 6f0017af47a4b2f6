#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <thread>

#include "common/eventlog/relay.h"
#include "common/service/consume_loop.h"
#include "common/service/lane_watch.h"
#include "tests/support/test_database.h"

// What a process does about its lanes, on a real bus and a real store, with processes that come and
// go at any moment. One is killed by dropping it: nothing is given back, nobody is told.
namespace flowstack::service {
namespace {

using flowstack::testing::TestDatabase;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kLanes = 4;
constexpr milliseconds kBoundMax{10'000};  // every lane has a living owner within this time

std::string brokers() {
    const char* text = std::getenv("TEST_KAFKA_BROKERS");
    if (!text) throw std::runtime_error("TEST_KAFKA_BROKERS is not set; ./flowstack test sets it");
    return text;
}

unsigned seed() {
    const char* given = std::getenv("FLOWSTACK_LANES_SEED");
    const unsigned number = given ? static_cast<unsigned>(std::stoul(given))
                                  : static_cast<unsigned>(std::random_device()());
    std::cout << "FLOWSTACK_LANES_SEED=" << number << "\n";
    return number;
}

class Process {
public:
    Process(const std::string& service, const std::string& url, const std::string& name,
            std::atomic<int>& applied, bool hints)
        : store_({.service = service, .database_url = url, .lanes = kLanes},
                 [](const eventlog::StreamName&, int, const eventlog::NewEvent&,
                    eventlog::Derived&) {}),
          owners_(store_, name),
          membership_(store_, owners_, {.replica = name, .lease_time = milliseconds(2'000)}),
          relay_(store_, owners_, {.brokers = brokers(), .topic = topic_of(service)}),
          consumption_(store_, {{service, eventlog::own_source(store_)}}, {.consumer = service}),
          consume_({.service = service,
                    .sources = {},
                    .topics = {topic_of(service)},
                    .lanes = kLanes,
                    .brokers = brokers()},
                   membership_, owners_, consumption_, {[](int, const std::string&) {}}),
          watch_(membership_) {
        consumption_.react([&applied](const eventlog::Recorded&, eventlog::Turn&) { ++applied; });
        if (hints)
            relay_.followers().at_home([this, service](const eventlog::PublishedPage& page) {
                std::vector<eventlog::BusRecord> heard;
                for (const auto& record : page)
                    heard.push_back({service, record->lane, record->key, record->value, true});
                consume_.hear(std::move(heard));
            });
        watch_.start();
        relay_.start();
        consume_.start();
    }
    ~Process() {
        consumption_.stop();
        consume_.stop();
        relay_.stop();
        watch_.stop();
    }
    eventlog::Store& store() { return store_; }
    std::vector<int> lanes() const { return owners_.lanes(); }
    bool settled() const { return consume_.settled(); }
    observability::Check check() const { return lanes_check(membership_.report()); }

private:
    eventlog::Store store_;
    eventlog::Owners owners_;
    eventlog::Membership membership_;
    eventlog::Relay relay_;
    eventlog::Consumption consumption_;
    ConsumeLoop consume_;
    LaneWatch watch_;
};

struct Case {
    int replicas = 3;
    bool hints = true;  // the relay hands what it reads to the consumption of its process at once
};

class Lanes : public ::testing::TestWithParam<Case> {
protected:
    std::unique_ptr<Process> start(int number, bool hints = true) {
        return std::make_unique<Process>(service, database.service_url(), std::to_string(number),
                                         applied, hints);
    }
    // What the processes themselves think: every lane is one's, none is two's.
    static bool all_owned(const std::vector<std::unique_ptr<Process>>& processes) {
        std::vector<int> owned;
        for (const auto& process : processes) {
            const auto lanes = process->lanes();
            owned.insert(owned.end(), lanes.begin(), lanes.end());
        }
        std::sort(owned.begin(), owned.end());
        return owned == std::vector<int>{0, 1, 2, 3};
    }
    static bool eventually(const std::function<bool()>& holds) {
        const auto until = Steady::now() + kBoundMax;
        while (!holds()) {
            if (Steady::now() > until) return false;
            std::this_thread::sleep_for(milliseconds(10));
        }
        return true;
    }
    // An event in every lane.
    void happen(Process& process) {
        for (int lane = 0; lane < kLanes; ++lane) {
            eventlog::Command command;
            command.id = "c" + std::to_string(++commands);
            command.tenant = "t1";
            command.meta.routing = {eventlog::RoutingKind::lane, std::to_string(lane)};
            command.parts.push_back({{"t1", "thing", std::to_string(lane)},
                                     eventlog::kAny,
                                     {{"test.v1.Happened", "x", Time{}}}});
            ASSERT_TRUE(process.store().append(std::move(command)).accepted());
        }
    }

    TestDatabase database{kLanes};
    const std::string service = "lanestest" + std::to_string(getpid()) + "-" +
                                std::to_string(Steady::now().time_since_epoch().count());
    std::atomic<int> applied{0};
    int commands = 0;
};

TEST_P(Lanes, EachHasAnOwnerSoonHoweverQuicklyAProcessIsKilledAndStarted) {
    std::minstd_rand random(seed());
    std::vector<std::unique_ptr<Process>> processes;
    for (int i = 0; i < GetParam().replicas; ++i) processes.push_back(start(i, GetParam().hints));
    ASSERT_TRUE(eventually([&] { return all_owned(processes); }));
    milliseconds longest{0};
    for (int round = 0; round < 8; ++round) {
        const auto victim = static_cast<std::size_t>(random()) % processes.size();
        // Killed and started up to three times, at gaps that end anywhere in a start.
        for (auto n = random() % 3 + 1; n > 0; --n) {
            processes[victim].reset();
            processes[victim] = start(static_cast<int>(victim), GetParam().hints);
            if (n > 1) std::this_thread::sleep_for(milliseconds(random() % 300));
        }
        const auto started = Steady::now();
        ASSERT_TRUE(eventually([&] { return all_owned(processes); })) << "round " << round;
        longest =
            std::max(longest, std::chrono::duration_cast<milliseconds>(Steady::now() - started));
        EXPECT_EQ(processes[victim]->check().state, observability::State::ok);
        // And they are worked on, not only owned.
        const int before = applied;
        happen(*processes[victim]);
        ASSERT_TRUE(eventually([&] { return applied >= before + kLanes; })) << "round " << round;
    }
    std::cout << "longest without an owner: " << longest.count() << " ms\n";
}

INSTANTIATE_TEST_SUITE_P(WithReplicas, Lanes,
                         ::testing::Values(Case{1, false}, Case{3, false}, Case{3, true}));

TEST_F(Lanes, OfAProcessThatDiesForGoodGoToTheOthers) {
    std::vector<std::unique_ptr<Process>> processes;
    for (int i = 0; i < 3; ++i) processes.push_back(start(i));
    ASSERT_TRUE(eventually([&] { return all_owned(processes); }));
    processes.erase(processes.begin() + 1);
    EXPECT_TRUE(eventually([&] { return all_owned(processes); }));
}

TEST(LanesCheck, NamesTheLanesThatNobodyWorksOn) {
    eventlog::Membership::Report report;
    EXPECT_EQ(lanes_check(report).state, observability::State::ok);
    report.without_owner = {0, 1, 2, 7};
    report.without_owner_for = milliseconds(500);  // they only move
    EXPECT_EQ(lanes_check(report).state, observability::State::ok);
    report.without_owner_for = milliseconds(4'200);
    const auto check = lanes_check(report);
    EXPECT_EQ(check.state, observability::State::degraded);
    EXPECT_EQ(check.detail.substr(0, 42), "lanes 0-2,7 have no living owner, the firs");
    report = {};
    report.replaced = true;
    EXPECT_EQ(lanes_check(report).state, observability::State::degraded);
}

}  // namespace
}  // namespace flowstack::service
