#include "common/rpc/rate_limits.h"

#include <chrono>

#include "common/rpc/error.h"

namespace flowstack::rpc {

RateLimits::Limit::Limit(int per_second, int at_once, const char* name, metrics::Registry* metrics)
    : text(calls_text(per_second, at_once)) {
    if (per_second == 0) return;
    limits.emplace(
        resilience::GcraLimit{.per_second = static_cast<double>(per_second), .burst = at_once});
    if (metrics != nullptr)
        refused.emplace(metrics->counter("flowstack_client_rate_limited_total",
                                         "Calls refused because their key, token or tenant calls "
                                         "too often",
                                         {{"limit", name}}));
}

void RateLimits::Limit::take(const std::string& key, const std::string& subject,
                             resilience::Instant now) {
    if (!limits) return;
    const auto wait = limits->take(key, now);
    if (!wait) return;
    if (refused) refused->add();
    throw rate_limited(subject, text, std::chrono::ceil<std::chrono::milliseconds>(*wait));
}

RateLimits::RateLimits(const Options& options)
    : keys_(options.key_calls_per_second, options.key_calls_at_once_max, "key", options.metrics),
      tenants_(options.tenant_calls_per_second, options.tenant_calls_at_once_max, "tenant",
               options.metrics) {}

void RateLimits::take(const identity::Grants& grants, const std::string& actor,
                      resilience::Instant now) {
    if (grants.platform_admin) return;
    // A token may be good for several tenants; which one a call means is not known yet. Such a
    // token has its own limit only.
    const auto& tenants = grants.tenants;
    const auto tenant = tenants.size() == 1 ? tenants.begin()->first : "";
    // The key first: a key that calls too often takes nothing of what its tenant's others may.
    keys_.take(tenant + "/" + actor, actor, now);
    if (!tenant.empty()) tenants_.take(tenant, "tenants/" + tenant, now);
}

}  // namespace flowstack::rpc
