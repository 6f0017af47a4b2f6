#pragma once

#include <optional>
#include <string>

#include "common/core/id.h"
#include "common/eventlog/types.h"

// Side rows of followup's events: the timers. A pure function of the event, so they can be made
// again.
namespace flowstack::followup {

inline constexpr const char* kTimerWork = "timer";

// Key of a timer: "<tenant>/<customer>/<task>", so that a customer's open timers are a range of
// keys.
struct TimerKey {
    std::string tenant;
    CustomerId customer_id;
    TaskId task_id;

    std::string text() const { return prefix(tenant, customer_id) + task_id; }
    static std::string prefix(const std::string& tenant, const CustomerId& customer_id) {
        return tenant + "/" + customer_id + "/";
    }
    static std::optional<TimerKey> parse(const std::string& text);
};

// Scheduled and Postponed put the timer on the event's own lane; what ends a task takes it away.
void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& out);

}  // namespace flowstack::followup
