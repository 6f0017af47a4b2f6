#include "services/gateway/adapters/settings_check.h"

#include <mutex>
#include <set>
#include <utility>

#include "common/observability/log.h"
#include "common/observability/metrics.h"

namespace flowstack::gateway {

struct SettingsCheck::State {
    Installation installation;
    metrics::Gauge gauge;
    std::mutex mutex;
    std::set<std::string> faulty;
};

SettingsCheck::SettingsCheck(metrics::Registry& metrics, Installation installation)
    : state_(new State{
          std::move(installation),
          metrics.gauge("flowstack_gateway_tenants_with_faulty_settings",
                        "Tenants whose stored settings this installation would refuse now"),
          {},
          {}}) {}
SettingsCheck::~SettingsCheck() = default;

void SettingsCheck::operator()(const KnownTenant& tenant) {
    std::string text;
    for (const auto& fault : faults_of(tenant.settings, state_->installation))
        if (fault.field != "pack")
            text += (text.empty() ? "" : "; ") + fault.field + ": " + fault.description;
    const std::lock_guard lock(state_->mutex);
    const bool faulty = !text.empty() && tenant.status != TenantStatus::closed;
    if (faulty)
        log::warn("a tenant has settings that this installation would refuse now: change them",
                  {{"tenant", tenant.tenant_id}, {"faults", text}});
    if (faulty)
        state_->faulty.insert(tenant.tenant_id);
    else
        state_->faulty.erase(tenant.tenant_id);
    state_->gauge.set(static_cast<double>(state_->faulty.size()));
}

}  // namespace flowstack::gateway
