#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>

#include "common/resilience/circuit_breaker.h"
#include "common/resilience/gcra.h"
#include "common/resilience/keyed_limits.h"

namespace flowstack::resilience {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{seconds{1'700'000'000}};

// Every random test prints its seed when it fails; FLOWSTACK_TEST_SEED repeats it.
std::uint64_t seed() {
    const char* fixed = std::getenv("FLOWSTACK_TEST_SEED");
    return fixed != nullptr ? std::stoull(fixed) : std::random_device{}();
}

TEST(KeyedLimits, CountEachKeyForItself) {
    KeyedLimits limits({.per_second = 1, .burst = 2});
    const Instant now{std::chrono::hours(1)};
    EXPECT_FALSE(limits.take("a", now));
    EXPECT_FALSE(limits.take("a", now));
    const auto wait = limits.take("a", now);
    ASSERT_TRUE(wait);
    EXPECT_GT(*wait, Duration(0));
    EXPECT_LE(*wait, std::chrono::seconds(1));
    EXPECT_FALSE(limits.take("b", now));
    // A refused call takes nothing: after the wait the next one goes.
    EXPECT_FALSE(limits.take("a", now + *wait));
    EXPECT_TRUE(limits.take("a", now + *wait));
}

TEST(KeyedLimits, RememberNoMoreKeysThanTheyMay) {
    constexpr std::size_t kKeys = 3;
    KeyedLimits limits({.per_second = 1, .burst = 1}, kKeys);
    Instant now{std::chrono::hours(1)};
    for (const auto* key : {"a", "b", "c"}) EXPECT_FALSE(limits.take(key, now));
    // Those that come anew share one limit, and the known ones keep theirs.
    EXPECT_FALSE(limits.take("d", now));
    EXPECT_TRUE(limits.take("e", now));
    EXPECT_TRUE(limits.take("a", now));
    EXPECT_EQ(limits.size(), kKeys);
    // Whose limit is at rest is forgotten to make room.
    now += std::chrono::seconds(5);
    EXPECT_FALSE(limits.take("a", now));
    EXPECT_FALSE(limits.take("f", now));
    EXPECT_TRUE(limits.take("f", now));
    for (int i = 0; i < 1000; ++i) limits.take("flood" + std::to_string(i), now);
    EXPECT_EQ(limits.size(), kKeys);
    EXPECT_THROW(KeyedLimits({.per_second = 1, .burst = 1}, 0), std::invalid_argument);
    EXPECT_THROW(KeyedLimits({.per_second = 0, .burst = 1}), std::invalid_argument);
}

TEST(Gcra, AllowsTheBurstThenOnePerInterval) {
    Gcra limiter({.per_second = 10, .burst = 3});
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.take(kStart));
    const auto refused = limiter.take(kStart);
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.retry_after, milliseconds{100});
    EXPECT_FALSE(limiter.take(kStart + milliseconds{100} - microseconds{1}));
    EXPECT_TRUE(limiter.take(kStart + milliseconds{100}));
    EXPECT_FALSE(limiter.take(kStart + milliseconds{100}));
}

TEST(Gcra, IsFullAgainAfterARest) {
    Gcra limiter({.per_second = 10, .burst = 3});
    EXPECT_TRUE(limiter.rested(kStart));
    for (int i = 0; i < 3; ++i) limiter.take(kStart);
    EXPECT_FALSE(limiter.rested(kStart));
    EXPECT_TRUE(limiter.rested(kStart + milliseconds{300}));
    EXPECT_TRUE(limiter.take(kStart + seconds{9}, 3));
    EXPECT_FALSE(limiter.take(kStart + seconds{9}));
}

TEST(Gcra, NeverAllowsACostOverTheBurst) {
    Gcra limiter({.per_second = 10, .burst = 3});
    EXPECT_EQ(limiter.take(kStart, 4).retry_after, Duration::max());
    EXPECT_TRUE(limiter.take(kStart, 3));
}

TEST(Gcra, ObeysThePeersWord) {
    Gcra limiter({.per_second = 1000, .burst = 10});
    limiter.block_until(kStart + seconds{5});
    EXPECT_EQ(limiter.take(kStart).retry_after, seconds{5});
    EXPECT_FALSE(limiter.rested(kStart));
    EXPECT_TRUE(limiter.take(kStart + seconds{5}));
}

TEST(Gcra, RefusesALimitThatIsNotPositive) {
    EXPECT_THROW(Gcra({.per_second = 0, .burst = 1}), std::invalid_argument);
    EXPECT_THROW(Gcra({.per_second = 1, .burst = 0}), std::invalid_argument);
}

// Whatever the arrivals: in no window more than burst + rate * T, and retry_after tells the truth.
TEST(Gcra, NeverExceedsItsRateInAnyWindowAndItsAdviceIsExact) {
    const auto used = seed();
    SCOPED_TRACE("FLOWSTACK_TEST_SEED=" + std::to_string(used));
    std::mt19937_64 random(used);
    for (int round = 0; round < 50; ++round) {
        const double rate = std::uniform_real_distribution(0.5, 500.0)(random);
        const int burst = std::uniform_int_distribution(1, 40)(random);
        Gcra limiter({.per_second = rate, .burst = burst});
        const auto gap_max = static_cast<std::int64_t>(3e6 / rate);
        std::deque<Instant> allowed;
        Instant now = kStart;
        for (int i = 0; i < 400; ++i) {
            now += microseconds(std::uniform_int_distribution<std::int64_t>(0, gap_max)(random));
            const auto verdict = limiter.take(now);
            if (verdict) {
                allowed.push_back(now);
            } else {
                EXPECT_FALSE(limiter.peek(now + verdict.retry_after - microseconds{1}));
                EXPECT_TRUE(limiter.peek(now + verdict.retry_after));
            }
        }
        for (std::size_t from = 0; from < allowed.size(); ++from) {
            for (std::size_t to = from; to < allowed.size(); ++to) {
                const double window =
                    static_cast<double>((allowed[to] - allowed[from]).count()) / 1e6;
                ASSERT_LE(static_cast<double>(to - from + 1), burst + rate * window + 1e-6);
            }
        }
    }
}

constexpr BreakerPolicy kPolicy{.failures_to_open = 3,
                                .open_for = seconds{10},
                                .open_for_max = seconds{30},
                                .probes = 1,
                                .successes_to_close = 2};

void trip(CircuitBreaker& breaker, Instant now) {
    for (int i = 0; i < kPolicy.failures_to_open; ++i) breaker.failed(*breaker.ask(now), now);
}

TEST(CircuitBreaker, OpensAfterFailuresInARowOnly) {
    CircuitBreaker breaker(kPolicy);
    for (int i = 0; i < 10; ++i) {
        breaker.failed(*breaker.ask(kStart), kStart);
        breaker.failed(*breaker.ask(kStart), kStart);
        breaker.succeeded(*breaker.ask(kStart), kStart);
    }
    EXPECT_EQ(breaker.state(kStart), CircuitBreaker::State::closed);
    trip(breaker, kStart);
    EXPECT_EQ(breaker.state(kStart), CircuitBreaker::State::open);
    EXPECT_FALSE(breaker.ask(kStart));
    EXPECT_EQ(breaker.retry_after(kStart + seconds{3}), seconds{7});
}

TEST(CircuitBreaker, SaysSinceWhenItIsAsItIsAndHowManyFailuresLedToIt) {
    CircuitBreaker breaker(kPolicy);
    EXPECT_EQ(breaker.since(kStart), Instant{});
    trip(breaker, kStart);
    EXPECT_EQ(breaker.since(kStart + seconds{3}), kStart);
    EXPECT_EQ(breaker.failures_in_a_row(), kPolicy.failures_to_open);
    // Open for long enough: it is half open since then, whoever asks when.
    const auto later = kStart + seconds{100};
    EXPECT_EQ(breaker.since(later), kStart + seconds{10});
    breaker.succeeded(*breaker.ask(later), later);
    EXPECT_EQ(breaker.failures_in_a_row(), 0);
}

TEST(CircuitBreaker, LetsOneProbeThroughAndClosesAfterEnoughSuccesses) {
    CircuitBreaker breaker(kPolicy);
    trip(breaker, kStart);
    const Instant later = kStart + seconds{10};
    EXPECT_EQ(breaker.state(later), CircuitBreaker::State::half_open);
    const auto probe = breaker.ask(later);
    ASSERT_TRUE(probe);
    EXPECT_FALSE(breaker.ask(later));
    breaker.succeeded(*probe, later);
    EXPECT_EQ(breaker.state(later), CircuitBreaker::State::half_open);
    breaker.succeeded(*breaker.ask(later), later);
    EXPECT_EQ(breaker.state(later), CircuitBreaker::State::closed);
}

TEST(CircuitBreaker, WaitsLongerWhileProbesFail) {
    CircuitBreaker breaker(kPolicy);
    trip(breaker, kStart);
    Instant now = kStart;
    for (const int wait : {10, 20, 30, 30}) {
        EXPECT_FALSE(breaker.ask(now + seconds{wait} - microseconds{1}));
        now += seconds{wait};
        breaker.failed(*breaker.ask(now), now);
    }
    now += seconds{30};
    breaker.succeeded(*breaker.ask(now), now);
    breaker.succeeded(*breaker.ask(now), now);
    trip(breaker, now);
    EXPECT_TRUE(breaker.ask(now + seconds{10}));  // back to the first pause
}

TEST(CircuitBreaker, IgnoresAnswersToQuestionsFromBefore) {
    CircuitBreaker breaker(kPolicy);
    const auto early = *breaker.ask(kStart);
    trip(breaker, kStart);
    breaker.succeeded(early, kStart);
    EXPECT_EQ(breaker.state(kStart), CircuitBreaker::State::open);
    const Instant later = kStart + seconds{10};
    const auto probe = *breaker.ask(later);
    breaker.failed(early, later);
    EXPECT_EQ(breaker.state(later), CircuitBreaker::State::half_open);
    breaker.abandoned(probe);  // the probe was not made: another may
    EXPECT_TRUE(breaker.ask(later));
}

// Random asks and answers, against what the picture in the header says.
TEST(CircuitBreaker, NeverHasMoreProbesOutThanAllowedAndNeverSticks) {
    const auto used = seed();
    SCOPED_TRACE("FLOWSTACK_TEST_SEED=" + std::to_string(used));
    std::mt19937_64 random(used);
    for (int round = 0; round < 200; ++round) {
        BreakerPolicy policy = kPolicy;
        policy.probes = std::uniform_int_distribution(1, 3)(random);
        CircuitBreaker breaker(policy);
        std::deque<CircuitBreaker::Ticket> out;
        Instant now = kStart;
        for (int i = 0; i < 300; ++i) {
            now += milliseconds(std::uniform_int_distribution(0, 4'000)(random));
            const auto before = breaker.state(now);
            switch (std::uniform_int_distribution(0, 3)(random)) {
                case 0:
                    if (const auto ticket = breaker.ask(now)) {
                        EXPECT_NE(before, CircuitBreaker::State::open);
                        out.push_back(*ticket);
                        if (before == CircuitBreaker::State::half_open) {
                            ASSERT_LE(std::count(out.begin(), out.end(), *ticket), policy.probes);
                        }
                    }
                    break;
                case 1:
                    if (out.empty()) break;
                    breaker.succeeded(out.front(), now);
                    out.pop_front();
                    break;
                case 2:
                    if (out.empty()) break;
                    breaker.failed(out.front(), now);
                    out.pop_front();
                    break;
                default:
                    if (out.empty()) break;
                    breaker.abandoned(out.front());
                    out.pop_front();
            }
        }
        // Once every question is answered, it lets a call through within the longest pause.
        for (const auto ticket : out) breaker.abandoned(ticket);
        EXPECT_TRUE(breaker.ask(now + policy.open_for_max));
    }
}

}  // namespace
}  // namespace flowstack::resilience
