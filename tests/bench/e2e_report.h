#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/bench/greetings.h"
#include "tests/bench/report.h"

// What `e2e` says of the figures that it took: its entries with their goals, guards and checks.
// Pure.
namespace flowstack::bench {

inline constexpr int kE2ePaces[] = {50, 100, 200};  // customers a second
inline constexpr int kE2eFlight = 128;              // customers who always wait
inline constexpr const char* kE2ePeer = "Node";

// One round of one side by name, without "e2e/": "50/p50", "flight128", "idle".
using E2eFigures = std::map<std::string, double>;

// Of one side. Only the first takes goals away; the others are notes.
std::vector<Check> load_checks(const std::string& side, const Outcome& tally, const Latencies& lag,
                               double others_cores);

// `peer_missing`: why the peer has no rounds. `full`: ours once more with events in the logs; none
// when that was not asked for.
std::vector<Entry> e2e_entries(const std::vector<E2eFigures>& ours,
                               const std::vector<E2eFigures>& peer, const std::string& peer_missing,
                               const std::vector<E2eFigures>& full,
                               const std::vector<Check>& checks);

}  // namespace flowstack::bench
