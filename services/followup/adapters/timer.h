#pragma once

#include "common/core/clock.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/work.h"
#include "common/localtime/local_clock.h"
#include "common/observability/metrics.h"
#include "common/service/contacts.h"
#include "common/service/tenants.h"
#include "services/followup/adapters/codec.h"
#include "services/followup/config.h"

// Fires what is due on the lanes that this replica owns. Thread-safe.
namespace flowstack::followup {

class Timer {
public:
    Timer(eventlog::Store& store, eventlog::ReadModel& read_model, service::Tenants& tenants,
          service::Contacts& contacts, const Clock& clock, metrics::Registry& metrics,
          const Config& config);

    // A handler for eventlog::WorkRunner: appends under the lane owner's guard and calls `done`
    // when the answer is here. Throws, and so comes again, while nobody can say how its tenant is,
    // or whether the customer's window is closed, where only that stands in the way.
    void fire(const eventlog::WorkRow& row, eventlog::WorkRunner::Done done);

private:
    // When the customer's service window ends at the plan's channel (at the one where they wrote
    // last, if the plan leaves the choice): from our own read model, or asked of gateway. The epoch
    // if the customer has never written there.
    Time window_end_read(const std::string& tenant, const Plan& plan);
    Time window_end_now(const std::string& tenant, const Plan& plan);
    std::string approved_template(const std::string& tenant, const Plan& plan);

    eventlog::Store& store_;
    eventlog::ReadModel& read_model_;
    service::Tenants& tenants_;
    service::Contacts& contacts_;
    const Clock& clock_;
    metrics::Histogram lateness_;
    metrics::Registry& metrics_;
    LocalClock local_clock_;
    const Micros window_;  // from the customer's last message to its end
    const Micros follow_up_late_;
};

}  // namespace flowstack::followup
