#pragma once

#include "common/core/clock.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/work.h"
#include "common/observability/metrics.h"
#include "services/followup/adapters/task_codec.h"
#include "services/followup/config.h"

// Fires what is due on the lanes that this replica owns. Thread-safe.
namespace flowstack::followup {

class Timer {
public:
    Timer(eventlog::Store& store, eventlog::ReadModel& read_model, const Clock& clock,
          metrics::Registry& metrics, const Config& config);

    // A handler for eventlog::WorkRunner: appends under the lane owner's guard and calls `done`
    // when the answer is here. A timer whose tenant is not known yet stays and comes again.
    void fire(const eventlog::WorkRow& row, eventlog::WorkRunner::Done done);

private:
    eventlog::Store& store_;
    eventlog::ReadModel& read_model_;
    const Clock& clock_;
    metrics::Histogram lateness_;
    metrics::Registry& metrics_;
    Config config_;
};

}  // namespace flowstack::followup
