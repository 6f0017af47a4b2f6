#include "services/payment/adapters/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace flowstack::payment {
namespace {

TEST(Crew, TakesNoMoreJobsThanItMayKeep) {
    Crew crew(1, 2);
    std::promise<void> started;
    std::promise<void> release;
    const auto released = release.get_future().share();
    ASSERT_TRUE(crew.run([&] {
        started.set_value();
        released.wait();
    }));
    started.get_future().wait();  // its only thread is busy
    std::atomic<int> done{0};
    EXPECT_TRUE(crew.run([&] { ++done; }));
    EXPECT_TRUE(crew.run([&] { ++done; }));
    EXPECT_FALSE(crew.run([&] { ++done; }));
    std::promise<void> finished;
    release.set_value();
    while (!crew.run([&] { finished.set_value(); })) std::this_thread::yield();
    finished.get_future().wait();
    EXPECT_EQ(done, 2);
}

TEST(Crew, ThatHasStoppedTakesNothing) {
    Crew crew(1, 2);
    crew.stop();
    EXPECT_FALSE(crew.run([] {}));
}

}  // namespace
}  // namespace flowstack::payment
