#include "tests/bench/e2e_report.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace flowstack::bench {
namespace {

// Figures that reach every goal beside `node()`.
E2eFigures fast() {
    return {{"50/p50", 3},          {"50/p99", 9},      {"50/cpu", 7},  {"100/p50", 4},
            {"100/p99", 20},        {"100/cpu", 6},     {"200/p50", 5}, {"200/p99", 40},
            {"200/cpu", 5},         {"flight128", 540}, {"single", 5},  {"idle", 7},
            {"flight128/cpu", 2.9}, {"memory", 140}};
}
E2eFigures node() {
    return {{"50/p50", 3.9},        {"50/p99", 8.6},    {"50/cpu", 7.2},  {"100/p50", 4},
            {"100/p99", 26},        {"100/cpu", 6.6},   {"200/p50", 4.1}, {"200/p99", 24},
            {"200/cpu", 5.5},       {"flight128", 359}, {"single", 3},    {"idle", 4},
            {"flight128/cpu", 4.2}, {"memory", 200}};
}
// Slower than Node, as on the first measurement.
E2eFigures slow() {
    return {{"50/p50", 23},       {"50/p99", 57},     {"50/cpu", 28.9}, {"100/p50", 52},
            {"100/p99", 179},     {"100/cpu", 17.2},  {"200/p50", 311}, {"200/p99", 651},
            {"200/cpu", 8.7},     {"flight128", 212}, {"single", 50},   {"idle", 16},
            {"flight128/cpu", 8}, {"memory", 228}};
}

const Entry& entry(const std::vector<Entry>& entries, const std::string& name) {
    const auto found = std::ranges::find(entries, "e2e/" + name, &Entry::name);
    if (found == entries.end()) throw std::runtime_error("no entry " + name);
    return *found;
}

// With a goal; the others are shown without.
const std::vector<std::string> kWithGoal{"50/cpu",        "100/p50", "100/p99", "100/cpu",
                                         "200/p50",       "200/p99", "200/cpu", "flight128",
                                         "flight128/cpu", "single",  "idle",    "memory"};

TEST(E2eReport, HasTheGoalsThatWeSet) {
    const auto entries = e2e_entries({slow()}, {node()}, "", {}, {});
    EXPECT_EQ(entries.size(), kWithGoal.size() + 2);
    std::string goals;
    for (const auto& one : entries) goals += one.name + ": " + goal_text(one) + "\n";
    EXPECT_EQ(goals,
              "e2e/50/p50: \n"
              "e2e/50/p99: \n"
              "e2e/50/cpu: ≤ 1 × Node\n"
              "e2e/100/p50: ≤ 8 ms\n"
              "e2e/100/p99: ≤ 1 × Node\n"
              "e2e/100/cpu: ≤ 1 × Node\n"
              "e2e/200/p50: ≤ 10 ms\n"
              "e2e/200/p99: ≤ 2 × Node\n"
              "e2e/200/cpu: ≤ 1 × Node\n"
              "e2e/flight128: ≥ 1.5 × Node\n"
              "e2e/flight128/cpu: ≤ 0.7 × Node\n"
              "e2e/single: ≤ 6 ms\n"
              "e2e/idle: ≤ 8 % of a core\n"
              "e2e/memory: ≤ 150 MB\n");
}

TEST(E2eReport, AFastSystemReachesEveryGoalAndASlowOneNone) {
    const auto good = e2e_entries({fast()}, {node()}, "", {}, {});
    const auto bad = e2e_entries({slow()}, {node()}, "", {}, {});
    for (const auto& name : kWithGoal) {
        EXPECT_EQ(met(entry(good, name)), true) << name;
        EXPECT_EQ(met(entry(bad, name)), false) << name;
    }
}

TEST(E2eReport, TheGuardLooksAtTheCpuOfEveryLoad) {
    EXPECT_TRUE(judge_guards(e2e_entries({fast()}, {node()}, "", {}, {})).ok);
    for (const auto* name : {"50/cpu", "100/cpu", "200/cpu", "flight128/cpu"}) {
        auto figures = node();
        figures[name] *= 1.24;
        EXPECT_TRUE(judge_guards(e2e_entries({figures}, {node()}, "", {}, {})).ok) << name;
        figures[name] *= 1.02;
        EXPECT_FALSE(judge_guards(e2e_entries({figures}, {node()}, "", {}, {})).ok) << name;
    }
}

TEST(E2eReport, WithoutThePeerItsGoalsStayOpenAndTheGuardDoesNotHold) {
    const auto entries = e2e_entries({fast()}, {}, "redis-server could not be installed", {}, {});
    EXPECT_EQ(met(entry(entries, "50/cpu")), std::nullopt);
    EXPECT_EQ(met(entry(entries, "flight128")), std::nullopt);
    EXPECT_EQ(met(entry(entries, "100/p50")), true);
    const auto verdict = judge_guards(entries);
    EXPECT_FALSE(verdict.ok);
    EXPECT_NE(verdict.text.find("redis-server could not be installed"), std::string::npos);
}

// A tally of one customer with so many answers and statuses.
Outcome one_customer(std::size_t sends, int statuses) {
    using Kind = GreetingNews::Kind;
    GreetingBooks books(0);
    books.say(0);
    books.take({Kind::said, 0, 1});
    for (std::size_t i = 0; i < sends; ++i) books.take({Kind::accepted, 0, 2});
    for (int i = 0; i < statuses; ++i) books.take({Kind::status, 0, 3});
    return books.outcome();
}

TEST(E2eReport, ACustomerWithoutExactlyOneAnswerAndThreeStatusesTakesEveryGoalAway) {
    for (const auto& [sends, statuses] :
         std::vector<std::pair<std::size_t, int>>{{1, 3}, {0, 0}, {2, 3}, {1, 2}, {1, 4}}) {
        const auto checks = load_checks("Node", one_customer(sends, statuses), {}, 0);
        const auto entries = e2e_entries({fast()}, {node()}, "", {}, checks);
        const bool exact = sends == 1 && statuses == 3;
        for (const auto& name : kWithGoal)
            EXPECT_EQ(met(entry(entries, name)), exact) << name << " " << sends << " " << statuses;
        EXPECT_EQ(sound(entries), exact);
        EXPECT_EQ(judge_guards(entries).ok, exact);
    }
}

TEST(E2eReport, ALateLoadAndABusyMachineAreNotes) {
    Latencies lag;
    lag.add(80'000);
    const auto checks = load_checks("ours", one_customer(1, 3), lag, 0.99);
    ASSERT_EQ(checks.size(), 3u);
    EXPECT_TRUE(checks[0].ok);
    EXPECT_FALSE(checks[1].ok);
    EXPECT_EQ(checks[1].value, "80.0 ms late (p99), which the latencies include");
    EXPECT_FALSE(checks[2].ok);
    EXPECT_EQ(checks[2].value, "others used up to 0.99 of a core");
    EXPECT_TRUE(sound(e2e_entries({fast()}, {node()}, "", {}, checks)));
}

TEST(E2eReport, FullLogsMayMoveAFigureByFifteenPercent) {
    auto within = fast();
    within["50/p99"] *= 1.14;
    within["flight128"] *= 0.86;
    auto beyond = fast();
    beyond["50/p99"] *= 1.16;
    beyond["flight128"] *= 0.84;
    const auto good = e2e_entries({fast()}, {node()}, "", {within}, {});
    const auto bad = e2e_entries({fast()}, {node()}, "", {beyond}, {});
    EXPECT_EQ(good.size(), 2 * (kWithGoal.size() + 2));
    for (const auto* name : {"full/50/p99", "full/flight128"}) {
        EXPECT_EQ(met(entry(good, name)), true) << name;
        EXPECT_EQ(met(entry(bad, name)), false) << name;
    }
    EXPECT_EQ(met(entry(bad, "full/100/p50")), true);
}

}  // namespace
}  // namespace flowstack::bench
