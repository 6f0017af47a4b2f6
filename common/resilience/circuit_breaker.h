#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "common/resilience/gcra.h"

namespace flowstack::resilience {

struct BreakerPolicy {
    int failures_to_open = 5;       // in a row
    Duration open_for{30'000'000};  // first pause; doubles while probes keep failing
    Duration open_for_max{300'000'000};
    int probes = 1;              // at once while half open
    int successes_to_close = 1;  // probes that must succeed
};

// Stops asking a peer that does not answer.
//
//   CLOSED ── failures_to_open in a row ──▶ OPEN ── open_for has passed ──▶ HALF_OPEN
//     ▲                                      ▲                               │  │
//     └──────────── successes_to_close ──────┼───────────────────────────────┘  │
//                                            └────────── a probe fails ─────────┘
//
// Pure over `now`; not thread-safe; belongs to one owner. Every granted `ask` must be followed by
// exactly one `succeeded`, `failed` or `abandoned` with its ticket. Answers to questions asked
// before the breaker changed its state are ignored: they tell nothing about now.
class CircuitBreaker {
public:
    enum class State { closed, open, half_open };
    using Ticket = std::uint64_t;

    // Throws std::invalid_argument if a number of the policy is not positive.
    explicit CircuitBreaker(BreakerPolicy policy);

    // May a call start now? Nothing = no; `retry_after` says how long.
    std::optional<Ticket> ask(Instant now);

    void succeeded(Ticket ticket, Instant now);
    void failed(Ticket ticket, Instant now);
    void abandoned(Ticket ticket);  // the call was not made: neither good nor bad

    State state(Instant now) const;
    // 0 while calls may start; unknown (= open_for) while every probe is out.
    Duration retry_after(Instant now) const;
    // When it came into its state; zero when it was never in another one.
    Instant since(Instant now) const;
    // Failures since the last call that went well.
    int failures_in_a_row() const { return failures_in_a_row_; }

private:
    void enter(State state, Instant now);

    BreakerPolicy policy_;
    State state_ = State::closed;
    Ticket generation_ = 0;  // a ticket is the generation it was given in
    Instant since_{};
    int failures_ = 0;
    int failures_in_a_row_ = 0;
    int successes_ = 0;
    int probes_out_ = 0;
    Duration pause_;
    Instant open_until_{};
};

}  // namespace flowstack::resilience
