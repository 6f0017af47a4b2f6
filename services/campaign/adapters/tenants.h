#pragma once

#include <string>

#include "common/eventlog/read_model.h"
#include "common/service/tenants.h"

namespace flowstack::campaign {

// ACTIVE, SUSPENDED or CLOSED: as this service has read of the tenant, or as gateway says while it
// has not. Throws what service::Tenants throws.
std::string tenant_status(eventlog::ReadModel& read_model, service::Tenants& tenants,
                          const std::string& tenant);

}  // namespace flowstack::campaign
