#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/eventlog/store.h"

// Which lanes this replica owns, and under which epoch. Membership decides who works on a lane; the
// epoch in the database decides whether what a replica did there counts.
namespace flowstack::eventlog {

class Owners {
public:
    Owners(Store& store, std::string replica);

    // Takes a lane under a new epoch. With `seen_epoch`, only if nobody has taken it since that
    // epoch was read: false then. `incarnation`: see the table `replicas`.
    bool take(int lane, std::int64_t incarnation = 0,
              std::optional<std::int64_t> seen_epoch = std::nullopt);
    // Takes all of these lanes, whoever holds them.
    void assigned(const std::vector<int>& lanes);
    // Notes that these lanes are not ours any more.
    void revoked(const std::vector<int>& lanes);
    // Notes the epoch that the database has for the lane: a newer one than ours ends our ownership.
    void seen(int lane, std::int64_t epoch);

    std::optional<OwnerGuard> guard(int lane) const;
    std::vector<int> lanes() const;
    // Whether this replica owns every lane: hardly anybody else writes to them then, and
    // Store::on_commit reports our own writes.
    bool alone() const;
    // How often to look for what other replicas have written to our lanes: ten times as long while
    // this replica is alone.
    std::chrono::milliseconds poll_every(std::chrono::milliseconds shared) const;
    // When this replica took the lane. A new owner waits attempt_start_max before it calls a
    // provider.
    std::optional<std::chrono::steady_clock::time_point> since(int lane) const;

    void on_gain(std::function<void(int lane)> listener) { gained_.push_back(std::move(listener)); }
    void on_loss(std::function<void(int lane)> listener) { lost_.push_back(std::move(listener)); }

private:
    struct Owned {
        std::int64_t epoch;
        std::chrono::steady_clock::time_point since;
    };
    void drop(int lane);

    Store& store_;
    std::string replica_;
    mutable std::mutex mutex_;
    std::map<int, Owned> owned_;
    std::vector<std::function<void(int)>> gained_;
    std::vector<std::function<void(int)>> lost_;
};

}  // namespace flowstack::eventlog
