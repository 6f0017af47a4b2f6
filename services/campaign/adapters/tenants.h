#pragma once

#include <optional>
#include <string>

#include "common/eventlog/read_model.h"
#include "common/localtime/local_clock.h"
#include "common/service/tenants.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "services/campaign/domain/campaign.h"

namespace flowstack::campaign {

// The tenant from this service's own read model, or asked of gateway while nothing was read yet.
// Throws what service::Tenants throws.
v1::TenantView tenant_view(eventlog::ReadModel& read_model, service::Tenants& tenants,
                           const std::string& tenant);

// Promotional campaigns ask for no sends during the tenant's quiet hours: the moment at which those
// end; nothing for other campaigns and at other times.
std::optional<Time> held_until(Type type, const std::string& tenant, const v1::TenantView& view,
                               LocalClock& clock, Time now);

}  // namespace flowstack::campaign
