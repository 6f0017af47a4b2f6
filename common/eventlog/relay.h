#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/eventlog/followers.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/messaging/brokers.h"

namespace flowstack::messaging {
class Producer;
}

// Publishes the lanes that this replica owns: lane p is partition p, in position order and nothing
// else.
//
// `published` advances only over the contiguous acknowledged prefix. On start the last record of
// the partition says where to go on; the relay never goes back, consumers fetch what the bus lost.
//
// What it reads, its followers hear at once. While another process follows, nobody waits for the
// bus any more: records gather for a moment and are produced together.
namespace flowstack::eventlog {

struct RelayOptions {
    messaging::Brokers brokers;
    std::string topic;
    std::chrono::milliseconds poll_interval{10};
    // Events that nobody waits for are published with the next one that somebody waits for, or
    // after this time.
    std::chrono::milliseconds gather{100};
    // While another process follows, records gather for so long before they are produced.
    std::chrono::milliseconds hinted_gather{100};
    int page_events = 1000;
    int in_flight_max = 10'000;
};

class Relay {
public:
    Relay(Store& store, Owners& owners, RelayOptions options);
    ~Relay();
    void start();
    void stop();
    // A commit of this process wrote to the lane. `hurried`: somebody waits for one of its events.
    void wake(int lane, std::int64_t head, bool hurried = true);
    // The heads of all lanes, as somebody has just read them from the table. Publishes what no call
    // of wake() told of. While this is called about once a second, the relay does not read them
    // itself as long as this replica owns every lane.
    void seen(std::span<const std::int64_t> heads);

    // Some lane waits to be compared with the bus (Membership::Seen::uncompared).
    void look_again();

    // Compares a record of the service's own topic with the table. Cheap: it queues; a thread of
    // its own compares what has come within a moment by one question to the table.
    void verify(int lane, std::string value);

    struct Status {
        int lane;
        std::int64_t published;
        std::int64_t head;
        // Since when the oldest event that is not published has been known.
        std::optional<std::chrono::steady_clock::time_point> behind_since{};
    };
    std::vector<Status> status() const;
    std::int64_t mismatches() const;

    // Who hears of new records at once.
    Followers& followers();

    // Since the start.
    struct Counts {
        std::int64_t reads = 0;    // questions to the table of events
        std::int64_t batches = 0;  // records of one lane that were produced together
        std::int64_t records = 0;  // produced
    };
    Counts counts() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::eventlog
