#include "tests/bench/report.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace flowstack::bench {
namespace {

namespace json = boost::json;

Entry good() {
    return {.name = "append/32",
            .unit = "events/s",
            .samples = {20'000, 21'000, 22'000},
            .goals = {{Goal::Kind::at_least, 6, "message-db"}},
            .peers = {{"message-db", {{3'000, 3'000, 3'000}, ""}}},
            .checks = {{"events", true, "63000 stored, 63000 acknowledged"}}};
}

TEST(Report, IsAnArrayOfEntriesWithTheseMembers) {
    const auto all = json::parse(json_of({good()})).as_array();
    ASSERT_EQ(all.size(), 1u);
    const auto& entry = all[0].as_object();
    EXPECT_EQ(entry.size(), 9u);
    EXPECT_EQ(entry.at("name").as_string(), "append/32");
    EXPECT_EQ(entry.at("value").to_number<double>(), 21'000);
    EXPECT_EQ(entry.at("unit").as_string(), "events/s");
    EXPECT_EQ(entry.at("min").to_number<double>(), 20'000);
    EXPECT_EQ(entry.at("max").to_number<double>(), 22'000);
    EXPECT_EQ(entry.at("goal").as_string(), "≥ 6 × message-db");
    EXPECT_EQ(entry.at("met").as_bool(), true);
    const auto& peer = entry.at("peers").at("message-db");
    EXPECT_EQ(peer.at("value").to_number<double>(), 3'000);
    EXPECT_EQ(peer.at("ratio").to_number<double>(), 7);
    EXPECT_EQ(entry.at("checks").at(0).at("name").as_string(), "events");
    EXPECT_EQ(entry.at("checks").at(0).at("ok").as_bool(), true);
}

TEST(Report, AGoalIsJudgedByTheRatioOfTheSameRun) {
    auto entry = good();
    entry.goals = {{Goal::Kind::at_least, 7.1, "message-db"}};
    EXPECT_EQ(met(entry), false);
    entry.goals = {{Goal::Kind::at_most, 8, "message-db"}};
    EXPECT_EQ(met(entry), true);
}

TEST(Report, AGoalWithoutAPeerIsInTheEntrysUnit) {
    auto entry = good();
    entry.goals = {{Goal::Kind::at_most, 21'000, ""}};
    EXPECT_EQ(met(entry), true);
    entry.goals = {{Goal::Kind::at_most, 20'999, ""}};
    EXPECT_EQ(met(entry), false);
}

TEST(Report, APeerThatIsMissingIsSaidAndItsGoalIsLeftOpen) {
    auto entry = good();
    entry.peers["message-db"] = {{}, "npm could not install it"};
    EXPECT_EQ(met(entry), std::nullopt);
    const auto out = json::parse(json_of({entry})).at(0);
    EXPECT_TRUE(out.at("met").is_null());
    EXPECT_EQ(out.at("peers").at("message-db").at("missing").as_string(),
              "npm could not install it");
    EXPECT_NE(table_of({entry}).find("npm could not install it"), std::string::npos);
}

TEST(Report, AMissedGoalIsMissedWhoeverElseIsMissing) {
    auto entry = good();
    entry.goals.push_back({Goal::Kind::at_least, 6, "Emmett"});
    entry.goals.push_back({Goal::Kind::at_least, 1'000'000, ""});
    EXPECT_EQ(met(entry), false);
}

TEST(Report, AFailedCheckTakesTheGoalAway) {
    auto entry = good();
    entry.checks.push_back({"fsync", false, "off"});
    EXPECT_EQ(met(entry), false);
    EXPECT_FALSE(sound({entry}));
    EXPECT_NE(table_of({entry}).find("CHECK FAILED: fsync: off"), std::string::npos);
}

TEST(Report, ABusyMachineIsNotedAndNoFailure) {
    auto entry = good();
    entry.checks.push_back({"idle machine", false, "not 2 times", true});
    EXPECT_EQ(met(entry), true);
    EXPECT_TRUE(sound({entry}));
    EXPECT_NE(table_of({entry}).find("note: idle machine: not 2 times"), std::string::npos);
}

TEST(Report, NotesOfOneMeasurementAreWrittenOnce) {
    auto entry = good();
    entry.checks.push_back({"idle machine", false, "not 2 times", true});
    auto other = good();
    const auto table = table_of({entry, entry, other, entry});
    std::size_t notes = 0, repeated = 0;
    for (auto at = table.find("note: idle"); at != table.npos;
         at = table.find("note: idle", at + 1))
        ++notes;
    for (auto at = table.find("notes as above"); at != table.npos;
         at = table.find("notes as above", at + 1))
        ++repeated;
    EXPECT_EQ(notes, 2u);  // again after an entry without
    EXPECT_EQ(repeated, 1u);
}

TEST(Report, WhatWasNotMeasuredHasNoValue) {
    const auto out = json::parse(json_of({{.name = "relay"}})).at(0);
    EXPECT_TRUE(out.at("value").is_null());
    EXPECT_TRUE(out.at("met").is_null());
}

// CPU per greeting, ours and the peer's, by rounds.
Entry guarded(std::vector<double> ours, std::vector<double> theirs) {
    return {.name = "e2e/50/cpu",
            .unit = "ms/greeting",
            .samples = std::move(ours),
            .goals = {{Goal::Kind::at_most, 1, "Node"}},
            .peers = {{"Node", {std::move(theirs), ""}}},
            .guard = Goal{Goal::Kind::at_most, 1.25, "Node"}};
}

TEST(Check, PassesUpToAQuarterMoreThanThePeer) {
    const auto at = judge_guards({guarded({10}, {8})});
    EXPECT_TRUE(at.ok);
    EXPECT_EQ(at.text, "e2e/50/cpu 1.25 × Node (at most 1.25)");
    // The goal is another matter: it is missed, and the guard holds.
    EXPECT_EQ(met(guarded({10}, {8})), false);
    EXPECT_EQ(guard_holds(guarded({10}, {8})), true);
}

TEST(Check, FailsAboveIt) {
    const auto verdict = judge_guards({guarded({7}, {7}), guarded({28.9}, {7.2})});
    EXPECT_FALSE(verdict.ok);
    EXPECT_EQ(verdict.text,
              "e2e/50/cpu 1 × Node (at most 1.25), e2e/50/cpu 4.01 × Node (at most 1.25)");
    EXPECT_NE(table_of({guarded({28.9}, {7.2})}).find("guard ≤ 1.25 × Node: BROKEN"),
              std::string::npos);
}

TEST(Check, ComparesWithinARound) {
    // The second round's machine was three times slower for both.
    EXPECT_TRUE(judge_guards({guarded({10, 30, 10}, {9, 27, 9})}).ok);
}

TEST(Check, FailsWhenThePeerIsMissingBecauseNothingWasCompared) {
    auto entry = guarded({10}, {});
    entry.peers["Node"].missing = "redis-server cannot be installed";
    const auto verdict = judge_guards({entry});
    EXPECT_FALSE(verdict.ok);
    EXPECT_EQ(verdict.text,
              "e2e/50/cpu not compared (Node is missing: redis-server cannot be installed) "
              "(at most 1.25)");
    EXPECT_EQ(met(entry), std::nullopt);
    const auto out = json::parse(json_of({entry})).at(0);
    EXPECT_EQ(out.at("guard").at("text").as_string(), "≤ 1.25 × Node");
    EXPECT_TRUE(out.at("guard").at("holds").is_null());
}

TEST(Check, FailsWhenTheFiguresAreWorthNothing) {
    auto entry = guarded({5}, {8});
    entry.checks.push_back({"each customer got one answer", false, "one got two"});
    const auto verdict = judge_guards({entry});
    EXPECT_FALSE(verdict.ok);
    EXPECT_NE(verdict.text.find("and a check failed"), std::string::npos);
}

TEST(Check, FailsWhenNoEntryHasAGuard) { EXPECT_FALSE(judge_guards({good()}).ok); }

}  // namespace
}  // namespace flowstack::bench
