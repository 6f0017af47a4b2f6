#include "tests/bench/processes.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/machine.h"

namespace flowstack::bench {
namespace {

TEST(Processes, AProcessCountsWithItsChildrenThatHaveEnded) {
    const auto times = parse_stat(
        "4711 (postgres: walwriter (x) y) S 42 4711 4711 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 "
        "1 0 99 1 2");
    ASSERT_TRUE(times);
    EXPECT_EQ(times->parent, 42);
    EXPECT_EQ(times->ticks, 100 + 20 + 3000 + 400);
}

TEST(Processes, WhatIsNoStatLineIsNoProcess) {
    EXPECT_FALSE(parse_stat(""));
    EXPECT_FALSE(parse_stat("4711 (gone"));
    EXPECT_FALSE(parse_stat("4711 (short) S 42 1 2"));
}

TEST(Processes, AFamilyIsTheProcessAndAllThatDescendFromIt) {
    const Processes processes{{10, {1, 5}},     {11, {10, 20}},   {12, {10, 300}},
                              {13, {12, 4000}}, {20, {1, 70000}}, {9, {13, 600000}}};
    EXPECT_EQ(family_ticks(10, processes), 5 + 20 + 300 + 4000 + 600000);
    EXPECT_EQ(family_ticks(12, processes), 300 + 4000 + 600000);
    EXPECT_TRUE(family_of(99, processes).empty());
    EXPECT_EQ(family_ticks(99, processes), 0);
}

TEST(Processes, TheCpuOfAChildIsCountedWhileItRunsAndAfterItHasEnded) {
    const auto before = cpu_seconds_of({getpid()});
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        while (cpu_seconds(getpid()) < 0.3) {
        }
        pause();
        _exit(0);
    }
    const auto patience = now_us() + 60'000'000;
    while (cpu_seconds(child) < 0.3 && now_us() < patience) usleep(1000);
    EXPECT_GE(cpu_seconds_of({getpid()}) - before, 0.29);
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_GE(cpu_seconds_of({getpid()}) - before, 0.29);
    EXPECT_GT(memory_mb_of({getpid()}), 0);
}

TEST(Processes, ASystemThatLostAProcessHasNoFigure) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_THROW(cpu_seconds_of({getpid(), child}), std::runtime_error);
    EXPECT_THROW(memory_mb_of({child}), std::runtime_error);
}

}  // namespace
}  // namespace flowstack::bench
