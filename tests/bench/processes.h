#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

// What a system of several processes costs, as /proc says it. A process counts with all that
// descend from it: PostgreSQL has a process for each session, and sessions end.
namespace flowstack::bench {

struct ProcessTimes {
    pid_t parent = 0;
    // User and system time, of the process and of those of its children that have ended.
    std::int64_t ticks = 0;
};
using Processes = std::map<pid_t, ProcessTimes>;

// The text of /proc/<pid>/stat; nothing when it is not one.
std::optional<ProcessTimes> parse_stat(std::string_view stat);
// The process and all that descend from it. Empty when it is gone.
std::vector<pid_t> family_of(pid_t root, const Processes& processes);
std::int64_t family_ticks(pid_t root, const Processes& processes);

// Every process of this machine now.
Processes read_processes();
// Of these processes with their families; throws when one of them is gone.
double cpu_seconds_of(const std::vector<pid_t>& roots);
// Memory of these processes with their families. Programs of one build share the pages of their
// libraries, and members of a family more than these, so each page counts by its share (PSS).
double memory_mb_of(const std::vector<pid_t>& roots);
// What all CPUs of the machine have worked so far, stolen time included.
double machine_busy_seconds();

}  // namespace flowstack::bench
