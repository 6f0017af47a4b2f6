#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/membership.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/service/event_log_service.h"
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
          door_({.internal_key = Secret("key")}),
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
          owner_({.internal_key = Secret("key")}),
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
