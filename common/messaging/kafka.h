#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/messaging/brokers.h"

// Kafka through librdkafka, as little of it as the lane log needs. Correctness does not depend on
// anything here: the relay verifies what it published, and consumers keep their own cursors.
namespace flowstack::messaging {

struct BusUnavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};
// A broker is there and does not let us in, or is not whom we expect: a wrong name, password,
// certificate or protocol. Waiting does not help, settings do.
struct BusRefused : BusUnavailable {
    using BusUnavailable::BusUnavailable;
};

// Why the library cannot use these files and names, without asking any broker; empty: it can. Names
// the setting where the library says which one it is.
std::string why_unusable(const Brokers& brokers);

// Name and value, as views: produce() copies them.
using RecordHeader = std::pair<std::string_view, std::string_view>;

// Idempotent, acks=all, no message timeout: a record waits until the bus is back or the producer is
// dropped.
class Producer {
public:
    explicit Producer(const Brokers& brokers);
    ~Producer();

    // False when the local queue is full: poll, then try again. `tag` comes back with the
    // acknowledgement.
    bool produce(const std::string& topic, int partition, const std::string& key,
                 const std::string& value, std::span<const RecordHeader> headers, std::int64_t tag);

    struct Acknowledged {
        int partition;
        std::int64_t tag;
        bool delivered;
    };
    // Serves callbacks for at most `wait`. Returns what was acknowledged since the last call.
    std::vector<Acknowledged> poll(std::chrono::milliseconds wait);
    // Called, on a thread of the library, when `poll` has something to serve after it had served
    // everything: for a thread that waits for several things at once. Not called any more when the
    // producer is destroyed. Keep it short, and do not poll in it.
    void on_acknowledgement(std::function<void()> listener);
    // True after a fatal error: this producer will never work again. The caller drops it and begins
    // anew from the partition's end.
    bool fatal() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

struct Record {
    std::string topic;
    int partition = 0;
    std::int64_t offset = 0;
    std::string key;
    std::string value;
};

// Reads the partitions it is told to read: partition p of several topics together. It is no member
// of a Kafka group, so no broker gives partitions away or holds them back: who reads what is
// decided in PostgreSQL (common/eventlog/membership.h).
class LaneConsumer {
public:
    struct Options {
        Brokers brokers;
        std::string group;  // the name under which offsets are noted, for lag tools and restarts
        std::vector<std::string> topics;
        std::chrono::milliseconds fetch_wait_max{10};
        int fetch_bytes_min = 1;  // a broker holds fewer bytes back, for at most fetch_wait_max
    };
    struct Place {
        std::string topic;
        int partition = 0;
        std::int64_t offset = 0;
    };
    explicit LaneConsumer(Options options);
    ~LaneConsumer();

    // Reads these partitions of every topic from now on, and no others. A partition that was read
    // before goes on where it was; a new one begins at the offset noted for the group, or at its
    // first record. Throws BusUnavailable.
    void assign(const std::vector<int>& partitions);

    // At most `max` records: waits for the first one, takes with it what has arrived, and waits for
    // nothing more.
    std::vector<Record> poll(std::size_t max, std::chrono::milliseconds wait);
    // Called, on a thread of the library, when something has arrived after `poll` had returned
    // fewer than `max`: for a thread that waits for several things at once. Not called any more
    // when the consumer is destroyed. Keep it short, and do not poll in it.
    void on_arrival(std::function<void()> listener);
    // Notes in Kafka how far was read, about once a second. Only lag tools and the next start look
    // at it, so an error is ignored.
    void commit_async(const std::vector<Place>& applied);
    // False from when all brokers were down until one is heard again.
    bool connected() const;
    // What the library complained of last, while not connected; empty: nothing. Any thread.
    std::string complaint() const;
    // True when one of these topics does not exist any more: the bus was wiped. False as well when
    // no broker answers in time.
    bool topics_missing(const std::vector<std::string>& topics,
                        std::chrono::milliseconds timeout) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Returns the last record of a partition, or nothing when it is empty. Throws BusUnavailable.
std::optional<Record> last_record(const Brokers& brokers, const std::string& topic, int partition,
                                  std::chrono::milliseconds timeout);

// Whether the partition ever had a record. False for a topic that was made anew, or is not there.
// Throws BusUnavailable.
bool was_written(const Brokers& brokers, const std::string& topic, int partition,
                 std::chrono::milliseconds timeout);

// Reads one partition from its first record at or after a time up to the end that it has now, by
// nobody's name. Throws BusUnavailable.
class PartitionReader {
public:
    PartitionReader(const Brokers& brokers, std::string topic, int partition,
                    std::chrono::system_clock::time_point from, std::chrono::milliseconds timeout);
    ~PartitionReader();

    // The next records, in order; none: the end was reached.
    std::vector<Record> next(std::size_t max);
    // Whether it began at the partition's first record.
    bool from_first() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Makes the topics that do not exist, with this many partitions. Throws BusUnavailable, BusRefused
// where a broker does not let us in, and std::runtime_error when an existing topic has another
// number of partitions.
void ensure_topics(const Brokers& brokers, const std::vector<std::string>& topics, int partitions,
                   std::chrono::milliseconds timeout);

}  // namespace flowstack::messaging
