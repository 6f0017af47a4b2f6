#include "services/followup/adapters/tenants.h"

#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "services/followup/adapters/handlers.h"

namespace flowstack::followup {

void take_settings(v1::TenantView& view, const gateway::v1::TenantSettings& settings) {
    view.set_time_zone(settings.time_zone());
    view.set_quiet_start_minute(settings.quiet_hours().start_minute());
    view.set_quiet_end_minute(settings.quiet_hours().end_minute());
}

v1::TenantView tenant_view(eventlog::ReadModel& read_model, service::Tenants& tenants,
                           const std::string& tenant) {
    v1::TenantView view;
    const auto stored = read_model.get(tenant, kTenantDocument, tenant);
    if (stored && view.ParseFromString(*stored)) return view;
    const auto known = tenants.at_least(tenant, 0);
    view.set_status(known->status());
    take_settings(view, known->settings());
    return view;
}

}  // namespace flowstack::followup
