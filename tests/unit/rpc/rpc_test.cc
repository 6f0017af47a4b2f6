#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <regex>
#include <sstream>
#include <thread>

#include "common/core/broken_world.h"
#include "common/observability/span.h"
#include "common/rpc/caller.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/rate_limits.h"
#include "common/rpc/request_id.h"
#include "common/rpc/server.h"
#include "common/rpc/stream.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace flowstack::rpc {
namespace {

namespace v1 = common::v1;

// Nothing here takes long; a machine that does other things as well must not fail a test.
constexpr std::chrono::seconds kPatience{60};

// One method whose body the test chooses.
class Service final : public v1::EventLog::CallbackService {
public:
    explicit Service(Server& door) : door_(door) {}
    grpc::ServerUnaryReactor* Heads(grpc::CallbackServerContext* context,
                                    const v1::HeadsRequest* request,
                                    v1::HeadsResponse* response) override {
        return door_.unary(context, *request, [this, response](Call& call) {
            ++calls;
            body(call, *response);
        });
    }
    grpc::ServerWriteReactor<v1::RecordedEvent>* Subscribe(grpc::CallbackServerContext* context,
                                                           const v1::SubscribeRequest*) override {
        return stream<v1::RecordedEvent>(door_, context, [this](auto& out) { stream_body(out); });
    }
    std::function<void(StreamWriter<v1::RecordedEvent>&)> stream_body;
    std::function<void(Call&, v1::HeadsResponse&)> body = [](Call&, v1::HeadsResponse&) {};
    std::atomic<int> calls{0};

private:
    Server& door_;
};

class Rpc : public ::testing::Test {
protected:
    void open(ServerOptions options = {}) {
        options.admission.internal_key = Secret("right key");
        open_as_it_is(options);
    }
    void open_as_it_is(const ServerOptions& options) {
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
        set_timeout(context, kPatience);
        v1::HeadsResponse own;
        return to.Heads(&context, {}, response ? response : &own);
    }
    // Something that is not ours but every gRPC server has: asked without stubs and without a key.
    grpc::Status ask(const std::string& method, const std::string& request, std::string& answer) {
        grpc::GenericStub plain(grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()),
                                                    grpc::InsecureChannelCredentials()));
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + kPatience);
        grpc::Slice bytes(request);
        const grpc::ByteBuffer in(&bytes, 1);
        grpc::ByteBuffer out;
        std::promise<grpc::Status> done;
        plain.UnaryCall(&context, method, {}, &in, &out,
                        [&](grpc::Status status) { done.set_value(std::move(status)); });
        auto status = done.get_future().get();
        grpc::Slice slice;
        if (status.ok() && out.DumpToSingleSlice(&slice).ok())
            answer.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
        return status;
    }
    // grpc.health.v1: request {string service = 1}, answer {enum status = 1}, 1 = SERVING.
    bool serving(const std::string& name) {
        std::string request;
        if (!name.empty()) request = std::string("\x0a") + static_cast<char>(name.size()) + name;
        std::string answer;
        EXPECT_TRUE(ask("/grpc.health.v1.Health/Check", request, answer).ok()) << name;
        return answer == "\x08\x01";
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

// Probes of orchestrators and of other frameworks send no metadata at all (zeromicro/go-zero
// #5097).
TEST_F(Rpc, HealthIsAnsweredToAProbeWithoutAnyMetadata) {
    open();
    EXPECT_TRUE(serving(""));
    EXPECT_TRUE(serving(std::string(v1::EventLog::service_full_name())));
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
    const auto call = [&] {
        waiting.push_back(std::async(std::launch::async, [&] { return heads(*client); }));
    };
    call();
    while (service->calls == 0) std::this_thread::yield();
    for (int i = 0; i < 7; ++i) call();
    // One runs, one waits; all others come back while those two are still there.
    const auto answered_now = [&] {
        return std::count_if(waiting.begin(), waiting.end(), [](const auto& one) {
            return one.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready;
        });
    };
    while (answered_now() < 6) std::this_thread::yield();
    release.set_value();
    int refused = 0, answered = 0;
    for (auto& one : waiting) {
        const auto status = one.get();
        if (status.ok()) ++answered;
        if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
            ++refused;
            EXPECT_EQ(failure_of(status)->reason, v1::ERROR_REASON_OVERLOADED);
            EXPECT_TRUE(failure_of(status)->retry_after);
            ASSERT_EQ(failure_of(status)->quotas.size(), 1U);
            EXPECT_EQ(failure_of(status)->quotas.front().subject, "process");
        }
    }
    EXPECT_EQ(answered, 2);
    EXPECT_EQ(refused, 6);
}

TEST_F(Rpc, ACallerThatCallsTooOftenWaitsAndNobodyElseDoes) {
    metrics::Registry registry;
    open({.caller_calls_per_second = 1, .caller_calls_at_once_max = 3, .metrics = &registry});
    const auto call_as = [&](const std::string& actor) {
        auto client =
            stub({.internal_key = Secret("right key"), .actor = actor, .attempts_max = 1});
        return heads(*client);
    };
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(call_as("key:7").ok());
    const auto refused = failure_of(call_as("key:7"));
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(refused->reason, v1::ERROR_REASON_RATE_LIMITED);
    ASSERT_TRUE(refused->retry_after);
    EXPECT_GT(*refused->retry_after, std::chrono::milliseconds(0));
    EXPECT_LE(*refused->retry_after, std::chrono::seconds(1));
    ASSERT_EQ(refused->quotas.size(), 1U);
    EXPECT_EQ(refused->quotas.front().subject, "key:7");
    EXPECT_EQ(refused->quotas.front().description, "1 calls a second, 3 at once");
    EXPECT_EQ(service->calls, 3) << "what is refused does not run";
    EXPECT_NE(registry.render().find("flowstack_rpc_server_rate_limited_total 1"),
              std::string::npos);

    EXPECT_TRUE(call_as("key:8").ok());
    // Our own services and the platform's operators are not counted.
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(call_as("service:campaign").ok());
        EXPECT_TRUE(call_as("operator:ann").ok());
    }
    // Who does not name itself is one caller with all who do not.
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(call_as("").ok());
    EXPECT_FALSE(call_as("").ok());
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

TEST_F(Rpc, ACallIsASpanBelowItsCallersWhileSomebodyTakesSpans) {
    class Kept final : public trace::SpanSink {
    public:
        ~Kept() override { trace::send_spans_to(nullptr); }
        bool samples(const std::array<std::uint8_t, 16>&) const override { return true; }
        void take(trace::SpanData span) override {
            const std::lock_guard lock(mutex);
            spans.push_back(std::move(span));
        }
        std::mutex mutex;
        std::vector<trace::SpanData> spans;
    } kept;
    open();
    trace::send_spans_to(&kept);
    trace::Context inside;
    service->body = [&](Call&, v1::HeadsResponse&) {
        inside = trace::current();
        if (service->calls == 2) throw std::runtime_error("broken");
    };
    const auto mine = trace::start();
    const trace::Scope scope(mine);
    auto client = stub({.internal_key = Secret("right key"), .attempts_max = 1});
    EXPECT_TRUE(heads(*client).ok());
    EXPECT_FALSE(heads(*client).ok());
    trace::send_spans_to(nullptr);
    ASSERT_EQ(kept.spans.size(), 2U);
    const auto& well = kept.spans[0];
    EXPECT_EQ(well.name, "flowstack.common.v1.EventLog/Heads");
    EXPECT_EQ(well.kind, trace::SpanKind::server);
    EXPECT_EQ(well.context.trace_id, mine.trace_id);
    EXPECT_EQ(well.parent, mine.span_id);
    EXPECT_FALSE(well.failed);
    EXPECT_TRUE(kept.spans[1].failed);
    EXPECT_EQ(inside, kept.spans[1].context) << "what the handler asks for is below its span";
}

TEST_F(Rpc, TheCallerIsWhoItNamesItselfInACallThatShowsTheKey) {
    open();
    std::string seen;
    service->body = [&](Call&, v1::HeadsResponse&) { seen = caller().actor; };
    const auto actor_of = [&](ChannelOptions options, const std::string& header = "") {
        options.internal_key = Secret("right key");
        auto client = stub(options);
        grpc::ClientContext context;
        set_timeout(context, kPatience);
        if (!header.empty()) context.AddMetadata(std::string(kActorHeader), header);
        v1::HeadsResponse response;
        EXPECT_TRUE(client->Heads(&context, {}, &response).ok());
        return seen;
    };
    EXPECT_EQ(actor_of({}), "internal-key");
    EXPECT_EQ(actor_of({.actor = "service:campaign"}), "service:campaign");
    EXPECT_EQ(actor_of({.actor = "service:gateway"}, "key:7"), "key:7");
    EXPECT_EQ(actor_of({}, std::string(kActorBytesMax + 1, 'x')), "internal-key");
}

TEST_F(Rpc, ByATokenOnlyThePlatformsOperatorsComeIn) {
    ServerOptions options;
    options.admission.holder_of = [](std::string_view token) {
        if (token == "operator")
            return Caller{"user:ann", identity::Grants{.platform_admin = true}};
        if (token == "admin")
            return Caller{"user:bob",
                          identity::Grants{.tenants = {{"demo", {identity::Role::admin}}}}};
        throw unauthenticated("the token has expired");
    };
    open(options);
    std::string seen;
    service->body = [&](Call&, v1::HeadsResponse&) { seen = caller().actor; };
    const auto ask_with = [&](const std::string& authorization) {
        auto client = stub({.internal_key = {}});
        grpc::ClientContext context;
        set_timeout(context, kPatience);
        context.AddMetadata("authorization", authorization);
        v1::HeadsResponse response;
        return client->Heads(&context, {}, &response);
    };
    EXPECT_TRUE(ask_with("Bearer operator").ok());
    EXPECT_EQ(seen, "user:ann");
    const int before = service->calls;
    EXPECT_EQ(ask_with("Bearer admin").error_code(), grpc::StatusCode::PERMISSION_DENIED);
    const auto expired = ask_with("Bearer old");
    EXPECT_EQ(expired.error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_THAT(expired.error_message(), ::testing::HasSubstr("has expired"));
    for (const auto* other : {"Basic b3BlcmF0b3I6", "operator", "bearer operator"})
        EXPECT_EQ(ask_with(other).error_code(), grpc::StatusCode::UNAUTHENTICATED) << other;
    EXPECT_EQ(service->calls, before);
}

TEST_F(Rpc, ATenantsKeyIsLookedUpAndCountedAsAtRest) {
    RateLimits limits({.key_calls_per_second = 1, .key_calls_at_once_max = 2});
    ServerOptions options{.caller_calls_per_second = 1, .client_limits = &limits};
    std::atomic<int> looked_up{0};
    options.admission.key_holder_of = [&](std::string_view key, const std::string& from) {
        ++looked_up;
        EXPECT_EQ(from, "127.0.0.1");
        if (key == "fsk_away") throw Unavailable("gateway does not answer");
        if (key != "fsk_good") throw unauthenticated("This key opens nothing.");
        return Caller{.actor = "key:7",
                      .grants = identity::Grants{.tenants = {{"demo", {identity::Role::admin}}}},
                      .role = std::string(kApiKeyRole)};
    };
    open(options);
    const auto ask_with = [&](const std::string& key, const std::string& internal_key = "") {
        auto client =
            stub({.internal_key = Secret(internal_key), .token = Secret(key), .attempts_max = 1});
        return heads(*client);
    };
    // A key opens its tenant and not what is for our services; INTERNAL_KEY beside it changes that
    // as little as it does for a token.
    EXPECT_EQ(ask_with("fsk_good").error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(ask_with("fsk_good", "right key").error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(ask_with("fsk_wrong").error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(ask_with("fsk_away").error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(looked_up, 4);
    EXPECT_EQ(service->calls, 0);
    // What is no key of ours is not looked up.
    EXPECT_EQ(ask_with("e30.e30.e30").error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_EQ(looked_up, 4);
    // Streams are our services' and operators', and nobody waits for a look-up there.
    auto client = stub({.internal_key = {}, .token = Secret("fsk_good"), .attempts_max = 1});
    grpc::ClientContext context;
    set_timeout(context, kPatience);
    const auto stream = client->Subscribe(&context, v1::SubscribeRequest());
    v1::RecordedEvent event;
    EXPECT_FALSE(stream->Read(&event));
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(looked_up, 4);
}

TEST_F(Rpc, WhoCallsAndInWhatRoleAndFromWhereIsKnownToTheHandler) {
    open();
    Caller seen;
    service->body = [&](Call&, v1::HeadsResponse&) { seen = caller(); };
    const auto ask_as = [&](const std::string& actor,
                            const std::multimap<std::string, std::string>& headers) {
        auto client = stub({.internal_key = Secret("right key"), .actor = actor});
        grpc::ClientContext context;
        set_timeout(context, kPatience);
        for (const auto& [name, value] : headers) context.AddMetadata(name, value);
        v1::HeadsResponse response;
        EXPECT_TRUE(client->Heads(&context, {}, &response).ok());
        return seen.role + " " + seen.source_address;
    };
    const std::string role(kRoleHeader), source(kSourceHeader);
    EXPECT_EQ(ask_as("operator:ann", {}), "operator 127.0.0.1");
    EXPECT_EQ(ask_as("service:campaign", {{role, "admin"}, {source, "192.0.2.7"}}), " ")
        << "a service on its own account has neither";
    EXPECT_EQ(ask_as("key:7", {{role, "api_key"}, {source, "2001:db8::7"}}), "api_key 2001:db8::7");
    // What cannot be kept is not kept.
    EXPECT_EQ(ask_as("key:7", {{role, std::string(kRoleBytesMax + 1, 'x')},
                               {source, std::string(kSourceBytesMax + 1, '1')}}),
              "operator 127.0.0.1");
    EXPECT_EQ(ask_as("key:7", {{role, "two words"}, {source, "x y"}}), "operator 127.0.0.1");
    // A service that calls another one for a call passes on both.
    auto client = stub({.internal_key = Secret("right key"), .actor = "service:conversation"});
    const CallerScope scope({.actor = "user:ann", .role = "agent", .source_address = "192.0.2.9"});
    EXPECT_TRUE(heads(*client).ok());
    EXPECT_EQ(seen.actor + " " + seen.role + " " + seen.source_address, "user:ann agent 192.0.2.9");
}

TEST(Caller, HasTheRoleThatMayMostInTheTenant) {
    using identity::Role;
    const identity::Grants grants{.tenants = {{"demo", {Role::viewer, Role::auditor, Role::agent}},
                                              {"soko", {Role::viewer}}}};
    EXPECT_EQ(role_in(grants, "demo"), "agent");
    EXPECT_EQ(role_in(grants, "soko"), "viewer");
    EXPECT_EQ(role_in(grants, "another"), "");
    EXPECT_EQ(role_in({.platform_admin = true}, "another"), "operator");
}

TEST(Caller, ComesFromTheAddressThatItsPeerHas) {
    EXPECT_EQ(address_of_peer("ipv4:192.0.2.7:50814"), "192.0.2.7");
    EXPECT_EQ(address_of_peer("ipv6:%5B2001:db8::7%5D:50814"), "2001:db8::7");
    EXPECT_EQ(address_of_peer("ipv6:[::1]:50814"), "::1");
    for (const char* other : {"", "unix:/run/x", "ipv4", "inproc"})
        EXPECT_EQ(address_of_peer(other), "") << other;
    EXPECT_EQ(address_of_peer("ipv4:" + std::string(kSourceBytesMax + 1, '1') + ":1"), "");
}

TEST(Caller, GivesAReasonOfBoundedLengthWithoutTelephoneNumbers) {
    EXPECT_EQ(kept_reason("unpaid, twice"), "unpaid, twice");
    EXPECT_EQ(kept_reason("asked by +254712345678").find("254712345678"), std::string::npos);
    // Whole characters: each of these has two bytes.
    std::string longer = "x";
    for (int i = 0; i < 400; ++i) longer += "ä";
    const auto kept = kept_reason(longer);
    EXPECT_EQ(kept.size(), kReasonBytesMax - 1);
    EXPECT_EQ(kept, longer.substr(0, kept.size()));
    EXPECT_TRUE(kept.ends_with("ä"));
}

TEST(RateLimits, HoldEachKeyAndAllKeysOfATenantTogether) {
    RateLimits limits({.key_calls_per_second = 1,
                       .key_calls_at_once_max = 2,
                       .tenant_calls_per_second = 1,
                       .tenant_calls_at_once_max = 3});
    resilience::Instant now{std::chrono::hours(1)};
    // "tenants/duka" or "key:1" when it must wait.
    const auto take = [&](const char* tenant, const char* key) -> std::string {
        try {
            limits.take({.tenants = {{tenant, {identity::Role::admin}}}}, key, now);
            return "";
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.reason, v1::ERROR_REASON_RATE_LIMITED);
            EXPECT_TRUE(failure.retry_after);
            return failure.quotas.at(0).subject;
        }
    };
    EXPECT_EQ(take("duka", "key:1"), "");
    EXPECT_EQ(take("duka", "key:1"), "");
    EXPECT_EQ(take("duka", "key:1"), "key:1");
    // What the key was refused is not taken from the tenant.
    EXPECT_EQ(take("duka", "key:2"), "");
    EXPECT_EQ(take("duka", "key:2"), "tenants/duka");
    EXPECT_EQ(take("soko", "key:1"), "") << "another tenant's";
    now += std::chrono::seconds(10);
    EXPECT_EQ(take("duka", "key:1"), "");
    for (int i = 0; i < 10; ++i)
        EXPECT_NO_THROW(limits.take({.platform_admin = true}, "user:ann", now));
}

TEST_F(Rpc, ACallThatIsMadeForACallIsMadeInTheNameOfItsCaller) {
    open();
    std::string seen;
    service->body = [&](Call&, v1::HeadsResponse&) { seen = caller().actor; };
    auto client = stub({.internal_key = Secret("right key"), .actor = "service:conversation"});
    const CallerScope scope({"operator:ann"});
    EXPECT_TRUE(heads(*client).ok());
    EXPECT_EQ(seen, "operator:ann");
}

TEST_F(Rpc, WithoutAKeyNobodyIsBelievedToBeAnybody) {
    open_as_it_is({});
    std::string seen;
    service->body = [&](Call&, v1::HeadsResponse&) { seen = caller().actor; };
    auto client = stub({.actor = "operator:ann"});
    EXPECT_TRUE(heads(*client).ok());
    EXPECT_EQ(seen, "anonymous");
}

TEST(Caller, IsAskedForOnlyWhereACallIsAnswered) {
    EXPECT_THROW(caller(), std::logic_error);
    EXPECT_EQ(caller_if_any(), nullptr);
    {
        const CallerScope outer({"key:1"});
        {
            const CallerScope inner({"key:2"});
            EXPECT_EQ(caller().actor, "key:2");
        }
        EXPECT_EQ(caller().actor, "key:1");
    }
    EXPECT_EQ(caller_if_any(), nullptr);
    EXPECT_EQ(caller_named("a\nb", true).actor, "internal-key");
    EXPECT_EQ(caller_named("", true).actor, "internal-key");
}

// What the gRPC library says by itself gets a reason too.
TEST_F(Rpc, RefusalsThatNoHandlerMadeHaveReasons) {
    open();
    const auto reason_of = [](const grpc::Status& status) {
        const auto failure = failure_of(status);
        return failure ? reason_text(failure->reason) : "OK";
    };
    auto stranger = stub({.internal_key = Secret("wrong key")});
    EXPECT_EQ(reason_of(heads(*stranger)), reason_text(v1::ERROR_REASON_UNAUTHENTICATED));
    auto client = stub({.internal_key = Secret("right key"), .attempts_max = 1});
    {
        grpc::ClientContext context;
        set_timeout(context, kPatience);
        v1::VerifyResponse response;
        EXPECT_EQ(reason_of(client->Verify(&context, {}, &response)),
                  reason_text(v1::ERROR_REASON_UNIMPLEMENTED));
    }
    service->body = [](Call& call, v1::HeadsResponse&) {
        while (!call.cancelled()) std::this_thread::yield();
    };
    {
        grpc::ClientContext context;
        set_timeout(context, std::chrono::milliseconds(50));
        v1::HeadsResponse response;
        EXPECT_EQ(reason_of(client->Heads(&context, {}, &response)),
                  reason_text(v1::ERROR_REASON_DEADLINE_EXCEEDED));
    }
    service->body = [](Call&, v1::HeadsResponse&) { throw std::runtime_error("a bug"); };
    EXPECT_EQ(reason_of(heads(*client)), reason_text(v1::ERROR_REASON_INTERNAL));
    service->body = [](Call&, v1::HeadsResponse&) { throw Contention("busy"); };
    EXPECT_EQ(reason_of(heads(*client)), reason_text(v1::ERROR_REASON_CONTENTION));
}

TEST_F(Rpc, ItsOwnChannelGivesEveryCallADeadlineThatTheServerSees) {
    open();
    std::chrono::system_clock::time_point seen;
    service->body = [&](Call& call, v1::HeadsResponse&) { seen = call.deadline(); };
    auto client = stub({.internal_key = Secret("right key"), .deadline = kPatience});
    grpc::ClientContext context;  // no timeout of its own
    v1::HeadsResponse response;
    const auto status = client->Heads(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_LE(seen, std::chrono::system_clock::now() + kPatience);
}

TEST_F(Rpc, HealthNeedsNoKeyAndFollowsReadiness) {
    open();
    for (const auto* name : {"", "readiness", "liveness", "flowstack.common.v1.EventLog"})
        EXPECT_TRUE(serving(name)) << name;
    server->set_ready(false);
    for (const auto* name : {"", "readiness", "flowstack.common.v1.EventLog"})
        EXPECT_FALSE(serving(name)) << name;
    EXPECT_TRUE(serving("liveness"));
}

TEST_F(Rpc, CountsEveryCallByMethodAndCodeTheRefusedOnesToo) {
    metrics::Registry registry;
    ServerOptions options;
    options.metrics = &registry;
    open(options);
    auto client = stub();
    auto stranger = stub({.internal_key = Secret("wrong key")});
    EXPECT_TRUE(heads(*client).ok());
    EXPECT_FALSE(heads(*stranger).ok());
    server->drain(std::chrono::seconds(1));
    const auto text = registry.render();
    for (const auto* code : {"OK", "UNAUTHENTICATED"})
        EXPECT_THAT(text, ::testing::HasSubstr(
                              "flowstack_rpc_server_seconds_count{code=\"" + std::string(code) +
                              "\",method=\"flowstack.common.v1.EventLog/Heads\"} 1"));
    EXPECT_THAT(text, ::testing::HasSubstr("flowstack_rpc_server_waiting_calls 0"));
}

TEST_F(Rpc, ACallInProgressIsAnsweredWhileTheServerDrains) {
    open();
    std::promise<void> inside;
    service->body = [&](Call&, v1::HeadsResponse& response) {
        inside.set_value();
        while (!server->draining()) std::this_thread::yield();
        response.set_service("finished");
    };
    auto client = stub();
    v1::HeadsResponse response;
    auto call = std::async(std::launch::async, [&] { return heads(*client, &response); });
    inside.get_future().wait();
    server->drain(std::chrono::seconds(5));
    EXPECT_TRUE(call.get().ok());
    EXPECT_EQ(response.service(), "finished");
}

TEST_F(Rpc, AHandlerSeesThatItsCallerHasGone) {
    open();
    std::promise<void> inside;
    std::promise<void> noticed;
    service->body = [&](Call& call, v1::HeadsResponse&) {
        inside.set_value();
        while (!call.cancelled()) std::this_thread::yield();
        noticed.set_value();
    };
    auto client = stub();
    grpc::ClientContext context;
    set_timeout(context, kPatience);
    v1::HeadsResponse response;
    auto call =
        std::async(std::launch::async, [&] { return client->Heads(&context, {}, &response); });
    inside.get_future().wait();
    context.TryCancel();
    noticed.get_future().wait();
    EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
}

class RpcStream : public Rpc {
protected:
    std::unique_ptr<grpc::ClientReader<v1::RecordedEvent>> subscribe(v1::EventLog::Stub& to,
                                                                     grpc::ClientContext& context) {
        set_timeout(context, kPatience);
        return to.Subscribe(&context, {});
    }
};

TEST_F(RpcStream, DeliversWhatItsBodyWritesInOrder) {
    open();
    constexpr int kMany = 1000;
    service->stream_body = [](auto& out) {
        v1::RecordedEvent event;
        for (int i = 1; i <= kMany; ++i) {
            event.set_position(i);
            ASSERT_TRUE(out.write(event));
        }
    };
    auto client = stub();
    grpc::ClientContext context;
    auto reader = subscribe(*client, context);
    v1::RecordedEvent event;
    for (int i = 1; i <= kMany; ++i) {
        ASSERT_TRUE(reader->Read(&event));
        ASSERT_EQ(event.position(), i);
    }
    EXPECT_FALSE(reader->Read(&event));
    EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(RpcStream, IsRefusedLikeAnyCall) {
    open();
    service->stream_body = [](auto&) { FAIL() << "must not run"; };
    auto client = stub({.internal_key = Secret("wrong key")});
    grpc::ClientContext context;
    v1::RecordedEvent event;
    auto reader = subscribe(*client, context);
    EXPECT_FALSE(reader->Read(&event));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(RpcStream, EndsWithTheFailureThatItsBodyThrew) {
    open();
    service->stream_body = [](auto&) { throw invalid_field("from", "must be 1 or more"); };
    auto client = stub();
    grpc::ClientContext context;
    v1::RecordedEvent event;
    auto reader = subscribe(*client, context);
    EXPECT_FALSE(reader->Read(&event));
    EXPECT_EQ(failure_of(reader->Finish())->reason, v1::ERROR_REASON_FIELD_INVALID);
}

TEST_F(RpcStream, IsSlowedDownByASlowReader) {
    open();
    std::atomic<int> written{0};
    service->stream_body = [&](auto& out) {
        v1::RecordedEvent event;
        event.set_payload(std::string(64 * 1024, 'x'));
        while (out.write(event)) ++written;
    };
    auto client = stub();
    grpc::ClientContext context;
    auto reader = subscribe(*client, context);
    v1::RecordedEvent event;
    ASSERT_TRUE(reader->Read(&event));
    // Nothing more is read: the writer comes to a stand.
    int before = -1;
    while (before != written) {
        before = written;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    EXPECT_LT(written, 500);  // 32 MiB, were they all taken
    context.TryCancel();
    reader->Finish();
}

TEST_F(RpcStream, LetsGoOfACallerThatLeft) {
    open({.streams_max = 1});
    service->stream_body = [](auto& out) {
        v1::RecordedEvent event;
        out.write(event);
        while (out.wait(std::chrono::seconds(10))) {
        }
    };
    auto client = stub();
    v1::RecordedEvent event;
    {
        grpc::ClientContext context;
        auto reader = subscribe(*client, context);
        ASSERT_TRUE(reader->Read(&event));
        grpc::ClientContext second;
        auto refused = subscribe(*client, second);
        EXPECT_FALSE(refused->Read(&event));
        EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
        context.TryCancel();
        reader->Finish();
    }
    // The place is free again, a moment later.
    grpc::StatusCode code = grpc::StatusCode::RESOURCE_EXHAUSTED;
    while (code == grpc::StatusCode::RESOURCE_EXHAUSTED) {
        grpc::ClientContext context;
        auto reader = subscribe(*client, context);
        if (reader->Read(&event)) context.TryCancel();
        code = reader->Finish().error_code();
    }
    EXPECT_EQ(code, grpc::StatusCode::CANCELLED);
}

TEST_F(RpcStream, TellsItsCallerToGoElsewhereWhenTheServerDrains) {
    open();
    service->stream_body = [](auto& out) {
        v1::RecordedEvent event;
        out.write(event);
        while (out.wait(std::chrono::seconds(10))) {
        }
    };
    auto client = stub({.internal_key = Secret("right key"), .attempts_max = 1});
    grpc::ClientContext context;
    v1::RecordedEvent event;
    auto reader = subscribe(*client, context);
    ASSERT_TRUE(reader->Read(&event));
    server->drain(std::chrono::seconds(10));
    EXPECT_FALSE(reader->Read(&event));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Rpc, EveryReasonHasATextThatIsReadBack) {
    const auto* all = v1::ErrorReason_descriptor();
    for (int i = 1; i < all->value_count(); ++i) {
        const auto reason = static_cast<v1::ErrorReason>(all->value(i)->number());
        EXPECT_EQ(parse_reason(reason_text(reason)), reason);
    }
    EXPECT_FALSE(parse_reason("NO_SUCH_REASON"));
}

// docs/errors.md: | `REASON` | CODE | HTTP | … |
TEST(ErrorReasons, AreDocumentedEachOnceWithTheCodesTheyHave) {
    std::map<std::string, std::pair<std::string, std::string>> documented;
    std::ifstream file(FLOWSTACK_ERRORS_DOCUMENT);
    ASSERT_TRUE(file) << FLOWSTACK_ERRORS_DOCUMENT;
    for (std::string line; std::getline(file, line);) {
        std::smatch row;
        static const std::regex kRow(R"(\| `([A-Z_]+)` \| ([A-Z_]+) \| (\d+) \|.*)");
        if (!std::regex_match(line, row, kRow)) continue;
        EXPECT_TRUE(documented.emplace(row[1], std::pair(row[2], row[3])).second) << row[1];
    }
    const std::map<std::string, grpc::StatusCode> codes{
        {"INVALID_ARGUMENT", grpc::StatusCode::INVALID_ARGUMENT},
        {"NOT_FOUND", grpc::StatusCode::NOT_FOUND},
        {"ALREADY_EXISTS", grpc::StatusCode::ALREADY_EXISTS},
        {"ABORTED", grpc::StatusCode::ABORTED},
        {"FAILED_PRECONDITION", grpc::StatusCode::FAILED_PRECONDITION},
        {"UNAUTHENTICATED", grpc::StatusCode::UNAUTHENTICATED},
        {"PERMISSION_DENIED", grpc::StatusCode::PERMISSION_DENIED},
        {"RESOURCE_EXHAUSTED", grpc::StatusCode::RESOURCE_EXHAUSTED},
        {"UNAVAILABLE", grpc::StatusCode::UNAVAILABLE},
        {"DEADLINE_EXCEEDED", grpc::StatusCode::DEADLINE_EXCEEDED},
        {"UNIMPLEMENTED", grpc::StatusCode::UNIMPLEMENTED},
        {"INTERNAL", grpc::StatusCode::INTERNAL}};
    const auto* all = v1::ErrorReason_descriptor();
    for (int i = 1; i < all->value_count(); ++i) {  // 0 is never sent
        const auto reason = static_cast<v1::ErrorReason>(all->value(i)->number());
        const auto name = reason_text(reason);
        ASSERT_TRUE(documented.contains(name)) << name << " is not in docs/errors.md";
        const auto& [code, http] = documented.at(name);
        ASSERT_TRUE(codes.contains(code)) << name;
        EXPECT_EQ(http, std::to_string(http_status_of(Failure(codes.at(code), reason, ""))))
            << name;
        documented.erase(name);
    }
    EXPECT_TRUE(documented.empty()) << documented.begin()->first << " is no reason of ours";
}

// The text of every C++ file below a folder of the repository.
std::string sources_of(const std::string& folder) {
    namespace fs = std::filesystem;
    std::ostringstream all;
    for (const auto& file : fs::recursive_directory_iterator(FLOWSTACK_ROOT "/" + folder))
        if (file.is_regular_file() &&
            (file.path().extension() == ".cc" || file.path().extension() == ".h"))
            all << std::ifstream(file.path()).rdbuf();
    return all.str();
}

// Whole words only: ERROR_REASON_A does not stand in ERROR_REASON_AB.
bool names(const std::string& text, const std::string& word) {
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        const char next = at + word.size() < text.size() ? text[at + word.size()] : ' ';
        if (next != '_' && std::isalnum(static_cast<unsigned char>(next)) == 0) return true;
    }
    return false;
}

// A reason that nobody produces, or that no test has met, is a promise without a keeper.
TEST(ErrorReasons, HaveAProducerAndATestThatMeetsThem) {
    const auto product = sources_of("common") + sources_of("services");
    // Through REST a reason is met as text; at a gRPC door as the enum's value.
    const auto over_http = sources_of("tests/e2e") + sources_of("tests/unit/gateway");
    const auto tests = over_http + sources_of("tests/integration") + sources_of("tests/unit/rpc");
    ASSERT_FALSE(product.empty());
    ASSERT_FALSE(tests.empty());
    const auto* all = v1::ErrorReason_descriptor();
    for (int i = 1; i < all->value_count(); ++i) {
        const auto& name = all->value(i)->name();
        EXPECT_TRUE(names(product, name)) << name << " has no producer";
        const auto word = reason_text(static_cast<v1::ErrorReason>(all->value(i)->number()));
        EXPECT_TRUE(names(tests, name) || over_http.find("\"" + word + "\"") != std::string::npos)
            << name << " is met by no test";
    }
}

TEST_F(Rpc, APortThatIsTakenIsNamed) {
    open();
    Server second({.port = server->port()});
    EXPECT_THROW(second.start(), std::runtime_error);
}

TEST(RequestId, IsShortAndHasNoControlCharacters) {
    EXPECT_NO_THROW(check_request_id(""));
    EXPECT_NO_THROW(check_request_id(std::string(kRequestIdBytesMax, 'x')));
    EXPECT_NO_THROW(check_request_id("order 7 / é"));
    for (const auto& bad : {std::string(kRequestIdBytesMax + 1, 'x'), std::string("a\0b", 3),
                            std::string("a\n"), std::string("\x7f")}) {
        try {
            check_request_id(bad);
            ADD_FAILURE() << "taken: " << bad;
        } catch (const Failure& failure) {
            ASSERT_EQ(failure.fields.size(), 1u);
            EXPECT_EQ(failure.fields.front().field, "request_id");
        }
    }
}

}  // namespace
}  // namespace flowstack::rpc
