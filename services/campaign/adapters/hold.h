#pragma once

#include <optional>
#include <string>

#include "common/localtime/local_clock.h"
#include "common/service/tenant_view.h"
#include "services/campaign/domain/campaign.h"

namespace flowstack::campaign {

// Promotional campaigns ask for no sends during the tenant's quiet hours: the moment at which those
// end; nothing for other campaigns and at other times.
std::optional<Time> held_until(Type type, const std::string& tenant,
                               const service::TenantView& view, LocalClock& clock, Time now);

}  // namespace flowstack::campaign
