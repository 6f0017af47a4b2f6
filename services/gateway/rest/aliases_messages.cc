#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/conversation/v1/flow_service.pb.h"
#include "flowstack/conversation/v1/template_service.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "services/gateway/rest/alias_json.h"
#include "services/gateway/rest/aliases.h"

// Aliases that say something: templates, flows, sends, reminders, campaigns.
namespace flowstack::gateway {
namespace {

namespace chat = conversation::v1;
using http::Response;

constexpr const char* kOwnFlow = "own";

const std::vector<std::pair<std::string, std::string>> kTemplateFields{
    {"template.variants[0].", ""},
    {"template.template_key", "key"},
    {"template.active", "isActive"},
    {"template.", ""},
};

// The language that these bodies are in: the tenant's first one.
std::string language_of(const RestCalls& calls, const std::string& tenant) {
    const auto known = calls.keys().tenant(tenant);
    return known ? known->language : "en";
}

chat::TemplateVariant* variant_in(chat::Template& t, const std::string& language) {
    for (auto& variant : *t.mutable_variants())
        if (variant.language() == language) return &variant;
    return t.variants_size() > 0 ? t.mutable_variants(0) : nullptr;
}

std::string template_json(chat::Template t, const std::string& language) {
    const auto* variant = variant_in(t, language);
    JsonArray buttons;
    if (variant)
        for (const auto& button : variant->buttons())
            buttons.add(JsonObject()
                            .text("id", button.id())
                            .text("title", button.title())
                            .text("nextTemplateKey", button.next_template_key())
                            .text("nextState", button.next_state())
                            .str());
    return JsonObject()
        .text("key", t.template_key())
        .text("kind", t.kind())
        .text("body", variant ? variant->body() : "")
        .json("buttons", buttons.str())
        .flag("isActive", t.active())
        .text("description", t.description())
        .number("version", t.version())
        .time("updatedAt", t.update_time())
        .str();
}

Response one_template(int status, const chat::Template& t, const std::string& language) {
    return Response::json(
        status, JsonObject().flag("ok", true).json("template", template_json(t, language)).str());
}

// Changes the members that the body names; the others stay.
void take_template(const JsonBody& body, const std::string& language, chat::Template& t) {
    if (t.variants_size() == 0) t.add_variants()->set_language(language);
    auto& variant = *variant_in(t, language);
    if (body.has("body")) variant.set_body(body.text("body"));
    if (body.has("buttons")) {
        variant.clear_buttons();
        for (const auto& each : body.objects("buttons")) {
            auto& button = *variant.add_buttons();
            button.set_id(each.text("id"));
            button.set_title(each.text("title"));
            button.set_next_template_key(each.text("nextTemplateKey"));
            button.set_next_state(each.text("nextState"));
        }
    }
    if (body.has("kind"))
        t.set_kind(body.text("kind"));
    else if (t.kind().empty())
        t.set_kind(variant.buttons_size() > 0 ? "interactive_button" : "text");
    if (body.has("description")) t.set_description(body.text("description"));
    if (const auto active = body.flag("isActive")) t.set_active(*active);
}

std::string template_name(const Visit& visit) {
    return "tenants/" + visit.tenant + "/templates/" + visit.request.params.at("key");
}

void create_template(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    const auto language = language_of(calls, visit->tenant);
    visit->field_names = kTemplateFields;
    chat::CreateTemplateRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.mutable_template_()->set_template_key(body.text("key"));
    take_template(body, language, *request.mutable_template_());
    take_headers(request, visit->request);
    calls.ask<chat::Template>(visit, "conversation.v1.TemplateService.CreateTemplate", request,
                              [visit, language](const chat::Template& t, bool) {
                                  visit->answer(one_template(201, t, language));
                              });
}

void list_templates(const RestCalls& calls, const VisitPtr& visit) {
    chat::ListTemplatesRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.set_page_size(page_size_of(visit->request, kAliasPageMax));
    request.set_page_token(visit->request.query_param("pageToken").value_or(""));
    calls.ask<chat::ListTemplatesResponse>(
        visit, "conversation.v1.TemplateService.ListTemplates", request,
        [visit, language = language_of(calls, visit->tenant)](
            const chat::ListTemplatesResponse& page, bool) {
            JsonArray templates;
            for (const auto& t : page.templates()) templates.add(template_json(t, language));
            visit->answer(Response::json(200, JsonObject()
                                                  .flag("ok", true)
                                                  .json("templates", templates.str())
                                                  .text("nextPageToken", page.next_page_token())
                                                  .str()));
        });
}

void update_template(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    const auto language = language_of(calls, visit->tenant);
    visit->field_names = kTemplateFields;
    chat::GetTemplateRequest get;
    get.set_name(template_name(*visit));
    calls.ask<chat::Template>(visit, "conversation.v1.TemplateService.GetTemplate", get,
                              [&calls, visit, body, language](const chat::Template& now, bool) {
                                  chat::UpdateTemplateRequest request;
                                  request.set_name(now.name());
                                  *request.mutable_template_() = now;
                                  take_template(body, language, *request.mutable_template_());
                                  take_headers(request, visit->request);
                                  calls.ask<chat::Template>(
                                      visit, "conversation.v1.TemplateService.UpdateTemplate",
                                      request, [visit, language](const chat::Template& t, bool) {
                                          visit->answer(one_template(200, t, language));
                                      });
                              });
}

void delete_template(const RestCalls& calls, const VisitPtr& visit) {
    chat::DeleteTemplateRequest request;
    request.set_name(template_name(*visit));
    take_headers(request, visit->request);
    calls.ask<chat::Template>(
        visit, "conversation.v1.TemplateService.DeleteTemplate", request,
        [visit, language = language_of(calls, visit->tenant)](const chat::Template& t, bool) {
            visit->answer(one_template(200, t, language));
        });
}

// The short form of docs/flows.md. What is posted runs: the tenant's pack becomes its own flow.
void publish_flow(const RestCalls& calls, const VisitPtr& visit) {
    visit->field_names = {{"document.", ""}};
    chat::PublishFlowRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.set_flow_key(kOwnFlow);
    request.set_document_json(visit->request.body);
    take_headers(request, visit->request);
    calls.ask<chat::Flow>(
        visit, "conversation.v1.FlowService.PublishFlow", request,
        [&calls, visit](const chat::Flow& flow, bool) {
            const auto answer = JsonObject()
                                    .flag("ok", true)
                                    .json("flow", JsonObject()
                                                      .text("key", flow.flow_key())
                                                      .number("version", flow.version())
                                                      .time("createdAt", flow.create_time())
                                                      .str())
                                    .str();
            v1::UpdateTenantSettingsRequest use;
            use.set_name("tenants/" + visit->tenant);
            use.mutable_settings()->set_pack(kOwnFlow);
            use.mutable_update_mask()->add_paths("pack");
            calls.ask<v1::Tenant>(visit, "gateway.v1.TenantService.UpdateTenantSettings", use,
                                  [visit, answer](const v1::Tenant&, bool) {
                                      visit->answer(Response::json(201, answer));
                                  });
        });
}

// Queues it: 202, or 409 with the first message's id when the key was seen before (only here and in
// send/template: /v1 replays).
void queue(const RestCalls& calls, const VisitPtr& visit, v1::SendMessageRequest request) {
    const JsonBody body(visit->request.body);
    request.set_parent("tenants/" + visit->tenant);
    request.set_to(body.text("to"));
    if (!request.to().empty() && request.to().front() != '+' &&
        std::ranges::all_of(request.to(), [](unsigned char c) { return std::isdigit(c) != 0; }))
        request.set_to("+" + request.to());
    request.set_request_id(body.text("idempotency_key", "idempotencyKey"));
    take_headers(request, visit->request);
    calls.ask<v1::Message>(
        visit, "gateway.v1.MessageService.SendMessage", request,
        [visit](const v1::Message& message, bool replayed) {
            if (replayed)
                return visit->answer(
                    Response::json(409, JsonObject()
                                            .text("error", "Conflict")
                                            .text("message", "this idempotency_key was used before")
                                            .text("messageId", message.message_id())
                                            .str()));
            visit->answer(Response::json(202, JsonObject()
                                                  .flag("ok", true)
                                                  .text("messageId", message.message_id())
                                                  .text("status", message.state())
                                                  .text("to", message.to())
                                                  .str()));
        });
}

const std::vector<std::pair<std::string, std::string>> kSendFields{
    {"content.text.body", "text"}, {"text.body", "text"}, {"content.", ""}};

void send_text(const RestCalls& calls, const VisitPtr& visit) {
    visit->field_names = kSendFields;
    v1::SendMessageRequest request;
    request.mutable_content()->mutable_text()->set_body(
        JsonBody(visit->request.body).required("text"));
    queue(calls, visit, std::move(request));
}

void send_template(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    visit->field_names = kSendFields;
    chat::RenderTemplateRequest render;
    render.set_name("tenants/" + visit->tenant + "/templates/" + body.required("templateKey"));
    render.set_language(body.text("language"));
    for (const auto& [name, value] : body.pairs("variables"))
        (*render.mutable_variables())[name] = value;
    calls.ask<chat::RenderTemplateResponse>(
        visit, "conversation.v1.TemplateService.RenderTemplate", render,
        [&calls, visit](const chat::RenderTemplateResponse& rendered, bool) {
            v1::SendMessageRequest request;
            *request.mutable_content() = rendered.content();
            queue(calls, visit, std::move(request));
        });
}

google::protobuf::Timestamp time_in(const JsonBody& body, const char* name) {
    google::protobuf::Timestamp at;
    if (!google::protobuf::util::TimeUtil::FromString(body.text(name), &at))
        throw rpc::invalid_field(name, "must be a time like 2025-01-15T10:00:00Z");
    return at;
}

// {"type","message","scheduledFor","to"}
void remind(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    visit->field_names = {
        {"kind", "type"}, {"text", "message"}, {"due_time", "scheduledFor"}, {"customer_id", "to"}};
    followup::v1::CreateTaskRequest task;
    task.set_parent("tenants/" + visit->tenant);
    task.set_kind(body.required("type"));
    task.set_text(body.text("message"));
    *task.mutable_due_time() = time_in(body, "scheduledFor");
    task.set_request_id(body.text("idempotency_key", "idempotencyKey"));
    take_headers(task, visit->request);
    v1::ListContactsRequest who;
    who.set_parent("tenants/" + visit->tenant);
    auto phone = body.required("to");
    who.set_phone(phone.front() == '+' ? phone : "+" + phone);
    who.set_page_size(1);
    calls.ask<v1::ListContactsResponse>(
        visit, "gateway.v1.ContactService.ListContacts", who,
        [&calls, visit, task](const v1::ListContactsResponse& found, bool) mutable {
            if (found.contacts_size() == 0)
                throw rpc::invalid_field("to", "must be a customer who has written to you");
            const auto& contact = found.contacts(0);
            task.set_customer_id(contact.merged_into().empty() ? contact.customer_id()
                                                               : contact.merged_into());
            calls.ask<followup::v1::Task>(
                visit, "followup.v1.TaskService.CreateTask", task,
                [visit](const followup::v1::Task& made, bool) {
                    visit->answer(success(201, JsonObject()
                                                   .text("id", made.task_id())
                                                   .text("type", made.kind())
                                                   .text("status", made.state())
                                                   .text("message", made.text())
                                                   .text("customerId", made.customer_id())
                                                   .time("scheduledFor", made.due_time())
                                                   .str()));
                });
        });
}

std::string campaign_json(const campaign::v1::Campaign& made) {
    return JsonObject()
        .text("id", made.campaign_id())
        .text("name", made.display_name())
        .text("message", made.body())
        .text("type", made.type())
        .text("status", made.state())
        .time("createdAt", made.create_time())
        .str();
}

// {"name","message","type","targetAudience":{"type":"all"|"segment"|"list",…},"startImmediately"}
void create_campaign(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    visit->field_names = {{"display_name", "name"},
                          {"body", "message"},
                          {"audience.kind", "targetAudience.type"},
                          {"start_time", "scheduledFor"}};
    campaign::v1::CreateCampaignRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.set_display_name(body.text("name"));
    request.set_body(body.text("message"));
    request.set_type(body.text("type"));
    if (const auto audience = body.object("targetAudience")) {
        const auto type = audience->text("type");
        const bool list = type == "list";
        visit->field_names.emplace_back("audience.values",
                                        list ? "targetAudience.numbers" : "targetAudience.tags");
        request.mutable_audience()->set_kind(type == "segment" ? "tag" : type);
        const auto members =
            list ? std::array{"numbers", "phoneNumbers"} : std::array{"tags", "segment"};
        for (const auto* name : members)
            for (const auto& value : audience->texts(name))
                request.mutable_audience()->add_values(value);
    }
    request.set_start_immediately(body.flag("startImmediately").value_or(false));
    if (body.has("scheduledFor")) *request.mutable_start_time() = time_in(body, "scheduledFor");
    request.set_request_id(body.text("idempotency_key", "idempotencyKey"));
    take_headers(request, visit->request);
    calls.ask<campaign::v1::Campaign>(visit, "campaign.v1.CampaignService.CreateCampaign", request,
                                      [visit](const campaign::v1::Campaign& made, bool) {
                                          visit->answer(success(201, campaign_json(made)));
                                      });
}

void campaign_metrics(const RestCalls& calls, const VisitPtr& visit) {
    campaign::v1::GetCampaignMetricsRequest request;
    request.set_name("tenants/" + visit->tenant + "/campaigns/" + visit->request.params.at("id"));
    calls.ask<campaign::v1::CampaignMetrics>(
        visit, "campaign.v1.CampaignService.GetCampaignMetrics", request,
        [visit](const campaign::v1::CampaignMetrics& m, bool) {
            visit->answer(success(200, JsonObject()
                                           .text("campaignId", id_of(m.name()))
                                           .text("status", m.state())
                                           .number("audience", m.audience())
                                           .number("waiting", m.waiting())
                                           .number("queued", m.queued())
                                           .number("sent", m.sent())
                                           .number("delivered", m.delivered())
                                           .number("read", m.read())
                                           .number("replied", m.replied())
                                           .number("suppressed", m.suppressed())
                                           .number("optedOut", m.opted_out())
                                           .number("failed", m.failed())
                                           .number("unknown", m.unknown())
                                           .number("cancelled", m.cancelled())
                                           .str()));
        });
}

}  // namespace

const std::vector<Alias> kMessageAliases{
    {"POST", "/tenants/{tenant}/templates", AliasScope::tenant_in_path, create_template},
    {"GET", "/tenants/{tenant}/templates", AliasScope::tenant_in_path, list_templates},
    {"PUT", "/tenants/{tenant}/templates/{key}", AliasScope::tenant_in_path, update_template},
    {"DELETE", "/tenants/{tenant}/templates/{key}", AliasScope::tenant_in_path, delete_template},
    {"POST", "/tenants/{tenant}/flows", AliasScope::tenant_in_path, publish_flow},
    {"POST", "/tenants/{tenant}/send", AliasScope::tenant_in_path, send_text},
    {"POST", "/tenants/{tenant}/send/template", AliasScope::tenant_in_path, send_template},
    {"POST", "/whatsapp/reminders", AliasScope::tenant_of_key, remind},
    {"POST", "/whatsapp/campaigns", AliasScope::tenant_of_key, create_campaign},
    {"GET", "/whatsapp/campaigns/{id}/metrics", AliasScope::tenant_of_key, campaign_metrics},
};

}  // namespace flowstack::gateway
