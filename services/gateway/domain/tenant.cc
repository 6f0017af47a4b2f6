#include "services/gateway/domain/tenant.h"

#include <algorithm>

#include "common/core/corrupt_stream.h"

namespace flowstack::gateway {
namespace {

using Answer = Decision<TenantEvent, TenantRejection>;

Answer on(const NoTenant&, const RegisterTenant& c, const Installation& can) {
    if (!valid_tenant_id(c.tenant_id) || !faults_of(c.settings, can).empty())
        return TenantRejection::invalid_settings;
    return TenantRegistered{.tenant = c};
}
Answer on(const KnownTenant&, const RegisterTenant&, const Installation&) {
    return TenantRejection::already_registered;
}

Answer on(const KnownTenant& t, const ChangeSettings& c, const Installation& can) {
    if (t.status == TenantStatus::closed) return TenantRejection::closed;
    if (!faults_of(c.settings, can).empty()) return TenantRejection::invalid_settings;
    if (c.settings == t.settings) return std::vector<TenantEvent>{};
    return TenantSettingsChanged{.settings = c.settings};
}
Answer on(const KnownTenant& t, const SuspendTenant& c, const Installation&) {
    if (t.status == TenantStatus::closed) return TenantRejection::closed;
    if (t.status != TenantStatus::active) return TenantRejection::not_active;
    return TenantSuspended{.reason = c.reason};
}
Answer on(const KnownTenant& t, const ResumeTenant& c, const Installation&) {
    if (t.status == TenantStatus::closed) return TenantRejection::closed;
    if (t.status != TenantStatus::suspended) return TenantRejection::not_suspended;
    return TenantResumed{.reason = c.reason};
}
Answer on(const KnownTenant& t, const CloseTenant& c, const Installation&) {
    if (t.status == TenantStatus::closed) return std::vector<TenantEvent>{};
    return TenantClosed{.reason = c.reason};
}
template <class AnyCommand>
Answer on(const NoTenant&, const AnyCommand&, const Installation&) {
    return TenantRejection::unknown_tenant;
}

Tenant after(const NoTenant&, const TenantRegistered& e) {
    return KnownTenant{.tenant_id = e.tenant.tenant_id,
                       .settings = e.tenant.settings,
                       .first_channel_id = e.tenant.channel_id,
                       .status = TenantStatus::active};
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

}  // namespace

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

Answer decide(const Tenant& tenant, const TenantCommand& command, const Installation& can) {
    return std::visit([&](const auto& s, const auto& c) { return on(s, c, can); }, tenant, command);
}

Tenant evolve(const Tenant& tenant, const TenantEvent& event) {
    return std::visit([](const auto& s, const auto& e) { return after(s, e); }, tenant, event);
}

}  // namespace flowstack::gateway
