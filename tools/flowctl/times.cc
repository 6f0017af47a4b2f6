#include "tools/flowctl/times.h"

#include <ctime>

#include "tools/flowctl/context.h"

namespace flowstack::flowctl {

std::int64_t seconds_of(const std::string& what, const std::string& text) {
    for (const auto* form :
         {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
        std::tm parts{};
        const auto* end = strptime(text.c_str(), form, &parts);
        if (end != nullptr && *end == '\0') return timegm(&parts);
    }
    throw UsageError(what + ": '" + text + "' is no time; say 2026-11-25T09:00:00Z (UTC)");
}

}  // namespace flowstack::flowctl
