#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/service/loop.h"

namespace flowstack::service {

// Hands every settings change of the service to its listeners, in order, whichever replica made it.
// This process says by `wake` when it has made one itself. A poll finds those of the others; while
// this replica has every lane there is hardly another one, and whoever beats says by `seen` how far
// the changes go.
class SettingsLoop {
public:
    SettingsLoop(eventlog::Store& store, const eventlog::Owners& owners,
                 std::chrono::milliseconds poll_interval)
        : store_(store), owners_(owners), poll_interval_(poll_interval) {}

    // Before `start`. Listeners are called on one thread at a time.
    void listen(std::function<void(const eventlog::SettingsChange&)> listener) {
        listeners_.push_back(std::move(listener));
    }
    // Hands over all changes so far, then those that come, on a thread of its own.
    void start();
    void stop() { loop_.stop(); }
    void wake() { loop_.wake(); }
    // The number of the last change, as somebody has just read it from the table. While this is
    // called about once a second, the loop does not ask the store itself as long as this replica
    // has every lane.
    void seen(std::int64_t seq);

private:
    void read();
    std::chrono::milliseconds pause() const;

    eventlog::Store& store_;
    const eventlog::Owners& owners_;
    std::chrono::milliseconds poll_interval_;
    std::vector<std::function<void(const eventlog::SettingsChange&)>> listeners_;
    std::atomic<std::int64_t> seq_{0};  // of the last change that was handed over
    std::atomic<std::chrono::steady_clock::time_point> seen_at_{};  // when seen() was last called
    Loop loop_;
};

}  // namespace flowstack::service
