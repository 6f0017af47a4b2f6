#include <unistd.h>

#include <boost/json.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "tests/bench/bench.h"
#include "tests/bench/e2e_report.h"
#include "tests/bench/greetings.h"
#include "tests/bench/processes.h"
#include "tests/bench/systems.h"
#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"
#include "tools/stack/shop.h"

// A customer's first words come in as a webhook, the shop's greeting goes out, the provider accepts
// it and reports three statuses: all five services with PostgreSQL and Kafka, and in turns with
// them the stack that one would write otherwise (peers/e2e-node), by the same customers and the
// same provider, our sandbox.
namespace flowstack::bench {
namespace {

// The JVM is a young one in each turn: until its compiler has had its share it takes most of a
// core. V8 compiles too.
constexpr int kWarmPerSecond = 100;
constexpr double kGreetingWarmSeconds = 15;
constexpr double kWarmEachSeconds = 5;
// A whole stack that waits for work takes up to a quarter of one core, so the machine is not
// "92 % idle" with it.
constexpr double kIdleShare = 0.85;
// After the load, before idle CPU is counted: one round of autovacuum (20 s) passes.
constexpr std::chrono::seconds kSettled{30};
constexpr std::chrono::seconds kSettledQuick{3};
constexpr double kIdleSecondsMin = 10;
constexpr double kFillSeconds = 20;

// One of the two, with its shop and its customers.
struct Side {
    std::string name;
    std::function<std::unique_ptr<System>()> start;
    std::function<void()> open_shop;  // before its first turn's load
    std::function<std::int64_t()> stored;
    std::string database;
    GreetingShop shop;
    std::size_t customers = 0;
    bool opened = false;
    Outcome tally;
    Latencies lag;
    double others_max = 0;  // what others on the machine used, in cores
    std::vector<Check> checks;
};

// The sandbox for both: it plays the customers and the provider, and its CPU is counted for
// neither.
class RunningSandbox {
public:
    explicit RunningSandbox(const Context& context) : context_(context) {
        context.flowstack("start sandbox");
    }
    ~RunningSandbox() {
        try {
            context_.flowstack("stop sandbox");
        } catch (const std::exception& error) {
            context_.say(error.what());
        }
    }
    RunningSandbox(const RunningSandbox&) = delete;

private:
    const Context& context_;
};

void sleep_s(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

// A side while its system runs.
class Turn {
public:
    Turn(Context& context, Side& side) : context_(context), side_(side), system_(side.start()) {
        if (!side.opened) {
            side.open_shop();
            side.opened = true;
            // Every door knows a new number within its poll of settings.
            sleep_s(1);
        }
        if (context.options.warm)
            greet_all({GreetingLoad::Kind::pace, kWarmPerSecond, kGreetingWarmSeconds});
    }

    // Everything that one round measures of a side.
    E2eFigures measure() {
        E2eFigures figures;
        for (const int per_second : kE2ePaces) {
            const auto result = measured({GreetingLoad::Kind::pace, per_second, seconds()});
            const auto name = std::to_string(per_second);
            figures[name + "/p50"] = result.outcome.latencies.quantile_ms(0.5);
            figures[name + "/p99"] = result.outcome.latencies.quantile_ms(0.99);
            figures[name + "/cpu"] = result.cpu_ms;
        }
        const auto flight = measured({GreetingLoad::Kind::flight, kE2eFlight, seconds()});
        const auto name = "flight" + std::to_string(kE2eFlight);
        figures[name] = flight.outcome.answered_per_s;
        figures[name + "/cpu"] = flight.cpu_ms;
        figures["memory"] = memory_mb_of(system_->programs());
        context_.settle();
        const auto single = greet_all({GreetingLoad::Kind::single, 1, seconds()});
        figures["single"] = single.latencies.quantile_ms(0.5);
        figures["idle"] = idle_percent();
        return figures;
    }

    // Greets until `count` says so many.
    void fill(std::int64_t events, const std::function<std::int64_t()>& count) {
        for (auto there = count(); there < events; there = count()) {
            context_.say(std::to_string(there) + " of " + std::to_string(events) + " events");
            greet_all({GreetingLoad::Kind::flight, kE2eFlight, kFillSeconds});
        }
    }

    // At the end of the turn, while its database still runs.
    void check() {
        for (auto& check : durability(side_.database)) {
            check.name = side_.name + ": " + check.name;
            side_.checks.push_back(std::move(check));
        }
        side_.checks.push_back(equal(side_.name + ": customers' messages", side_.stored(),
                                     static_cast<std::int64_t>(side_.customers)));
    }

private:
    struct Measured {
        Outcome outcome;
        double cpu_ms = 0;  // for each answered customer
    };

    double seconds() const { return context_.options.seconds; }

    Outcome greet_all(const GreetingLoad& load) {
        auto outcome = greet(side_.shop, side_.customers, load);
        side_.customers += outcome.said;
        side_.tally.count(outcome);
        return outcome;
    }

    Measured measured(const GreetingLoad& load) {
        if (context_.options.warm) greet_all({load.kind, load.amount, kWarmEachSeconds});
        context_.settle();
        const auto processes = system_->processes();
        const std::vector<pid_t> instrument{context_.pid_of("sandbox"), getpid()};
        const auto busy = machine_busy_seconds(), used = cpu_seconds_of(processes),
                   ours = cpu_seconds_of(instrument);
        const auto began = now_us();
        Measured result{greet_all(load)};
        const auto cpu = cpu_seconds_of(processes) - used;
        const auto took = static_cast<double>(now_us() - began) / 1e6;
        const auto others =
            machine_busy_seconds() - busy - cpu - (cpu_seconds_of(instrument) - ours);
        side_.others_max = std::max(side_.others_max, others / took);
        if (load.kind == GreetingLoad::Kind::pace) side_.lag.add(result.outcome.lag);
        result.cpu_ms =
            1000 * cpu / static_cast<double>(std::max<std::size_t>(1, result.outcome.answered));
        return result;
    }

    double idle_percent() {
        const auto settled = context_.options.warm ? kSettled : kSettledQuick;
        std::this_thread::sleep_for(settled);
        const auto processes = system_->processes();
        const auto used = cpu_seconds_of(processes);
        const auto began = now_us();
        sleep_s(std::max(kIdleSecondsMin, seconds()));
        return 100 * (cpu_seconds_of(processes) - used) /
               (static_cast<double>(now_us() - began) / 1e6);
    }

    Context& context_;
    Side& side_;
    std::unique_ptr<System> system_;
};

int port_of(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }

std::int64_t events_in_the_logs(const Context& context) {
    std::int64_t sum = 0;
    for (const auto& service : stack::kServices)
        sum +=
            count_rows(admin_url(context, "flowstack_" + service), "select count(*) from events");
    return sum;
}

std::vector<Check> checks_of(const Side& side) {
    auto checks = side.checks;
    for (auto& check : load_checks(side.name, side.tally, side.lag, side.others_max))
        checks.push_back(std::move(check));
    return checks;
}

}  // namespace

std::vector<Entry> bench_e2e(Context& context) {
    context.expect_idle(kIdleShare);
    const RunningSandbox running(context);
    stack::Sandbox sandbox(context.environment);
    const auto unique = std::to_string(now_us() / 1'000'000 % 1'000'000);
    const GreetingShop at_sandbox{port_of(sandbox.url()), "",
                                  context.environment.required("SANDBOX_RECORD")};

    auto spec = stack::shop_for("bench-" + unique);
    spec.promotions = false;
    spec.limits = false;
    stack::Api api(context.environment);
    Side ours{.name = "ours", .shop = at_sandbox};
    ours.shop.phone_number_id = spec.phone_number_id;
    ours.database = service_url(context, "flowstack_gateway");
    ours.start = [&] { return std::make_unique<FlowStackSystem>(context); };
    ours.open_shop = [&] { stack::make_shop(spec, context.environment, api, sandbox); };
    ours.stored = [&] {
        return count_rows(admin_url(context, "flowstack_gateway"),
                          "select count(*) from events where type = "
                          "'flowstack.gateway.v1.MessageReceived' and tenant = '" +
                              spec.tenant + "'");
    };

    Side node{.name = kE2ePeer, .shop = at_sandbox};
    // Another number of the same provider.
    node.shop.phone_number_id = "9" + spec.phone_number_id;
    const auto token = "mock_token_node_" + unique;
    const auto why_missing = NodeSystem::missing(context);
    if (why_missing.empty()) node.database = NodeSystem::database_url(context);
    node.start = [&] {
        return std::make_unique<NodeSystem>(context, node.shop.phone_number_id, token);
    };
    node.open_shop = [&] {
        sandbox.put(
            "/control/numbers",
            boost::json::object{{"phone_number_id", node.shop.phone_number_id},
                                {"waba_id", "waba-node-" + unique},
                                {"token", token},
                                {"app_secret", context.environment.required("META_APP_SECRET")},
                                {"webhook_url", NodeSystem::webhook_url(context)},
                                {"display_phone_number", "254711000000"},
                                {"name", "Shop"},
                                {"throughput_per_s_max", 0},
                                {"pair_interval_ms", 0}});
    };
    node.stored = [&] {
        return count_rows(node.database, "select count(*) from messages where direction = 'IN'");
    };

    std::vector<E2eFigures> our_rounds, node_rounds, full_rounds;
    const auto play = [&](Side& side, std::vector<E2eFigures>& rounds) {
        context.say("e2e: " + side.name);
        Turn turn(context, side);
        rounds.push_back(turn.measure());
        turn.check();
    };
    for (int round = 0; round < context.options.rounds; ++round) {
        const bool node_first = round % 2 == 1;
        if (!node_first) play(ours, our_rounds);
        if (why_missing.empty()) play(node, node_rounds);
        if (node_first) play(ours, our_rounds);
    }
    for (int round = 0; context.options.events > 0 && round < context.options.rounds; ++round) {
        context.say("e2e: ours with " + std::to_string(context.options.events) + " events");
        Turn turn(context, ours);
        turn.fill(context.options.events, [&] { return events_in_the_logs(context); });
        full_rounds.push_back(turn.measure());
        turn.check();
    }

    auto checks = checks_of(ours);
    const auto theirs = checks_of(node);
    if (why_missing.empty()) checks.insert(checks.end(), theirs.begin(), theirs.end());
    checks.push_back(context.idle_check());
    return e2e_entries(our_rounds, node_rounds, why_missing, full_rounds, checks);
}

}  // namespace flowstack::bench
