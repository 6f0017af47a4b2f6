#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace flowstack::eventlog {

// For how long a reader has been behind a log, from looks at both now and then: an event that was
// in the log at that time is not applied yet. Under load a reader is always a little behind, and
// what counts is how old that is.
class LagClock {
public:
    using Instant = std::chrono::steady_clock::time_point;

    void look(std::int64_t applied, std::int64_t head, Instant now) {
        head_ = head;
        if (applied >= head)
            mark_.reset();
        else if (!mark_ || applied >= mark_->head)
            mark_ = Mark{head, now};
    }
    // What is known at the last look, with what was applied since.
    std::optional<Instant> behind_since(std::int64_t applied) const {
        if (!mark_ || applied >= mark_->head) return std::nullopt;
        return mark_->seen_at;
    }
    std::int64_t events_behind(std::int64_t applied) const {
        return applied < head_ ? head_ - applied : 0;
    }

private:
    struct Mark {
        std::int64_t head = 0;
        Instant seen_at;
    };
    std::int64_t head_ = 0;
    std::optional<Mark> mark_;
};

}  // namespace flowstack::eventlog
