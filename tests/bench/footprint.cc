#include <atomic>
#include <thread>

#include "tests/bench/bench.h"
#include "tools/stack/sandbox.h"

// How long each service takes until it is ready, and what it holds when nothing happens.
namespace flowstack::bench {
namespace {

constexpr std::chrono::seconds kReadyPatience{60};
constexpr std::chrono::milliseconds kLook{2};

// From the fork of the process to the first 200 of /readyz.
double ready_ms(const Context& context, const std::string& service) {
    const auto url =
        "http://" + context.environment.required(stack::upper(service) + "_0_ADMIN") + "/readyz";
    std::atomic<std::int64_t> ready_at{0};
    std::jthread watch([&](const std::stop_token& stop) {
        stack::Http http;
        while (!stop.stop_requested()) {
            if (http.send("GET", url, "", {}, 1000).status == 200) {
                ready_at = now_us();
                return;
            }
            std::this_thread::sleep_for(kLook);
        }
    });
    context.flowstack("start " + service + " --no-wait");
    const auto until = std::chrono::steady_clock::now() + kReadyPatience;
    while (ready_at == 0 && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(kLook);
    if (ready_at == 0) throw std::runtime_error(service + " does not become ready");
    return static_cast<double>(ready_at - started_us(context.pid_of(service + "-0"))) / 1000.0;
}

}  // namespace

std::vector<Entry> bench_footprint(Context& context) {
    std::map<std::string, std::vector<double>> ready, resident;
    for (int round = 0; round < context.options.rounds; ++round) {
        for (const auto& service : stack::kServices) {
            context.settle();
            ready[service].push_back(ready_ms(context, service));
        }
        // All five are there: wait for whatever they do at first, then look.
        std::this_thread::sleep_for(std::chrono::duration<double>(context.options.seconds));
        for (const auto& service : stack::kServices) {
            resident[service].push_back(resident_mb(context.pid_of(service + "-0")));
            context.flowstack("stop " + service);
        }
    }
    std::vector<Entry> entries;
    for (const auto& service : stack::kServices) {
        entries.push_back({"footprint/" + service + "/ready",
                           "ms",
                           ready[service],
                           {{Goal::Kind::at_most, 1000, ""}},
                           {},
                           {context.idle_check()}});
        entries.push_back({"footprint/" + service + "/memory",
                           "MB",
                           resident[service],
                           {{Goal::Kind::at_most, 40, ""}},
                           {},
                           {context.idle_check()}});
    }
    return entries;
}

}  // namespace flowstack::bench
