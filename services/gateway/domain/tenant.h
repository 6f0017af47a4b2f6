#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "services/gateway/domain/ids.h"
#include "services/gateway/domain/tenant_settings.h"

// A tenant: a business, its settings, and whether FlowStack works for it now. Its version travels
// with every event that was decided under its settings.
namespace flowstack::gateway {

// Lower-case letters, digits and inner dashes, 1 to 63: it is part of names, paths and labels.
bool valid_tenant_id(std::string_view id);

struct RegisterTenant {
    std::string tenant_id;
    TenantSettings settings;
    ChannelId channel_id;
    std::string channel_kind;
    ExternalChannelId channel_external_id;
};
struct ChangeSettings {
    TenantSettings settings;
};
struct SuspendTenant {
    std::string reason;
};
struct ResumeTenant {
    std::string reason;
};
struct CloseTenant {
    std::string reason;
};
using TenantCommand =
    std::variant<RegisterTenant, ChangeSettings, SuspendTenant, ResumeTenant, CloseTenant>;

struct TenantRegistered {
    RegisterTenant tenant;
};
struct TenantSettingsChanged {
    TenantSettings settings;
};
struct TenantSuspended {
    std::string reason;
};
struct TenantResumed {
    std::string reason;
};
struct TenantClosed {
    std::string reason;
};
using TenantEvent = std::variant<TenantRegistered, TenantSettingsChanged, TenantSuspended,
                                 TenantResumed, TenantClosed>;

enum class TenantStatus { active, suspended, closed };
std::string_view text_of(TenantStatus status);  // "ACTIVE"

struct NoTenant {};
struct KnownTenant {
    std::string tenant_id;
    TenantSettings settings;
    ChannelId first_channel_id;
    TenantStatus status = TenantStatus::active;
};
using Tenant = std::variant<NoTenant, KnownTenant>;

enum class TenantRejection {
    invalid_settings,  // faults_of says which
    already_registered,
    unknown_tenant,
    not_active,
    not_suspended,
    closed,
};

Decision<TenantEvent, TenantRejection> decide(const Tenant& tenant, const TenantCommand& command,
                                              const Installation& installation);
// Throws CorruptStream.
Tenant evolve(const Tenant& tenant, const TenantEvent& event);

}  // namespace flowstack::gateway
