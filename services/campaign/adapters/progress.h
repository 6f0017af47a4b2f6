#pragma once

#include <map>

#include "common/eventlog/types.h"
#include "common/observability/metrics.h"
#include "services/campaign/domain/audience_shard.h"

namespace flowstack::campaign {

// Counts how often recipients of any campaign came to a disposition. At least once each, as events
// are applied.
class Progress {
public:
    explicit Progress(metrics::Registry& metrics);
    void count(const eventlog::Recorded& event) const;

private:
    std::map<Disposition, metrics::Counter> recipients_;
};

}  // namespace flowstack::campaign
