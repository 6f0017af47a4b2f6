#include "services/followup/adapters/tenants.h"

#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "services/followup/adapters/projections.h"

namespace flowstack::followup {

namespace {

// gateway's word for a status (flowstack.gateway.v1.Tenant.status).
v1::TenantStatus parse_status(const std::string& text) {
    if (text == "CLOSED") return v1::TENANT_STATUS_CLOSED;
    if (text == "SUSPENDED") return v1::TENANT_STATUS_SUSPENDED;
    return v1::TENANT_STATUS_ACTIVE;
}

}  // namespace

v1::TenantView tenant_view(eventlog::ReadModel& read_model, service::Tenants& tenants,
                           const std::string& tenant) {
    v1::TenantView view;
    const auto stored = read_model.get(tenant, kTenantDocument, tenant);
    if (stored && view.ParseFromString(*stored)) return view;
    const auto known = tenants.at_least(tenant, 0);
    view.set_status(parse_status(known->status()));
    take_settings(view, known->settings());
    return view;
}

}  // namespace flowstack::followup
