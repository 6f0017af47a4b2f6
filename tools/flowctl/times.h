#pragma once

#include <cstdint>
#include <string>

namespace flowstack::flowctl {

// Unix seconds of "2026-11-25T09:00:00Z", "2026-11-25 09:00:00", "2026-11-25 09:00" and
// "2026-11-25", in UTC. Throws UsageError that begins with `what`.
std::int64_t seconds_of(const std::string& what, const std::string& text);

}  // namespace flowstack::flowctl
