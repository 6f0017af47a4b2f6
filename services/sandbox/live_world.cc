#include "services/sandbox/live_world.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace flowstack::sandbox {
namespace {

// How long Meta and Safaricom wait for the answer of a webhook or callback.
constexpr int kPostTimeoutMs = 20'000;

using Clock = std::chrono::steady_clock;

http::ClientOptions client_options() {
    http::ClientOptions options;
    options.user_agent = "";
    options.calls_max = 100'000;
    options.connections_per_host_max = 32;
    return options;
}

}  // namespace

struct LiveWorld::Timers {
    std::mutex mutex;
    std::condition_variable changed;
    std::multimap<Clock::time_point, std::function<void()>> waiting;
    bool stopping = false;
    std::mt19937_64 random{std::random_device{}()};
    std::thread thread;

    void run() {
        std::unique_lock lock{mutex};
        while (!stopping) {
            if (waiting.empty()) {
                changed.wait(lock);
                continue;
            }
            const auto first = waiting.begin();
            if (first->first > Clock::now()) {
                changed.wait_until(lock, Clock::time_point{first->first});
                continue;
            }
            const auto what = std::move(first->second);
            waiting.erase(first);
            lock.unlock();
            what();
            lock.lock();
        }
    }
};

LiveWorld::LiveWorld()
    : timers_(std::make_unique<Timers>()),
      client_(std::make_unique<http::Client>(client_options())) {
    timers_->thread = std::thread([this] { timers_->run(); });
}

LiveWorld::~LiveWorld() { stop(); }

void LiveWorld::stop() {
    {
        const std::lock_guard lock{timers_->mutex};
        timers_->stopping = true;
        timers_->waiting.clear();
    }
    timers_->changed.notify_all();
    if (timers_->thread.joinable()) timers_->thread.join();
    client_.reset();
}

Time LiveWorld::now() {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

void LiveWorld::after(Milliseconds delay, std::function<void()> what) {
    const std::lock_guard lock{timers_->mutex};
    if (timers_->stopping) return;
    timers_->waiting.emplace(Clock::now() + delay, std::move(what));
    timers_->changed.notify_one();
}

void LiveWorld::post(Outgoing what, std::function<void(PostResult)> done) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = std::move(what.url);
    for (auto& [name, value] : what.headers) request.headers.add(std::move(name), std::move(value));
    request.body = std::move(what.body);
    request.timeout_ms = kPostTimeoutMs;
    client_->call(std::move(request), [done = std::move(done)](http::ClientResult result) {
        const bool answered = result.outcome == http::ClientResult::Outcome::answered;
        std::string retry_after(result.response.headers.get("Retry-After"));
        done({answered ? result.response.status : 0, std::move(result.response.body),
              std::move(result.error), std::move(retry_after)});
    });
}

std::uint64_t LiveWorld::random() {
    const std::lock_guard lock{timers_->mutex};
    return timers_->random();
}

}  // namespace flowstack::sandbox
