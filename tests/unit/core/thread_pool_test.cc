#include "common/core/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <future>

namespace flowstack {
namespace {

// A pool of one thread, which a job holds until it is let go.
struct Held {
    explicit Held(std::size_t waiting_max)
        : pool({.name = "held", .threads = 1, .waiting_max = waiting_max}) {
        EXPECT_TRUE(pool.post([this] {
            begun.set_value();
            released.wait();
        }));
        begun.get_future().wait();
    }
    ~Held() { let_go(); }
    void let_go() {
        if (!std::exchange(gone, true)) release.set_value();
    }

    std::promise<void> begun;
    std::promise<void> release;
    std::shared_future<void> released = release.get_future().share();
    bool gone = false;
    ThreadPool pool;
};

TEST(ThreadPool, RunsJobsInTheirOrder) {
    std::string order;
    Held held(10);
    for (const char c : {'a', 'b', 'c'})
        EXPECT_TRUE(held.pool.post([&order, c] { order.push_back(c); }));
    held.let_go();
    held.pool.stop(ThreadPool::Waiting::run);
    EXPECT_EQ(order, "abc");
}

TEST(ThreadPool, RunsAsManyJobsAtOnceAsItHasThreads) {
    constexpr int kThreads = 3;
    std::array<std::promise<void>, kThreads> arrived;
    std::promise<void> all;
    const auto go = all.get_future().share();
    ThreadPool pool({.name = "three", .threads = kThreads, .waiting_max = 10});
    for (auto& one : arrived)
        EXPECT_TRUE(pool.post([&one, go] {
            one.set_value();
            go.wait();
        }));
    // Each waits inside its job, so all three are in one at the same time.
    for (auto& one : arrived) one.get_future().wait();
    EXPECT_EQ(pool.waiting(), 0U);
    all.set_value();
}

TEST(ThreadPool, RefusesAJobWhenItsQueueIsFull) {
    std::atomic<int> ran{0};
    Held held(2);
    EXPECT_TRUE(held.pool.post([&] { ++ran; }));
    EXPECT_TRUE(held.pool.post([&] { ++ran; }));
    EXPECT_EQ(held.pool.waiting(), 2U);
    EXPECT_FALSE(held.pool.post([&] { ++ran; }));
    held.let_go();
    held.pool.stop(ThreadPool::Waiting::run);
    EXPECT_EQ(ran, 2);
}

TEST(ThreadPool, RunsWhatWaitsBeforeItStops) {
    std::atomic<int> ran{0};
    Held held(1'000'000);
    auto stopped =
        std::async(std::launch::async, [&] { held.pool.stop(ThreadPool::Waiting::run); });
    // Stopping begins with the refusal of new jobs. Those that were taken before count.
    int taken = 0;
    while (held.pool.post([&] { ++ran; })) {
        ++taken;
        std::this_thread::yield();
    }
    EXPECT_EQ(ran, 0);
    held.let_go();
    stopped.wait();
    EXPECT_EQ(ran, taken);
    held.pool.stop(ThreadPool::Waiting::run);  // a second time does nothing
}

TEST(ThreadPool, DropsWhatWaitsWhenToldToAndWaitsForWhatRuns) {
    std::atomic<int> ran{0};
    Held held(5);
    EXPECT_TRUE(held.pool.post([&] { ++ran; }));
    EXPECT_TRUE(held.pool.post([&] { ++ran; }));
    auto stopped =
        std::async(std::launch::async, [&] { held.pool.stop(ThreadPool::Waiting::dropped); });
    while (held.pool.waiting() > 0) std::this_thread::yield();
    EXPECT_FALSE(held.pool.post([&] { ++ran; }));
    EXPECT_EQ(stopped.wait_for(std::chrono::milliseconds(0)), std::future_status::timeout);
    held.let_go();
    stopped.wait();
    EXPECT_EQ(ran, 0);
}

TEST(ThreadPool, TellsHowManyJobsWaitAndNamesItsThreads) {
    std::vector<std::size_t> told;
    std::string name(16, '\0');
    {
        ThreadPool pool({.name = "a name of more than fifteen characters",
                         .threads = 1,
                         .waiting_max = 5,
                         .on_waiting = [&](std::size_t n) { told.push_back(n); }});
        EXPECT_TRUE(
            pool.post([&] { pthread_getname_np(pthread_self(), name.data(), name.size()); }));
    }
    EXPECT_EQ(told, (std::vector<std::size_t>{1, 0}));
    EXPECT_STREQ(name.c_str(), "a name of more ");
}

}  // namespace
}  // namespace flowstack
