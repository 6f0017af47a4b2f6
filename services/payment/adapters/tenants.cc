#include "services/payment/adapters/tenants.h"

#include <absl/time/time.h>
#include <grpcpp/grpcpp.h>

#include "common/eventlog/turn.h"
#include "common/rpc/channel.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"

namespace flowstack::payment {
namespace {

constexpr std::chrono::milliseconds kCallTimeoutMs{3000};
constexpr std::size_t kTenantsKept = 10'000;

TenantView view_of(const gateway::v1::Tenant& tenant) {
    const auto& s = tenant.settings();
    TenantView view;
    view.version = tenant.settings_version();
    view.currency = parse_currency(s.currency_code()).value_or(Currency::kes);
    view.time_zone = s.time_zone();
    view.tax_rate_bp = s.tax_rate_bp();
    if (!s.order_prefix().empty()) view.order_prefix = s.order_prefix();
    if (!s.invoice_prefix().empty()) view.invoice_prefix = s.invoice_prefix();
    if (s.languages_size() > 0) view.language = s.languages(0);
    return view;
}

}  // namespace

GatewayTenants::GatewayTenants(std::shared_ptr<grpc::Channel> gateway)
    : gateway_(std::move(gateway)) {}
GatewayTenants::~GatewayTenants() = default;

TenantView GatewayTenants::at_least(const std::string& tenant, std::int64_t version) {
    TenantView known;
    const bool fresh = known_.with([&](const auto& all) {
        const auto found = all.find(tenant);
        if (found == all.end()) return false;
        known = found->second;
        return known.version >= version;
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
    const auto view = view_of(answer);
    known_.with([&](auto& all) {
        if (all.size() >= kTenantsKept) all.clear();
        all[tenant] = view;
    });
    return view;
}

int year_in(const std::string& time_zone, Time at) {
    absl::TimeZone zone;
    if (!absl::LoadTimeZone(time_zone, &zone)) zone = absl::UTCTimeZone();
    return static_cast<int>(absl::ToCivilYear(absl::FromUnixMicros(unix_micros(at)), zone).year());
}

}  // namespace flowstack::payment
