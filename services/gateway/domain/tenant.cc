#include "services/gateway/domain/tenant.h"

#include <algorithm>
#include <array>

#include "common/core/corrupt_stream.h"
#include "common/core/money.h"

namespace flowstack::gateway {
namespace {

using Answer = Decision<TenantEvent, TenantRejection>;

constexpr std::size_t kNameMax = 120;
constexpr std::size_t kPrefixMax = 12;
constexpr int kMinutesADay = 24 * 60;
constexpr std::array<std::string_view, 2> kLanguages{"en", "sw"};
constexpr std::array<std::string_view, 2> kProviders{"mpesa", "card"};

Answer on(const NoTenant&, const RegisterTenant& c) {
    if (!valid_tenant_id(c.tenant_id) || !faults_of(c.settings).empty())
        return TenantRejection::invalid_settings;
    return TenantRegistered{c};
}
Answer on(const KnownTenant&, const RegisterTenant&) { return TenantRejection::already_registered; }

Answer on(const KnownTenant& t, const ChangeSettings& c) {
    if (t.status == TenantStatus::closed) return TenantRejection::closed;
    if (!faults_of(c.settings).empty()) return TenantRejection::invalid_settings;
    if (c.settings == t.settings) return std::vector<TenantEvent>{};
    return TenantSettingsChanged{c.settings};
}
Answer on(const KnownTenant& t, const SuspendTenant& c) {
    if (t.status != TenantStatus::active) return TenantRejection::not_active;
    return TenantSuspended{c.reason};
}
Answer on(const KnownTenant& t, const ResumeTenant& c) {
    if (t.status != TenantStatus::suspended) return TenantRejection::not_suspended;
    return TenantResumed{c.reason};
}
Answer on(const KnownTenant& t, const CloseTenant& c) {
    if (t.status == TenantStatus::closed) return TenantRejection::closed;
    return TenantClosed{c.reason};
}
template <class AnyCommand>
Answer on(const NoTenant&, const AnyCommand&) {
    return TenantRejection::unknown_tenant;
}

Tenant after(const NoTenant&, const TenantRegistered& e) {
    return KnownTenant{e.tenant.tenant_id, e.tenant.settings, e.tenant.channel_id,
                       TenantStatus::active};
}
Tenant after(KnownTenant t, const TenantSettingsChanged& e) {
    t.settings = e.settings;
    return t;
}
Tenant after(KnownTenant t, const TenantSuspended&) {
    t.status = TenantStatus::suspended;
    return t;
}
Tenant after(KnownTenant t, const TenantResumed&) {
    t.status = TenantStatus::active;
    return t;
}
Tenant after(KnownTenant t, const TenantClosed&) {
    t.status = TenantStatus::closed;
    return t;
}
template <class Stage, class AnyEvent>
Tenant after(const Stage&, const AnyEvent&) {
    throw CorruptStream("tenant: event out of order");
}

bool upper_ascii(std::string_view text, std::size_t length) {
    return text.size() == length &&
           std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

}  // namespace

TenantSettings with_defaults(TenantSettings s) {
    const auto fill = [](std::string& field, std::string_view value) {
        if (field.empty()) field = value;
    };
    fill(s.display_name, s.name);
    fill(s.country_code, "KE");
    fill(s.time_zone, "Africa/Nairobi");
    fill(s.currency_code, "KES");
    if (s.languages.empty()) s.languages = {"en", "sw"};
    fill(s.pack, "ECOMMERCE");
    fill(s.order_prefix, "ORD");
    fill(s.invoice_prefix, "INV");
    fill(s.unknown_text_policy, "hold");
    if (s.payment_providers.empty()) s.payment_providers = {"mpesa"};
    return s;
}

std::vector<FieldError> faults_of(const TenantSettings& s) {
    std::vector<FieldError> faults;
    const auto wrong = [&](std::string field, std::string allowed) {
        faults.push_back({std::move(field), std::move(allowed)});
    };
    if (s.name.empty() || s.name.size() > kNameMax) wrong("name", "must have 1 to 120 characters");
    if (s.display_name.size() > kNameMax) wrong("display_name", "at most 120 characters");
    if (!upper_ascii(s.country_code, 2))
        wrong("country_code", "must be ISO 3166-1 alpha-2, e.g. KE");
    if (s.time_zone.empty()) wrong("time_zone", "must be an IANA name, e.g. Africa/Nairobi");
    if (!parse_currency(s.currency_code)) wrong("currency_code", "must be ISO 4217, e.g. KES");
    if (s.languages.empty()) wrong("languages", "at least one of en, sw");
    for (const auto& language : s.languages)
        if (std::ranges::find(kLanguages, language) == kLanguages.end())
            wrong("languages", "must be of en, sw");
    if (s.tax_rate_bp < 0 || s.tax_rate_bp > 10'000)
        wrong("tax_rate_bp", "must be from 0 to 10000 basis points");
    if (s.order_prefix.empty() || s.order_prefix.size() > kPrefixMax)
        wrong("order_prefix", "must have 1 to 12 characters");
    if (s.invoice_prefix.empty() || s.invoice_prefix.size() > kPrefixMax)
        wrong("invoice_prefix", "must have 1 to 12 characters");
    for (const int minute : {s.quiet_hours.start_minute, s.quiet_hours.end_minute})
        if (minute < 0 || minute >= kMinutesADay)
            wrong("quiet_hours", "minutes must be from 0 to 1439");
    if (s.unknown_text_policy != "hold" && s.unknown_text_policy != "send_again")
        wrong("unknown_text_policy", "must be hold or send_again");
    for (const auto& provider : s.payment_providers)
        if (std::ranges::find(kProviders, provider) == kProviders.end())
            wrong("payment_providers", "must be of mpesa, card");
    return faults;
}

bool valid_tenant_id(std::string_view id) {
    if (id.empty() || id.size() > 63 || id.front() == '-' || id.back() == '-') return false;
    // The platform's own streams carry this name in the tenant's place.
    if (id == "platform") return false;
    return std::ranges::all_of(
        id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::string_view text_of(TenantStatus status) {
    switch (status) {
        case TenantStatus::active:
            return "ACTIVE";
        case TenantStatus::suspended:
            return "SUSPENDED";
        case TenantStatus::closed:
            return "CLOSED";
    }
    return "ACTIVE";
}

Answer decide(const Tenant& tenant, const TenantCommand& command) {
    return std::visit([](const auto& s, const auto& c) { return on(s, c); }, tenant, command);
}

Tenant evolve(const Tenant& tenant, const TenantEvent& event) {
    return std::visit([](const auto& s, const auto& e) { return after(s, e); }, tenant, event);
}

}  // namespace flowstack::gateway
