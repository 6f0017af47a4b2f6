#include "common/service/tenants.h"

#include <grpcpp/grpcpp.h>

#include "common/eventlog/turn.h"
#include "common/rpc/channel.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"

namespace flowstack::service {
namespace {

constexpr std::chrono::milliseconds kTenantsTimeout{3000};
constexpr std::size_t kTenantsKept = 10'000;

}  // namespace

GatewayTenants::GatewayTenants(std::shared_ptr<grpc::Channel> gateway)
    : gateway_(std::move(gateway)) {}
GatewayTenants::~GatewayTenants() = default;

std::shared_ptr<const gateway::v1::Tenant> GatewayTenants::at_least(const std::string& tenant,
                                                                    std::int64_t version) {
    const auto known = known_.with([&](const auto& all) {
        const auto found = all.find(tenant);
        return found == all.end() ? nullptr : found->second;
    });
    if (known && known->settings_version() >= version) return known;

    grpc::ClientContext context;
    rpc::set_timeout(context, kTenantsTimeout);
    gateway::v1::GetTenantRequest request;
    request.set_name(rpc::tenant_name(tenant));
    auto answer = std::make_shared<gateway::v1::Tenant>();
    const auto status =
        gateway::v1::TenantService::NewStub(gateway_)->GetTenant(&context, request, answer.get());
    if (status.error_code() == grpc::StatusCode::NOT_FOUND)
        throw NoSuchTenant("gateway knows no tenant " + tenant);
    if (!status.ok())
        throw eventlog::TryLater("gateway does not tell about tenant " + tenant + ": " +
                                 status.error_message());
    known_.with([&](auto& all) {
        if (all.size() >= kTenantsKept) all.clear();
        all[tenant] = answer;
    });
    return answer;
}

}  // namespace flowstack::service
