#pragma once

#include "common/eventlog/types.h"
#include "common/observability/metrics.h"

namespace flowstack::gateway {

// Counts the messages that came to wait for a person: failed for good, or without any answer. At
// least once each, as events are applied.
class DeadLetters {
public:
    explicit DeadLetters(metrics::Registry& metrics);
    void count(const eventlog::Recorded& event) const;

private:
    metrics::Counter failed_;
    metrics::Counter unknown_;
};

}  // namespace flowstack::gateway
