#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/core/thread_pool.h"
#include "services/gateway/dispatch/attempt.h"

// Takes over the lanes that this replica comes to own. For attempt_start_max an old owner may
// still begin a call; then every attempt that it left without an outcome becomes UNKNOWN, and then
// the lane is open: its queues are read. A lane that nobody has owned before is open at once.
namespace flowstack::gateway {

class LaneRecovery {
public:
    // A message that the lane's owner before us has tried, and that is not due yet.
    struct Retry {
        WorkRef ref;
        MessageId message_id;
        int priority = 0;
        Time due_at{};
    };
    using OnRetry = std::function<void(const Retry&)>;

    // `on_retry` hears of a lane's retries on the dispatcher's thread, before the lane is open.
    LaneRecovery(eventlog::Store& store, eventlog::Owners& owners, const Clock& clock,
                 const DispatcherOptions& options, const DispatchCounters& counters,
                 MessageStreams& streams, const Attempts& attempts, ThreadPool& readers, Loop& loop,
                 OnRetry on_retry)
        : store_(store),
          owners_(owners),
          clock_(clock),
          attempt_start_max_(options.attempt_start_max),
          counters_(counters),
          streams_(streams),
          attempts_(attempts),
          readers_(readers),
          loop_(loop),
          on_retry_(std::move(on_retry)) {}

    // Looks which lanes are ours now. Returns the moment at which it must be asked again.
    std::chrono::steady_clock::time_point look(std::chrono::steady_clock::time_point now);
    bool is_open(int lane) const;
    // The lanes that are open, and the epoch under which each was taken over.
    std::map<int, std::int64_t> open_lanes() const;

private:
    struct Lane {
        std::int64_t epoch = 0;  // under which it was taken over
        bool open = false;
        std::chrono::steady_clock::time_point again_at{};  // after a failure
    };

    void recover(int lane, const eventlog::OwnerGuard& guard);
    // On a reading thread.
    void declare_lost(int lane, const eventlog::OwnerGuard& guard);
    void declare_lost(const MessageId& message_id, const WorkRef& ref,
                      const eventlog::OwnerGuard& guard);
    std::vector<Retry> retries_of(int lane);

    eventlog::Store& store_;
    eventlog::Owners& owners_;
    const Clock& clock_;
    std::chrono::milliseconds attempt_start_max_;
    const DispatchCounters counters_;
    MessageStreams& streams_;
    const Attempts& attempts_;
    ThreadPool& readers_;
    Loop& loop_;
    OnRetry on_retry_;
    std::map<int, Lane> lanes_;
};

}  // namespace flowstack::gateway
