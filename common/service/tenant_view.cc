#include "common/service/tenant_view.h"

#include "common/eventlog/payload.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/service/documents.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"

namespace flowstack::service {
namespace {

using eventlog::is;
using eventlog::parsed;

void take_settings(TenantView& view, const gateway::v1::TenantSettings& settings) {
    view.set_time_zone(settings.time_zone());
    view.set_quiet_start_minute(settings.quiet_hours().start_minute());
    view.set_quiet_end_minute(settings.quiet_hours().end_minute());
}

// gateway's word for a status (flowstack.gateway.v1.Tenant.status).
common::v1::TenantStatus parse_status(const std::string& text) {
    if (text == "CLOSED") return common::v1::TENANT_STATUS_CLOSED;
    if (text == "SUSPENDED") return common::v1::TENANT_STATUS_SUSPENDED;
    return common::v1::TENANT_STATUS_ACTIVE;
}

}  // namespace

void project_tenant(const eventlog::Recorded& event, eventlog::Turn& turn) {
    if (event.service != "gateway" || event.stream.category != "tenant") return;
    const auto& tenant = event.stream.tenant;
    auto view = document<TenantView>(turn, tenant, kTenantDocument, tenant);
    if (is<gateway::v1::TenantRegistered>(event)) {
        view.set_status(common::v1::TENANT_STATUS_ACTIVE);
        take_settings(view, parsed<gateway::v1::TenantRegistered>(event).settings());
    } else if (is<gateway::v1::TenantSettingsChanged>(event)) {
        take_settings(view, parsed<gateway::v1::TenantSettingsChanged>(event).settings());
    } else if (is<gateway::v1::TenantSuspended>(event)) {
        view.set_status(common::v1::TENANT_STATUS_SUSPENDED);
    } else if (is<gateway::v1::TenantResumed>(event)) {
        view.set_status(common::v1::TENANT_STATUS_ACTIVE);
    } else if (is<gateway::v1::TenantClosed>(event)) {
        view.set_status(common::v1::TENANT_STATUS_CLOSED);
    } else {
        return;
    }
    turn.put(
        {tenant, kTenantDocument, tenant, "", "", event.occurred_at, view.SerializeAsString()});
}

std::optional<TenantView> known_tenant(eventlog::ReadModel& read_model, const std::string& tenant) {
    return stored_document<TenantView>(read_model, tenant, kTenantDocument, tenant);
}

TenantView tenant_view(eventlog::ReadModel& read_model, Tenants& tenants,
                       const std::string& tenant) {
    if (auto known = known_tenant(read_model, tenant)) return std::move(*known);
    const auto told = tenants.at_least(tenant, 0);
    TenantView view;
    view.set_status(parse_status(told->status()));
    take_settings(view, told->settings());
    return view;
}

void check_not_closed(eventlog::ReadModel& read_model, Tenants& tenants,
                      const std::string& tenant) {
    try {
        if (tenant_view(read_model, tenants, tenant).status() == common::v1::TENANT_STATUS_CLOSED)
            throw rpc::tenant_closed(rpc::tenant_name(tenant));
    } catch (const NoSuchTenant&) {
        throw rpc::not_found(rpc::tenant_name(tenant));
    }
}

}  // namespace flowstack::service
