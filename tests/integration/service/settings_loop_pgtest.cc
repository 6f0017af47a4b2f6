#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "common/service/commit_notes.h"
#include "common/service/settings_loop.h"
#include "tests/support/test_database.h"

namespace flowstack::service {
namespace {

using flowstack::testing::TestDatabase;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kLanes = 4;

// Every event of "test.v1.Setting" is a settings change.
eventlog::DeriveFn derive() {
    return [](const eventlog::StreamName& stream, int, const eventlog::NewEvent& event,
              eventlog::Derived& out) {
        if (event.type == "test.v1.Setting")
            out.settings.push_back({stream.tenant, "setting", stream.key});
    };
}

eventlog::Command command_of(const std::string& type, int lane) {
    static int commands = 0;
    eventlog::Command command;
    command.id = "c" + std::to_string(++commands);
    command.tenant = "t1";
    command.meta.routing = {eventlog::RoutingKind::lane, std::to_string(lane)};
    command.parts.push_back(
        {{"t1", "thing", std::to_string(lane)}, eventlog::kAny, {{type, "x", Time{}}}});
    return command;
}

class Settings : public ::testing::Test {
protected:
    explicit Settings(milliseconds poll = std::chrono::hours(1)) : settings(store, owners, poll) {
        settings.listen([this](const eventlog::SettingsChange&) { ++heard; });
        settings.start();
    }
    ~Settings() override { settings.stop(); }
    bool hears(int changes) const {
        const auto until = Steady::now() + std::chrono::seconds(20);
        while (heard < changes) {
            if (Steady::now() > until) return false;
            std::this_thread::sleep_for(milliseconds(5));
        }
        return true;
    }

    TestDatabase database{kLanes};
    eventlog::Store store{
        {.service = "settingstest", .database_url = database.service_url(), .lanes = kLanes},
        CommitNotes::noting(derive(), {"test.v1.Quiet"})};
    eventlog::Owners owners{store, "a"};
    std::atomic<int> heard{0};
    SettingsLoop settings;
};

TEST_F(Settings, AChangeOfThisProcessIsHandedOverWithoutAPoll) {
    store.on_commit([this](const eventlog::Commit&) {
        if (CommitNotes::take().settings) settings.wake();
    });
    ASSERT_TRUE(store.append(command_of("test.v1.Setting", 0)).accepted());
    EXPECT_TRUE(hears(1));
}

TEST_F(Settings, AChangeThatSomebodyElseSawInTheTableIsHandedOverWithoutAPoll) {
    ASSERT_TRUE(store.append(command_of("test.v1.Setting", 0)).accepted());
    settings.seen(1);
    EXPECT_TRUE(hears(1));
}

// The store, or a key management service that opens credentials, goes away while a service starts.
TEST_F(Settings, AStartThatFailedCanBeTriedAgainAndLosesNoChange) {
    for (int lane = 0; lane < 3; ++lane)
        ASSERT_TRUE(store.append(command_of("test.v1.Setting", lane)).accepted());
    std::vector<std::string> told;
    bool away = true;
    SettingsLoop late(store, owners, std::chrono::hours(1));
    late.listen([&](const eventlog::SettingsChange& change) {
        if (told.size() == 1 && away)
            throw std::runtime_error("the key management service is away");
        told.push_back(change.key);
    });
    EXPECT_THROW(late.start(), std::runtime_error);
    EXPECT_EQ(told.size(), 1U);
    away = false;
    late.start();
    EXPECT_EQ(told.size(), 3U);
    late.stop();
}

class PolledSettings : public Settings {
protected:
    PolledSettings() : Settings(milliseconds(10)) {}
};

// The call of wake() is lost, or another process made the change.
TEST_F(PolledSettings, AChangeThatNobodyTellsOfIsFound) {
    ASSERT_TRUE(store.append(command_of("test.v1.Setting", 0)).accepted());
    EXPECT_TRUE(hears(1));
    owners.assigned({0, 1, 2, 3});  // alone: it polls rarely
    ASSERT_TRUE(store.append(command_of("test.v1.Setting", 0)).accepted());
    EXPECT_TRUE(hears(2));
}

TEST_F(Settings, ACommitSaysWhereSomebodyWaitsForIt) {
    std::vector<CommitNotes> notes;
    store.on_commit([&](const eventlog::Commit&) { notes.push_back(CommitNotes::take()); });
    ASSERT_TRUE(store.append(command_of("test.v1.Quiet", 1)).accepted());
    ASSERT_TRUE(store.append(command_of("test.v1.Happened", 2)).accepted());
    ASSERT_EQ(notes.size(), 2U);
    EXPECT_TRUE(notes[0].hurried_lanes.empty());
    EXPECT_EQ(notes[1].hurried_lanes, std::set<int>{2});
    EXPECT_FALSE(notes[1].settings);
    auto both = command_of("test.v1.Quiet", 3);
    both.parts[0].events.push_back({"test.v1.Happened", "x", Time{}});
    ASSERT_TRUE(store.append(std::move(both)).accepted());
    EXPECT_EQ(notes.back().hurried_lanes, std::set<int>{3});
}

}  // namespace
}  // namespace flowstack::service
