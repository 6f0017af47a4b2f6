#pragma once

#include <chrono>

// Rate limiting by the generic cell rate algorithm: a leaky bucket kept as one point in time.
namespace flowstack::resilience {

// Only differences matter. Callers pass their wall clock, so that a limit may be stored; tests pass
// any time. A clock that goes back makes the limiter stricter, never laxer.
using Instant = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;

struct GcraLimit {
    double per_second = 1.0;  // sustained rate; > 0
    int burst = 1;            // how many may come at once after a rest; >= 1
};

struct GcraVerdict {
    bool allowed = false;
    Duration retry_after{
        0};  // 0 if allowed; else an ask this much later is allowed if nobody comes between
    explicit operator bool() const { return allowed; }
};

// One limiter, 32 bytes. Not thread-safe; belongs to one owner.
// In any window of length T at most `burst + per_second * T` units are allowed.
class Gcra {
public:
    // Throws std::invalid_argument if the limit is not positive.
    explicit Gcra(GcraLimit limit);

    // Takes `cost` units (>= 1) if they are there; takes nothing if not. A cost over the burst is
    // never allowed: retry_after is then Duration::max().
    GcraVerdict take(Instant now, int cost = 1);

    // What `take` would answer, without taking.
    GcraVerdict peek(Instant now, int cost = 1) const;

    // Gives the peer's word precedence, e.g. after a 429 with Retry-After: nothing before `until`.
    void block_until(Instant until);

    // Full again, so it may be forgotten.
    bool rested(Instant now) const { return full_at_ <= now && blocked_until_ <= now; }

private:
    Duration interval_;   // between two units at the sustained rate
    Duration tolerance_;  // how far ahead of now the bucket may be filled: burst * interval
    Instant full_at_{};   // the "theoretical arrival time": when the bucket is at rest
    Instant blocked_until_{};
};

}  // namespace flowstack::resilience
