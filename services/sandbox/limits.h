#pragma once

#include <chrono>
#include <deque>

#include "services/sandbox/values.h"

// Meta's two speed limits (fact sheet §5), over times that the caller gives.
namespace flowstack::sandbox {

// One message per `interval` and pair, with a burst that borrows from the future: after a burst
// of 20 at one in 6 s the quota is whole again two minutes later. An interval of 0 is no limit.
class PairRate {
public:
    bool allows(Time now, Milliseconds interval, int burst_max) const {
        if (interval.count() == 0) return true;
        return paid_until_ <= now + interval * (burst_max - 1);
    }
    void take(Time now, Milliseconds interval) {
        paid_until_ = (paid_until_ > now ? paid_until_ : now) + interval;
    }

private:
    Time paid_until_{};
};

// At most `per_second_max` messages, in and out together, in any second that ends now. 0 is no
// limit. A refused message does not count.
class Throughput {
public:
    bool allows(Time now, int per_second_max) {
        forget(now);
        return per_second_max == 0 || static_cast<int>(seen_.size()) < per_second_max;
    }
    void take(Time now) {
        forget(now);
        seen_.push_back(now);
    }

private:
    void forget(Time now) {
        while (!seen_.empty() && seen_.front() + std::chrono::seconds{1} <= now) seen_.pop_front();
    }
    std::deque<Time> seen_;
};

}  // namespace flowstack::sandbox
