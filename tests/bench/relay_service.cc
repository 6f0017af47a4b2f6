#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

#include "common/config/config.h"
#include "common/eventlog/store.h"
#include "common/service/host.h"
#include "tests/bench/load.h"

// A service that does nothing but what every service does: its log, its relay, its own topic read
// and compared. Under a name of its own (BENCH_NAME), so that its topic is new.
//
// It writes the load itself, as services do, because a commit of the own process wakes the relay:
//
//   paced RATE BATCH FIRST COUNT FILE    on stdin: appends COUNT events from number FIRST on; FILE
//                                        gets the time at which each append had returned
//
// and answers `done CPU` with the seconds of CPU that the appending itself took, to be taken off
// what the process took.
namespace {

using namespace flowstack;

std::int64_t cpu_us(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

// CPU time of the batchers' threads, which show themselves when they commit.
class AppendCpu {
public:
    void here() {
        const std::lock_guard lock(mutex_);
        clockid_t clock{};
        if (pthread_getcpuclockid(pthread_self(), &clock) == 0) threads_[pthread_self()] = clock;
    }
    std::int64_t us() const {
        const std::lock_guard lock(mutex_);
        std::int64_t sum = 0;
        for (const auto& [thread, clock] : threads_) sum += cpu_us(clock);
        return sum;
    }

private:
    mutable std::mutex mutex_;
    std::map<pthread_t, clockid_t> threads_;
};

void paced(eventlog::Store& store, AppendCpu& cpu, std::istringstream& words) {
    int rate = 0, batch = 0;
    std::int64_t first = 0, count = 0;
    std::string file;
    if (!(words >> rate >> batch >> first >> count >> file)) {
        std::puts("what?");
        return;
    }
    bench::Timeline committed(file, first + count);
    const auto before = cpu.us() + cpu_us(CLOCK_THREAD_CPUTIME_ID);
    bench::pace(rate, batch, first, count, [&](std::int64_t seq) {
        store.append(bench::load_command(seq, batch));
        const auto at = bench::now_us();
        for (int i = 0; i < batch; ++i) committed.set(seq + i, at);
    });
    const auto took = cpu.us() + cpu_us(CLOCK_THREAD_CPUTIME_ID) - before;
    std::printf("done %.3f\n", static_cast<double>(took) / 1e6);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) try {
    config::Reader reader(argc, argv, environ);
    const auto name = reader.required_text("BENCH_NAME", "name of the service and its topic");
    auto options = service::host_options(reader, name, {});
    reader.finish();

    service::Host host(std::move(options), [](auto&&...) {});
    AppendCpu cpu;
    host.store().on_commit([&](const eventlog::Commit&) { cpu.here(); });
    std::thread load;
    host.also(
        "load",
        [&] {
            load = std::thread([&] {
                for (std::string line; std::getline(std::cin, line);) {
                    std::istringstream words(line);
                    std::string verb;
                    if (words >> verb && verb == "paced") paced(host.store(), cpu, words);
                }
            });
        },
        // Whoever started it closes its stdin.
        [&](auto) { load.join(); });
    return host.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "flowstack-bench-relay: %s\n", error.what());
    return 1;
}
