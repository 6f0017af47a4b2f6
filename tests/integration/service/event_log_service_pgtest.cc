#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <thread>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/membership.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/eventlog/tail.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/service/event_log_service.h"
#include "common/service/hint_reader.h"
#include "common/service/tail_watch.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"
#include "tests/support/test_database.h"
#include "tests/support/test_vault.h"

// The log of one service as another one reads it: over gRPC, from a real database.
namespace flowstack::service {
namespace {

namespace v1 = common::v1;
using eventlog::Command;
using eventlog::Part;

constexpr int kLanes = 2;
constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};

class EventLogService : public ::testing::Test {
protected:
    explicit EventLogService(const eventlog::Vault& vault = eventlog::clear_vault())
        : store_({.service = "test",
                  .database_url = database_.service_url(),
                  .lanes = kLanes,
                  .vault = &vault},
                 derive),
          door_({.admission = {.internal_key = Secret("key")}}),
          service_(make_event_log_service(door_, store_)) {
        door_.add(*service_, v1::EventLog::service_full_name());
        door_.start();
        channel_ = rpc::make_channel("127.0.0.1:" + std::to_string(door_.port()),
                                     {.internal_key = Secret("key"), .attempts_max = 1});
        stub_ = v1::EventLog::NewStub(channel_);
        lane_ = store_.lane_of({eventlog::RoutingKind::customer, "c"}, "t1");
    }

    // A claim for each payload "name:…", so that there is something to verify.
    static void derive(const eventlog::StreamName& stream, int, const eventlog::NewEvent& event,
                       eventlog::Derived& out) {
        if (event.payload.starts_with("name:"))
            out.claims.push_back({stream.tenant, "name", event.payload, "", stream});
    }

    void append(const std::string& payload) {
        Command command;
        command.id = "command-" + payload;
        command.tenant = "t1";
        command.meta.routing = {eventlog::RoutingKind::customer, "c"};
        command.dedupe = eventlog::Dedupe::none;
        Part part{{"t1", "thing", payload}, eventlog::kCreate, {}};
        part.events.push_back(
            {.type = "test.v1.Happened", .payload = payload, .occurred_at = kNow});
        command.parts.push_back(std::move(part));
        ASSERT_TRUE(store_.append(command).accepted());
    }

    std::unique_ptr<grpc::ClientReader<v1::RecordedEvent>> subscribe(grpc::ClientContext& context,
                                                                     int lane, int from) {
        rpc::set_timeout(context, std::chrono::seconds(60));
        v1::SubscribeRequest request;
        request.set_lane(lane);
        request.set_from_position(from);
        return stub_->Subscribe(&context, request);
    }

    testing::TestDatabase database_{kLanes};
    eventlog::Store store_;
    rpc::Server door_;
    std::unique_ptr<grpc::Service> service_;
    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<v1::EventLog::Stub> stub_;
    int lane_ = 0;
};

TEST_F(EventLogService, DeliversWhatIsThereAndThenWhatIsAppended) {
    append("one");
    append("two");
    grpc::ClientContext context;
    auto reader = subscribe(context, lane_, 1);
    v1::RecordedEvent event;
    for (const auto* payload : {"one", "two"}) {
        ASSERT_TRUE(reader->Read(&event));
        EXPECT_EQ(event.payload(), payload);
    }
    append("three");
    ASSERT_TRUE(reader->Read(&event));
    EXPECT_EQ(event.payload(), "three");
    EXPECT_EQ(event.position(), 3);
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(EventLogService, GoesOnFromThePositionThatIsAskedFor) {
    append("one");
    append("two");
    grpc::ClientContext context;
    auto reader = subscribe(context, lane_, 2);
    v1::RecordedEvent event;
    ASSERT_TRUE(reader->Read(&event));
    EXPECT_EQ(event.payload(), "two");
    context.TryCancel();
    reader->Finish();
}

TEST_F(EventLogService, RefusesALaneOrPositionThatCannotBe) {
    struct {
        int lane;
        int from;
        v1::ErrorReason reason;
    } cases[] = {{kLanes, 1, v1::ERROR_REASON_NOT_FOUND},
                 {-1, 1, v1::ERROR_REASON_NOT_FOUND},
                 {lane_, 0, v1::ERROR_REASON_FIELD_INVALID}};
    for (const auto& each : cases) {
        grpc::ClientContext context;
        auto reader = subscribe(context, each.lane, each.from);
        v1::RecordedEvent event;
        EXPECT_FALSE(reader->Read(&event));
        const auto failure = rpc::failure_of(reader->Finish());
        ASSERT_TRUE(failure);
        EXPECT_EQ(failure->reason, each.reason);
    }
}

TEST_F(EventLogService, ASubscriberIsSentElsewhereWhenTheServiceDrains) {
    append("one");
    grpc::ClientContext context;
    auto reader = subscribe(context, lane_, 1);
    v1::RecordedEvent event;
    ASSERT_TRUE(reader->Read(&event));
    door_.drain(std::chrono::seconds(30));
    EXPECT_FALSE(reader->Read(&event));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(EventLogService, IsTheSameReadAsPagesOrAsASource) {
    append("one");
    append("two");
    const auto source = make_remote_source(channel_);
    EXPECT_EQ(source->heads().at(static_cast<std::size_t>(lane_)), 2);
    const auto events = source->read(lane_, 1, 0, 10);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[1].payload, "two");
    v1::ReadRequest request;
    request.set_lane(lane_);
    request.set_from_position(1);
    request.set_page_size(1);
    grpc::ClientContext context;
    v1::ReadResponse page;
    ASSERT_TRUE(stub_->Read(&context, request, &page).ok());
    ASSERT_EQ(page.events_size(), 1);
    EXPECT_EQ(page.next_position(), 2);
}

TEST_F(EventLogService, I24_AReaderThatIsFurtherThanTheLogShowsThatItsTailIsLost) {
    append("one");
    append("two");
    // Another service, whose cursor stands at position 5 of this log.
    testing::TestDatabase reader_database(kLanes);
    eventlog::Store reader(
        {.service = "reader", .database_url = reader_database.service_url(), .lanes = kLanes},
        derive);
    const auto cursor_at = [&](int position) {
        postgres::Session({.url = reader_database.service_url()})
            .query(R"sql(insert into cursors (consumer, source, lane, position)
                         values ('reader', 'test', $1, $2)
                         on conflict (consumer, source, lane) do update set position = $2)sql",
                   postgres::Params().add(lane_).add(std::int64_t{position}));
    };
    rpc::Server reader_door({.admission = {.internal_key = Secret("key")}});
    const auto reader_log = make_event_log_service(reader_door, reader);
    reader_door.add(*reader_log, v1::EventLog::service_full_name());
    reader_door.start();
    TailWatch watch(store_,
                    {{"reader", rpc::make_channel("127.0.0.1:" + std::to_string(reader_door.port()),
                                                  {.internal_key = Secret("key")})},
                     {"away", rpc::make_channel("127.0.0.1:1", {.attempts_max = 1})}},
                    std::chrono::hours(1));
    cursor_at(2);
    EXPECT_EQ(watch.look(), 0);
    append("three");
    cursor_at(5);
    EXPECT_EQ(watch.look(), 1);
    Command command;
    command.id = "refused";
    command.tenant = "t1";
    command.meta.routing = {eventlog::RoutingKind::customer, "c"};
    command.parts.push_back(
        {{"t1", "thing", "refused"}, eventlog::kAny, {{"test.v1.Happened", "x", kNow}}});
    EXPECT_THROW(store_.append(command), eventlog::LaneRefuses);

    grpc::ClientContext context;
    rpc::set_timeout(context, std::chrono::seconds(10));
    v1::LaneStatusResponse status;
    ASSERT_TRUE(stub_->LaneStatus(&context, {}, &status).ok());
    EXPECT_EQ(status.lanes(lane_).position(), 3);
    EXPECT_EQ(status.lanes(lane_).lost_to(), 5);
    EXPECT_EQ(status.lanes(1 - lane_).lost_to(), 0);
    EXPECT_FALSE(status.lanes(lane_).not_compared());
    EXPECT_EQ(status.lanes(lane_).epoch(), 1);
}

TEST_F(EventLogService, ListsAndReleasesHeldWorkAndRefusesWhatSaysTooLittle) {
    postgres::Session({.url = database_.service_url()})
        .run(
            "insert into work (lane, kind, key, due_at, priority, ref, held_due_at) "
            "select 0, 'ask', 'p' || n, '2200-01-01', 0, '', '2026-01-01' "
            "from generate_series(1, 3) n");
    const auto call = [&](auto method, const auto& request, auto& answer) {
        grpc::ClientContext context;
        rpc::set_timeout(context, std::chrono::seconds(10));
        return (stub_.get()->*method)(&context, request, &answer).error_code();
    };
    v1::ListHeldWorkRequest list;
    list.set_page_size(2);
    v1::ListHeldWorkResponse page;
    EXPECT_EQ(call(&v1::EventLog::Stub::ListHeldWork, list, page), grpc::StatusCode::OK);
    ASSERT_EQ(page.work_size(), 2);
    EXPECT_EQ(page.work(0).key(), "p1");
    *list.mutable_after() = page.work(1);
    EXPECT_EQ(call(&v1::EventLog::Stub::ListHeldWork, list, page), grpc::StatusCode::OK);
    ASSERT_EQ(page.work_size(), 1);
    EXPECT_EQ(page.work(0).key(), "p3");

    v1::ReleaseHeldWorkRequest release;
    v1::ReleaseHeldWorkResponse released;
    EXPECT_EQ(call(&v1::EventLog::Stub::ReleaseHeldWork, release, released),
              grpc::StatusCode::INVALID_ARGUMENT);
    release.set_key("p2");
    EXPECT_EQ(call(&v1::EventLog::Stub::ReleaseHeldWork, release, released), grpc::StatusCode::OK);
    EXPECT_EQ(released.released(), 1);
    release.clear_key();
    release.set_all(true);
    EXPECT_EQ(call(&v1::EventLog::Stub::ReleaseHeldWork, release, released), grpc::StatusCode::OK);
    EXPECT_EQ(released.released(), 2);

    v1::DeclareTailsLostRequest lost;
    v1::DeclareTailsLostResponse given_up;
    EXPECT_EQ(call(&v1::EventLog::Stub::DeclareTailsLost, lost, given_up),
              grpc::StatusCode::INVALID_ARGUMENT);  // no reason
    lost.set_reason("a test");
    lost.add_lanes(kLanes);
    EXPECT_EQ(call(&v1::EventLog::Stub::DeclareTailsLost, lost, given_up),
              grpc::StatusCode::NOT_FOUND);
}

TEST_F(EventLogService, SaysWhoOwnsEachLaneAndHowFarItsConsumerIs) {
    append("one");
    append("two");
    eventlog::Owners owners(store_, "r7");
    eventlog::Membership membership(store_, owners, {.replica = "r7"});
    membership.beat();
    membership.take({lane_});
    eventlog::Consumption consumption(store_, {{"test", eventlog::own_source(store_)}},
                                      {.consumer = "test",
                                       .head_compare_every = std::chrono::milliseconds(0),
                                       .idle_cursor_after = std::chrono::milliseconds(0)});
    consumption.assign({0, 1});
    for (int i = 0; i < 3; ++i) consumption.apply({});
    grpc::ClientContext context;
    v1::LaneStatusResponse status;
    ASSERT_TRUE(stub_->LaneStatus(&context, {}, &status).ok());
    EXPECT_EQ(status.service(), "test");
    ASSERT_EQ(status.lanes_size(), kLanes);
    const auto& mine = status.lanes(lane_);
    EXPECT_EQ(mine.position(), 2);
    EXPECT_EQ(mine.published(), 0);
    EXPECT_EQ(mine.owner(), "r7");
    EXPECT_EQ(mine.owner_epoch(), 1);
    EXPECT_GT(mine.owned_since_us(), 0);
    EXPECT_EQ(status.lanes(1 - lane_).owner(), "");
    ASSERT_EQ(status.consumers_size(), 1);
    EXPECT_EQ(status.consumers(0).lane(), lane_);
    EXPECT_EQ(status.consumers(0).applied(), 2);
    EXPECT_EQ(status.consumers(0).parked(), 0);

    // A replica that has gone owns nothing any more.
    membership.leave();
    grpc::ClientContext afterwards;
    ASSERT_TRUE(stub_->LaneStatus(&afterwards, {}, &status).ok());
    EXPECT_EQ(status.lanes(lane_).owner(), "");
}

bool eventually(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

// A replica that tells of what it publishes; the test is its relay.
class Followed : public EventLogService {
protected:
    Followed()
        : replica_({.admission = {.internal_key = Secret("key")}}),
          replica_service_(
              make_event_log_service(replica_, store_, {.id = "r1", .followers = &followers_})) {
        replica_.add(*replica_service_, v1::EventLog::service_full_name());
        replica_.start();
        address_ = "127.0.0.1:" + std::to_string(replica_.port());
    }
    ~Followed() override { followers_.close(); }

    std::unique_ptr<v1::EventLog::Stub> stub_with(const std::string& key) const {
        return v1::EventLog::NewStub(
            rpc::make_channel(address_, {.internal_key = Secret(key), .attempts_max = 1}));
    }
    std::unique_ptr<grpc::ClientReader<v1::FollowResponse>> follow(grpc::ClientContext& context,
                                                                   v1::EventLog::Stub& stub) {
        rpc::set_timeout(context, std::chrono::seconds(60));
        return stub.Follow(&context, {});
    }
    static eventlog::PublishedPage page(int first, int count, std::size_t bytes = 10) {
        eventlog::PublishedPage records;
        for (int i = first; i < first + count; ++i)
            records.push_back(std::make_shared<const eventlog::Published>(
                eventlog::Published{.lane = i % kLanes,
                                    .position = i,
                                    .key = "t1/" + std::to_string(i),
                                    .value = std::to_string(i) + std::string(bytes, '.')}));
        return records;
    }

    eventlog::Followers followers_;
    rpc::Server replica_;
    std::unique_ptr<grpc::Service> replica_service_;
    std::string address_;
};

TEST_F(Followed, TellsEverythingThatIsPublishedFromThenOnByteForByte) {
    followers_.hear(page(0, 5));  // before anybody follows
    const auto stub = stub_with("key");
    grpc::ClientContext context;
    const auto reader = follow(context, *stub);
    reader->WaitForInitialMetadata();
    EXPECT_EQ(context.GetServerInitialMetadata().count(kFollowedHeader), 1U);
    for (int i = 0; i < 100; i += 10) followers_.hear(page(i, 10));
    int next = 0;
    v1::FollowResponse response;
    while (next < 100 && reader->Read(&response))
        for (const auto& record : response.records()) {
            EXPECT_EQ(record.lane(), next % kLanes);
            EXPECT_EQ(record.key(), "t1/" + std::to_string(next));
            EXPECT_EQ(record.event(), std::to_string(next) + "..........");
            ++next;
        }
    EXPECT_EQ(next, 100);
    EXPECT_EQ(followers_.counts().lost, 0);
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_TRUE(eventually([&] { return !followers_.any(); })) << "one that hangs up is forgotten";
}

TEST_F(Followed, WhatACallerDoesNotAwaitIsToldWithTheNextThatItDoes) {
    const auto stub = stub_with("key");
    grpc::ClientContext context;
    rpc::set_timeout(context, std::chrono::seconds(60));
    v1::FollowRequest request;
    request.add_awaited_types("test.Awaited");
    const auto reader = stub->Follow(&context, request);
    reader->WaitForInitialMetadata();
    const auto record = [](int position, const char* type) {
        return eventlog::PublishedPage{std::make_shared<const eventlog::Published>(
            eventlog::Published{.position = position, .type = type})};
    };
    v1::FollowResponse response;
    followers_.hear(record(1, "test.Other"));
    followers_.hear(record(2, "test.Other"));
    followers_.hear(record(3, "test.Awaited"));
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.records_size(), 3);
    // Many others are told as well, so that nothing piles up here.
    for (int i = 0; i < 200; ++i) followers_.hear(record(4 + i, "test.Other"));
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.records_size(), 200);
    context.TryCancel();
    reader->Finish();
}

TEST_F(Followed, ACallerThatDoesNotReadLosesHintsAndHoldsNobodyUp) {
    const auto stub = stub_with("key");
    grpc::ClientContext context;
    const auto reader = follow(context, *stub);
    reader->WaitForInitialMetadata();
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 500; ++i) followers_.hear(page(i, 1, 100'000));  // 50 MB
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
    EXPECT_GT(followers_.counts().lost, 0);
    EXPECT_LT(followers_.counts().lost, 500);
    // What it hears when it reads again is in order, and goes on with what is new.
    constexpr int kNew = 1'000'000;
    int last = -1, next = kNew;
    v1::FollowResponse response;
    while (last < kNew && reader->Read(&response))
        for (const auto& record : response.records()) {
            const auto number = std::stoi(record.key().substr(3));
            EXPECT_GT(number, last);
            last = number;
            followers_.hear(page(next++, 1));
        }
    EXPECT_GE(last, kNew);
    context.TryCancel();
    reader->Finish();
}

TEST_F(Followed, ACallerIsSentElsewhereWhenTheServiceEnds) {
    const auto stub = stub_with("key");
    grpc::ClientContext context;
    const auto reader = follow(context, *stub);
    reader->WaitForInitialMetadata();
    followers_.close();
    v1::FollowResponse response;
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
    replica_.drain(std::chrono::seconds(30));  // has nothing to wait for
    EXPECT_FALSE(followers_.any());
}

TEST_F(Followed, NobodyFollowsWithoutTheKeyOrWhereHintsAreSwitchedOff) {
    const auto stranger = stub_with("another");
    grpc::ClientContext context;
    v1::FollowResponse response;
    auto reader = follow(context, *stranger);
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_FALSE(followers_.any());
    grpc::ClientContext another;
    reader = follow(another, *stub_);  // of a replica without followers
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

// The reader's end, to the same replica.
class HintsRead : public Followed {
protected:
    HintsRead() { reader_.start(); }
    ~HintsRead() override { reader_.stop(); }
    std::size_t count() {
        const std::lock_guard lock(mutex_);
        return heard_.size();
    }
    std::mutex mutex_;
    std::vector<eventlog::BusRecord> heard_;
    HintReader reader_{
        {.reader = "reader", .sources = {{"test", address_, {.internal_key = Secret("key")}}}},
        [this](std::vector<eventlog::BusRecord> records) {
            const std::lock_guard lock(mutex_);
            for (auto& record : records) heard_.push_back(std::move(record));
        }};
};

TEST_F(HintsRead, ArriveMarkedAsHintsOfTheirSource) {
    ASSERT_TRUE(eventually([&] { return reader_.streams("test") == 1; }));
    followers_.hear(page(0, 4));
    ASSERT_TRUE(eventually([&] { return count() == 4; }));
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_TRUE(heard_[i].hint);
        EXPECT_EQ(heard_[i].source, "test");
        EXPECT_EQ(heard_[i].lane, static_cast<int>(i) % kLanes);
        EXPECT_EQ(heard_[i].key, "t1/" + std::to_string(i));
        EXPECT_EQ(heard_[i].value, std::to_string(i) + "..........");
    }
}

TEST_F(HintsRead, GoOnWhenTheReplicaIsBack) {
    ASSERT_TRUE(eventually([&] { return reader_.streams("test") == 1; }));
    const auto port = replica_.port();
    followers_.close();
    replica_.drain(std::chrono::seconds(1));
    ASSERT_TRUE(eventually([&] { return reader_.streams("test") == 0; }));
    eventlog::Followers followers;
    rpc::Server again({.port = port, .admission = {.internal_key = Secret("key")}});
    const auto service =
        make_event_log_service(again, store_, {.id = "r1", .followers = &followers});
    again.add(*service, v1::EventLog::service_full_name());
    again.start();
    ASSERT_TRUE(eventually([&] { return reader_.streams("test") == 1; }));
    followers.hear(page(0, 1));
    EXPECT_TRUE(eventually([&] { return count() == 1; }));
    followers.close();
}

TEST_F(HintsRead, StopEndsAStreamThatIsQuietAndOneThatCannotConnect) {
    HintReader nowhere({.reader = "reader", .sources = {{"test", "127.0.0.1:1"}}},
                       [](std::vector<eventlog::BusRecord>) {});
    nowhere.start();
    ASSERT_TRUE(eventually([&] { return reader_.streams("test") == 1; }));
    const auto began = std::chrono::steady_clock::now();
    nowhere.stop();
    reader_.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
    EXPECT_EQ(nowhere.streams("test"), 0);
}

TEST(EachAddress, IsEveryReplicaThatAnAddressStandsFor) {
    using Addresses = std::vector<std::string>;
    EXPECT_EQ(each_address("127.0.0.1:80"), Addresses{"ipv4:127.0.0.1:80"});
    EXPECT_EQ(each_address("dns:///127.0.0.1:80"), Addresses{"ipv4:127.0.0.1:80"});
    EXPECT_EQ(each_address("[::1]:80"), Addresses{"ipv6:[::1]:80"});
    EXPECT_EQ(each_address("ipv4:1.2.3.4:5,1.2.3.4:6"),
              (Addresses{"ipv4:1.2.3.4:5", "ipv4:1.2.3.4:6"}));
    EXPECT_EQ(each_address("unix:/run/a"), Addresses{"unix:/run/a"});
    EXPECT_EQ(each_address("localhost:80"), each_address("127.0.0.1:80"))
        << "a replica with an address of each family is followed once";
    EXPECT_EQ(each_address("no.such.name.invalid:80"), Addresses{});
}

const testing::TestVault kTestVault;

class SealedLog : public EventLogService {
protected:
    SealedLog() : EventLogService(kTestVault) {}
};

TEST_F(SealedLog, EveryReaderGetsSealedPayloadsAndAConsumerOpensThem) {
    append("one");
    append("two");
    const auto source = make_remote_source(channel_);
    const auto events = source->read(lane_, 1, 0, 10);
    ASSERT_EQ(events.size(), 2U);
    for (const auto& event : events) EXPECT_TRUE(event.payload.starts_with(kTestVault.kMark));
    grpc::ClientContext context;
    auto reader = subscribe(context, lane_, 1);
    v1::RecordedEvent event;
    ASSERT_TRUE(reader->Read(&event));
    EXPECT_EQ(event.payload(), events.front().payload);
    context.TryCancel();
    reader->Finish();
    v1::ReadStreamRequest request;
    request.set_tenant("t1");
    request.set_category("thing");
    request.set_key("one");
    grpc::ClientContext another;
    v1::ReadResponse stream;
    ASSERT_TRUE(stub_->ReadStream(&another, request, &stream).ok());
    ASSERT_EQ(stream.events_size(), 1);
    EXPECT_EQ(stream.events(0).payload(), events.front().payload);

    std::vector<std::string> seen;
    eventlog::Consumption consumption(store_, {{"test", source}},
                                      {.consumer = "test",
                                       .head_compare_every = std::chrono::milliseconds(0),
                                       .idle_cursor_after = std::chrono::milliseconds(0)});
    consumption.react([&](const eventlog::Recorded& applied, eventlog::Turn&) {
        seen.push_back(applied.payload);
    });
    consumption.assign({lane_});
    for (int i = 0; i < 3; ++i) consumption.apply({});
    EXPECT_EQ(seen, (std::vector<std::string>{"one", "two"}));
}

TEST_F(SealedLog, IsVerifiedLikeAnyOther) {
    append("name:nyota");
    grpc::ClientContext context;
    v1::VerifyRequest request;
    request.set_lane(lane_);
    v1::VerifyResponse lane;
    ASSERT_TRUE(stub_->Verify(&context, request, &lane).ok());
    EXPECT_EQ(lane.events(), 1);
    EXPECT_EQ(lane.problems_size(), 0);
    grpc::ClientContext another;
    v1::VerifyDerivedResponse derived;
    ASSERT_TRUE(stub_->VerifyDerived(&another, {}, &derived).ok());
    EXPECT_EQ(derived.claims(), 1);
    EXPECT_EQ(derived.problems_size(), 0) << derived.DebugString();
}

// The same, with a consumer that cannot apply "poison" until it is mended.
class Parked : public EventLogService {
protected:
    Parked()
        : consumption_(store_, {{"test", eventlog::own_source(store_)}},
                       {.consumer = "test",
                        .head_compare_every = std::chrono::milliseconds(0),
                        .idle_cursor_after = std::chrono::milliseconds(0)}),
          owner_({.admission = {.internal_key = Secret("key")}}),
          owner_service_(make_event_log_service(
              owner_, store_,
              {.id = "r7",
               .release = [this](const std::string& source, int lane, const std::string& key) {
                   return consumption_.release(source, lane, key);
               }})) {
        owner_.add(*owner_service_, v1::EventLog::service_full_name());
        owner_.start();
        owner_stub_ = v1::EventLog::NewStub(
            rpc::make_channel("127.0.0.1:" + std::to_string(owner_.port()),
                              {.internal_key = Secret("key"), .attempts_max = 1}));
        eventlog::Owners(store_, "r7").assigned({0, 1});
        consumption_.react([this](const eventlog::Recorded& event, eventlog::Turn&) {
            if (event.payload == "poison" && !mended_) throw CorruptStream("no such product");
            applied_.push_back(event.payload);
        });
        consumption_.assign({0, 1});
        for (const auto* payload : {"one", "poison", "two"}) append(payload);
        for (int i = 0; i < 3; ++i) consumption_.apply({});
        applied_.clear();  // a batch is halved to find the poison: handlers are asked again
    }
    std::vector<v1::ParkedEvent> parked(int page_size = 0) {
        std::vector<v1::ParkedEvent> all;
        while (true) {
            v1::ListParkedRequest request;
            request.set_page_size(page_size);
            if (!all.empty()) *request.mutable_after() = all.back();
            grpc::ClientContext context;
            v1::ListParkedResponse page;
            EXPECT_TRUE(stub_->ListParked(&context, request, &page).ok());
            all.insert(all.end(), page.events().begin(), page.events().end());
            if (page_size == 0 || page.events_size() < page_size) return all;
        }
    }
    grpc::Status release(v1::EventLog::Stub& stub, v1::ReleaseParkedResponse& done) {
        v1::ReleaseParkedRequest request;
        request.set_source("test");
        request.set_lane(lane_);
        request.set_routing_key("t1/c");
        grpc::ClientContext context;
        return stub.ReleaseParked(&context, request, &done);
    }

    bool mended_ = false;
    std::vector<std::string> applied_;
    eventlog::Consumption consumption_;
    rpc::Server owner_;
    std::unique_ptr<grpc::Service> owner_service_;
    std::unique_ptr<v1::EventLog::Stub> owner_stub_;
};

TEST_F(Parked, IsListedWithItsReasonAndReleasedInOrder) {
    ASSERT_EQ(parked().size(), 2U);
    EXPECT_EQ(parked(1).size(), 2U);
    const auto first = parked().front();
    EXPECT_EQ(first.source(), "test");
    EXPECT_EQ(first.position(), 2);
    EXPECT_EQ(first.routing_key(), "t1/c");
    EXPECT_EQ(first.type(), "test.v1.Happened");
    EXPECT_NE(first.reason().find("no such product"), std::string::npos);

    v1::ReleaseParkedResponse done;
    ASSERT_TRUE(release(*owner_stub_, done).ok());
    EXPECT_EQ(done.released(), 0);
    EXPECT_EQ(done.left(), 2);
    EXPECT_NE(done.why_left().find("no such product"), std::string::npos);

    mended_ = true;
    ASSERT_TRUE(release(*owner_stub_, done).ok());
    EXPECT_EQ(done.released(), 2);
    EXPECT_EQ(done.left(), 0);
    EXPECT_EQ(applied_, (std::vector<std::string>{"poison", "two"}));
    EXPECT_TRUE(parked().empty());
    const auto failure = rpc::failure_of(release(*owner_stub_, done));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(Parked, AnotherReplicaNamesTheOwner) {
    v1::ReleaseParkedResponse done;
    const auto failure = rpc::failure_of(release(*stub_, done));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->code, grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(failure->metadata.at("owner"), "r7");
    EXPECT_EQ(parked().size(), 2U);
}

}  // namespace
}  // namespace flowstack::service
