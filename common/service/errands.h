#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "common/core/broken_world.h"

namespace flowstack::service {

// Work that other threads give to the thread that consumes. They wait until it is done, but not for
// ever.
class Errands {
public:
    // `waits` is called when there is something to do, on the thread that gives it.
    explicit Errands(std::function<void()> waits) : waits_(std::move(waits)) {}

    // Throws Unavailable when the consuming thread does not begin with it in time, and whatever the
    // errand throws.
    template <class Result>
    Result run(std::function<Result()> errand) {
        constexpr std::chrono::milliseconds kWaitMax{5000};
        auto task = std::make_shared<std::packaged_task<Result()>>(std::move(errand));
        auto answer = task->get_future();
        auto cancelled = std::make_shared<std::atomic<bool>>(false);
        {
            const std::lock_guard lock(mutex_);
            if (closed_) throw Unavailable("this replica stops");
            waiting_.push_back([task, cancelled] {
                if (!cancelled->exchange(true)) (*task)();
            });
        }
        waits_();
        if (answer.wait_for(kWaitMax) != std::future_status::ready && !cancelled->exchange(true))
            throw Unavailable("the consumer is busy, nothing was done");
        return answer.get();
    }
    // Does what waits. To be called on the consuming thread.
    void do_all() {
        std::vector<std::function<void()>> now;
        {
            const std::lock_guard lock(mutex_);
            now.swap(waiting_);
        }
        for (const auto& errand : now) errand();
    }
    // Does what waits and refuses what comes later.
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        do_all();
    }

private:
    std::function<void()> waits_;
    std::mutex mutex_;
    bool closed_ = false;
    std::vector<std::function<void()>> waiting_;
};

}  // namespace flowstack::service
