#include "tests/bench/e2e_report.h"

#include <fmt/format.h>

namespace flowstack::bench {
namespace {

using Kind = Goal::Kind;

// A change may not make our CPU per greeting more than this many times the peer's.
constexpr double kGuardedCpu = 1.25;
// Events in the logs may move a figure by this much.
constexpr double kFullMax = 1.15;
constexpr double kFullMin = 0.85;
// What others on the machine may use before the report says so.
constexpr double kOthersMaxCores = 0.15;
constexpr double kLagMaxMs = 5;

struct Figure {
    std::string name, unit;
    std::vector<Goal> goals;
    std::optional<Goal> guard = std::nullopt;
    bool more_is_better = false;
};

std::vector<Figure> all_figures() {
    const Goal guard{Kind::at_most, kGuardedCpu, kE2ePeer};
    std::vector<Figure> figures;
    for (const int per_second : kE2ePaces) {
        const auto name = std::to_string(per_second);
        std::vector<Goal> p50, p99;
        if (per_second == 100) {
            p50 = {{Kind::at_most, 8, ""}};
            p99 = {{Kind::at_most, 1, kE2ePeer}};
        } else if (per_second == 200) {
            p50 = {{Kind::at_most, 10, ""}};
            p99 = {{Kind::at_most, 2, kE2ePeer}};
        }
        figures.push_back({name + "/p50", "ms", p50});
        figures.push_back({name + "/p99", "ms", p99});
        figures.push_back({name + "/cpu", "ms/greeting", {{Kind::at_most, 1, kE2ePeer}}, guard});
    }
    const auto flight = "flight" + std::to_string(kE2eFlight);
    figures.push_back(
        {flight, "greetings/s", {{Kind::at_least, 1.5, kE2ePeer}}, std::nullopt, true});
    figures.push_back({flight + "/cpu", "ms/greeting", {{Kind::at_most, 0.7, kE2ePeer}}, guard});
    figures.push_back({"single", "ms", {{Kind::at_most, 6, ""}}});
    figures.push_back({"idle", "% of a core", {{Kind::at_most, 8, ""}}});
    figures.push_back({"memory", "MB", {{Kind::at_most, 150, ""}}});
    return figures;
}

std::vector<double> samples_of(const std::vector<E2eFigures>& rounds, const std::string& name) {
    std::vector<double> samples;
    for (const auto& round : rounds) samples.push_back(round.at(name));
    return samples;
}

}  // namespace

std::vector<Check> load_checks(const std::string& side, const Outcome& tally, const Latencies& lag,
                               double others_cores) {
    const auto late_ms = lag.quantile_ms(0.99);
    return {
        {side + ": each customer got one answer and three statuses", tally.exact(), tally.text()},
        {side + ": the load kept its pace", late_ms <= kLagMaxMs,
         fmt::format("{:.1f} ms late (p99), which the latencies include", late_ms), true},
        {side + ": nothing else worked on the machine", others_cores <= kOthersMaxCores,
         fmt::format("others used up to {:.2f} of a core", others_cores), true}};
}

std::vector<Entry> e2e_entries(const std::vector<E2eFigures>& ours,
                               const std::vector<E2eFigures>& peer, const std::string& peer_missing,
                               const std::vector<E2eFigures>& full,
                               const std::vector<Check>& checks) {
    std::vector<Entry> entries;
    for (const auto& figure : all_figures()) {
        Entry entry{.name = "e2e/" + figure.name, .unit = figure.unit};
        entry.samples = samples_of(ours, figure.name);
        entry.goals = figure.goals;
        entry.guard = figure.guard;
        entry.checks = checks;
        entry.peers[kE2ePeer] = {samples_of(peer, figure.name), peer_missing};
        entries.push_back(std::move(entry));
    }
    if (full.empty()) return entries;
    const std::string empty_logs = "logs as they were";
    for (const auto& figure : all_figures()) {
        Entry entry{.name = "e2e/full/" + figure.name, .unit = figure.unit};
        entry.samples = samples_of(full, figure.name);
        entry.goals = {figure.more_is_better ? Goal{Kind::at_least, kFullMin, empty_logs}
                                             : Goal{Kind::at_most, kFullMax, empty_logs}};
        entry.checks = checks;
        entry.peers[empty_logs] = {samples_of(ours, figure.name), ""};
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace flowstack::bench
