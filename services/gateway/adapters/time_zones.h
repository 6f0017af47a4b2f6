#pragma once

#include <vector>

#include "services/gateway/domain/tenant_settings.h"

namespace flowstack::gateway {

// The time zones that this machine has (TZDIR, else /usr/share/zoneinfo), with the countries that
// zone.tab gives to them: the same files from which every service reads local time. Throws
// std::runtime_error when there are none.
std::vector<TimeZone> installed_time_zones();

}  // namespace flowstack::gateway
