#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "common/eventlog/membership.h"
#include "common/eventlog/store.h"
#include "common/observability/health.h"
#include "common/service/loop.h"

namespace flowstack::service {

// Lanes that move may be without an owner for this long before people are told.
inline constexpr std::chrono::milliseconds kWithoutOwnerFor{3'000};

// What /readyz says about lanes: degraded, with their numbers, when lanes have had no living owner
// for longer than kWithoutOwnerFor.
observability::Check lanes_check(const eventlog::Membership::Report& report);

// Two threads of a process: one beats (common/eventlog/membership.h) and says when lanes are
// without an owner, the other looks whether the store answers.
class LaneWatch {
public:
    LaneWatch(eventlog::Store& store, eventlog::Membership& membership)
        : store_(store), membership_(membership) {}

    void start();
    void stop() {
        beating_.stop();
        checking_.stop();
    }

    void set_store(bool ready, const std::string& detail);
    observability::Check store_check() const;

private:
    void beat(Loop& loop);
    void check_store(Loop& loop);
    void tell_of_lanes();

    eventlog::Store& store_;
    eventlog::Membership& membership_;
    bool told_ = false;  // that lanes are without an owner
    mutable std::mutex mutex_;
    bool store_ready_ = false;
    std::string store_detail_ = "not looked at yet";
    Loop beating_, checking_;
};

}  // namespace flowstack::service
