#pragma once

#include <atomic>
#include <cstdint>

#include "common/core/time.h"

namespace flowstack {

// Where the shell of a service gets the time it puts into commands. Every clock may be used from
// any thread.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Time now() const = 0;
};

// The machine's clock. It may step backwards when the machine is corrected.
class SystemClock final : public Clock {
public:
    Time now() const override;
};

// A clock that moves only when told to, for tests.
class ManualClock final : public Clock {
public:
    explicit ManualClock(Time start = from_unix_seconds(1'750'000'000))
        : micros_(unix_micros(start)) {}

    Time now() const override { return from_unix_micros(micros_.load()); }
    void set(Time at) { micros_.store(unix_micros(at)); }
    void advance(Micros by) { micros_.fetch_add(by.count()); }

private:
    std::atomic<std::int64_t> micros_;
};

}  // namespace flowstack
