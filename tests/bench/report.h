#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

// What a bench says: one entry a figure, as JSON for machines and as a table for people.
namespace flowstack::bench {

// At least (or at most) `factor` times what the peer reaches in the same run; without a peer,
// `factor` itself in the entry's unit.
struct Goal {
    enum class Kind { at_least, at_most };
    Kind kind = Kind::at_least;
    double factor = 0;
    std::string peer;
};

struct Peer {
    std::vector<double> samples;  // one a round, in the entry's unit
    std::string missing;          // why it could not be measured
};

struct Check {
    std::string name;
    bool ok = true;
    std::string value;
    // A note is shown and does not decide whether the figure counts: the machine was never idle.
    bool note = false;
};

struct Entry {
    std::string name;  // "append/32"
    std::string unit;
    std::vector<double> samples;  // one a round
    std::vector<Goal> goals;
    std::map<std::string, Peer> peers;
    std::vector<Check> checks;
    // What no change may do to this figure; `--check` fails when it did. A goal is where the figure
    // is to get, a guard is how far it may fall.
    std::optional<Goal> guard;
};

// Whether every goal is reached, judged by medians. Nothing when it cannot be said: a peer that a
// goal names is missing, or there is no goal. False when a check failed.
std::optional<bool> met(const Entry& entry);

// "at least 6 x message-db and 0.7 x probe"
std::string goal_text(const Entry& entry);

// An array of {name, value, unit, min, max, goal, met, peers, checks}; `met` is null when unknown.
// An entry with a guard also has `guard` {text, holds}.
std::string json_of(const std::vector<Entry>& entries);
std::string table_of(const std::vector<Entry>& entries);

// Whether the guard holds, judged by medians like a goal. Nothing when it cannot be said.
std::optional<bool> guard_holds(const Entry& entry);

// The verdict of `--check` over all guards of a run.
struct GuardVerdict {
    // Every guard holds, and there is one. A guard that could not be judged does not hold: a check
    // that compares nothing must not pass.
    bool ok = false;
    std::string text;  // "e2e/50/cpu 4 × Node (at most 1.25), …"
};
GuardVerdict judge_guards(const std::vector<Entry>& entries);

// False when a check failed: the figures are worth nothing then.
bool sound(const std::vector<Entry>& entries);

}  // namespace flowstack::bench
