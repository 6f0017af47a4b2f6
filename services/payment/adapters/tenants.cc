#include "services/payment/adapters/tenants.h"

#include "flowstack/gateway/v1/tenant_service.pb.h"

namespace flowstack::payment {
namespace {

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

TenantView GatewayTenants::at_least(const std::string& tenant, std::int64_t version) {
    return view_of(*tenants_.at_least(tenant, version));
}

}  // namespace flowstack::payment
