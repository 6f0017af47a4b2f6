#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/flowctl/data_keys.h"
#include "tools/flowctl/lanes.h"
#include "tools/flowctl/migrate.h"
#include "tools/flowctl/replicas.h"

// doctor: what is wrong with an installation, and what to do about it. The parts below judge what
// was observed and ask nothing themselves. Each returns at least one finding: `ok` when all is
// well.
namespace flowstack::flowctl {

struct Finding {
    enum class State {
        ok,
        skipped,  // it could not be looked at from here; `what` says why
        warning,  // works, and should not stay so
        fault,    // something does not work, or the books may be wrong
    };
    State state = State::ok;
    std::string check;     // "lanes"
    std::string what;      // what was seen
    std::string remedy{};  // what to do; empty when it is ok
};
using Findings = std::vector<Finding>;

// More of these than an installation in good health has for longer than a moment.
inline constexpr std::int64_t kUnpublishedMany = 1'000;
inline constexpr std::int64_t kBehindMany = 5'000;
// Leases, timers and the age of a signed callback are told by clocks. A Date header is good to 1 s.
inline constexpr std::chrono::seconds kClockAheadMax{2};
inline constexpr double kDiskFreeShareMin = 0.10;

// The settings that name where the parts of the installation are.
Findings look_at_settings(const stack::Environment& environment);
// That they answer, and what their own checks complain of.
Findings look_at_replicas(const std::vector<Replica>& replicas);
// That all run one version, and this program too.
Findings look_at_versions(const std::vector<Replica>& replicas, const std::string& own);
Findings look_at_clocks(const std::vector<Replica>& replicas);
// That each lane has a living owner and all services have as many lanes, and how far publishing and
// reading are behind.
Findings look_at_lanes(const AllLanes& all, const std::vector<Replica>& replicas);
// That every topic equals its log, and what providers and dead letters have to say.
Findings look_at_counters(const std::vector<Replica>& replicas);
// That data keys open, and whether a second master key is needed any more.
Findings look_at_data_keys(const std::map<std::string, DataKeysOf>& all);
// What `migrate --dry-run` would apply; nothing when that is nothing.
std::optional<Finding> look_at_schema(const std::string& service, const MigrateResult& pending);
// Of the file system that holds `path`; bytes.
Findings look_at_disk(const std::string& path, std::uint64_t free, std::uint64_t capacity);

}  // namespace flowstack::flowctl
