#pragma once

#include <cstdint>
#include <string>

namespace flowstack::chaos {

struct KillerOptions {
    std::string script;   // ./flowstack
    std::string run_dir;  // of the stack that is hurt; notes go to <run_dir>/chaos
    std::uint64_t seed = 0;
    int replicas = 1;
    int rounds_max = 0;            // 0 = until told to stop
    std::string only;              // kinds separated by commas; empty = all
    std::int64_t pause_ms = 1500;  // between two rounds, on average
};

// Hurts the stack, round after round, until Shared::stop; heals it and returns 0. Each round is one
// line of JSON in <run_dir>/chaos/rounds.jsonl.
int run_killer(const KillerOptions& options);

}  // namespace flowstack::chaos
