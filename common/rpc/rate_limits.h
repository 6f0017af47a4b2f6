#pragma once

#include <optional>
#include <string>

#include "common/identity/grants.h"
#include "common/observability/metrics.h"
#include "common/resilience/keyed_limits.h"

namespace flowstack::rpc {

// How often a tenant's people and machines may call, at REST and gRPC together: each API key or
// token for itself, and all of a tenant together, so that a tenant with many keys takes no more
// than its share. The platform's operators are not counted. Each process counts for itself.
// Thread-safe.
class RateLimits {
public:
    struct Options {
        int key_calls_per_second = 0;  // 0: no limit
        int key_calls_at_once_max = 1;
        int tenant_calls_per_second = 0;  // 0: no limit
        int tenant_calls_at_once_max = 1;
        // flowstack_client_rate_limited_total{limit="key"|"tenant"}. Must outlive this object.
        metrics::Registry* metrics = nullptr;
    };
    explicit RateLimits(const Options& options);

    // Counts a call of this caller. Throws RATE_LIMITED, with RetryInfo, when it must wait.
    void take(const identity::Grants& grants, const std::string& actor, resilience::Instant now);

private:
    struct Limit {
        Limit(int per_second, int at_once, const char* name, metrics::Registry* metrics);
        void take(const std::string& key, const std::string& subject, resilience::Instant now);

        std::string text;  // "100 calls a second, 500 at once"
        std::optional<resilience::KeyedLimits> limits;
        std::optional<metrics::Counter> refused;
    };
    Limit keys_;
    Limit tenants_;
};

}  // namespace flowstack::rpc
