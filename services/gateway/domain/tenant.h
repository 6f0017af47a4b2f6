#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"

// A tenant: a business, its settings, and whether FlowStack works for it now. Its version travels
// with every event that was decided under its settings.
namespace flowstack::gateway {

struct QuietHours {
    int start_minute = 0;  // after midnight, in the tenant's time zone; start = end: none
    int end_minute = 0;
    friend bool operator==(const QuietHours&, const QuietHours&) = default;
};

struct TenantSettings {
    std::string name;
    std::string display_name;
    std::string country_code;   // ISO 3166-1 alpha-2
    std::string time_zone;      // IANA
    std::string currency_code;  // ISO 4217
    std::vector<std::string> languages;
    std::string pack;
    int tax_rate_bp = 0;
    std::string order_prefix;
    std::string invoice_prefix;
    QuietHours quiet_hours;
    std::string unknown_text_policy;  // hold | send_again
    std::vector<std::string> payment_providers;
    friend bool operator==(const TenantSettings&, const TenantSettings&) = default;
};

// What is left out when a tenant is registered.
TenantSettings with_defaults(TenantSettings settings);

// One thing that is wrong with one field; empty vector: they may be stored.
struct FieldError {
    std::string field;        // "tax_rate_bp"
    std::string description;  // "must be from 0 to 10000"
    friend bool operator==(const FieldError&, const FieldError&) = default;
};
std::vector<FieldError> faults_of(const TenantSettings& settings);

// Lower-case letters, digits and inner dashes, 1 to 63: it is part of names, paths and labels.
bool valid_tenant_id(std::string_view id);

struct RegisterTenant {
    std::string tenant_id;
    TenantSettings settings;
    std::string channel_id;
    std::string channel_kind;
    std::string channel_external_id;
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
    std::string first_channel_id;
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

Decision<TenantEvent, TenantRejection> decide(const Tenant& tenant, const TenantCommand& command);
// Throws CorruptStream.
Tenant evolve(const Tenant& tenant, const TenantEvent& event);

}  // namespace flowstack::gateway
