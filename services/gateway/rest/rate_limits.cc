#include "services/gateway/rest/rate_limits.h"

#include <chrono>

#include "common/rpc/error.h"
#include "services/gateway/rest/rest_calls.h"

namespace flowstack::gateway {

RateLimits::Limit::Limit(int per_second, int at_once, const char* name, metrics::Registry* metrics)
    : text(rpc::calls_text(per_second, at_once)) {
    if (per_second == 0) return;
    limits.emplace(
        resilience::GcraLimit{.per_second = static_cast<double>(per_second), .burst = at_once});
    if (metrics != nullptr)
        refused.emplace(metrics->counter("flowstack_rest_rate_limited_total",
                                         "REST calls refused because their key or tenant calls too "
                                         "often",
                                         {{"limit", name}}));
}

void RateLimits::Limit::take(const std::string& key, const std::string& subject,
                             resilience::Instant now) {
    if (!limits) return;
    const auto wait = limits->take(key, now);
    if (!wait) return;
    if (refused) refused->add();
    throw rpc::rate_limited(subject, text, std::chrono::ceil<std::chrono::milliseconds>(*wait));
}

RateLimits::RateLimits(const Options& options)
    : keys_(options.key_calls_per_second, options.key_calls_at_once_max, "key", options.metrics),
      tenants_(options.tenant_calls_per_second, options.tenant_calls_at_once_max, "tenant",
               options.metrics) {}

void RateLimits::take(const Caller& caller, resilience::Instant now) {
    if (caller.operates_platform()) return;
    // A token may be good for several tenants; which one a call means is not known yet. Such a
    // token has its own limit only.
    const auto& tenants = caller.grants.tenants;
    const auto tenant = tenants.size() == 1 ? tenants.begin()->first : "";
    // The key first: a key that calls too often takes nothing of what its tenant's others may.
    keys_.take(tenant + "/" + caller.actor, caller.actor, now);
    if (!tenant.empty()) tenants_.take(tenant, "tenants/" + tenant, now);
}

}  // namespace flowstack::gateway
