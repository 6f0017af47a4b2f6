#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/eventlog/store.h"

// Which lanes this replica owns, and under which epoch. Kafka's group decides who works on a lane;
// the epoch in the database decides whether what they did counts.
namespace flowstack::eventlog {

class Owners {
public:
    Owners(Store& store, std::string replica);

    // Told by whoever decides (Kafka's rebalance, or a test): takes the lanes under new epochs.
    void assigned(const std::vector<int>& lanes);
    // Given away in good order.
    void revoked(const std::vector<int>& lanes);
    // Kafka is away: go on until a newer epoch shows. `check` looks; call it about twice a second.
    void check();

    std::optional<OwnerGuard> guard(int lane) const;
    std::vector<int> lanes() const;
    // How often to look for what others have written to our lanes. While every lane is ours nearly
    // nobody else writes, and what we write ourselves is told by Store::on_commit: ten times as
    // long then.
    std::chrono::milliseconds poll_every(std::chrono::milliseconds shared) const;
    // When this lane was taken: a new owner waits attempt_start_ms_max before it calls anybody
    // outside.
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
