#include "services/conversation/adapters/tenants.h"

#include "flowstack/gateway/v1/tenant_service.pb.h"

namespace flowstack::conversation {

TenantFacts facts_of(const gateway::v1::Tenant& tenant, const std::string& id) {
    const auto& s = tenant.settings();
    TenantFacts facts;
    facts.id = id;
    facts.display_name = s.display_name().empty() ? s.name() : s.display_name();
    if (!s.country_code().empty()) facts.country = s.country_code();
    if (!s.time_zone().empty()) facts.time_zone = s.time_zone();
    facts.currency = parse_currency(s.currency_code()).value_or(Currency::kes);
    facts.tax_rate_bp = s.tax_rate_bp();
    if (s.languages_size() > 0) facts.languages.assign(s.languages().begin(), s.languages().end());
    facts.providers.assign(s.payment_providers().begin(), s.payment_providers().end());
    // Settings that were stored before there was this one have no word for it.
    facts.orders_while_unclear = s.unclear_payment_policy() != "wait";
    facts.pack = s.pack();
    facts.status = tenant.status();
    facts.settings_version = tenant.settings_version();
    return facts;
}

TenantFacts GatewayTenants::at_least(const std::string& tenant, std::int64_t version) {
    return facts_of(*tenants_.at_least(tenant, version), tenant);
}

}  // namespace flowstack::conversation
