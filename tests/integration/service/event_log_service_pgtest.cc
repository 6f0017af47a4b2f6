#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/eventlog/store.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/service/event_log_service.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"
#include "tests/support/test_database.h"

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
    EventLogService()
        : store_({.service = "test", .database_url = database_.service_url(), .lanes = kLanes},
                 [](const auto&, int, const auto&, auto&) {}),
          door_({.internal_key = Secret("key")}),
          service_(make_event_log_service(door_, store_)) {
        door_.add(*service_, v1::EventLog::service_full_name());
        door_.start();
        channel_ = rpc::make_channel("127.0.0.1:" + std::to_string(door_.port()),
                                     {.internal_key = Secret("key"), .attempts_max = 1});
        stub_ = v1::EventLog::NewStub(channel_);
        lane_ = store_.lane_of({eventlog::RoutingKind::customer, "c"}, "t1");
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

}  // namespace
}  // namespace flowstack::service
