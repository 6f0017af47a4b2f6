#include "common/core/thread_pool.h"

#include <pthread.h>

namespace flowstack {

ThreadPool::ThreadPool(ThreadPoolOptions options) : options_(std::move(options)) {
    for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run(); });
}

ThreadPool::~ThreadPool() { stop(Waiting::run); }

bool ThreadPool::post(std::function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || jobs_.size() >= options_.waiting_max) return false;
        jobs_.push_back(std::move(job));
        tell();
    }
    ready_.notify_one();
    return true;
}

void ThreadPool::stop(Waiting waiting) {
    std::deque<std::function<void()>> dropped;  // destroyed without the lock
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        if (waiting == Waiting::dropped) {
            dropped.swap(jobs_);
            tell();
        }
    }
    ready_.notify_all();
    const std::lock_guard joining(joining_);
    for (auto& thread : threads_) thread.join();
    threads_.clear();
}

std::size_t ThreadPool::waiting() const {
    const std::lock_guard lock(mutex_);
    return jobs_.size();
}

void ThreadPool::run() {
    constexpr std::size_t kNameBytesMax = 15;
    pthread_setname_np(pthread_self(), options_.name.substr(0, kNameBytesMax).c_str());
    while (true) {
        std::function<void()> job;
        {
            std::unique_lock lock(mutex_);
            ready_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
            tell();
        }
        job();
    }
}

void ThreadPool::tell() const {
    if (options_.on_waiting) options_.on_waiting(jobs_.size());
}

}  // namespace flowstack
