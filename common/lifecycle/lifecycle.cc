#include "common/lifecycle/lifecycle.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "common/observability/log.h"

namespace flowstack::lifecycle {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr int kExitFailed = 1;

// A descriptor that closes itself.
class Descriptor {
public:
    Descriptor(int fd, const char* what) : fd_(fd) {
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), what);
    }
    ~Descriptor() { ::close(fd_); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

sigset_t block_signals() {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigset_t blocked = ours;
    sigaddset(&blocked, SIGPIPE);  // a peer that hangs up is an error code, not the end
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr); error != 0) {
        throw std::system_error(error, std::generic_category(), "pthread_sigmask");
    }
    return ours;
}

struct Part {
    std::string name;
    Lifecycle::Start start;
    Lifecycle::Stop stop;
};

std::chrono::milliseconds until(SteadyTime when) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(when - std::chrono::steady_clock::now());
    return std::max(left, std::chrono::milliseconds{0});
}

std::string reason_in_flight() {
    try {
        throw;
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {
        return "something that is not a std::exception";
    }
}

}  // namespace

struct Lifecycle::Impl {
    explicit Impl(std::chrono::milliseconds grace_period)
        : grace(grace_period),
          signal_set(block_signals()),
          signals(::signalfd(-1, &signal_set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"),
          wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd") {}

    const std::chrono::milliseconds grace;
    const sigset_t signal_set;
    const Descriptor signals;
    const Descriptor wake;  // readable: look at the members below
    std::vector<Part> parts;

    std::atomic<bool> stopping{false};
    std::atomic<bool> failed{false};
    std::atomic<bool> worker_done{false};
    std::mutex mutex;
    std::string busy_with;    // the part being started or stopped; under `mutex`
    std::string stop_reason;  // under `mutex`
    int signals_seen = 0;     // the thread of run() only

    void nudge() const {
        const std::uint64_t one = 1;
        // Only full when it already says what we want to say.
        [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof one);
    }

    void set_busy(const std::string& what) {
        const std::lock_guard lock(mutex);
        busy_with = what;
    }

    std::string busy() {
        const std::lock_guard lock(mutex);
        return busy_with;
    }

    void begin_stop(const std::string& why, bool as_failure) {
        {
            const std::lock_guard lock(mutex);
            if (stopping) return;
            stop_reason = why;
            if (as_failure) failed = true;
            stopping = true;
        }
        nudge();
    }

    // The first signal asks, the second one insists.
    void on_signal(int signal) {
        if (signal == 0) return;
        if (++signals_seen > 1) give_up("second signal");
        begin_stop(signal == SIGINT ? "SIGINT" : "SIGTERM", false);
    }

    // Waits for a signal, a nudge or the time; answers the signal or 0.
    int wait(int timeout_ms) const {
        pollfd watched[] = {{signals.get(), POLLIN, 0}, {wake.get(), POLLIN, 0}};
        const int ready = ::poll(watched, 2, timeout_ms);
        if (ready <= 0) return 0;
        std::uint64_t nudges = 0;
        if ((watched[1].revents & POLLIN) != 0) {
            [[maybe_unused]] const auto got = ::read(wake.get(), &nudges, sizeof nudges);
        }
        signalfd_siginfo info{};
        if ((watched[0].revents & POLLIN) != 0 &&
            ::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            return static_cast<int>(info.ssi_signo);
        }
        return 0;
    }

    [[noreturn]] void give_up(const std::string& why) {
        log::error("stopping at once", {{"why", why}, {"part", busy()}});
        log::flush();
        // The hung thread holds what a normal exit would wait for.
        ::_exit(kExitFailed);
    }

    // Runs `work` on its own thread while this one listens for signals. `limit`: when it must be
    // done; without one, a stop that is asked for meanwhile sets it to the grace period from then.
    void run_watched(const std::function<void()>& work, std::optional<SteadyTime> limit) {
        worker_done = false;
        std::thread worker([&] {
            work();
            worker_done = true;
            nudge();
        });
        while (!worker_done) {
            const int timeout = limit ? static_cast<int>(until(*limit).count()) : -1;
            // A signal that came together with the end of the work counts too.
            on_signal(wait(timeout));
            if (worker_done) break;
            // A stop while starting: the part that starts has the grace period to come back.
            if (stopping && !limit) limit = std::chrono::steady_clock::now() + grace;
            if (limit && until(*limit).count() == 0) give_up("the grace period is over");
        }
        worker.join();
    }
};

Lifecycle::Lifecycle(std::chrono::milliseconds grace) : impl_(std::make_unique<Impl>(grace)) {}
Lifecycle::~Lifecycle() = default;

void Lifecycle::add(std::string name, Start start, Stop stop) {
    impl_->parts.push_back({std::move(name), std::move(start), std::move(stop)});
}

void Lifecycle::request_stop(const std::string& why, bool failed) {
    impl_->begin_stop(why, failed);
}

bool Lifecycle::stopping() const { return impl_->stopping; }

int Lifecycle::run() {
    auto& life = *impl_;
    std::size_t started = 0;

    life.run_watched(
        [&] {
            for (const auto& part : life.parts) {
                if (life.stopping) return;
                life.set_busy(part.name);
                try {
                    if (part.start) part.start();
                } catch (...) {
                    const std::string reason = reason_in_flight();
                    log::error("a part could not start", {{"part", part.name}, {"reason", reason}});
                    request_stop(part.name + " could not start: " + reason, true);
                    return;
                }
                ++started;
            }
        },
        std::nullopt);
    life.set_busy("");
    if (!life.stopping) log::info("started", {{"parts", started}});

    while (!life.stopping) {
        life.on_signal(life.wait(-1));
    }
    {
        const std::lock_guard lock(life.mutex);
        log::info("stopping", {{"why", life.stop_reason}, {"grace_ms", life.grace.count()}});
    }

    const auto deadline = std::chrono::steady_clock::now() + life.grace;
    life.run_watched(
        [&] {
            while (started > 0) {
                const auto& part = life.parts[--started];
                life.set_busy(part.name);
                try {
                    if (part.stop) part.stop(until(deadline));
                } catch (...) {
                    log::error("a part could not stop cleanly",
                               {{"part", part.name}, {"reason", reason_in_flight()}});
                    life.failed = true;
                }
            }
        },
        deadline);
    log::info("stopped", {{"clean", !life.failed.load()}});
    log::flush();
    return life.failed ? kExitFailed : 0;
}

}  // namespace flowstack::lifecycle
