#include "common/eventlog/owners.h"

namespace flowstack::eventlog {

using Steady = std::chrono::steady_clock;

Owners::Owners(Store& store, std::string replica) : store_(store), replica_(std::move(replica)) {}

bool Owners::take(int lane, std::int64_t incarnation, std::optional<std::int64_t> seen_epoch) {
    auto params = postgres::Params().add(lane).add(replica_).add(incarnation);
    if (seen_epoch)
        params.add(*seen_epoch);
    else
        params.add_null();
    const auto row = store_.pool().with([&](postgres::Session& session) {
        return session.query("select take_lane($1, $2, $3, $4)", params);
    });
    if (row.null(0, 0)) return false;
    {
        const std::lock_guard lock(mutex_);
        owned_[lane] = {row.int8(0, 0), Steady::now()};
    }
    for (const auto& listener : gained_) listener(lane);
    return true;
}

void Owners::assigned(const std::vector<int>& lanes) {
    for (const int lane : lanes) take(lane);
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

void Owners::seen(int lane, std::int64_t epoch) {
    const auto mine = guard(lane);
    if (mine && epoch > mine->owner_epoch) drop(lane);
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

bool Owners::alone() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(owned_.size()) == store_.options().lanes;
}

std::chrono::milliseconds Owners::poll_every(std::chrono::milliseconds shared) const {
    constexpr int kAlone = 10;
    return alone() ? shared * kAlone : shared;
}

std::optional<Steady::time_point> Owners::since(int lane) const {
    const std::lock_guard lock(mutex_);
    const auto found = owned_.find(lane);
    if (found == owned_.end()) return std::nullopt;
    return found->second.since;
}

}  // namespace flowstack::eventlog
