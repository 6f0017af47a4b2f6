#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "common/core/broken_world.h"
#include "common/observability/trace.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace flowstack::rpc {
namespace {

namespace v1 = common::v1;

// One method whose body the test chooses.
class Service final : public v1::EventLog::CallbackService {
public:
    explicit Service(Server& door) : door_(door) {}
    grpc::ServerUnaryReactor* Heads(grpc::CallbackServerContext* context, const v1::HeadsRequest*,
                                    v1::HeadsResponse* response) override {
        return door_.unary(context, [this, response](Call& call) {
            ++calls;
            body(call, *response);
        });
    }
    std::function<void(Call&, v1::HeadsResponse&)> body = [](Call&, v1::HeadsResponse&) {};
    std::atomic<int> calls{0};

private:
    Server& door_;
};

class Rpc : public ::testing::Test {
protected:
    void open(ServerOptions options = {}) {
        options.internal_key = Secret("right key");
        server = std::make_unique<Server>(options);
        service = std::make_unique<Service>(*server);
        server->add(*service, v1::EventLog::service_full_name());
        server->start();
        server->set_ready(true);
    }
    std::unique_ptr<v1::EventLog::Stub> stub(ChannelOptions options = {
                                                 .internal_key = Secret("right key")}) {
        return v1::EventLog::NewStub(
            make_channel("127.0.0.1:" + std::to_string(server->port()), options));
    }
    grpc::Status heads(v1::EventLog::Stub& to, v1::HeadsResponse* response = nullptr) {
        grpc::ClientContext context;
        set_timeout(context, std::chrono::seconds(5));
        v1::HeadsResponse own;
        return to.Heads(&context, {}, response ? response : &own);
    }
    std::unique_ptr<Server> server;
    std::unique_ptr<Service> service;
    void TearDown() override {
        if (server) server->drain(std::chrono::seconds(1));
    }
};

TEST_F(Rpc, AnswersACallThatShowsTheKey) {
    open();
    service->body = [](Call&, v1::HeadsResponse& response) { response.set_service("here"); };
    v1::HeadsResponse response;
    auto client = stub();
    EXPECT_TRUE(heads(*client, &response).ok());
    EXPECT_EQ(response.service(), "here");
}

TEST_F(Rpc, RefusesAWrongOrMissingKeyBeforeAnythingRuns) {
    open();
    for (const auto* key : {"", "wrong key", "right key "}) {
        auto client = stub({.internal_key = Secret(key)});
        EXPECT_EQ(heads(*client).error_code(), grpc::StatusCode::UNAUTHENTICATED) << key;
    }
    EXPECT_EQ(service->calls, 0);
}

TEST_F(Rpc, RefusesACallWithoutADeadline) {
    open();
    // Past our own channel, which always sets one.
    auto plain = v1::EventLog::NewStub(grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.AddMetadata("x-internal-key", "right key");
    v1::HeadsResponse response;
    const auto status = plain->Heads(&context, {}, &response);
    const auto failure = failure_of(status);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, v1::ERROR_REASON_DEADLINE_MISSING);
}

TEST_F(Rpc, ARefusalCarriesExactlyOneErrorInfoAndItsFields) {
    open();
    service->body = [](Call&, v1::HeadsResponse&) {
        throw invalid_fields(
            {{"items[0].quantity", "must be from 1 to 999"}, {"to", "is required"}});
    };
    auto client = stub();
    const auto status = heads(*client);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    google::rpc::Status rich;
    ASSERT_TRUE(rich.ParseFromString(status.error_details()));
    int infos = 0;
    for (const auto& detail : rich.details()) infos += detail.Is<google::rpc::ErrorInfo>();
    EXPECT_EQ(infos, 1);
    const auto failure = failure_of(status);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(failure->fields,
              (std::vector<FieldViolation>{{"items[0].quantity", "must be from 1 to 999"},
                                           {"to", "is required"}}));
    EXPECT_EQ(http_status_of(*failure), 422);
}

TEST_F(Rpc, WhatBreaksInsideIsToldByItsKindAndNeverByItsText) {
    open();
    auto client = stub({.internal_key = Secret("right key"), .attempts_max = 1});
    service->body = [](Call&, v1::HeadsResponse&) { throw std::runtime_error("password=hunter2"); };
    auto status = heads(*client);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(status.error_message().find("hunter2"), std::string::npos);
    service->body = [](Call&, v1::HeadsResponse&) { throw Unavailable("no store"); };
    EXPECT_EQ(heads(*client).error_code(), grpc::StatusCode::UNAVAILABLE);
    service->body = [](Call&, v1::HeadsResponse&) { throw Contention("busy"); };
    EXPECT_EQ(heads(*client).error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(Rpc, OnlyUnavailableIsTriedAgainByItself) {
    open();
    service->body = [this](Call&, v1::HeadsResponse&) {
        if (service->calls < 3) throw Unavailable("not yet");
    };
    auto client = stub();
    EXPECT_TRUE(heads(*client).ok());
    EXPECT_EQ(service->calls, 3);
    service->calls = 0;
    service->body = [](Call&, v1::HeadsResponse&) { throw contention(); };
    EXPECT_FALSE(heads(*client).ok());
    EXPECT_EQ(service->calls, 1);
}

TEST_F(Rpc, WhenAllWorkersAreBusyAndTheQueueIsFullTheRestIsRefusedAtOnce) {
    open({.workers = 1, .queue_max = 1});
    std::promise<void> release;
    const auto released = release.get_future().share();
    service->body = [released](Call&, v1::HeadsResponse&) { released.wait(); };
    auto client = stub();
    std::vector<std::future<grpc::Status>> waiting;
    for (int i = 0; i < 8; ++i)
        waiting.push_back(std::async(std::launch::async, [&] { return heads(*client); }));
    while (service->calls == 0) std::this_thread::yield();
    std::thread releaser([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        release.set_value();
    });
    int refused = 0, answered = 0;
    for (auto& one : waiting) {
        const auto status = one.get();
        if (status.ok()) ++answered;
        if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
            ++refused;
            EXPECT_TRUE(failure_of(status)->retry_after);
        }
    }
    releaser.join();
    EXPECT_EQ(answered + refused, 8);
    EXPECT_GE(refused, 1);
    EXPECT_GE(answered, 1);
}

TEST_F(Rpc, TheCallersTraceGoesOn) {
    open();
    std::string seen;
    service->body = [&](Call&, v1::HeadsResponse&) { seen = trace::current().trace_id_text(); };
    const auto mine = trace::start();
    const trace::Scope scope(mine);
    auto client = stub();
    EXPECT_TRUE(heads(*client).ok());
    EXPECT_EQ(seen, mine.trace_id_text());
}

TEST_F(Rpc, EveryReasonHasATextThatIsReadBack) {
    const auto* all = v1::ErrorReason_descriptor();
    for (int i = 1; i < all->value_count(); ++i) {
        const auto reason = static_cast<v1::ErrorReason>(all->value(i)->number());
        EXPECT_EQ(parse_reason(reason_text(reason)), reason);
    }
    EXPECT_FALSE(parse_reason("NO_SUCH_REASON"));
}

TEST_F(Rpc, APortThatIsTakenIsNamed) {
    open();
    Server second({.port = server->port()});
    EXPECT_THROW(second.start(), std::runtime_error);
}

}  // namespace
}  // namespace flowstack::rpc
