#include "common/lifecycle/lifecycle.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include "common/observability/log.h"

namespace flowstack::lifecycle {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPlenty{20'000};

// Signals and exit codes belong to a process, so each case is one. Its steps are written to stderr,
// where EXPECT_EXIT reads them.
void say(const std::string& text) { std::cerr << text << ' ' << std::flush; }

Lifecycle::Start saying_start(const std::string& name) {
    return [name] { say("+" + name); };
}
Lifecycle::Stop saying_stop(const std::string& name) {
    return [name](milliseconds) { say("-" + name); };
}

class LifecycleDeathTest : public ::testing::Test {
protected:
    void SetUp() override { ::testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

TEST_F(LifecycleDeathTest, StartsInOrderAndStopsInReverseOnSigterm) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add("one", saying_start("one"), saying_stop("one"));
            life.add("two", saying_start("two"), saying_stop("two"));
            life.add(
                "signal", [] { ::kill(::getpid(), SIGTERM); }, saying_stop("signal"));
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(0), R"(\+one \+two (.|\n)*-two -one )");
}

TEST_F(LifecycleDeathTest, TreatsCtrlCLikeSigterm) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add(
                "signal", [] { ::kill(::getpid(), SIGINT); }, nullptr);
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(0), "SIGINT");
}

TEST_F(LifecycleDeathTest, StopsOnlyWhatStartedWhenAPartCannotStart) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add("one", saying_start("one"), saying_stop("one"));
            life.add(
                "two", [] { throw std::runtime_error("port 80 is taken"); }, saying_stop("two"));
            life.add("three", saying_start("three"), saying_stop("three"));
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(1), R"(\+one (.|\n)*two could not start: port 80 is taken)");
}

TEST_F(LifecycleDeathTest, NamesThePartThatHangsWhenTheGraceIsOver) {
    EXPECT_EXIT(
        {
            Lifecycle life{milliseconds{1000}};
            life.add("store", nullptr, [](milliseconds) { ::pause(); });
            life.add(
                "signal", [] { ::kill(::getpid(), SIGTERM); }, nullptr);
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(1), R"(the grace period is over","part":"store")");
}

TEST_F(LifecycleDeathTest, ExitsAtOnceOnASecondSignal) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add("store", nullptr, [](milliseconds) {
                ::kill(::getpid(), SIGTERM);
                ::pause();
            });
            life.add(
                "signal", [] { ::kill(::getpid(), SIGTERM); }, nullptr);
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(1), R"(second signal","part":"store")");
}

TEST_F(LifecycleDeathTest, StopsAStartThatWaitsWhenASignalComes) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add("first", saying_start("first"), saying_stop("first"));
            life.add(
                "waits",
                [&] {
                    ::kill(::getpid(), SIGTERM);
                    while (!life.stopping()) std::this_thread::yield();
                },
                nullptr);
            life.add("never", saying_start("never"), nullptr);
            const int code = life.run();
            say("code=" + std::to_string(code));
            std::exit(code);
        },
        ::testing::ExitedWithCode(0), R"(\+first (.|\n)*-first )");
}

TEST_F(LifecycleDeathTest, AnswersOneWhenAPartAsksToStopAsFailed) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add(
                "one", [&] { life.request_stop("schema is too new", true); }, saying_stop("one"));
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(1),
        R"(-one(.|\n)*schema is too new|schema is too new(.|\n)*-one)");
}

TEST_F(LifecycleDeathTest, GoesOnStoppingWhenOnePartThrows) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add("one", nullptr, saying_stop("one"));
            life.add("two", nullptr, [](milliseconds) { throw std::runtime_error("disk full"); });
            life.add(
                "stop", [&] { life.request_stop("done"); }, nullptr);
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(1), R"(-one)");
}

// The log's writer thread exists before the signals are blocked; it must not be the one they kill.
TEST_F(LifecycleDeathTest, DrainsOnASignalAlsoWhenSomethingWasLoggedBefore) {
    EXPECT_EXIT(
        {
            log::info("reading the settings");
            Lifecycle life{kPlenty};
            life.add("one", nullptr, saying_stop("one"));
            life.add(
                "signal", [] { ::kill(::getpid(), SIGTERM); }, nullptr);
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(0), "-one");
}

TEST_F(LifecycleDeathTest, TellsEachPartHowMuchOfTheGraceIsLeft) {
    EXPECT_EXIT(
        {
            Lifecycle life{kPlenty};
            life.add("one", nullptr, [](milliseconds left) {
                say(left > milliseconds{0} && left <= kPlenty ? "within" : "outside");
            });
            life.add(
                "stop", [&] { life.request_stop("done"); }, nullptr);
            std::exit(life.run());
        },
        ::testing::ExitedWithCode(0), "within");
}

}  // namespace
}  // namespace flowstack::lifecycle
