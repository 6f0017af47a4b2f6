#pragma once

#include <optional>
#include <string>

#include "common/core/time.h"
#include "services/followup/domain/quiet_hours.h"

// Wall clocks of the world's time zones (IANA names, abseil's tables).
namespace flowstack::followup {

// When the quiet hours that `now` falls into end; nothing outside of them. A time zone that is not
// known counts as UTC. Where the clocks change, an hour that does not exist ends at the change, and
// one that comes twice ends with its first passing that is still ahead.
std::optional<Time> quiet_until(const QuietHours& quiet, const std::string& time_zone, Time now);

}  // namespace flowstack::followup
