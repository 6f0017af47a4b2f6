#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

// A few threads for work that blocks (reads of the store), with a bounded queue.
namespace flowstack::gateway {

class Pool {
public:
    Pool(int threads, std::size_t queue_max) : queue_max_(queue_max) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    }
    ~Pool() { stop(); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // False when the queue is full or the pool has stopped: nothing was taken. `job` must not
    // throw.
    bool post(std::function<void()> job) {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_ || queue_.size() >= queue_max_) return false;
            queue_.push_back(std::move(job));
        }
        ready_.notify_one();
        return true;
    }

    // What is queued is still done.
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        ready_.notify_all();
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }

private:
    void run() {
        while (true) {
            std::function<void()> job;
            {
                std::unique_lock lock(mutex_);
                ready_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
                if (queue_.empty()) return;
                job = std::move(queue_.front());
                queue_.pop_front();
            }
            job();
        }
    }

    std::size_t queue_max_;
    std::mutex mutex_;
    std::condition_variable ready_;
    bool stopping_ = false;
    std::deque<std::function<void()>> queue_;
    std::vector<std::thread> threads_;
};

}  // namespace flowstack::gateway
