#include <CLI/CLI.hpp>
#include <fstream>
#include <functional>
#include <iostream>

#include "tests/bench/bench.h"

// flowstack-bench: what `./flowstack bench` runs once PostgreSQL and Kafka are up and the peers are
// installed. Its environment is the stack's (<run dir>/env), and BENCH_PEERS_DIR and
// BENCH_<KIND>_MISSING from tools/dev/bench.sh.
namespace {

// Of one measurement whose guard is judged: at 50 greetings a second it has 400 of them.
constexpr double kGuardedSeconds = 8;

}  // namespace

int main(int argc, char** argv) try {
    using namespace flowstack;
    using namespace flowstack::bench;
    // In this order: e2e wants a conversation service that has nothing to catch up with.
    const std::vector<std::pair<std::string, std::function<std::vector<Entry>(Context&)>>> benches{
        {"footprint", bench_footprint}, {"append", bench_append},     {"e2e", bench_e2e},
        {"relay", bench_relay},         {"outbound", bench_outbound}, {"ingest", bench_ingest}};

    Options options;
    std::vector<std::string> names;
    std::string output = "table", file;
    bool no_peers = false, check = false;
    CLI::App app("ratios in one run, beside the peers");
    std::vector<std::string> known;
    for (const auto& [name, run] : benches) known.push_back(name);
    app.add_option("name", names, "which; all when none is named")->check(CLI::IsMember(known));
    app.add_option("-o,--output", output, "json or table")->check(CLI::IsMember({"json", "table"}));
    app.add_option("--file", file, "writes the JSON here too");
    auto* rounds = app.add_option("--rounds", options.rounds, "of each measurement")
                       ->check(CLI::Range(1, 100));
    auto* seconds = app.add_option("--seconds", options.seconds, "of one measurement")
                        ->check(CLI::Range(0.5, 600.0));
    auto* idle =
        app.add_option("--idle-wait", options.idle_wait_s, "seconds to wait for an idle machine")
            ->check(CLI::Range(0, 3600));
    app.add_flag("--quick", options.quick,
                 "one round, 2 s, small backlogs, no waiting: does it work?");
    app.add_flag("--check", check,
                 "ends with 1 when a guard does not hold; with --quick, measurements long enough "
                 "for that, and waiting for an idle machine");
    app.add_option("--events", options.events,
                   "e2e measures ours again with so many events in the logs")
        ->check(CLI::Range(std::int64_t{0}, std::int64_t{100'000'000}));
    app.add_flag("--no-peers", no_peers, "ours and the bare probes only");
    CLI11_PARSE(app, argc, argv);
    options.peers = !no_peers;
    if (options.quick) {
        if (rounds->empty()) options.rounds = 1;
        if (seconds->empty()) options.seconds = check ? kGuardedSeconds : 2;
        if (idle->empty() && !check) options.idle_wait_s = 0;
        options.warm = check;
    }

    Context context(options, stack::Environment());
    std::vector<Entry> entries;
    bool broken = false;
    for (const auto& [name, run] : benches) {
        if (!names.empty() && std::ranges::find(names, name) == names.end()) continue;
        context.say(name);
        context.forget_idle();
        try {
            for (auto& entry : run(context)) entries.push_back(std::move(entry));
        } catch (const std::exception& error) {
            // The others are still worth having.
            broken = true;
            entries.push_back({.name = name, .checks = {{"it ran", false, error.what()}}});
        }
    }
    const auto json = json_of(entries);
    if (!file.empty()) std::ofstream(file) << json << "\n";
    std::cout << (output == "json" ? json + "\n" : table_of(entries)) << std::flush;
    bool held = true;
    if (check) {
        const auto verdict = judge_guards(entries);
        held = verdict.ok;
        std::cerr << "guards " << (held ? "hold: " : "BROKEN: ") << verdict.text << "\n";
    }
    return broken || !sound(entries) || !held ? 1 : 0;
} catch (const std::exception& error) {
    std::cerr << "flowstack-bench: " << error.what() << "\n";
    return 1;
}
