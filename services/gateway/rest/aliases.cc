#include "services/gateway/rest/aliases.h"

#include <algorithm>

#include "flowstack/gateway/v1/message_log_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "services/gateway/rest/alias_json.h"

namespace flowstack::gateway {
namespace {

using http::Request;
using http::Responder;
using http::Response;

constexpr int kLogMessages = 50;

// A request for a part that is not built yet is answered with 501, which says so.
Response not_yet(const char* what) {
    return Response::problem(501, "Not built yet", what, "UNIMPLEMENTED");
}
void no_ghala(const RestCalls&, const VisitPtr& visit) {
    visit->answer(not_yet(
        "FlowStack does not speak to Ghala yet, so nothing that it sends is taken here. Meta's "
        "Cloud API is at /webhooks/whatsapp."));
}
void no_console(const RestCalls&, const VisitPtr& visit) {
    visit->answer(not_yet(
        "There is no console yet. The API behind it is /v1; tenants are listed at /admin/tenants "
        "with the operator's key."));
}
void no_worker(const RestCalls&, const VisitPtr& visit) {
    visit->answer(not_yet(
        "Linked devices do not exist yet: there is no worker to start or stop and no code to "
        "scan. Channels of Meta's Cloud API are at /v1/tenants/{tenant}/channels."));
}

void health(const RestCalls&, const VisitPtr& visit) {
    visit->answer(Response::json(200, R"({"ok":true})"));
}

void where_callbacks_go(const RestCalls&, const VisitPtr& visit) {
    visit->answer(Response::problem(
        404, "Not found",
        "Daraja does not sign its callbacks, so each payment has an unguessable path of its own: "
        "/hooks/pay/{token}, at the payment service's address. FlowStack names it in every push; "
        "nothing has to be configured here.",
        "NOT_FOUND"));
}

std::string tenant_json(const v1::Tenant& tenant) {
    const auto& settings = tenant.settings();
    return JsonObject()
        .text("id", tenant.tenant_id())
        .text("name", settings.name())
        .text("displayName", settings.display_name())
        .text("status", tenant.status())
        .text("channelId", tenant.channel_id())
        .text("currency", settings.currency_code())
        .text("pack", settings.pack())
        .text("templateType", settings.pack())
        .text("language", settings.languages_size() > 0 ? settings.languages(0) : "")
        .time("createdAt", tenant.create_time())
        .text("tenantId", tenant.tenant_id())
        .str();
}

// {"name","phoneNumberId","accessToken","wabaId"?} and, as a form sends them, "displayName",
// "templateType", "language", "phoneNumber" → 201; the token is never shown.
void register_tenant(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    visit->field_names = {{"settings.name", "name"},
                          {"channel.external_id", "phoneNumberId"},
                          {"channel.business_account_id", "wabaId"},
                          {"channel.credentials.access_token", "accessToken"},
                          {"settings.display_name", "displayName"},
                          {"settings.pack", "templateType"},
                          {"settings.languages", "language"},
                          {"tenant_id", "id"}};
    v1::RegisterTenantRequest request;
    request.set_tenant_id(body.text("id"));
    auto& settings = *request.mutable_settings();
    settings.set_name(body.required("name"));
    settings.set_display_name(body.text("displayName"));
    settings.set_pack(body.text("templateType", "pack"));
    if (body.has("language")) settings.add_languages(body.text("language"));
    auto& channel = *request.mutable_channel();
    channel.set_external_id(body.required("phoneNumberId"));
    channel.set_business_account_id(body.text("wabaId"));
    channel.set_app_id(body.text("appId"));
    channel.set_display_phone_number(body.text("phoneNumber", "displayPhoneNumber"));
    channel.mutable_credentials()->set_access_token(body.required("accessToken"));
    take_headers(request, visit->request);
    calls.ask<v1::Tenant>(visit, "gateway.v1.TenantService.RegisterTenant", request,
                          [visit](const v1::Tenant& tenant, bool) {
                              visit->answer(Response::json(201, tenant_json(tenant)));
                          });
}

void get_tenant(const RestCalls& calls, const VisitPtr& visit) {
    v1::GetTenantRequest request;
    request.set_name("tenants/" + visit->tenant);
    calls.ask<v1::Tenant>(visit, "gateway.v1.TenantService.GetTenant", request,
                          [visit](const v1::Tenant& tenant, bool) {
                              visit->answer(Response::json(200, tenant_json(tenant)));
                          });
}

void list_tenants(const RestCalls& calls, const VisitPtr& visit) {
    v1::ListTenantsRequest request;
    request.set_page_token(visit->request.query_param("pageToken").value_or(""));
    calls.ask<v1::ListTenantsResponse>(
        visit, "gateway.v1.TenantService.ListTenants", request,
        [visit](const v1::ListTenantsResponse& page, bool) {
            JsonArray tenants;
            for (const auto& tenant : page.tenants()) tenants.add(tenant_json(tenant));
            visit->answer(Response::json(200, JsonObject()
                                                  .json("tenants", tenants.str())
                                                  .text("nextPageToken", page.next_page_token())
                                                  .str()));
        });
}

// Lists what was said in both directions, the latest first.
void message_log(const RestCalls& calls, const VisitPtr& visit) {
    v1::ListMessageLogRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.set_page_size(page_size_of(visit->request, kLogMessages));
    calls.ask<v1::ListMessageLogResponse>(
        visit, "gateway.v1.MessageLogService.ListMessageLog", request,
        [visit](const v1::ListMessageLogResponse& page, bool) {
            JsonArray logs;
            for (const auto& message : page.messages()) {
                const bool in = message.direction() == v1::MESSAGE_DIRECTION_INBOUND;
                logs.add(JsonObject()
                             .text("id", message.message_id())
                             .text("direction", in ? "in" : "out")
                             .text(in ? "from" : "to", message.address())
                             .text("type", message.type())
                             .text("text", message.text())
                             .text("status", message.state())
                             .text("reason", message.reason())
                             .time("createdAt", message.create_time())
                             .str());
            }
            visit->answer(Response::json(200, JsonObject().json("logs", logs.str()).str()));
        });
}

// The tenant that a request means; the operator's key must name it. Throws a refusal.
std::string tenant_of(const RestCalls& calls, const Visit& visit, AliasScope scope) {
    std::string named;
    if (scope == AliasScope::tenant_in_path) {
        named = visit.request.params.at("tenant");
    } else if (const auto business = visit.request.query_param("businessId")) {
        named = *business;
    } else if (visit.request.method == "POST") {
        named = JsonBody(visit.request.body).text("businessId");
    }
    if (visit.caller.operates_platform()) {
        if (named.empty())
            throw rpc::invalid_field("businessId", "must name a tenant with the operator's key");
        if (!calls.keys().tenant(named)) throw rpc::not_found("tenants/" + named);
        return named;
    }
    const auto& tenants = visit.caller.grants.tenants;
    if (named.empty()) {
        if (tenants.empty())
            throw rpc::permission_denied("This token grants nothing in any tenant.");
        if (tenants.size() != 1)
            throw rpc::invalid_field("businessId", "must name one of your tenants");
        named = tenants.begin()->first;
    }
    if (!tenants.contains(named)) throw rpc::not_found("tenants/" + named);
    return named;
}

}  // namespace

int page_size_of(const Request& request, int otherwise) {
    const auto limit = request.query_param("limit");
    if (!limit) return otherwise;
    if (limit->empty() || limit->size() > 4 ||
        limit->find_first_not_of("0123456789") != std::string::npos || *limit == "0")
        throw rpc::invalid_field("limit", "must be a number from 1 to 200");
    return std::min(std::stoi(*limit), kAliasPageMax);
}

const std::vector<Alias> kPlatformAliases{
    {"GET", "/health", AliasScope::anybody, health},
    {"GET", "/whatsapp/health", AliasScope::anybody, health},
    {"GET", "/webhooks/mpesa", AliasScope::anybody, where_callbacks_go},
    {"POST", "/webhooks/mpesa", AliasScope::anybody, where_callbacks_go},
    {"POST", "/tenants/register", AliasScope::platform, register_tenant},
    {"GET", "/admin/tenants", AliasScope::platform, list_tenants},
    {"POST", "/admin/tenants", AliasScope::platform, register_tenant},
    {"GET", "/admin/tenants/{tenant}", AliasScope::tenant_in_path, get_tenant},
    {"GET", "/admin/tenants/{tenant}/logs", AliasScope::tenant_in_path, message_log},
    {"POST", "/webhooks/ghala", AliasScope::anybody, no_ghala},
    {"POST", "/api/webhooks/ghala", AliasScope::anybody, no_ghala},
    {"GET", "/admin", AliasScope::anybody, no_console},
    {"POST", "/admin/tenants/{tenant}/worker/start", AliasScope::tenant_in_path, no_worker},
    {"POST", "/admin/tenants/{tenant}/worker/stop", AliasScope::tenant_in_path, no_worker},
    {"POST", "/admin/tenants/{tenant}/worker/restart", AliasScope::tenant_in_path, no_worker},
    {"GET", "/admin/tenants/{tenant}/qr", AliasScope::tenant_in_path, no_worker},
};

void Aliases::add_routes(http::Router& router) const {
    for (const auto* part : {&kPlatformAliases, &kMessageAliases, &kShopAliases})
        for (const auto& alias : *part)
            router.add(alias.method, alias.pattern,
                       [&calls = calls_, &alias](Request request, Responder responder) {
                           const auto visit = calls.visit(std::move(request), std::move(responder));
                           visit->guarded([&] {
                               RestCalls::refuse_secrets(visit->request);
                               if (alias.scope != AliasScope::anybody)
                                   visit->caller = calls.caller_of(visit->request);
                               if (alias.scope == AliasScope::platform &&
                                   !visit->caller.operates_platform())
                                   throw rpc::permission_denied(
                                       "Only the platform's operators may do this.");
                               if (alias.scope == AliasScope::tenant_in_path ||
                                   alias.scope == AliasScope::tenant_of_key)
                                   visit->tenant = tenant_of(calls, *visit, alias.scope);
                               if (alias.scope != AliasScope::anybody)
                                   RestCalls::refuse_unreadable(visit->request);
                               alias.serve(calls, visit);
                           });
                       });
}

}  // namespace flowstack::gateway
