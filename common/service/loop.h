#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace flowstack::service {

// A thread that can be told to stop, and whose sleep ends then. Its sleep also ends when somebody
// wakes it; who wakes it while it is awake ends its next sleep.
class Loop {
public:
    void start(std::function<void(Loop&)> body) {
        thread_ = std::thread([this, body = std::move(body)] { body(*this); });
    }
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        if (thread_.joinable()) thread_.join();
    }
    bool stopping() const { return stopping_; }
    void wake() {
        {
            const std::lock_guard lock(mutex_);
            if (woken_) return;
            woken_ = true;
        }
        wake_.notify_all();
    }
    void sleep(std::chrono::nanoseconds time) {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, time, [&] { return stopping_ || woken_; });
        woken_ = false;
    }
    ~Loop() { stop(); }

private:
    std::atomic<bool> stopping_{false};
    bool woken_ = false;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::thread thread_;
};

}  // namespace flowstack::service
