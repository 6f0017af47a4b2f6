#include "common/service/closed_tenants.h"

#include <grpcpp/grpcpp.h>

#include <optional>

#include "common/core/broken_world.h"
#include "common/rpc/channel.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"

namespace flowstack::service {
namespace {

constexpr std::chrono::milliseconds kClosedTimeout{1'000};
constexpr std::chrono::milliseconds kClosedAskAgainAfter{500};

}  // namespace

ClosedTenants::ClosedTenants(Find find, std::chrono::milliseconds age_max, const Clock& clock)
    : find_(std::move(find)), age_max_(age_max), clock_(clock) {}

bool ClosedTenants::closed(const std::string& tenant) {
    const auto now = clock_.now();
    const auto kept = kept_.with([&](const auto& all) -> std::optional<Kept> {
        const auto found = all.find(tenant);
        return found == all.end() ? std::nullopt : std::optional(found->second);
    });
    if (kept) {
        const auto age = now - kept->asked_at;
        if (kept->closed || (age >= Micros{0} && age < age_max_)) return kept->closed;
    }
    const bool may_ask = now >= ask_again_at_.with([](const auto& at) { return at; });
    if (!may_ask && kept) return kept->closed;
    if (!may_ask)
        throw Unavailable("gateway did not say a moment ago whether tenant " + tenant +
                          " is closed");
    bool is_closed = false;
    try {
        is_closed = find_(tenant);
    } catch (const Unavailable&) {
        ask_again_at_.with([&](auto& at) { at = now + kClosedAskAgainAfter; });
        if (kept) return kept->closed;
        throw;
    }
    kept_.with([&](auto& all) {
        if (all.size() >= kKeptMax) all.clear();
        all[tenant] = {is_closed, now};
    });
    return is_closed;
}

ClosedTenants::Find closed_at_gateway(std::shared_ptr<grpc::Channel> gateway) {
    return [gateway = std::move(gateway)](const std::string& tenant) {
        grpc::ClientContext context;
        rpc::set_timeout(context, kClosedTimeout);
        gateway::v1::GetTenantRequest request;
        request.set_name(rpc::tenant_name(tenant));
        gateway::v1::Tenant answer;
        const auto status =
            gateway::v1::TenantService::NewStub(gateway)->GetTenant(&context, request, &answer);
        // Names that cannot be a tenant's are refused by the method itself.
        if (status.error_code() == grpc::StatusCode::NOT_FOUND ||
            status.error_code() == grpc::StatusCode::INVALID_ARGUMENT)
            return false;
        if (!status.ok())
            throw Unavailable("gateway does not say whether tenant " + tenant +
                              " is closed: " + status.error_message());
        return answer.status() == "CLOSED";
    };
}

}  // namespace flowstack::service
