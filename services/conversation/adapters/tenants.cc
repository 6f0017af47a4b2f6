#include "services/conversation/adapters/tenants.h"

#include <grpcpp/grpcpp.h>

#include "common/eventlog/turn.h"
#include "common/rpc/channel.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"

namespace flowstack::conversation {
namespace {

constexpr std::chrono::milliseconds kCallTimeoutMs{3000};
constexpr std::size_t kTenantsKept = 10'000;

TenantFacts facts_of(const gateway::v1::Tenant& tenant, const std::string& id) {
    const auto& s = tenant.settings();
    TenantFacts facts;
    facts.id = id;
    facts.display_name = s.display_name().empty() ? s.name() : s.display_name();
    if (!s.country_code().empty()) facts.country = s.country_code();
    facts.currency = parse_currency(s.currency_code()).value_or(Currency::kes);
    facts.tax_rate_bp = s.tax_rate_bp();
    if (s.languages_size() > 0) facts.languages.assign(s.languages().begin(), s.languages().end());
    facts.providers.assign(s.payment_providers().begin(), s.payment_providers().end());
    facts.pack = s.pack();
    facts.status = tenant.status();
    facts.settings_version = tenant.settings_version();
    return facts;
}

}  // namespace

GatewayTenants::GatewayTenants(std::shared_ptr<grpc::Channel> gateway)
    : gateway_(std::move(gateway)) {}
GatewayTenants::~GatewayTenants() = default;

TenantFacts GatewayTenants::at_least(const std::string& tenant, std::int64_t version) {
    TenantFacts known;
    const bool fresh = known_.with([&](const auto& all) {
        const auto found = all.find(tenant);
        if (found == all.end()) return false;
        known = found->second;
        return known.settings_version >= version;
    });
    if (fresh) return known;

    grpc::ClientContext context;
    rpc::set_timeout(context, kCallTimeoutMs);
    gateway::v1::GetTenantRequest request;
    request.set_name("tenants/" + tenant);
    gateway::v1::Tenant answer;
    const auto status =
        gateway::v1::TenantService::NewStub(gateway_)->GetTenant(&context, request, &answer);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND)
        throw std::invalid_argument("gateway knows no tenant " + tenant);
    if (!status.ok())
        throw eventlog::TryLater("gateway does not tell about tenant " + tenant + ": " +
                                 status.error_message());
    const auto facts = facts_of(answer, tenant);
    known_.with([&](auto& all) {
        if (all.size() >= kTenantsKept) all.clear();
        all[tenant] = facts;
    });
    return facts;
}

}  // namespace flowstack::conversation
