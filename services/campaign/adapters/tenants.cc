#include "services/campaign/adapters/tenants.h"

#include "flowstack/campaign/v1/views.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "services/campaign/adapters/handlers.h"

namespace flowstack::campaign {

std::string tenant_status(eventlog::ReadModel& read_model, service::Tenants& tenants,
                          const std::string& tenant) {
    v1::TenantView view;
    const auto stored = read_model.get(tenant, kTenantDocument, tenant);
    if (stored && view.ParseFromString(*stored)) return view.status();
    return tenants.at_least(tenant, 0)->status();
}

}  // namespace flowstack::campaign
