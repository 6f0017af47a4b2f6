#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "common/eventlog/relay.h"
#include "common/messaging/kafka.h"
#include "common/rpc/server.h"
#include "common/service/consume_loop.h"
#include "common/service/event_log_service.h"
#include "common/service/hint_reader.h"
#include "common/service/lane_watch.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"
#include "tests/support/test_database.h"

// One process that reads three logs by real Kafka: its own and one that somebody waits for at once,
// and one that gathers.
namespace flowstack::service {
namespace {

using flowstack::testing::TestDatabase;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kLanes = 4;
constexpr milliseconds kGather{6'000};
constexpr seconds kPatience{30};

std::string brokers() {
    const char* text = std::getenv("TEST_KAFKA_BROKERS");
    if (!text) throw std::runtime_error("TEST_KAFKA_BROKERS is not set; ./flowstack test sets it");
    return text;
}

bool eventually(const std::function<bool()>& holds) {
    const auto until = Steady::now() + kPatience;
    while (!holds()) {
        if (Steady::now() > until) return false;
        std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
}

// A service that writes: its log and its relay.
class Writer {
public:
    explicit Writer(const std::string& service, milliseconds hinted_gather = {})
        : store({.service = service, .database_url = database.service_url(), .lanes = kLanes},
                [](const eventlog::StreamName&, int, const eventlog::NewEvent&,
                   eventlog::Derived&) {}),
          owners(store, "0"),
          relay(
              store, owners,
              {.brokers = brokers(), .topic = topic_of(service), .hinted_gather = hinted_gather}) {
        messaging::ensure_topics(brokers(), {topic_of(service)}, kLanes, seconds(10));
        store.on_commit([this](const eventlog::Commit& commit) {
            for (const auto& [lane, head] : commit.heads) relay.wake(lane, head);
        });
    }
    void publish() {
        owners.assigned({0, 1, 2, 3});
        relay.start();
    }
    void happen() {
        eventlog::Command command;
        command.id = "c" + std::to_string(++commands);
        command.tenant = "t1";
        command.meta.routing = {eventlog::RoutingKind::lane, "1"};
        command.parts.push_back(
            {{"t1", "thing", "1"}, eventlog::kAny, {{"test.v1.Happened", "x", Time{}}}});
        ASSERT_TRUE(store.append(std::move(command)).accepted());
    }

    TestDatabase database{kLanes};
    eventlog::Store store;
    eventlog::Owners owners;
    eventlog::Relay relay;
    int commands = 0;
};

class Reading : public ::testing::Test {
protected:
    Reading() {
        consumption.react([this](const eventlog::Recorded& event, eventlog::Turn&) {
            const std::lock_guard lock(mutex);
            ++applied[event.service];
        });
        reader.relay.start();
        prompt.publish();
        slow.publish();
        loop.start();
        watch.start();
        EXPECT_TRUE(eventually([&] { return loop.settled() && loop.bus().ready; }));
    }
    ~Reading() override {
        consumption.stop();
        loop.stop();
        watch.stop();
    }
    int count(const Writer& of) {
        const std::lock_guard lock(mutex);
        return applied[of.store.options().service];
    }
    // Until `of` has brought so many.
    bool await(const Writer& of, int events) {
        return eventually([&] { return count(of) >= events; });
    }

    const std::string id =
        std::to_string(getpid()) + "x" + std::to_string(Steady::now().time_since_epoch().count());
    Writer reader{"reader" + id}, prompt{"prompt" + id, kGather}, slow{"slow" + id};
    eventlog::Membership membership{reader.store, reader.owners, {.replica = "0"}};
    eventlog::Consumption consumption{
        reader.store,
        {{"reader" + id, eventlog::own_source(reader.store)},
         {"prompt" + id, eventlog::own_source(prompt.store)},
         {"slow" + id, eventlog::own_source(slow.store)}},
        // Nothing here is to be found by comparing heads.
        {.consumer = "reader" + id, .head_compare_every = seconds(3'600)}};
    ConsumeLoop loop{
        {.service = "reader" + id,
         .sources = {"prompt" + id, "slow" + id},
         .topics = {topic_of("reader" + id), topic_of("prompt" + id), topic_of("slow" + id)},
         .lanes = kLanes,
         .brokers = brokers(),
         .gathering = {"slow" + id},
         .gather = kGather,
         .heard =
             [this](const std::string& source) {
                 const std::lock_guard lock(mutex);
                 return all_heard && all_heard(source);
             }},
        membership,
        reader.owners,
        consumption,
        {[](int, const std::string&) {}}};
    LaneWatch watch{membership};
    // Whether all of a source is heard of by hints.
    void set_heard(std::function<bool(const std::string& source)> now) {
        const std::lock_guard lock(mutex);
        all_heard = std::move(now);
    }

    std::mutex mutex;
    std::map<std::string, int> applied;
    std::function<bool(const std::string&)> all_heard;
};

TEST_F(Reading, WhatSomebodyWaitsForIsNotHeldBackByWhatGathers) {
    // Both consumers have begun: a new one may take its time to find where it was.
    slow.happen();
    prompt.happen();
    reader.happen();
    ASSERT_TRUE(await(slow, 1) && await(prompt, 1) && await(reader, 1));
    constexpr int kRounds = 4;
    for (int round = 0; round < kRounds; ++round) {
        slow.happen();
        const auto written = Steady::now();
        prompt.happen();
        reader.happen();
        ASSERT_TRUE(await(prompt, 2 + round) && await(reader, 2 + round));
        // Held back, it would come at any moment of the gathering: in half of it, four times in a
        // row, once in sixteen tests.
        EXPECT_LT(Steady::now() - written, kGather / 2) << "round " << round;
    }
    EXPECT_TRUE(await(slow, 1 + kRounds)) << "what gathers arrives as well";
}

TEST_F(Reading, ASourceGathersWhileAllOfItIsHeardOfAndIsReadAtOnceAgainWhenItIsNot) {
    set_heard([this](const std::string& source) { return source == "prompt" + id; });
    prompt.happen();
    ASSERT_TRUE(await(prompt, 1));
    std::this_thread::sleep_for(seconds(3));  // longer than it must be heard before it gathers
    prompt.happen();
    ASSERT_TRUE(await(prompt, 2));
    // The fetch that brought it has ended just now; the next one is held for its whole time.
    auto written = Steady::now();
    prompt.happen();
    ASSERT_TRUE(await(prompt, 3));
    EXPECT_GT(Steady::now() - written, kGather / 2);

    set_heard({});
    written = Steady::now();
    prompt.happen();
    ASSERT_TRUE(await(prompt, 4));
    EXPECT_LT(Steady::now() - written, kGather / 2);
}

// The log of `prompt` is also followed, by the stream of production.
class Hinted : public Reading {
protected:
    Hinted() { open(); }
    ~Hinted() override {
        set_heard({});
        hints->stop();
        close();
    }
    void open() {
        door = std::make_unique<rpc::Server>(
            rpc::ServerOptions{.port = port, .admission = {.internal_key = Secret("key")}});
        service = make_event_log_service(*door, prompt.store,
                                         {.id = "0", .followers = &prompt.relay.followers()});
        door->add(*service, common::v1::EventLog::service_full_name());
        door->start();
        port = door->port();
        if (hints) return;
        hints = std::make_unique<HintReader>(
            HintReader::Options{.reader = "reader",
                                .sources = {{"prompt" + id,
                                             "127.0.0.1:" + std::to_string(port),
                                             {.internal_key = Secret("key")}}}},
            [this](std::vector<eventlog::BusRecord> heard) { loop.hear(std::move(heard)); });
        hints->start();
        set_heard([this](const std::string& source) { return hints->complete(source); });
        EXPECT_TRUE(eventually([&] { return prompt.relay.followers().any(); }));
    }
    // As when the process is killed: nobody is told.
    void close() {
        door.reset();
        service.reset();
    }
    std::int64_t on_the_bus() const {
        std::int64_t sum = 0;
        for (const auto& lane : prompt.relay.status()) sum += lane.published;
        return sum;
    }

    std::uint16_t port = 0;
    std::unique_ptr<rpc::Server> door;
    std::unique_ptr<grpc::Service> service;
    std::unique_ptr<HintReader> hints;
};

TEST_F(Hinted, WhatSomebodyWaitsForIsAppliedBeforeTheBusHasItAndOnceOnly) {
    ASSERT_TRUE(eventually([&] { return prompt.relay.status().size() == kLanes; }));
    const auto written = Steady::now();
    for (int i = 0; i < 10; ++i) prompt.happen();
    ASSERT_TRUE(await(prompt, 10));
    const auto published = on_the_bus();
    if (Steady::now() - written < kGather) {
        EXPECT_EQ(published, 0);
    }
    EXPECT_EQ(consumption.hints().applied, 10);
    ASSERT_TRUE(eventually([&] { return on_the_bus() == 10; }));
    // The bus brings them again, and what comes after them last.
    reader.happen();
    ASSERT_TRUE(await(reader, 1));
    EXPECT_EQ(count(prompt), 10);
}

TEST_F(Hinted, WhenTheStreamIsLostTheBusBringsEverythingAtOnce) {
    prompt.happen();
    ASSERT_TRUE(await(prompt, 1));
    close();
    ASSERT_TRUE(eventually([&] { return !prompt.relay.followers().any(); }));
    ASSERT_TRUE(eventually([&] { return on_the_bus() == 1; }));
    const auto written = Steady::now();
    for (int i = 0; i < 10; ++i) prompt.happen();
    ASSERT_TRUE(await(prompt, 11));
    EXPECT_LT(Steady::now() - written, kGather / 2);
    EXPECT_EQ(consumption.hints().applied, 1);

    open();  // the replica is back
    ASSERT_TRUE(eventually([&] { return prompt.relay.followers().any(); }));
    prompt.happen();
    ASSERT_TRUE(await(prompt, 12));
    EXPECT_EQ(consumption.hints().applied, 2);
    ASSERT_TRUE(eventually([&] { return on_the_bus() == 12; }));
    EXPECT_EQ(count(prompt), 12);
}

// (topic, partition) → the offset that Kafka has for the group, where it has one.
std::map<std::string, std::int64_t> committed(const std::string& group,
                                              const std::vector<std::string>& topics) {
    char error[512];
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), error, sizeof error);
    rd_kafka_conf_set(conf, "group.id", group.c_str(), error, sizeof error);
    auto* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    auto* list = rd_kafka_topic_partition_list_new(1);
    for (const auto& topic : topics) rd_kafka_topic_partition_list_add(list, topic.c_str(), 1);
    std::map<std::string, std::int64_t> offsets;
    if (rd_kafka_committed(client, list, 5'000) == RD_KAFKA_RESP_ERR_NO_ERROR)
        for (int i = 0; i < list->cnt; ++i) offsets[list->elems[i].topic] = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
    return offsets;
}

TEST_F(Reading, HowFarItReadIsNotedOfBothConsumers) {
    slow.happen();
    prompt.happen();
    ASSERT_TRUE(await(slow, 1) && await(prompt, 1));
    const auto slow_topic = topic_of("slow" + id), prompt_topic = topic_of("prompt" + id);
    EXPECT_TRUE(eventually([&] {
        auto offsets = committed("flowstack.reader" + id, {slow_topic, prompt_topic});
        return offsets[slow_topic] == 1 && offsets[prompt_topic] == 1;
    }));
}

void delete_topic(const std::string& topic) {
    char error[512];
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), error, sizeof error);
    auto* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    auto* queue = rd_kafka_queue_new(client);
    auto* wanted = rd_kafka_DeleteTopic_new(topic.c_str());
    rd_kafka_DeleteTopics(client, &wanted, 1, nullptr, queue);
    if (auto* event = rd_kafka_queue_poll(queue, 10'000)) rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(wanted);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
}

bool exists(const std::string& topic) {
    char error[512];
    auto* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), error, sizeof error);
    auto* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    const rd_kafka_metadata_t* metadata = nullptr;
    bool found = false;
    if (rd_kafka_metadata(client, 1, nullptr, &metadata, 5'000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < metadata->topic_cnt; ++i) found |= metadata->topics[i].topic == topic;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_destroy(client);
    return found;
}

// One consumer may be busy while what the other one reads is gone.
TEST_F(Reading, ATopicThatIsGoneIsNoticedOfBothConsumers) {
    for (const auto* service : {"slow", "prompt"}) {
        const auto topic = topic_of(service + id);
        delete_topic(topic);
        ASSERT_TRUE(eventually([&] { return !exists(topic); }));
        auto& busy = std::string(service) == "slow" ? prompt : slow;
        EXPECT_TRUE(eventually([&] {
            busy.happen();
            return exists(topic);
        })) << topic;
    }
}

TEST_F(Reading, AnErrandIsDoneWhileNothingArrives) {
    const auto began = Steady::now();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(loop.errands().run<int>([i] { return i; }), i);
    // Each would wait for the thread's next look, half a second apart, if it did not wake it.
    EXPECT_LT(Steady::now() - began, seconds(5));
}

// What makes /readyz answer that the replica is not ready: one with a wrong password must not take
// the place of one with the right one.
TEST(ConsumeLoop, SaysThatTheBusHasNeverLetItIn) {
    const std::string kind = std::getenv("TEST_KAFKA_KIND");
    if (kind != "kafka") GTEST_SKIP() << "the stand-in knows no passwords";
    TestDatabase database{kLanes};
    eventlog::Store store(
        {.service = "refused", .database_url = database.service_url(), .lanes = kLanes},
        [](const eventlog::StreamName&, int, const eventlog::NewEvent&, eventlog::Derived&) {});
    eventlog::Owners owners(store, "0");
    eventlog::Membership membership(store, owners, {.replica = "0"});
    eventlog::Consumption consumption(store, {{"refused", eventlog::own_source(store)}},
                                      {.consumer = "refused"});
    messaging::Brokers wrong(std::getenv("TEST_KAFKA_SASL_BROKERS"));
    wrong.protocol = messaging::Brokers::Protocol::sasl_ssl;
    wrong.ca_file = std::string(std::getenv("TEST_CERTIFICATES")) + "/ca.pem";
    wrong.mechanism = "PLAIN";
    wrong.username = "flowstack";
    wrong.password = Secret("wrong");
    ConsumeLoop loop({.service = "refused",
                      .sources = {},
                      .topics = {topic_of("refused")},
                      .lanes = kLanes,
                      .brokers = wrong},
                     membership, owners, consumption, {[](int, const std::string&) {}});
    loop.start();
    EXPECT_TRUE(eventually([&] { return loop.bus().refused; }));
    const auto bus = loop.bus();
    EXPECT_FALSE(bus.ready);
    EXPECT_NE(bus.detail.find("SASL authentication error"), std::string::npos) << bus.detail;
    consumption.stop();
    loop.stop();
}

}  // namespace
}  // namespace flowstack::service
