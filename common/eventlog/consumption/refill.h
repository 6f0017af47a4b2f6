#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/eventlog/consumption/batch.h"
#include "common/eventlog/consumption/cursors.h"
#include "common/eventlog/source.h"

namespace flowstack::eventlog::consuming {

inline constexpr int kRefillPageEvents = 500;
// A comparison that saw a cursor behind is followed by the next one so many times sooner: what was
// lost is found after 4/3 of the usual time between two comparisons, at the latest.
inline constexpr int kLookAgainSooner = 3;

// Fetches from the sources' own logs what the bus did not bring: what lies in a gap, and what comes
// after the last record that arrived.
class Refill {
public:
    Refill(const std::map<std::string, std::shared_ptr<Source>>& sources, Cursors& cursors,
           Batches& batches)
        : sources_(sources), cursors_(cursors), batches_(batches) {}

    // Applies the events after the cursor up to position `to`. Stops early when the source is away.
    void fetch(const Where& where, std::int64_t to);

    // Compares the cursors with their sources' heads, when `every` has passed since it did so last.
    // A cursor that stands behind the head twice at the same place is refilled: the bus does not
    // bring what comes next. Whether it compared.
    bool compare_heads(std::chrono::milliseconds every);
    std::chrono::steady_clock::time_point due(std::chrono::milliseconds every) const {
        return compared_ + (look_again_ ? every / kLookAgainSooner : every);
    }

private:
    const std::map<std::string, std::shared_ptr<Source>>& sources_;
    Cursors& cursors_;
    Batches& batches_;
    std::map<Where, std::int64_t> seen_;  // what was applied at the last comparison
    std::chrono::steady_clock::time_point compared_ = std::chrono::steady_clock::now();
    bool look_again_ = false;  // a cursor was behind
};

}  // namespace flowstack::eventlog::consuming
