#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "common/eventlog/consumption.h"
#include "common/eventlog/consumption/cursors.h"

namespace flowstack::eventlog::consuming {

inline constexpr std::size_t kEarlyHintsMax = 2'000;
inline constexpr std::size_t kEarlyHintBytesMax = 4 << 20;

// Hints that came before their turn: one was lost, or the bus has not yet brought what was
// published before the stream began. They wait until what lies between is applied. Without them a
// lane that is never silent would wait for the bus at each of its events from then on.
class EarlyHints {
public:
    // False when there is no room; the hint is lost then.
    bool hold(const Where& where, std::int64_t position, BusRecord&& hint);
    // Takes out those whose turn it is, and drops what was applied meanwhile.
    std::vector<BusRecord> next(const Cursors& cursors);
    void forget(const Where& where);

private:
    using OfLane = std::map<std::int64_t, BusRecord>;
    void count_out(const BusRecord& hint) {
        --count_;
        bytes_ -= hint.value.size();
    }

    std::map<Where, OfLane> held_;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace flowstack::eventlog::consuming
