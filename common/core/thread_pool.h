#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

// A fixed number of threads for jobs that may block, with a bounded queue in front of them.
namespace flowstack {

struct ThreadPoolOptions {
    // Shown by top, gdb and perf as the threads' name; the kernel keeps the first 15 characters.
    std::string name;
    int threads = 1;
    // Jobs that wait for a thread; jobs that run are not counted. post() refuses more.
    std::size_t waiting_max = 0;
    // Called with the number of waiting jobs when it changes, one call at a time. It runs under the
    // pool's lock: it must be short and must not call the pool.
    std::function<void(std::size_t waiting)> on_waiting{};
};

// Thread-safe. A pool that has stopped does not start again.
class ThreadPool {
public:
    explicit ThreadPool(ThreadPoolOptions options);
    ~ThreadPool();  // stop(Waiting::run)
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    // Jobs begin in the order in which they were posted. False when the queue is full or the pool
    // stops: the job was not taken and never runs. An exception that leaves a job ends the process.
    [[nodiscard]] bool post(std::function<void()> job);

    // What becomes of jobs that have not begun when the pool stops.
    enum class Waiting { run, dropped };
    // Takes no more jobs, waits for those that run and, with Waiting::run, for those that wait.
    // Must not be called by a job. A second call returns when the first one would.
    void stop(Waiting waiting);

    std::size_t waiting() const;

private:
    void run();
    void tell() const;  // with the lock held

    const ThreadPoolOptions options_;
    mutable std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::mutex joining_;
    std::vector<std::thread> threads_;
};

}  // namespace flowstack
