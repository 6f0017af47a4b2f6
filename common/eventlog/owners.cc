#include "common/eventlog/owners.h"

#include <algorithm>

namespace flowstack::eventlog {

using Steady = std::chrono::steady_clock;

Owners::Owners(Store& store, std::string replica) : store_(store), replica_(std::move(replica)) {}

void Owners::assigned(const std::vector<int>& lanes) {
    for (const int lane : lanes) {
        const auto epoch = store_.pool().with([&](postgres::Session& session) {
            return session
                .query("select take_lane($1, $2)", postgres::Params().add(lane).add(replica_))
                .int8(0, 0);
        });
        {
            const std::lock_guard lock(mutex_);
            owned_[lane] = {epoch, Steady::now()};
        }
        for (const auto& listener : gained_) listener(lane);
    }
}

void Owners::revoked(const std::vector<int>& lanes) {
    for (const int lane : lanes) drop(lane);
}

void Owners::drop(int lane) {
    {
        const std::lock_guard lock(mutex_);
        if (owned_.erase(lane) == 0) return;
    }
    for (const auto& listener : lost_) listener(lane);
}

void Owners::check() {
    std::map<int, Owned> mine;
    {
        const std::lock_guard lock(mutex_);
        mine = owned_;
    }
    if (mine.empty()) return;
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query("select lane, owner_epoch from lane_owner");
    });
    for (int row = 0; row < result.rows(); ++row) {
        const auto found = mine.find(result.int4(row, 0));
        if (found != mine.end() && result.int8(row, 1) > found->second.epoch) drop(found->first);
    }
}

std::optional<OwnerGuard> Owners::guard(int lane) const {
    const std::lock_guard lock(mutex_);
    const auto found = owned_.find(lane);
    if (found == owned_.end()) return std::nullopt;
    return OwnerGuard{lane, found->second.epoch};
}

std::vector<int> Owners::lanes() const {
    const std::lock_guard lock(mutex_);
    std::vector<int> lanes;
    for (const auto& [lane, owned] : owned_) lanes.push_back(lane);
    return lanes;
}

std::chrono::milliseconds Owners::poll_every(std::chrono::milliseconds shared) const {
    constexpr int kAlone = 10;
    const std::lock_guard lock(mutex_);
    return static_cast<int>(owned_.size()) == store_.options().lanes ? shared * kAlone : shared;
}

std::optional<Steady::time_point> Owners::since(int lane) const {
    const std::lock_guard lock(mutex_);
    const auto found = owned_.find(lane);
    if (found == owned_.end()) return std::nullopt;
    return found->second.since;
}

}  // namespace flowstack::eventlog
