#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace flowstack::payment {

// A bounded number of threads that may wait for providers, with a bounded queue before them.
class Crew {
public:
    Crew(int threads, std::size_t waiting_max) : waiting_max_(waiting_max) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { loop(); });
    }
    ~Crew() { stop(); }
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // False when the queue is full or the crew has stopped: the job was not taken. A job must not
    // throw.
    [[nodiscard]] bool run(std::function<void()> job) {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_ || jobs_.size() >= waiting_max_) return false;
            jobs_.push_back(std::move(job));
        }
        ready_.notify_one();
        return true;
    }

    // Waits for the jobs that run; those that wait are dropped.
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            jobs_.clear();
        }
        ready_.notify_all();
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }

    bool stopping() {
        const std::lock_guard lock(mutex_);
        return stopping_;
    }

private:
    void loop() {
        while (true) {
            std::function<void()> job;
            {
                std::unique_lock lock(mutex_);
                ready_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
                if (stopping_) return;
                job = std::move(jobs_.front());
                jobs_.pop_front();
            }
            job();
        }
    }

    const std::size_t waiting_max_;
    std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace flowstack::payment
