#pragma once

#include <string>

#include "common/eventlog/read_model.h"
#include "common/service/tenants.h"
#include "flowstack/followup/v1/views.pb.h"

namespace flowstack::followup {

// As this service has read of the tenant, or as gateway says while it has not. Throws what
// service::Tenants throws.
v1::TenantView tenant_view(eventlog::ReadModel& read_model, service::Tenants& tenants,
                           const std::string& tenant);

}  // namespace flowstack::followup
