#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/eventlog/bounded_queue.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/membership.h"
#include "common/eventlog/owners.h"
#include "common/messaging/brokers.h"
#include "common/service/errands.h"
#include "common/service/loop.h"
#include "common/service/topic_watch.h"

namespace flowstack::messaging {
class LaneConsumer;
}

namespace flowstack::service {

// The topic of a service's log.
std::string topic_of(const std::string& service);

// The consuming thread of a process: takes and gives back lanes as Membership says, reads the
// topics of those lanes from Kafka, and hands the records to Consumption.
//
// What somebody waits for is read at once. The other sources are read by a consumer of their own,
// for which the broker lets records gather: a record that is fetched alone costs Kafka, this
// process and the store as much as a hundred that come together. The thread sleeps until something
// has arrived or is due; it does not poll.
//
// Hints are put beside what Kafka brings, in the order in which they come. While all hints of a
// source come, Kafka only repeats what is known, so that source gathers too. When they stop coming
// it is read at once again.
//
// Kafka may come late and go away. Lanes do not depend on it, and what it does not bring is fetched
// from the sources.
class ConsumeLoop {
public:
    struct Options {
        std::string service;
        std::vector<std::string> sources;   // the services that this one reads, besides itself
        std::vector<std::string> topics{};  // made with `lanes` partitions when they do not exist
        int lanes = 64;
        messaging::Brokers brokers;
        // How long a broker holds an empty fetch. What somebody waits for, it sends when it comes;
        // a lane that was just taken is in the next fetch.
        std::chrono::milliseconds fetch_wait{500};
        // Those of `sources` and `service` whose events nobody waits for. They gather at the broker
        // for at most gather.
        std::set<std::string> gathering{};
        std::chrono::milliseconds gather{500};
        // Whether hear() is told of all new events of this source now. None: of no source.
        std::function<bool(const std::string& source)> heard{};
    };
    struct Listener {
        // A record of the service's own topic, for the relay to compare.
        std::function<void(int lane, const std::string& value)> own_record;
    };

    ConsumeLoop(Options options, eventlog::Membership& membership, eventlog::Owners& owners,
                eventlog::Consumption& consumption, Listener listener);
    ~ConsumeLoop();

    void start();
    void stop();

    // Hints: applied as soon as the thread is free. From any thread; what there is no room for is
    // left to the bus.
    void hear(std::vector<eventlog::BusRecord> hints);
    std::int64_t hints_lost() const { return hints_lost_; }

    // True once this replica has taken the lanes of its share for the first time.
    bool settled() const { return settled_; }
    struct Bus {
        bool ready = false;
        // A broker has not let this process in, nor ever before: waiting does not help, settings
        // do.
        bool refused = false;
        std::string detail = "not looked at yet";
    };
    Bus bus() const;
    // Runs something on the consuming thread and waits for its answer.
    Errands& errands() { return errands_; }

private:
    void run();
    void move_lanes();
    void follow_owners();
    // One consumer and what it reads; no consumer while that is nothing.
    struct Reader {
        bool gathers = false;
        std::vector<std::string> topics{};
        std::shared_ptr<messaging::LaneConsumer> consumer{};
        std::vector<int> lanes{};
        std::chrono::steady_clock::time_point topics_checked{};
    };
    // All three return whether records came.
    bool take_hints();
    bool read_bus();
    bool read(Reader& reader);
    void open(Reader& reader);
    void divide_sources();
    bool gathers(const std::string& source);
    void ask_for_topics();
    void wait_for_something();
    void set_bus(bool ready, const std::string& detail, bool refused = false);

    Options options_;
    eventlog::Membership& membership_;
    eventlog::Owners& owners_;
    eventlog::Consumption& consumption_;
    Listener listener_;
    Errands errands_;
    std::atomic<bool> settled_{false};
    mutable std::mutex mutex_;
    Bus bus_;
    std::mutex hints_mutex_;
    eventlog::BoundedQueue<eventlog::BusRecord> hints_;
    std::atomic<std::int64_t> hints_lost_{0};

    // The members below belong to the consuming thread.
    std::vector<int> consumed_;    // lanes that Consumption works on
    std::vector<Reader> readers_;  // what somebody waits for comes first
    std::chrono::steady_clock::time_point divided_at_{};
    // Since when all hints of a source have come.
    std::map<std::string, std::chrono::steady_clock::time_point> heard_since_;
    bool topics_made_ = false;
    bool was_let_in_ = false;  // once; a broker that refuses later may be wrong itself
    TopicWatch topics_;
    Loop loop_;  // last: its end waits for the thread that uses the others
};

}  // namespace flowstack::service
