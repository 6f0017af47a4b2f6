#pragma once

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
// this replica has every lane there is hardly another one, and it polls once a second.
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

private:
    void read();

    eventlog::Store& store_;
    const eventlog::Owners& owners_;
    std::chrono::milliseconds poll_interval_;
    std::vector<std::function<void(const eventlog::SettingsChange&)>> listeners_;
    std::int64_t seq_ = 0;  // of the last change that was handed over
    Loop loop_;
};

}  // namespace flowstack::service
