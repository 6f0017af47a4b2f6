#include "common/service/api_keys.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/core/broken_world.h"
#include "common/crypto/hash.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/rate_limits.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"

// Tenants' API keys at the gRPC door of a service that asks gateway whose they are.
namespace flowstack::service {
namespace {

using std::chrono::milliseconds;

constexpr const char* kKey = "fsk_demo";
constexpr const char* kOther = "fsk_soko";

std::string digest(std::string_view key) {
    const auto bytes = crypto::sha256(key);
    return std::string(crypto::bytes_of(bytes));
}

class Keys : public ::testing::Test {
protected:
    std::string refusal(const std::string& key, const std::string& from = "192.0.2.1") {
        try {
            keys.holder_of(key, from);
            return "";
        } catch (const rpc::Failure& failure) {
            return rpc::reason_text(failure.reason);
        } catch (const Unavailable&) {
            return "away";
        }
    }

    ManualClock clock;
    std::map<std::string, ApiKeyOwner> known{{digest(kKey), {"demo", "7"}}};
    bool away = false;
    int asked = 0;
    ApiKeys keys{[this](const std::string& key_sha256) -> std::optional<ApiKeyOwner> {
                     ++asked;
                     if (away) throw Unavailable("gateway does not answer");
                     const auto found = known.find(key_sha256);
                     if (found == known.end()) return std::nullopt;
                     return found->second;
                 },
                 {.age_max = milliseconds(5'000),
                  .wrong_keys_max = 3,
                  .wrong_key_every = milliseconds(1'000)},
                 clock};
};

TEST_F(Keys, AKeyIsItsTenantsAdmin) {
    const auto caller = keys.holder_of(kKey, "192.0.2.1");
    EXPECT_EQ(caller.actor, "key:7");
    EXPECT_EQ(caller.role, "api_key");
    ASSERT_TRUE(caller.grants);
    EXPECT_EQ(*caller.grants, (identity::Grants{.tenants = {{"demo", {identity::Role::admin}}}}));
}

TEST_F(Keys, AnAnswerIsKeptForItsAgeAndARevokedKeyOpensNothingAfterThat) {
    EXPECT_EQ(refusal(kKey), "");
    known.clear();  // revoked
    clock.advance(milliseconds(4'999));
    EXPECT_EQ(refusal(kKey), "");
    EXPECT_EQ(asked, 1);
    clock.advance(milliseconds(1));
    EXPECT_EQ(refusal(kKey), "UNAUTHENTICATED");
    EXPECT_EQ(asked, 2);
}

TEST_F(Keys, ANewKeyOpensAMomentAfterItWasTried) {
    EXPECT_EQ(refusal(kOther), "UNAUTHENTICATED");
    known[digest(kOther)] = {"soko", "8"};
    EXPECT_EQ(refusal(kOther), "UNAUTHENTICATED");
    clock.advance(milliseconds(1'000));
    EXPECT_EQ(refusal(kOther), "");
}

TEST_F(Keys, WhileGatewayIsAwayKnownKeysOpenAndNobodyAsksAllTheTime) {
    EXPECT_EQ(refusal(kKey), "");
    away = true;
    for (int i = 0; i < 10; ++i) EXPECT_EQ(refusal(kOther), "away");
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(refusal(kKey), "");
    clock.advance(milliseconds(5'000));
    EXPECT_EQ(refusal(kKey), "away") << "an answer is not believed for longer than its age";
    away = false;
    clock.advance(milliseconds(500));
    EXPECT_EQ(refusal(kKey), "");
}

TEST_F(Keys, AnAddressThatGuessesIsToldToWaitAndARightKeyStillOpens) {
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(refusal("fsk_guess" + std::to_string(i)), "UNAUTHENTICATED");
    EXPECT_EQ(refusal("fsk_guess3"), "RATE_LIMITED");
    EXPECT_EQ(refusal("fsk_guess3", "192.0.2.2"), "UNAUTHENTICATED") << "another address";
    EXPECT_EQ(refusal(kKey), "");
    clock.advance(milliseconds(1'000));
    EXPECT_EQ(refusal("fsk_guess4"), "UNAUTHENTICATED");
}

// gateway's TenantService as the other services see it.
class Gateway final : public gateway::v1::TenantService::CallbackService {
public:
    explicit Gateway(rpc::Server& door) : door_(door) {}
    grpc::ServerUnaryReactor* FindApiKey(grpc::CallbackServerContext* context,
                                         const gateway::v1::FindApiKeyRequest* request,
                                         gateway::v1::ApiKeyOwner* answer) override {
        return door_.unary(context, *request, [=](rpc::Call&) {
            if (request->key_sha256() == digest(kKey)) {
                answer->set_tenant_id("demo");
                answer->set_key_id("7");
            } else if (request->key_sha256() == digest(kOther)) {
                answer->set_tenant_id("soko");
                answer->set_key_id("8");
            } else {
                throw rpc::not_found("apiKeys");
            }
        });
    }
    // Stands for a method of the service that asks: its caller's tenant is checked by the door.
    grpc::ServerUnaryReactor* GetTenant(grpc::CallbackServerContext* context,
                                        const gateway::v1::GetTenantRequest* request,
                                        gateway::v1::Tenant* answer) override {
        return door_.unary(context, *request, [=](rpc::Call&) {
            answer->set_name(rpc::caller().actor + " in " + request->name());
        });
    }
    grpc::ServerUnaryReactor* SuspendTenant(grpc::CallbackServerContext* context,
                                            const gateway::v1::SuspendTenantRequest* request,
                                            gateway::v1::Tenant* answer) override {
        return door_.unary(context, *request,
                           [=](rpc::Call&) { answer->set_name(rpc::caller().reason); });
    }

private:
    rpc::Server& door_;
};

struct Answer {
    std::string text;
    grpc::StatusCode code = grpc::StatusCode::OK;
    std::optional<milliseconds> retry_after;
};

class AtAnotherService : public ::testing::Test {
protected:
    AtAnotherService() {
        gateway_door.add(gateway, gateway::v1::TenantService::service_full_name());
        gateway_door.start();
        rpc::ServerOptions options{
            .admission = {.internal_key = Secret("internal"),
                          .key_holder_of =
                              [this](std::string_view key, const std::string& from) {
                                  return keys->holder_of(key, from);
                              }},
            .client_limits = &limits};
        keys = std::make_unique<ApiKeys>(
            find_at_gateway(rpc::make_channel("127.0.0.1:" + std::to_string(gateway_door.port()),
                                              {.internal_key = Secret("internal")})),
            ApiKeys::Options{}, clock);
        door.emplace(options);
        service.emplace(*door);
        door->add(*service, gateway::v1::TenantService::service_full_name());
        door->start();
    }
    template <class Request, class Method>
    Answer ask(const std::string& key, Method method, const Request& request) {
        const auto stub = gateway::v1::TenantService::NewStub(
            rpc::make_channel("127.0.0.1:" + std::to_string(door->port()),
                              {.token = Secret(key), .attempts_max = 1}));
        grpc::ClientContext context;
        rpc::set_timeout(context, std::chrono::seconds(60));
        gateway::v1::Tenant tenant;
        const auto status = ((*stub).*method)(&context, request, &tenant);
        const auto failure = rpc::failure_of(status);
        return {tenant.name(), status.error_code(), failure ? failure->retry_after : std::nullopt};
    }
    Answer get(const std::string& key, const std::string& name) {
        gateway::v1::GetTenantRequest request;
        request.set_name(name);
        return ask(key, &gateway::v1::TenantService::Stub::GetTenant, request);
    }

    const SystemClock clock;
    rpc::RateLimits limits{{.key_calls_per_second = 1, .key_calls_at_once_max = 4}};
    rpc::Server gateway_door{{.admission = {.internal_key = Secret("internal")}}};
    Gateway gateway{gateway_door};
    std::unique_ptr<ApiKeys> keys;
    std::optional<rpc::Server> door;
    std::optional<Gateway> service;
};

TEST_F(AtAnotherService, AKeyOpensItsOwnTenantAndNoOther) {
    EXPECT_EQ(get(kKey, "tenants/demo").text, "key:7 in tenants/demo");
    EXPECT_EQ(get(kOther, "tenants/soko").text, "key:8 in tenants/soko");
    EXPECT_EQ(get(kKey, "tenants/soko").code, grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(get(kOther, "tenants/demo").code, grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(get(kOther, "").code, grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(get("fsk_unknown", "tenants/demo").code, grpc::StatusCode::UNAUTHENTICATED);
    // What is for operators is closed in the own tenant too.
    gateway::v1::SuspendTenantRequest suspend;
    suspend.set_name("tenants/demo");
    EXPECT_EQ(ask(kKey, &gateway::v1::TenantService::Stub::SuspendTenant, suspend).code,
              grpc::StatusCode::PERMISSION_DENIED);
    // Nobody may ask whose a key is but our services.
    gateway::v1::FindApiKeyRequest find;
    find.set_key_sha256(digest(kOther));
    const auto stub = gateway::v1::TenantService::NewStub(
        rpc::make_channel("127.0.0.1:" + std::to_string(door->port()), {.token = Secret(kOther)}));
    grpc::ClientContext context;
    gateway::v1::ApiKeyOwner owner;
    EXPECT_EQ(stub->FindApiKey(&context, find, &owner).error_code(),
              grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(AtAnotherService, AKeyThatCallsTooOftenIsToldWhenToComeAgain) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(get(kKey, "tenants/demo").code, grpc::StatusCode::OK);
    const auto refused = get(kKey, "tenants/demo");
    EXPECT_EQ(refused.code, grpc::StatusCode::RESOURCE_EXHAUSTED);
    ASSERT_TRUE(refused.retry_after);
    EXPECT_GT(*refused.retry_after, milliseconds(0));
    EXPECT_LE(*refused.retry_after, milliseconds(1'000));
    EXPECT_EQ(get(kOther, "tenants/soko").code, grpc::StatusCode::OK) << "another key";
}

TEST_F(AtAnotherService, AnOperatorsReasonIsKeptForTheEnvelope) {
    const auto stub = gateway::v1::TenantService::NewStub(
        rpc::make_channel("127.0.0.1:" + std::to_string(door->port()),
                          {.internal_key = Secret("internal"), .actor = "operator:ann"}));
    grpc::ClientContext context;
    gateway::v1::SuspendTenantRequest suspend;
    suspend.set_name("tenants/demo");
    suspend.set_reason("asked by +254712345678");
    gateway::v1::Tenant tenant;
    ASSERT_TRUE(stub->SuspendTenant(&context, suspend, &tenant).ok());
    EXPECT_THAT(tenant.name(), ::testing::StartsWith("asked by "));
    EXPECT_THAT(tenant.name(), ::testing::Not(::testing::HasSubstr("254712345678")));
}

}  // namespace
}  // namespace flowstack::service
