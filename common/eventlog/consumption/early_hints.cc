#include "common/eventlog/consumption/early_hints.h"

#include <utility>

namespace flowstack::eventlog::consuming {

bool EarlyHints::hold(const Where& where, std::int64_t position, BusRecord&& hint) {
    const auto size = hint.value.size();
    if (count_ >= kEarlyHintsMax || bytes_ + size > kEarlyHintBytesMax) return false;
    if (!held_[where].try_emplace(position, std::move(hint)).second) return true;  // a repeat
    ++count_;
    bytes_ += size;
    return true;
}

std::vector<BusRecord> EarlyHints::next(const Cursors& cursors) {
    std::vector<BusRecord> taken;
    for (auto lane = held_.begin(); lane != held_.end();) {
        // A lane that is not assigned any more was forgotten, so it has a cursor.
        auto applied = cursors.all().at(lane->first).applied;
        auto& hints = lane->second;
        while (!hints.empty() && hints.begin()->first <= applied + 1) {
            auto& [position, hint] = *hints.begin();
            count_out(hint);
            if (position == applied + 1) {
                applied = position;
                taken.push_back(std::move(hint));
            }
            hints.erase(hints.begin());
        }
        lane = hints.empty() ? held_.erase(lane) : std::next(lane);
    }
    return taken;
}

void EarlyHints::forget(const Where& where) {
    const auto lane = held_.find(where);
    if (lane == held_.end()) return;
    for (const auto& [position, hint] : lane->second) count_out(hint);
    held_.erase(lane);
}

}  // namespace flowstack::eventlog::consuming
