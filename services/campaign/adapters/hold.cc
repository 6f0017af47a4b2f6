#include "services/campaign/adapters/hold.h"

namespace flowstack::campaign {

std::optional<Time> held_until(Type type, const std::string& tenant,
                               const service::TenantView& view, LocalClock& clock, Time now) {
    if (type != Type::promotional) return std::nullopt;
    return clock.quiet_until(tenant, {view.quiet_start_minute(), view.quiet_end_minute()},
                             view.time_zone(), now);
}

}  // namespace flowstack::campaign
