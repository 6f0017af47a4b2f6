#pragma once

#include <map>
#include <mutex>
#include <string>

#include "common/observability/health.h"
#include "common/observability/metrics.h"

// What the people who run this service have to hear of: customers who got no answer, or not the one
// that they should have got. Thread-safe.
namespace flowstack::conversation {

class Alarms {
public:
    explicit Alarms(metrics::Registry& registry);

    // A message was handled. `missing_pack` is the flow that the tenant's settings name and that
    // neither the tenant nor this build has; empty when the flow was found.
    void handled(const std::string& tenant, const std::string& missing_pack);
    // A conversation was given to a person, because a flow or this service failed.
    void gave_up();
    // A follow-up was due, and nobody wrote words for its kind.
    void unsaid();

    // Degraded while the last message of some tenant had no flow that could answer it.
    observability::Check check() const;

private:
    // Which tenant it is about stands in the log: tenants are too many for a label.
    metrics::Counter unanswered_;
    metrics::Counter given_up_;
    metrics::Counter unsaid_;
    mutable std::mutex mutex_;
    std::map<std::string, std::string> mute_;  // tenant → the pack that is missing
};

}  // namespace flowstack::conversation
