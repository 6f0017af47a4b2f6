#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

// The inbox of one thread. Other threads post what that thread must do; it does it in their order.
namespace flowstack::gateway {

class Loop {
public:
    using Job = std::function<void()>;

    void post(Job job) {
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return;
            jobs_.push_back(std::move(job));
        }
        ready_.notify_one();
    }

    // Ends a take() early. Cheap while nobody has taken the last one.
    void wake() {
        {
            const std::lock_guard lock(mutex_);
            if (woken_) return;
            woken_ = true;
        }
        ready_.notify_one();
    }

    struct Taken {
        std::deque<Job> jobs;
        bool woken = false;
    };
    // Waits until then, or until something was posted or somebody woke the thread.
    Taken take(std::chrono::steady_clock::time_point until) {
        std::unique_lock lock(mutex_);
        ready_.wait_until(lock, until, [this] { return woken_ || !jobs_.empty(); });
        return {std::exchange(jobs_, {}), std::exchange(woken_, false)};
    }

    // The thread has ended: what is in the inbox, and what comes after, is dropped. A provider may
    // answer later than that.
    void close() {
        std::deque<Job> dropped;
        const std::lock_guard lock(mutex_);
        closed_ = true;
        dropped.swap(jobs_);
    }

private:
    std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<Job> jobs_;
    bool woken_ = false;
    bool closed_ = false;
};

}  // namespace flowstack::gateway
