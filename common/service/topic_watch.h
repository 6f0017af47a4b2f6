#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/service/loop.h"

namespace flowstack::messaging {
class LaneConsumer;
}

namespace flowstack::service {

// Asks a broker whether topics still exist. The answer stands behind a fetch that waits, and never
// comes from a broker that is frozen, so it is waited for on a thread of its own.
class TopicWatch {
public:
    // `on_gone` is called on that thread.
    TopicWatch(std::vector<std::string> topics, std::function<void()> on_gone);
    ~TopicWatch();

    void start();
    void stop();

    // By this consumer's connection. Returns at once; while an answer is waited for, nothing is
    // asked.
    void ask(std::shared_ptr<const messaging::LaneConsumer> consumer);
    // Whether an answer said that a topic is gone. Says so once.
    bool gone() { return gone_.exchange(false); }

private:
    void run();

    const std::vector<std::string> topics_;
    const std::function<void()> on_gone_;
    std::mutex mutex_;
    std::shared_ptr<const messaging::LaneConsumer> asked_;
    std::atomic<bool> gone_{false};
    Loop loop_;  // last: its end waits for the thread that uses the others
};

}  // namespace flowstack::service
