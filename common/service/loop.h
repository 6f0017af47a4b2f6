#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace flowstack::service {

// A thread that can be told to stop, and whose sleep ends then.
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
    void sleep(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, time, [&] { return stopping_.load(); });
    }
    ~Loop() { stop(); }

private:
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::thread thread_;
};

}  // namespace flowstack::service
