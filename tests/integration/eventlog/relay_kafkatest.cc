#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "common/eventlog/relay.h"
#include "common/messaging/kafka.h"
#include "tests/support/test_database.h"
#include "tests/support/test_vault.h"

namespace flowstack::eventlog {
namespace {

using flowstack::testing::TestDatabase;
using Steady = std::chrono::steady_clock;

constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};
constexpr std::chrono::seconds kPatience{30};

std::string brokers() {
    const char* text = std::getenv("TEST_KAFKA_BROKERS");
    if (!text) throw std::runtime_error("TEST_KAFKA_BROKERS is not set; ./flowstack test sets it");
    return text;
}

// Reads a whole partition with a plain consumer of its own: shares nothing with the product but the
// topic.
std::vector<std::string> partition_values(const std::string& topic, int partition,
                                          std::size_t at_least) {
    char error[512];
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), error, sizeof error);
    rd_kafka_conf_set(conf, "group.id", "independent-reader", error, sizeof error);
    auto* rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    rd_kafka_poll_set_consumer(rk);
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    std::vector<std::string> values;
    const auto until = Steady::now() + kPatience;
    int quiet = 0;
    while (Steady::now() < until && (values.size() < at_least || quiet < 5)) {
        auto* message = rd_kafka_consumer_poll(rk, 100);
        if (!message) {
            ++quiet;
            continue;
        }
        if (!message->err) {
            values.emplace_back(static_cast<const char*>(message->payload), message->len);
            quiet = 0;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return values;
}

class Relaying : public ::testing::Test {
protected:
    explicit Relaying(const Vault& vault = clear_vault())
        : store({.service = "relaytest",
                 .database_url = database.service_url(),
                 .lanes = 4,
                 .vault = &vault},
                [](const StreamName&, int, const NewEvent&, Derived&) {}) {
        messaging::ensure_topics(brokers(), {topic}, 4, std::chrono::seconds(10));
    }

    void happen(int from, int to) {
        for (int i = from; i < to; ++i) {
            Command c;
            c.id = "c" + std::to_string(i);
            c.tenant = "t1";
            c.meta.routing = {RoutingKind::lane, std::to_string(i % 2)};
            c.parts.push_back(
                {{"t1", "thing", std::to_string(i % 2)},
                 kAny,
                 {{"test.v1.Happened", "payload " + std::to_string(i), kNow, i % 50 == 7}}});
            ASSERT_TRUE(store.append(std::move(c)).accepted());
        }
    }

    std::unique_ptr<Relay> relay(Owners& owners) {
        auto made = std::make_unique<Relay>(store, owners,
                                            RelayOptions{.brokers = brokers(), .topic = topic});
        made->start();
        return made;
    }

    // The stretch that a reader sees, without repeats, must be the lane.
    void expect_partition_is_lane(int lane) {
        const auto table = store.read_lane(lane, 1, 0, 100'000, Store::Personal::as_stored);
        const auto values = partition_values(topic, lane, table.size());
        std::size_t next = 0;
        for (const auto& value : values) {
            const auto event = from_bus(value);
            ASSERT_GE(event.position, 1);
            ASSERT_LE(event.position, static_cast<std::int64_t>(next) + 1)
                << "a gap in partition " << lane;
            const auto index = static_cast<std::size_t>(event.position - 1);
            ASSERT_EQ(value, to_bus(table.at(index))) << "differs at position " << event.position;
            next = std::max(next, index + 1);
        }
        EXPECT_EQ(next, table.size()) << "partition " << lane << " is shorter than its lane";
    }

    bool wait_published(Relay& one, std::int64_t total) {
        const auto until = Steady::now() + kPatience;
        while (Steady::now() < until) {
            std::int64_t sum = 0;
            for (const auto& lane : one.status()) sum += lane.published;
            if (sum >= total) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return false;
    }

    TestDatabase database{4};
    Store store;
    const std::string topic = "flowstack.relaytest" + std::to_string(getpid()) + "_" +
                              std::to_string(Steady::now().time_since_epoch().count()) + ".events";
};

TEST_F(Relaying, I9_I10_ThePartitionIsTheLaneAsAnIndependentReaderSeesIt) {
    Owners owners(store, "a");
    owners.assigned({0, 1, 2, 3});
    auto one = relay(owners);
    happen(0, 400);
    ASSERT_TRUE(wait_published(*one, 400));
    expect_partition_is_lane(0);
    expect_partition_is_lane(1);
    one->stop();
    // A new owner goes on where the partition ends.
    Owners next(store, "b");
    next.assigned({0, 1, 2, 3});
    happen(400, 500);
    auto two = relay(next);
    ASSERT_TRUE(wait_published(*two, 500));
    expect_partition_is_lane(0);
    expect_partition_is_lane(1);
}

TEST_F(Relaying, I11_TwoPublishersStillShowTheLaneToAReader) {
    Owners first(store, "a"), second(store, "b");
    first.assigned({0, 1, 2, 3});
    second.assigned({0, 1, 2, 3});
    auto one = relay(first);
    auto two = relay(second);
    happen(0, 300);
    ASSERT_TRUE(wait_published(*one, 300));
    ASSERT_TRUE(wait_published(*two, 300));
    expect_partition_is_lane(0);
    expect_partition_is_lane(1);
}

TEST_F(Relaying, TheVerifierSaysWhenTheTopicDiffersFromTheTable) {
    Owners owners(store, "a");
    owners.assigned({0, 1});
    auto one = relay(owners);
    happen(0, 2);
    const auto event = store.read_lane(0, 1, 0, 1).at(0);
    one->verify(0, to_bus(event));
    auto forged = event;
    forged.payload = "forged";
    one->verify(0, to_bus(forged));
    const auto until = Steady::now() + kPatience;
    while (one->mismatches() == 0 && Steady::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(one->mismatches(), 1);
}

// Events of which the committing process says whether somebody waits for them.
class RelayingInTime : public Relaying {
protected:
    explicit RelayingInTime(std::chrono::milliseconds poll = std::chrono::milliseconds(10),
                            std::chrono::milliseconds hinted_gather = {})
        : one(store, owners,
              {.brokers = brokers(),
               .topic = topic,
               .poll_interval = poll,
               .gather = std::chrono::seconds(4),
               .hinted_gather = hinted_gather}) {
        owners.assigned({0, 1, 2, 3});
        store.on_commit([this](const Commit& commit) {
            for (const auto& [lane, head] : commit.heads) one.wake(lane, head, hurried);
        });
        one.start();
        EXPECT_TRUE(eventually([&] { return one.status().size() == 4; }));
    }
    static bool eventually(const std::function<bool()>& holds) {
        const auto until = Steady::now() + kPatience;
        while (!holds()) {
            if (Steady::now() > until) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return true;
    }
    void another_process_writes_to(int lane) const {
        Store other({.service = "relaytest", .database_url = database.service_url(), .lanes = 4},
                    [](const StreamName&, int, const NewEvent&, Derived&) {});
        const auto number = std::to_string(lane);
        Command c;
        c.id = "untold";
        c.tenant = "t1";
        c.meta.routing = {RoutingKind::lane, number};
        c.parts.push_back({{"t1", "thing", number}, kAny, {{"test.v1.Happened", "x", kNow}}});
        ASSERT_TRUE(other.append(std::move(c)).accepted());
    }
    std::int64_t published(int lane) const {
        for (const auto& known : one.status())
            if (known.lane == lane) return known.published;
        return 0;
    }

    Owners owners{store, "a"};
    Relay one;
    std::atomic<bool> hurried{false};
};

// Does not read the heads: a commit that it sees there before it is told of it, it publishes at
// once.
class RelayingAsTold : public RelayingInTime {
protected:
    RelayingAsTold() : RelayingInTime(std::chrono::hours(1)) {}
};

TEST_F(RelayingAsTold, WhatNobodyWaitsForIsPublishedWithTheNextThatSomebodyWaitsFor) {
    const auto began = Steady::now();
    happen(0, 4);  // two in lane 0, two in lane 1
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(published(0) + published(1), 0);
    hurried = true;
    happen(4, 5);  // in lane 0
    ASSERT_TRUE(eventually([&] { return published(0) == 3; }));
    const auto of_the_other_lane = published(1);
    if (Steady::now() - began < std::chrono::seconds(4)) {
        EXPECT_EQ(of_the_other_lane, 0);
    }
    ASSERT_TRUE(eventually([&] { return published(1) == 2; })) << "it must not wait for ever";
    expect_partition_is_lane(0);
    expect_partition_is_lane(1);
}

// The call of wake() is lost, or the events are another process's.
TEST_F(RelayingInTime, WhatTheRelayWasNotToldOfIsFoundByReadingTheHeads) {
    another_process_writes_to(2);
    EXPECT_TRUE(eventually([&] { return published(2) == 1; }));
}

TEST_F(RelayingAsTold, WhatSomebodyElseSawInTheTableIsPublishedThoughNoCommitToldOfIt) {
    another_process_writes_to(2);
    const std::vector<std::int64_t> heads{0, 0, 1, 0};
    one.seen(heads);
    EXPECT_TRUE(eventually([&] { return published(2) == 1; }));
}

TEST_F(RelayingInTime, ALaneThatIsTakenIsPublishedSoon) {
    Owners more(store, "b");
    Relay two(store, more,
              {.brokers = brokers(), .topic = topic, .poll_interval = std::chrono::hours(1)});
    two.start();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    more.assigned({3});
    EXPECT_TRUE(eventually([&] { return two.status().size() == 1; }));
}

// Another process that follows.
struct Hearing final : Follower {
    void hear(const PublishedPage& page) override {
        const std::lock_guard lock(mutex);
        ++pages;
        for (const auto& record : page) heard[record->lane].push_back(*record);
    }
    void end() override {}
    std::size_t count(int lane) {
        const std::lock_guard lock(mutex);
        return heard[lane].size();
    }
    std::mutex mutex;
    int pages = 0;
    std::map<int, std::vector<Published>> heard;
};

class RelayingToAFollower : public RelayingInTime {
protected:
    static constexpr std::chrono::milliseconds kHintedGather{4'000};

    RelayingToAFollower() : RelayingInTime(std::chrono::hours(1), kHintedGather) {
        hurried = true;
        one.followers().add(follower);
    }
    std::shared_ptr<Hearing> follower = std::make_shared<Hearing>();
};

TEST_F(RelayingToAFollower, ItHearsAtOnceWhatTheBusGetsLaterAndTheTableIsReadOnce) {
    const auto reads = one.counts().reads;
    const auto began = Steady::now();
    happen(0, 10);
    ASSERT_TRUE(eventually([&] { return follower->count(0) == 5 && follower->count(1) == 5; }));
    const auto on_the_bus = published(0) + published(1);
    if (Steady::now() - began < kHintedGather) {
        EXPECT_EQ(on_the_bus, 0);
    }
    ASSERT_TRUE(eventually([&] { return published(0) == 5 && published(1) == 5; }));
    EXPECT_EQ(one.counts().reads - reads, follower->pages) << "the bus is not read for again";
    EXPECT_EQ(one.counts().batches, 2) << "one for each lane";
    expect_partition_is_lane(0);
    expect_partition_is_lane(1);
    const auto table = store.read_lane(0, 1, 0, 100, Store::Personal::as_stored);
    for (std::size_t i = 0; i < table.size(); ++i) {
        EXPECT_EQ(follower->heard[0][i].value, to_bus(table[i]));
        EXPECT_EQ(follower->heard[0][i].key, "t1/0");
        EXPECT_EQ(follower->heard[0][i].position, table[i].position);
    }
}

TEST_F(RelayingToAFollower, WhatGathersGoesToTheBusWhenTheFollowerLeaves) {
    happen(0, 2);
    ASSERT_TRUE(eventually([&] { return follower->count(0) == 1 && follower->count(1) == 1; }));
    one.followers().remove(follower.get());
    const auto left = Steady::now();
    happen(2, 3);  // in lane 0
    ASSERT_TRUE(eventually([&] { return published(0) == 2 && published(1) == 1; }));
    EXPECT_LT(Steady::now() - left, kHintedGather / 2);
}

TEST_F(RelayingToAFollower, WhatGathersIsNotLostWhenTheRelayStops) {
    happen(0, 10);
    ASSERT_TRUE(eventually([&] { return follower->count(0) == 5 && follower->count(1) == 5; }));
    one.stop();
    expect_partition_is_lane(0);
    expect_partition_is_lane(1);
}

const flowstack::testing::TestVault kTestVault;

class RelayingSealed : public Relaying {
protected:
    RelayingSealed() : Relaying(kTestVault) {}
};

TEST_F(RelayingSealed, TheBusCarriesSealedPayloadsAndTheVerifierAgrees) {
    Owners owners(store, "a");
    owners.assigned({0, 1, 2, 3});
    auto one = relay(owners);
    happen(0, 20);
    ASSERT_TRUE(wait_published(*one, 20));
    expect_partition_is_lane(0);
    for (const auto& value : partition_values(topic, 0, 10)) {
        EXPECT_EQ(value.find("payload"), std::string::npos) << "a clear payload is on the bus";
        const auto event = from_bus(value);
        EXPECT_TRUE(event.is_private || event.payload.starts_with(kTestVault.kMark));
        one->verify(0, value);
    }
    EXPECT_EQ(one->mismatches(), 0);
    // The control: the same event in clear is not what was published.
    one->verify(0, to_bus(store.read_lane(0, 1, 0, 1).at(0)));
    const auto until = Steady::now() + kPatience;
    while (one->mismatches() == 0 && Steady::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(one->mismatches(), 1);
}

// The consumer of lanes, on a topic that the relay fills.
class Reading : public Relaying {
protected:
    Reading() {
        happen(0, 40);
        owners.assigned({0, 1, 2, 3});
        publisher = relay(owners);
        EXPECT_TRUE(wait_published(*publisher, 40));
    }
    messaging::LaneConsumer consumer() {
        return messaging::LaneConsumer(
            {.brokers = brokers(), .group = "reading-" + topic, .topics = {topic}});
    }
    // (partition, offset) of what is read until nothing comes for a while.
    std::vector<std::pair<int, std::int64_t>> read(messaging::LaneConsumer& one,
                                                   std::size_t at_least) {
        std::vector<std::pair<int, std::int64_t>> places;
        const auto until = Steady::now() + kPatience;
        int quiet = 0;
        while (Steady::now() < until && (places.size() < at_least || quiet < 5)) {
            const auto records = one.poll(10, std::chrono::milliseconds(100));
            quiet = records.empty() ? quiet + 1 : 0;
            for (const auto& record : records) places.emplace_back(record.partition, record.offset);
        }
        return places;
    }

    Owners owners{store, "r1"};
    std::unique_ptr<Relay> publisher;
};

TEST_F(Reading, ALaneIsReadFromItsFirstRecordAndNoOtherLaneWithIt) {
    auto one = consumer();
    one.assign({1});
    const auto places = read(one, 20);
    ASSERT_EQ(places.size(), 20U);
    for (std::size_t i = 0; i < places.size(); ++i)
        EXPECT_EQ(places[i], std::pair(1, static_cast<std::int64_t>(i)));
}

TEST_F(Reading, ALaneThatStaysGoesOnWhereItWasWhenAnotherComes) {
    auto one = consumer();
    one.assign({1});
    ASSERT_EQ(read(one, 20).size(), 20U);
    one.assign({0, 1});
    const auto places = read(one, 20);
    EXPECT_EQ(places.size(), 20U);
    for (const auto& [partition, offset] : places) EXPECT_EQ(partition, 0);
    one.assign({1});
    happen(40, 60);
    const auto later = read(one, 10);
    ASSERT_EQ(later.size(), 10U);
    EXPECT_EQ(later.front(), std::pair(1, std::int64_t{20}));
}

// Two processes of one name, as when one stood still and was replaced: neither keeps the other from
// reading. Whose reading counts is decided by the cursors.
TEST_F(Reading, NobodyIsKeptFromReadingByAnotherOfTheSameName) {
    auto first = consumer();
    auto second = consumer();
    first.assign({0, 1});
    second.assign({0, 1});
    EXPECT_EQ(read(first, 40).size(), 40U);
    EXPECT_EQ(read(second, 40).size(), 40U);
}

// A bus of its own that can be told to fail: librdkafka's mock cluster, in this process.
class FailingBus {
public:
    explicit FailingBus(const std::string& topic = "events", int partitions = 1) {
        char error[512];
        handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof error);
        cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
        rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1);
    }
    ~FailingBus() {
        rd_kafka_mock_cluster_destroy(cluster_);
        rd_kafka_destroy(handle_);
    }
    FailingBus(const FailingBus&) = delete;
    std::string address() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
    void go_away() { rd_kafka_mock_broker_set_down(cluster_, 1); }
    void come_back() { rd_kafka_mock_broker_set_up(cluster_, 1); }
    // As a broker does that was asked before it knew that it coordinates the group.
    void refuse_to_say_what_was_noted() {
        constexpr std::int16_t kOffsetFetch = 9;
        rd_kafka_mock_push_request_errors(cluster_, kOffsetFetch, 1,
                                          RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    }

private:
    rd_kafka_t* handle_ = nullptr;
    rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

TEST_F(Relaying, AFollowerHearsAlsoWhileTheBusIsAway) {
    FailingBus bus(topic, 4);
    Owners owners(store, "a");
    owners.assigned({0, 1, 2, 3});
    Relay one(store, owners, {.brokers = bus.address(), .topic = topic});
    store.on_commit([&](const Commit& commit) {
        for (const auto& [lane, head] : commit.heads) one.wake(lane, head);
    });
    const auto follower = std::make_shared<Hearing>();
    one.followers().add(follower);
    one.start();
    happen(0, 4);
    ASSERT_TRUE(wait_published(one, 4));
    bus.go_away();
    happen(4, 104);
    const auto until = Steady::now() + kPatience;
    while (follower->count(0) + follower->count(1) < 104 && Steady::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(follower->count(0) + follower->count(1), 104U);
    std::int64_t on_the_bus = 0;
    for (const auto& lane : one.status()) on_the_bus += lane.published;
    EXPECT_EQ(on_the_bus, 4);
    bus.come_back();
    EXPECT_TRUE(wait_published(one, 104));
    one.stop();
}

TEST(LaneConsumer, ReadsAlthoughTheBrokerDidNotKnowYetThatItCoordinatesTheGroup) {
    FailingBus bus;
    messaging::Producer producer(bus.address());
    ASSERT_TRUE(producer.produce("events", 0, "key", "value", {}, 1));
    const auto until = Steady::now() + kPatience;
    while (producer.poll(std::chrono::milliseconds(100)).empty()) ASSERT_LT(Steady::now(), until);

    bus.refuse_to_say_what_was_noted();
    messaging::LaneConsumer consumer(
        {.brokers = bus.address(), .group = "group", .topics = {"events"}});
    consumer.assign({0});
    std::vector<messaging::Record> records;
    while (records.empty() && Steady::now() < until)
        records = consumer.poll(10, std::chrono::milliseconds(100));
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].value, "value");
}

}  // namespace
}  // namespace flowstack::eventlog
