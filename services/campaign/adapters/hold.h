#pragma once

#include <optional>
#include <string>

#include "common/eventlog/read_model.h"
#include "common/localtime/local_clock.h"
#include "common/service/tenant_view.h"
#include "services/campaign/domain/campaign.h"

namespace flowstack::campaign {

// Promotional campaigns ask for no sends during the tenant's quiet hours: the moment at which those
// end; nothing for other campaigns and at other times.
std::optional<Time> held_until(Type type, const std::string& tenant,
                               const service::TenantView& view, LocalClock& clock, Time now);

// Why the provider does not let the campaign's template be sent, as far as this service has read:
// "template order_ready (en_US) is PAUSED"; nothing when it may be sent, is not known, or there is
// none. gateway judges each send all the same.
std::optional<std::string> template_hold(eventlog::ReadModel& read_model, const std::string& tenant,
                                         const Draft& draft);

}  // namespace flowstack::campaign
