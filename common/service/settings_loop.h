#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "common/eventlog/store.h"
#include "common/service/loop.h"

namespace flowstack::service {

// Hands every settings change of the service to its listeners, in order, whichever replica made it.
class SettingsLoop {
public:
    SettingsLoop(eventlog::Store& store, std::chrono::milliseconds poll_ms)
        : store_(store), poll_ms_(poll_ms) {}

    // Before `start`. Listeners are called on one thread at a time.
    void listen(std::function<void(const eventlog::SettingsChange&)> listener) {
        listeners_.push_back(std::move(listener));
    }
    // Hands over all changes so far, then those that come, on a thread of its own.
    void start();
    void stop() { loop_.stop(); }

private:
    void read();

    eventlog::Store& store_;
    std::chrono::milliseconds poll_ms_;
    std::vector<std::function<void(const eventlog::SettingsChange&)>> listeners_;
    std::int64_t seq_ = 0;  // of the last change that was handed over
    Loop loop_;
};

}  // namespace flowstack::service
