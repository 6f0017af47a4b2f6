#include "common/service/closed_tenants.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "common/core/broken_world.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"

// Tenants that are closed, at the gRPC door of a service that asks gateway which ones are.
namespace flowstack::service {
namespace {

using std::chrono::milliseconds;

class ClosedTenantsKept : public ::testing::Test {
protected:
    // "yes", "no", "away"
    std::string said(const std::string& tenant) {
        try {
            return tenants.closed(tenant) ? "yes" : "no";
        } catch (const Unavailable&) {
            return "away";
        }
    }

    ManualClock clock;
    std::map<std::string, bool> known{{"duka", false}};
    bool away = false;
    int asked = 0;
    ClosedTenants tenants{[this](const std::string& tenant) {
                              ++asked;
                              if (away) throw Unavailable("gateway does not answer");
                              return known[tenant];
                          },
                          milliseconds(5'000), clock};
};

TEST_F(ClosedTenantsKept, AnOpenOneIsAskedForAgainAndAClosedOneNever) {
    EXPECT_EQ(said("duka"), "no");
    known["duka"] = true;
    clock.advance(milliseconds(4'999));
    EXPECT_EQ(said("duka"), "no");
    clock.advance(milliseconds(1));
    EXPECT_EQ(said("duka"), "yes");
    EXPECT_EQ(asked, 2);
    clock.advance(std::chrono::hours(1'000));
    EXPECT_EQ(said("duka"), "yes");
    EXPECT_EQ(asked, 2);
}

TEST_F(ClosedTenantsKept, WhileGatewayIsAwayTheLastAnswerCounts) {
    EXPECT_EQ(said("duka"), "no");
    away = true;
    clock.advance(milliseconds(6'000));
    EXPECT_EQ(said("duka"), "no");
    EXPECT_EQ(said("stranger"), "away");
    // It is not asked for every caller.
    const int before = asked;
    EXPECT_EQ(said("stranger"), "away");
    EXPECT_EQ(asked, before);
    away = false;
    clock.advance(milliseconds(500));
    EXPECT_EQ(said("stranger"), "no");
}

// The door of a service: who may still do what when its tenant is closed.
class TenantMethods final : public gateway::v1::TenantService::CallbackService {
public:
    explicit TenantMethods(rpc::Server& door) : door_(door) {}
    grpc::ServerUnaryReactor* GetTenant(grpc::CallbackServerContext* context,
                                        const gateway::v1::GetTenantRequest* request,
                                        gateway::v1::Tenant* answer) override {
        return door_.unary(context, *request, [=](rpc::Call&) { answer->set_tenant_id("read"); });
    }
    grpc::ServerUnaryReactor* CreateApiKey(grpc::CallbackServerContext* context,
                                           const gateway::v1::CreateApiKeyRequest* request,
                                           gateway::v1::ApiKey* answer) override {
        return door_.unary(context, *request, [=](rpc::Call&) { answer->set_name("made"); });
    }
    grpc::ServerUnaryReactor* RevokeApiKey(grpc::CallbackServerContext* context,
                                           const gateway::v1::RevokeApiKeyRequest* request,
                                           gateway::v1::ApiKey* answer) override {
        return door_.unary(context, *request, [=](rpc::Call&) { answer->set_revoked(true); });
    }

private:
    rpc::Server& door_;
};

TEST(ClosedTenantsAtADoor, AreReadByWhoeverMayAndChangedByNobody) {
    rpc::Server door(
        {.admission = {.internal_key = Secret("internal")},
         .tenant_closed = [](const std::string& tenant) { return tenant == "ended"; }});
    TenantMethods methods(door);
    door.add(methods, gateway::v1::TenantService::service_full_name());
    door.start();
    const auto channel = rpc::make_channel("127.0.0.1:" + std::to_string(door.port()),
                                           {.internal_key = Secret("internal"), .attempts_max = 1});
    const auto stub = gateway::v1::TenantService::NewStub(channel);
    const auto reason_of = [&](const std::string& actor, const std::string& role, auto method,
                               auto request, auto answer) {
        grpc::ClientContext context;
        rpc::set_timeout(context, std::chrono::seconds(20));
        context.AddMetadata(std::string(rpc::kActorHeader), actor);
        if (!role.empty()) context.AddMetadata(std::string(rpc::kRoleHeader), role);
        const auto failure =
            rpc::failure_of(std::invoke(method, *stub, &context, request, &answer));
        return failure ? rpc::reason_text(failure->reason) : std::string();
    };
    using Stub = gateway::v1::TenantService::Stub;
    const auto get = [&](const std::string& actor, const std::string& role,
                         const std::string& tenant) {
        gateway::v1::GetTenantRequest request;
        request.set_name("tenants/" + tenant);
        return reason_of(actor, role, &Stub::GetTenant, request, gateway::v1::Tenant());
    };
    const auto create = [&](const std::string& actor, const std::string& role,
                            const std::string& tenant) {
        gateway::v1::CreateApiKeyRequest request;
        request.set_parent("tenants/" + tenant);
        return reason_of(actor, role, &Stub::CreateApiKey, request, gateway::v1::ApiKey());
    };
    const auto revoke = [&](const std::string& actor, const std::string& role,
                            const std::string& tenant) {
        gateway::v1::RevokeApiKeyRequest request;
        request.set_name("tenants/" + tenant + "/apiKeys/1");
        return reason_of(actor, role, &Stub::RevokeApiKey, request, gateway::v1::ApiKey());
    };
    for (const auto& [actor, role] :
         {std::pair{"key:7", "api_key"}, std::pair{"user:ann", "admin"},
          std::pair{"operator:bob", "operator"}, std::pair{"operator:bob", ""}}) {
        EXPECT_EQ(get(actor, role, "ended"), "") << actor;
        EXPECT_EQ(create(actor, role, "ended"), "TENANT_CLOSED") << actor;
        EXPECT_EQ(create(actor, role, "open"), "") << actor;
    }
    // What ends something is for operators.
    EXPECT_EQ(revoke("key:7", "api_key", "ended"), "TENANT_CLOSED");
    EXPECT_EQ(revoke("operator:bob", "operator", "ended"), "");
    // Our services finish what they have begun.
    EXPECT_EQ(create("service:campaign", "", "ended"), "");
    door.drain(std::chrono::seconds(1));
}

}  // namespace
}  // namespace flowstack::service
