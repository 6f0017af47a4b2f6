#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "common/eventlog/membership.h"
#include "common/observability/health.h"
#include "common/service/loop.h"

namespace flowstack::service {

// Lanes that move may be without an owner for this long before people are told.
inline constexpr std::chrono::milliseconds kWithoutOwnerFor{3'000};

// What /readyz says about lanes: degraded, with their numbers, when lanes have had no living owner
// for longer than kWithoutOwnerFor.
observability::Check lanes_check(const eventlog::Membership::Report& report);

// The thread of a process that beats (common/eventlog/membership.h), on a connection of its own: so
// it also knows whether the store answers. It says when lanes are without an owner.
class LaneWatch {
public:
    explicit LaneWatch(eventlog::Membership& membership) : membership_(membership) {}

    void start();
    void stop() { beating_.stop(); }

    void set_store(bool ready, const std::string& detail);
    observability::Check store_check() const;

private:
    void beat(Loop& loop);
    void tell_of_lanes();

    eventlog::Membership& membership_;
    bool told_ = false;           // that lanes are without an owner
    bool told_refusing_ = false;  // that lanes refuse to be written to
    mutable std::mutex mutex_;
    bool store_ready_ = false;
    std::string store_detail_ = "not looked at yet";
    Loop beating_;
};

}  // namespace flowstack::service
