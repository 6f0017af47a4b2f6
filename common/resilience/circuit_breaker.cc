#include "common/resilience/circuit_breaker.h"

#include <algorithm>
#include <stdexcept>

namespace flowstack::resilience {

CircuitBreaker::CircuitBreaker(BreakerPolicy policy) : policy_(policy), pause_(policy.open_for) {
    if (policy.failures_to_open < 1 || policy.probes < 1 || policy.successes_to_close < 1 ||
        policy.open_for <= Duration{0} || policy.open_for_max < policy.open_for) {
        throw std::invalid_argument("circuit breaker: every number of the policy is positive");
    }
}

CircuitBreaker::State CircuitBreaker::state(Instant now) const {
    return state_ == State::open && now >= open_until_ ? State::half_open : state_;
}

std::optional<CircuitBreaker::Ticket> CircuitBreaker::ask(Instant now) {
    if (state_ == State::open && now >= open_until_) enter(State::half_open, now);
    switch (state_) {
        case State::closed:
            return generation_;
        case State::open:
            return std::nullopt;
        case State::half_open:
            if (probes_out_ >= policy_.probes) return std::nullopt;
            ++probes_out_;
            return generation_;
    }
    return std::nullopt;
}

void CircuitBreaker::succeeded(Ticket ticket, Instant now) {
    if (ticket != generation_) return;
    failures_ = 0;
    failures_in_a_row_ = 0;
    if (state_ != State::half_open) return;
    --probes_out_;
    if (++successes_ < policy_.successes_to_close) return;
    pause_ = policy_.open_for;
    enter(State::closed, now);
}

void CircuitBreaker::failed(Ticket ticket, Instant now) {
    if (ticket != generation_) return;
    ++failures_in_a_row_;
    if (state_ == State::half_open) {
        pause_ = pause_ > policy_.open_for_max / 2 ? policy_.open_for_max : pause_ * 2;
        enter(State::open, now);
    } else if (state_ == State::closed && ++failures_ >= policy_.failures_to_open) {
        enter(State::open, now);
    }
}

void CircuitBreaker::abandoned(Ticket ticket) {
    if (ticket == generation_ && state_ == State::half_open) --probes_out_;
}

Duration CircuitBreaker::retry_after(Instant now) const {
    switch (state(now)) {
        case State::closed:
            return Duration{0};
        case State::open:
            return open_until_ - now;
        case State::half_open:
            return state_ == State::half_open && probes_out_ >= policy_.probes ? policy_.open_for
                                                                               : Duration{0};
    }
    return Duration{0};
}

Instant CircuitBreaker::since(Instant now) const {
    return state_ == State::open && now >= open_until_ ? open_until_ : since_;
}

void CircuitBreaker::enter(State state, Instant now) {
    state_ = state;
    since_ = now;
    ++generation_;  // answers to earlier questions count no more
    failures_ = 0;
    successes_ = 0;
    probes_out_ = 0;
    if (state == State::open) open_until_ = now + pause_;
}

}  // namespace flowstack::resilience
