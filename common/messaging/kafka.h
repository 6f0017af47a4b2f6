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

// Kafka through librdkafka, as little of it as the lane log needs. Nothing here is relied on for
// correctness: the relay verifies what it published, consumers keep their own cursors.
namespace flowstack::messaging {

struct BusUnavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Views: copied by produce().
using RecordHeader = std::pair<std::string_view, std::string_view>;

// Idempotent, acks=all, no message timeout: a record waits until the bus is back or the producer is
// dropped.
class Producer {
public:
    explicit Producer(const std::string& brokers);
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
    // Serves callbacks for at most `wait`; what was acknowledged since the last call.
    std::vector<Acknowledged> poll(std::chrono::milliseconds wait);
    // A fatal error: this producer will never work again. Drop it and begin from the partition's
    // end.
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

// The broker does not take this member any more, for instance because another one came under its
// name while it stood still: a new one must be made.
struct MemberLost : BusUnavailable {
    using BusUnavailable::BusUnavailable;
};

// One member of the group, subscribed to several topics with equal partition counts; `range`
// assignment, so that partition p of all of them is here or not here.
class GroupConsumer {
public:
    struct Options {
        std::string brokers;
        std::string group;
        std::string instance_id;  // static membership
        std::vector<std::string> topics;
        std::chrono::milliseconds session_timeout{10'000};
        std::chrono::milliseconds fetch_wait_max{10};
        int fetch_bytes_min = 1;  // fewer are held back, at most fetch_wait_max
    };
    // Partition numbers of the FIRST topic of the list; called from within poll().
    struct Listener {
        std::function<void(const std::vector<int>&)> assigned;
        // lost: Kafka took them without asking (it was away, or we were).
        std::function<void(const std::vector<int>&, bool lost)> revoked;
    };
    GroupConsumer(Options options, Listener listener);
    ~GroupConsumer();

    // Throws MemberLost.
    std::vector<Record> poll(std::size_t max, std::chrono::milliseconds wait);
    // Hints for lag tools: told to Kafka about once a second. Errors are not.
    void commit_async(const std::vector<Record>& applied);
    // False from when all brokers were down until one is heard again.
    bool connected() const;
    // A subscribed topic is gone: the bus was wiped. Asks a broker; false when none answers in
    // time.
    bool topics_missing(std::chrono::milliseconds timeout) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// The last record of a partition, nothing when it is empty. Throws BusUnavailable.
std::optional<Record> last_record(const std::string& brokers, const std::string& topic,
                                  int partition, std::chrono::milliseconds timeout);

// Makes the topics that are not there with this many partitions. Throws BusUnavailable;
// std::runtime_error when one has another number of partitions.
void ensure_topics(const std::string& brokers, const std::vector<std::string>& topics,
                   int partitions, std::chrono::milliseconds timeout);

}  // namespace flowstack::messaging
