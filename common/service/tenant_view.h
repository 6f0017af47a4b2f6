#pragma once

#include <optional>
#include <string>

#include "common/eventlog/read_model.h"
#include "common/eventlog/turn.h"
#include "common/service/tenants.h"
#include "flowstack/common/v1/tenant_view.pb.h"

// What a service remembers of a tenant from gateway's facts: for services that act at a time of
// their own, when no event or call brings the tenant's settings along.
namespace flowstack::service {

using common::v1::TenantView;

// The kind of the document in the service's read model; its id is the tenant.
inline constexpr const char* kTenantDocument = "tenant";

// Keeps the document from gateway's facts about tenants, and ignores every other event.
void project_tenant(const eventlog::Recorded& event, eventlog::Turn& turn);

// As this service has read of the tenant; nothing while it has read nothing.
std::optional<TenantView> known_tenant(eventlog::ReadModel& read_model, const std::string& tenant);

// As this service has read of the tenant, or as gateway says while it has not. Throws what
// Tenants::at_least throws.
TenantView tenant_view(eventlog::ReadModel& read_model, Tenants& tenants,
                       const std::string& tenant);

// For an RPC that makes something for a tenant. Throws NOT_FOUND for a tenant that does not exist
// and TENANT_CLOSED for one that is closed.
void check_not_closed(eventlog::ReadModel& read_model, Tenants& tenants, const std::string& tenant);

}  // namespace flowstack::service
