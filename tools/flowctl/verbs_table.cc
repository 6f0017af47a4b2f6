#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/conversation/v1/booking_service.pb.h"
#include "flowstack/conversation/v1/catalog_service.pb.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "flowstack/conversation/v1/flow_service.pb.h"
#include "flowstack/conversation/v1/support_service.pb.h"
#include "flowstack/conversation/v1/template_service.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/message_log_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/notice_service.pb.h"
#include "flowstack/gateway/v1/provider_template_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "flowstack/payment/v1/provider_account_service.pb.h"
#include "flowstack/payment/v1/refund_service.pb.h"
#include "tools/flowctl/verbs.h"

// Every command that is one call. Those that show more than an answer, or ask more than one method,
// are written by hand: resources.cc, channels.cc, webhooks.cc.
namespace flowstack::flowctl {
namespace {

namespace campaigns = campaign::v1;
namespace talk = conversation::v1;
namespace followups = followup::v1;
namespace door = gateway::v1;
namespace money = payment::v1;

using Kind = VerbOption::Kind;

VerbOption reason(bool required = false) {
    return {"--reason", "reason", "why, for the record", Kind::text, required};
}
VerbOption etag() { return {"--etag", "etag", "only if nothing was changed since this etag"}; }
VerbOption request_id() {
    return {"--request-id", "request_id", "a repeat with the same id gets the first answer"};
}
VerbOption state(const std::string& words) { return {"--state", "state", words, Kind::word}; }
VerbOption customer() { return {"--customer", "customer_id", "only of this customer"}; }
VerbOption token_file(const std::string& path) {
    return {"--token-file", path, "a file with the provider's access token, - reads stdin",
            Kind::file, true};
}

void add_tenants(std::vector<Verb>& all) {
    all.push_back(
        {.group = "tenants",
         .name = "register",
         .help = "make a tenant with its first channel, e.g. tenant_id=demo "
                 "settings.name=Duka channel.external_id=1001",
         .call = method<door::RegisterTenantRequest, door::Tenant>("TenantService/RegisterTenant"),
         .options = {token_file("channel.credentials.access_token"), request_id()},
         .takes_fields = true});
    const auto looks = method<door::GetTenantRequest, door::Tenant>("TenantService/GetTenant");
    all.push_back(
        {.group = "tenants",
         .name = "suspend",
         .help = "store what comes in, answer nothing, hold what is queued",
         .call = method<door::SuspendTenantRequest, door::Tenant>("TenantService/SuspendTenant"),
         .collection = "tenants",
         .options = {reason(true), request_id()},
         .look = looks});
    all.push_back(
        {.group = "tenants",
         .name = "resume",
         .help = "end a suspension",
         .call = method<door::ResumeTenantRequest, door::Tenant>("TenantService/ResumeTenant"),
         .collection = "tenants",
         .options = {reason(true), request_id()},
         .look = looks});
    all.push_back(
        {.group = "tenants",
         .name = "close",
         .help = "end it, for good: nothing of it can be changed any more, and all of it can be "
                 "read; queued sends, reminders and campaigns are cancelled, payments under way "
                 "end as they would",
         .call = method<door::CloseTenantRequest, door::Tenant>("TenantService/CloseTenant"),
         .collection = "tenants",
         .options = {reason(true), request_id()},
         .look = looks});
}

void add_keys(std::vector<Verb>& all) {
    all.push_back(
        {.group = "keys",
         .name = "create",
         .help = "make one; the answer is the only time that the key is seen",
         .call = method<door::CreateApiKeyRequest, door::ApiKey>("TenantService/CreateApiKey"),
         .options = {{"--name", "display_name", "what people call it", Kind::text, true},
                     request_id()}});
    all.push_back({.group = "keys",
                   .name = "list",
                   .help = "newest first, without the keys themselves",
                   .call = method<door::ListApiKeysRequest, door::ListApiKeysResponse>(
                       "TenantService/ListApiKeys"),
                   .columns = {{"KEY", "name"},
                               {"CALLED", "display_name", false, true},
                               {"BEGINS", "hint"},
                               {"MADE (UTC)", "create_time"},
                               {"LAST USED (UTC)", "last_used_time"},
                               {"REVOKED", "revoked"}}});
    all.push_back({.group = "keys",
                   .name = "get",
                   .help = "one, without the key itself",
                   .call = method<door::GetApiKeyRequest, door::ApiKey>("TenantService/GetApiKey"),
                   .collection = "apiKeys"});
    all.push_back(
        {.group = "keys",
         .name = "revoke",
         .help = "it opens nothing from now on",
         .call = method<door::RevokeApiKeyRequest, door::ApiKey>("TenantService/RevokeApiKey"),
         .collection = "apiKeys",
         .options = {reason(true), request_id()},
         .look = method<door::GetApiKeyRequest, door::ApiKey>("TenantService/GetApiKey")});
}

void add_channels(std::vector<Verb>& all) {
    const auto looks = method<door::GetChannelRequest, door::Channel>("ChannelService/GetChannel");
    all.push_back(
        {.group = "channels",
         .name = "connect",
         .help = "connect another number, e.g. channel.external_id=1001; of another provider "
                 "with channel.kind=TWILIO",
         .call =
             method<door::ConnectChannelRequest, door::Channel>("ChannelService/ConnectChannel"),
         .options = {token_file("channel.credentials.access_token"), request_id()},
         .takes_fields = true});
    all.push_back({.group = "channels",
                   .name = "rotate",
                   .help = "replace what opens it at its provider",
                   .call = method<door::RotateCredentialsRequest, door::Channel>(
                       "ChannelService/RotateCredentials"),
                   .collection = "channels",
                   .options = {token_file("credentials.access_token"), request_id()},
                   .look = looks});
    all.push_back(
        {.group = "channels",
         .name = "limit",
         .help = "set all its limits, e.g. limits.per_second=80; what is left out is the "
                 "provider's default",
         .call = method<door::UpdateLimitsRequest, door::Channel>("ChannelService/UpdateLimits"),
         .collection = "channels",
         .options = {request_id()},
         .takes_fields = true,
         .look = looks});
    all.push_back(
        {.group = "channels",
         .name = "pause",
         .help = "hold its queue",
         .call = method<door::PauseChannelRequest, door::Channel>("ChannelService/PauseChannel"),
         .collection = "channels",
         .options = {reason(true), request_id()},
         .look = looks});
    all.push_back(
        {.group = "channels",
         .name = "resume",
         .help = "let its queue flow again",
         .call = method<door::ResumeChannelRequest, door::Channel>("ChannelService/ResumeChannel"),
         .collection = "channels",
         .options = {reason(true), request_id()},
         .look = looks});
}

void add_contacts(std::vector<Verb>& all) {
    all.push_back({.group = "contacts",
                   .name = "list",
                   .help = "customers as the providers know them",
                   .call = method<door::ListContactsRequest, door::ListContactsResponse>(
                       "ContactService/ListContacts"),
                   .options = {{"--phone", "phone", "only the one with this phone, E.164 with +"}},
                   .columns = {{"CUSTOMER", "name"},
                               {"NAME", "profile_name", false, true},
                               {"MARKETING", "marketing_consent"},
                               {"UTILITY", "utility_consent"},
                               {"WINDOW UNTIL (UTC)", "window_expire_time"},
                               {"LAST INBOUND (UTC)", "last_inbound_time"}}});
    all.push_back(
        {.group = "contacts",
         .name = "get",
         .help = "one of them, by the customer's id",
         .call = method<door::GetContactRequest, door::Contact>("ContactService/GetContact"),
         .collection = "contacts"});
    all.push_back({.group = "contacts",
                   .name = "resolve",
                   .help = "find the one with a phone, and make it when there is none",
                   .call = method<door::ResolveContactRequest, door::Contact>(
                       "ContactService/ResolveContact"),
                   .options = {{"--phone", "phone", "E.164 with +", Kind::text, true},
                               {"--channel", "channel_id", "where a new one is written to"},
                               request_id()}});
}

void add_messages(std::vector<Verb>& all) {
    all.push_back(
        {.group = "messages",
         .name = "send",
         .help = "queue one, e.g. to=+254700000001 content.text.body=Hello",
         .call = method<door::SendMessageRequest, door::Message>("MessageService/SendMessage"),
         .options = {request_id()},
         .takes_fields = true});
    all.push_back({.group = "messages",
                   .name = "send-batch",
                   .help = "queue up to 500 of one origin",
                   .call = method<door::SendMessagesRequest, door::SendMessagesResponse>(
                       "MessageService/SendMessages"),
                   .columns = {{"CUSTOMER", "customer_id"},
                               {"MESSAGE", "message_id"},
                               {"VERDICT", "verdict"},
                               {"REASON", "reason"},
                               {"DESCRIPTION", "description", false, true}},
                   .takes_fields = true});
    all.push_back({.group = "messages",
                   .name = "withdraw",
                   .help = "cancel what has not left yet of one origin",
                   .call = method<door::CancelMessagesRequest, door::CancelMessagesResponse>(
                       "MessageService/CancelMessages"),
                   .options = {{"--origin", "origin.kind",
                                "reply, follow_up, agent, campaign or api", Kind::text, true},
                               {"--id", "origin.id", "of the conversation, task or campaign",
                                Kind::text, true},
                               reason(true)},
                   .columns = {{"MESSAGE", "name"},
                               {"STATE", "state"},
                               {"TO", "to"},
                               {"TEXT", "content", false, true},
                               {"QUEUED (UTC)", "create_time"}},
                   .look = method<door::ListMessagesRequest, door::ListMessagesResponse>(
                       "MessageService/ListMessages"),
                   .look_fields = {"origin_id=@origin.id", "state=QUEUED"}});
    all.push_back(
        {.group = "messages",
         .name = "charges",
         .help = "for how many delivered messages the provider charges, by day and price",
         .call = method<door::SummarizeChargesRequest, door::SummarizeChargesResponse>(
             "MessageService/SummarizeCharges"),
         .options = {{"--from", "start_time", "2026-11-01T00:00:00Z", Kind::text, true},
                     {"--to", "end_time", "the first moment after it; default: now"},
                     {"--by-campaign", "by_campaign", "a row for each campaign", Kind::flag}},
         .columns = {{"DAY (UTC)", "day"},
                     {"CATEGORY", "category"},
                     {"TYPE", "type"},
                     {"CALLING CODE", "calling_code"},
                     {"CAMPAIGN", "campaign_id"},
                     {"MESSAGES", "messages", true}}});
    all.push_back({.group = "messages",
                   .name = "mark-read",
                   .help = "show the writer of a received message that it was read",
                   .call = method<door::MarkMessageReadRequest, door::MarkMessageReadResponse>(
                       "MessageService/MarkMessageRead"),
                   .options = {{"--message", "provider_message_id",
                                "the provider's id of the message", Kind::text, true},
                               {"--typing", "typing", "and that somebody writes", Kind::flag}}});
    all.push_back({.group = "notices",
                   .name = "list",
                   .help = "what providers told about accounts, numbers and templates",
                   .call = method<door::ListNoticesRequest, door::ListNoticesResponse>(
                       "NoticeService/ListNotices"),
                   .columns = {{"TIME (UTC)", "create_time"},
                               {"KIND", "kind"},
                               {"EVENT", "event"},
                               {"REASON", "reason"},
                               {"TEMPLATE", "template.name"},
                               {"ACCOUNT", "business_account_id"}}});
    all.push_back({.group = "messages",
                   .name = "log",
                   .help = "what was said in both directions, the newest first",
                   .call = method<door::ListMessageLogRequest, door::ListMessageLogResponse>(
                       "MessageLogService/ListMessageLog"),
                   .options = {{"--direction", "direction", "inbound or outbound"}, customer()},
                   .columns = {{"TIME (UTC)", "create_time"},
                               {"DIRECTION", "direction"},
                               {"CUSTOMER", "customer_id"},
                               {"TYPE", "type"},
                               {"TEXT", "text", false, true},
                               {"STATE", "state"},
                               {"REASON", "reason"}}});
}

void add_conversations(std::vector<Verb>& all) {
    const auto looks = method<talk::GetConversationRequest, talk::Conversation>(
        "ConversationService/GetConversation");
    all.push_back({.group = "conversations",
                   .name = "escalate",
                   .help = "give it to a person: the bot is silent from now on",
                   .call = method<talk::EscalateConversationRequest, talk::Conversation>(
                       "ConversationService/EscalateConversation"),
                   .collection = "conversations",
                   .options = {reason(), etag(), request_id()},
                   .look = looks});
    all.push_back({.group = "conversations",
                   .name = "hand-back",
                   .help = "give it back to the bot; it waits for no payment any more",
                   .call = method<talk::HandBackConversationRequest, talk::Conversation>(
                       "ConversationService/HandBackConversation"),
                   .collection = "conversations",
                   .options = {reason(), etag(), request_id()},
                   .look = looks});
    all.push_back({.group = "conversations",
                   .name = "close",
                   .help = "end it: what it holds in stock is given back, and the customer's next "
                           "message begins another one",
                   .call = method<talk::CloseConversationRequest, talk::Conversation>(
                       "ConversationService/CloseConversation"),
                   .collection = "conversations",
                   .options = {reason(true), etag(), request_id()},
                   .look = looks});
    all.push_back({.group = "conversations",
                   .name = "reply",
                   .help = "say something as a person, in an escalated one",
                   .call = method<talk::ReplyToConversationRequest, talk::Conversation>(
                       "ConversationService/ReplyToConversation"),
                   .collection = "conversations",
                   .options = {{"--text", "content.text.body", "the words", Kind::text, true},
                               request_id()}});
}

void add_customers(std::vector<Verb>& all) {
    all.push_back({.group = "customers",
                   .name = "list",
                   .help = "the latest seen first",
                   .call = method<talk::ListCustomersRequest, talk::ListCustomersResponse>(
                       "CustomerService/ListCustomers"),
                   .columns = {{"CUSTOMER", "name"},
                               {"NAME", "display_name", false, true},
                               {"PHONE", "phone"},
                               {"LANG", "language"},
                               {"TAGS", "tags", false, true},
                               {"CHANGED (UTC)", "update_time"}}});
    all.push_back(
        {.group = "customers",
         .name = "get",
         .help = "one of them",
         .call = method<talk::GetCustomerRequest, talk::Customer>("CustomerService/GetCustomer"),
         .collection = "customers"});
    all.push_back(
        {.group = "customers",
         .name = "tag",
         .help = "give tags and take tags away",
         .call = method<talk::TagCustomerRequest, talk::Customer>("CustomerService/TagCustomer"),
         .collection = "customers",
         .options = {{"--add", "add", "with commas between them"},
                     {"--remove", "remove", "with commas between them"},
                     request_id()}});
}

void add_provider_templates(std::vector<Verb>& all) {
    const auto looks = method<door::GetProviderTemplateRequest, door::ProviderTemplate>(
        "ProviderTemplateService/GetProviderTemplate");
    const VerbOption channel{"--channel", "channel_id", "of whose account; default: the only one"};
    all.push_back(
        {.group = "provider-templates",
         .name = "list",
         .help = "the latest heard of first",
         .call = method<door::ListProviderTemplatesRequest, door::ListProviderTemplatesResponse>(
             "ProviderTemplateService/ListProviderTemplates"),
         .options = {{"--account", "business_account_id", "only of this account"},
                     {"--status", "status", "APPROVED, PAUSED, REJECTED …", Kind::word}},
         .columns = {{"TEMPLATE", "name"},
                     {"NAME", "key.name", false, true},
                     {"LANG", "key.language_code"},
                     {"STATUS", "status"},
                     {"REASON", "reason", false, true},
                     {"CATEGORY", "category"},
                     {"QUALITY", "quality"},
                     {"SINCE (UTC)", "status_time"}}});
    all.push_back({.group = "provider-templates",
                   .name = "get",
                   .help = "one of them",
                   .call = looks,
                   .collection = "providerTemplates"});
    all.push_back({.group = "provider-templates",
                   .name = "create",
                   .help = "have the provider take one in, of a request in a file",
                   .call = method<door::CreateProviderTemplateRequest, door::ProviderTemplate>(
                       "ProviderTemplateService/CreateProviderTemplate"),
                   .options = {channel, request_id()},
                   .takes_fields = true});
    all.push_back({.group = "provider-templates",
                   .name = "edit",
                   .help = "replace its parts, whole; the provider judges it again",
                   .call = method<door::EditProviderTemplateRequest, door::ProviderTemplate>(
                       "ProviderTemplateService/EditProviderTemplate"),
                   .collection = "providerTemplates",
                   .options = {etag(), request_id()},
                   .takes_fields = true});
    all.push_back({.group = "provider-templates",
                   .name = "delete",
                   .help = "have the provider delete it, in its one language",
                   .call = method<door::DeleteProviderTemplateRequest, door::ProviderTemplate>(
                       "ProviderTemplateService/DeleteProviderTemplate"),
                   .collection = "providerTemplates",
                   .options = {request_id()},
                   .look = looks});
    all.push_back({.group = "provider-templates",
                   .name = "sync",
                   .help = "have an account's templates listed at the provider soon",
                   .call = method<door::SyncProviderTemplatesRequest, door::TemplateAccount>(
                       "ProviderTemplateService/SyncProviderTemplates"),
                   .options = {channel, request_id()}});
}

void add_webhook_endpoints(std::vector<Verb>& all) {
    const auto looks = method<door::GetWebhookEndpointRequest, door::WebhookEndpoint>(
        "WebhookEndpointService/GetWebhookEndpoint");
    const auto about_one = [&](const char* name, const char* help, Method call) {
        all.push_back({.group = "webhook-endpoints",
                       .name = name,
                       .help = help,
                       .call = std::move(call),
                       .collection = "webhookEndpoints",
                       .options = {reason(), request_id()},
                       .look = looks});
    };
    all.push_back(
        {.group = "webhook-endpoints",
         .name = "list",
         .help = "the tenant's, in the order in which they were made",
         .call = method<door::ListWebhookEndpointsRequest, door::ListWebhookEndpointsResponse>(
             "WebhookEndpointService/ListWebhookEndpoints"),
         .columns = {{"ENDPOINT", "name"},
                     {"URL", "url", false, true},
                     {"TYPES", "event_types", false, true},
                     {"STATE", "state"},
                     {"FAILING SINCE (UTC)", "failing_since"},
                     {"REASON", "reason", false, true}}});
    all.push_back({.group = "webhook-endpoints",
                   .name = "get",
                   .help = "one of them",
                   .call = looks,
                   .collection = "webhookEndpoints"});
    all.push_back(
        {.group = "webhook-endpoints",
         .name = "create",
         .help = "register one; the answer alone shows its secret",
         .call = method<door::CreateWebhookEndpointRequest, door::WebhookEndpoint>(
             "WebhookEndpointService/CreateWebhookEndpoint"),
         .options = {{"--url", "webhook_endpoint.url", "https://…", Kind::text, true},
                     {"--types", "webhook_endpoint.event_types",
                      "message.received, order.paid …, with commas between them; default: all"},
                     {"--description", "webhook_endpoint.description", "for people"},
                     request_id()},
         .takes_fields = true});
    all.push_back({.group = "webhook-endpoints",
                   .name = "update",
                   .help = "set its address, types and description, whole",
                   .call = method<door::UpdateWebhookEndpointRequest, door::WebhookEndpoint>(
                       "WebhookEndpointService/UpdateWebhookEndpoint"),
                   .collection = "webhookEndpoints",
                   .options = {etag(), request_id()},
                   .takes_fields = true});
    about_one("delete", "and drop what waits for it",
              method<door::DeleteWebhookEndpointRequest, door::WebhookEndpoint>(
                  "WebhookEndpointService/DeleteWebhookEndpoint"));
    about_one("pause", "post nothing to it; what happens meanwhile waits",
              method<door::PauseWebhookEndpointRequest, door::WebhookEndpoint>(
                  "WebhookEndpointService/PauseWebhookEndpoint"));
    about_one("resume", "go on with one that was paused or switched off",
              method<door::ResumeWebhookEndpointRequest, door::WebhookEndpoint>(
                  "WebhookEndpointService/ResumeWebhookEndpoint"));
    all.push_back({.group = "webhook-endpoints",
                   .name = "rotate-secret",
                   .help = "make a new secret, which the answer alone shows",
                   .call = method<door::RotateWebhookSecretRequest, door::WebhookEndpoint>(
                       "WebhookEndpointService/RotateWebhookSecret"),
                   .collection = "webhookEndpoints",
                   .options = {{"--previous-valid-for", "previous_valid_for_s",
                                "seconds in which the old one signs too; default 86400, -1: none"},
                               request_id()},
                   .look = looks});
    all.push_back({.group = "webhook-endpoints",
                   .name = "test",
                   .help = "queue a webhook.test for it",
                   .call = method<door::SendTestWebhookRequest, door::WebhookDelivery>(
                       "WebhookEndpointService/SendTestWebhook"),
                   .collection = "webhookEndpoints",
                   .options = {request_id()},
                   .look = looks});
    all.push_back(
        {.group = "webhook-endpoints",
         .name = "replay",
         .help = "post again what was queued for it in a stretch of time, a page a call",
         .call =
             method<door::ReplayWebhookDeliveriesRequest, door::ReplayWebhookDeliveriesResponse>(
                 "WebhookEndpointService/ReplayWebhookDeliveries"),
         .collection = "webhookEndpoints",
         .options = {{"--from", "start_time", "2026-11-01T00:00:00Z", Kind::text, true},
                     {"--to", "end_time", "the first moment after it; default: now"},
                     state("only DELIVERED, DEAD …"),
                     {"--next-page", "page_token", "next_page_token of the page before"},
                     request_id()},
         .look = looks});
    all.push_back(
        {.group = "webhook-deliveries",
         .name = "list",
         .help = "the newest first",
         .call = method<door::ListWebhookDeliveriesRequest, door::ListWebhookDeliveriesResponse>(
             "WebhookEndpointService/ListWebhookDeliveries"),
         .options = {{"--endpoint", "endpoint_id", "only of this endpoint"},
                     state("QUEUED, DELIVERED, DEAD or DROPPED")},
         .columns = {{"DELIVERY", "name"},
                     {"QUEUED (UTC)", "create_time"},
                     {"TYPE", "type"},
                     {"STATE", "state"},
                     {"ATTEMPTS", "attempts", true},
                     {"STATUS", "status", true},
                     {"RETRY (UTC)", "retry_time"},
                     {"REASON", "reason", false, true}}});
    all.push_back({.group = "webhook-deliveries",
                   .name = "get",
                   .help = "one of them, with its body and each attempt",
                   .call = method<door::GetWebhookDeliveryRequest, door::WebhookDelivery>(
                       "WebhookEndpointService/GetWebhookDelivery"),
                   .collection = "webhookDeliveries"});
    all.push_back({.group = "webhook-deliveries",
                   .name = "replay",
                   .help = "post it again, with the same webhook-id",
                   .call = method<door::ReplayWebhookDeliveryRequest, door::WebhookDelivery>(
                       "WebhookEndpointService/ReplayWebhookDelivery"),
                   .collection = "webhookDeliveries",
                   .options = {request_id()},
                   .look = method<door::GetWebhookDeliveryRequest, door::WebhookDelivery>(
                       "WebhookEndpointService/GetWebhookDelivery")});
}

void add_templates(std::vector<Verb>& all) {
    all.push_back({.group = "templates",
                   .name = "list",
                   .help = "the tenant's own, by key",
                   .call = method<talk::ListTemplatesRequest, talk::ListTemplatesResponse>(
                       "TemplateService/ListTemplates"),
                   .columns = {{"TEMPLATE", "name"},
                               {"KIND", "kind"},
                               {"VERSION", "version", true},
                               {"ACTIVE", "active"},
                               {"DESCRIPTION", "description", false, true},
                               {"CHANGED (UTC)", "update_time"}}});
    all.push_back(
        {.group = "templates",
         .name = "get",
         .help = "one of them",
         .call = method<talk::GetTemplateRequest, talk::Template>("TemplateService/GetTemplate"),
         .collection = "templates"});
    all.push_back({.group = "templates",
                   .name = "create",
                   .help = "make one, of a request in a file",
                   .call = method<talk::CreateTemplateRequest, talk::Template>(
                       "TemplateService/CreateTemplate"),
                   .options = {request_id()},
                   .takes_fields = true});
    all.push_back({.group = "templates",
                   .name = "update",
                   .help = "replace one, whole",
                   .call = method<talk::UpdateTemplateRequest, talk::Template>(
                       "TemplateService/UpdateTemplate"),
                   .collection = "templates",
                   .options = {request_id()},
                   .takes_fields = true});
    all.push_back(
        {.group = "templates",
         .name = "delete",
         .help = "refused while a flow or another template is wired to it",
         .call =
             method<talk::DeleteTemplateRequest, talk::Template>("TemplateService/DeleteTemplate"),
         .collection = "templates",
         .options = {request_id()},
         .look = method<talk::GetTemplateRequest, talk::Template>("TemplateService/GetTemplate")});
    all.push_back({.group = "templates",
                   .name = "render",
                   .help = "its words filled in, e.g. variables.name=Asha; nothing is sent",
                   .call = method<talk::RenderTemplateRequest, talk::RenderTemplateResponse>(
                       "TemplateService/RenderTemplate"),
                   .collection = "templates",
                   .options = {{"--language", "language", "default: the tenant's first"}},
                   .takes_fields = true});
}

void add_flows(std::vector<Verb>& all) {
    all.push_back(
        {.group = "flows",
         .name = "list",
         .help = "the tenant's own, latest versions",
         .call = method<talk::ListFlowsRequest, talk::ListFlowsResponse>("FlowService/ListFlows"),
         .columns = {
             {"FLOW", "name"}, {"VERSION", "version", true}, {"PUBLISHED (UTC)", "create_time"}}});
    all.push_back({.group = "flows",
                   .name = "get",
                   .help = "one of them with its document; packs (ECOMMERCE) too",
                   .call = method<talk::GetFlowRequest, talk::Flow>("FlowService/GetFlow"),
                   .collection = "flows",
                   .options = {{"--version", "version", "default: the latest"}}});
    all.push_back(
        {.group = "flows",
         .name = "publish",
         .help = "a new version, for conversations that begin from now on",
         .call = method<talk::PublishFlowRequest, talk::Flow>("FlowService/PublishFlow"),
         .options = {{"--document", "document_json",
                      "the flow as JSON (docs/flows.md), - reads stdin", Kind::file, true},
                     {"--key", "flow_key", "default: own"},
                     request_id()}});
    all.push_back({.group = "flows",
                   .name = "verbs",
                   .help = "what an action of a flow can be",
                   .call = method<talk::DescribeVerbsRequest, talk::DescribeVerbsResponse>(
                       "FlowService/DescribeVerbs"),
                   .columns = {{"VERB", "name"},
                               {"TRADE", "trade"},
                               {"TARGET", "target"},
                               {"WHAT IT DOES", "description", false, true}}});
}

void add_catalog(std::vector<Verb>& all) {
    all.push_back({.group = "products",
                   .name = "list",
                   .help = "by name",
                   .call = method<talk::ListProductsRequest, talk::ListProductsResponse>(
                       "CatalogService/ListProducts"),
                   .columns = {{"PRODUCT", "name"},
                               {"NAME", "display_name", false, true},
                               {"PRICE", "price", true},
                               {"ON HAND", "on_hand", true},
                               {"RESERVED", "reserved", true},
                               {"ACTIVE", "active"}}});
    all.push_back(
        {.group = "products",
         .name = "get",
         .help = "one of them",
         .call = method<talk::GetProductRequest, talk::Product>("CatalogService/GetProduct"),
         .collection = "products"});
    all.push_back(
        {.group = "products",
         .name = "save",
         .help = "make or replace one, e.g. product.display_name=Tea "
                 "product.price=\"KES 250\"; its stock stays",
         .call = method<talk::SaveProductRequest, talk::Product>("CatalogService/SaveProduct"),
         .options = {request_id()},
         .takes_fields = true});
    all.push_back(
        {.group = "products",
         .name = "stock",
         .help = "set what is on hand, as counted",
         .call = method<talk::SetStockRequest, talk::Product>("CatalogService/SetStock"),
         .collection = "products",
         .options = {{"--on-hand", "on_hand", "without it: unlimited"}, request_id()},
         .look = method<talk::GetProductRequest, talk::Product>("CatalogService/GetProduct")});
    all.push_back(
        {.group = "promotions",
         .name = "list",
         .help = "all of the tenant",
         .call = method<talk::ListPromotionsRequest, talk::ListPromotionsResponse>(
             "CatalogService/ListPromotions"),
         .columns = {{"PROMOTION", "name"}, {"ACTIVE", "active"}, {"TEXT", "text", false, true}}});
    all.push_back({.group = "promotions",
                   .name = "save",
                   .help = "make or replace one, e.g. promotion.text.en=\"Ten percent off\"",
                   .call = method<talk::SavePromotionRequest, talk::Promotion>(
                       "CatalogService/SavePromotion"),
                   .options = {request_id()},
                   .takes_fields = true});
}

void add_topics(std::vector<Verb>& all) {
    all.push_back({.group = "topics",
                   .name = "list",
                   .help = "all of the tenant",
                   .call = method<talk::ListTopicsRequest, talk::ListTopicsResponse>(
                       "SupportService/ListTopics"),
                   .columns = {{"TOPIC", "name"},
                               {"PLACE", "place"},
                               {"ACTIVE", "active"},
                               {"TEXT", "text", false, true}}});
    all.push_back({.group = "topics",
                   .name = "get",
                   .help = "one of them",
                   .call = method<talk::GetTopicRequest, talk::Topic>("SupportService/GetTopic"),
                   .collection = "topics"});
    all.push_back({.group = "topics",
                   .name = "save",
                   .help = "make or replace one, e.g. topic.text.en.title=Delivery "
                           "topic.text.en.answer=\"We deliver on weekdays.\"",
                   .call = method<talk::SaveTopicRequest, talk::Topic>("SupportService/SaveTopic"),
                   .options = {request_id()},
                   .takes_fields = true});
    all.push_back(
        {.group = "topics",
         .name = "find",
         .help = "what the flow would answer to a customer's words; nothing is sent",
         .call =
             method<talk::FindTopicRequest, talk::FindTopicResponse>("SupportService/FindTopic"),
         .options = {{"--words", "words", "what the customer writes", Kind::text, true},
                     {"--language", "language_code", "en or sw; the tenant's first by default"}}});
}

void add_bookings(std::vector<Verb>& all) {
    all.push_back(
        {.group = "services",
         .name = "list",
         .help = "all of the tenant",
         .call = method<talk::ListBookableServicesRequest, talk::ListBookableServicesResponse>(
             "BookingService/ListBookableServices"),
         .columns = {{"SERVICE", "name"},
                     {"MINUTES", "duration_minutes"},
                     {"CAPACITY", "capacity"},
                     {"ACTIVE", "active"},
                     {"TEXT", "text", false, true}}});
    all.push_back({.group = "services",
                   .name = "get",
                   .help = "one of them",
                   .call = method<talk::GetBookableServiceRequest, talk::BookableService>(
                       "BookingService/GetBookableService"),
                   .collection = "services"});
    all.push_back({.group = "services",
                   .name = "save",
                   .help = "make or replace one, e.g. service.service_id=haircut "
                           "service.text.en.name=Haircut service.duration_minutes=60",
                   .call = method<talk::SaveBookableServiceRequest, talk::BookableService>(
                       "BookingService/SaveBookableService"),
                   .options = {request_id()},
                   .takes_fields = true});
    all.push_back({.group = "services",
                   .name = "free",
                   .help = "times at which one can still be booked",
                   .call = method<talk::ListFreeSlotsRequest, talk::ListFreeSlotsResponse>(
                       "BookingService/ListFreeSlots"),
                   .collection = "services",
                   .options = {{"--day", "day", "from this day on: 2026-12-04; today by default"},
                               {"--days", "days", "how many days, 1 by default"}}});
    all.push_back({.group = "bookings",
                   .name = "settings",
                   .help = "opening hours, days off and contact details",
                   .call = method<talk::GetBookingSettingsRequest, talk::BookingSettings>(
                       "BookingService/GetBookingSettings")});
    all.push_back({.group = "bookings",
                   .name = "set",
                   .help = "replace the settings, whole: --file with the request as JSON",
                   .call = method<talk::SaveBookingSettingsRequest, talk::BookingSettings>(
                       "BookingService/SaveBookingSettings"),
                   .options = {request_id()},
                   .takes_fields = true});
    all.push_back(
        {.group = "bookings",
         .name = "list",
         .help = "the latest time first",
         .call = method<talk::ListBookingsRequest, talk::ListBookingsResponse>(
             "BookingService/ListBookings"),
         .options = {{"--service", "service_id", "of one service"},
                     {"--state", "state", "BOOKED, ARRIVED, NO_SHOW or CANCELLED", Kind::word},
                     {"--day", "day", "that begin on this day: 2026-12-04"}},
         .columns = {{"BOOKING", "name"},
                     {"NUMBER", "number"},
                     {"STATE", "state"},
                     {"TIME", "start_time"},
                     {"SERVICE", "service_name"},
                     {"CUSTOMER", "customer_name", false, true}}});
    all.push_back(
        {.group = "bookings",
         .name = "get",
         .help = "one of them",
         .call = method<talk::GetBookingRequest, talk::Booking>("BookingService/GetBooking"),
         .collection = "bookings"});
    all.push_back(
        {.group = "bookings",
         .name = "create",
         .help = "book for a customer, e.g. service_id=haircut phone=+254712345678 "
                 "start_time=2026-12-07T07:00:00Z",
         .call = method<talk::CreateBookingRequest, talk::Booking>("BookingService/CreateBooking"),
         .options = {request_id()},
         .takes_fields = true});
    all.push_back(
        {.group = "bookings",
         .name = "move",
         .help = "to another free time",
         .call = method<talk::MoveBookingRequest, talk::Booking>("BookingService/MoveBooking"),
         .collection = "bookings",
         .options = {{"--to", "start_time", "2026-12-07T08:00:00Z", Kind::text, true},
                     request_id()}});
    all.push_back(
        {.group = "bookings",
         .name = "cancel",
         .help = "take one back: its place is free again",
         .call = method<talk::CancelBookingRequest, talk::Booking>("BookingService/CancelBooking"),
         .collection = "bookings",
         .options = {{"--reason", "reason", "why"}, request_id()},
         .look = method<talk::GetBookingRequest, talk::Booking>("BookingService/GetBooking")});
    all.push_back(
        {.group = "bookings",
         .name = "arrived",
         .help = "the customer came",
         .call = method<talk::MarkArrivedRequest, talk::Booking>("BookingService/MarkArrived"),
         .collection = "bookings",
         .options = {request_id()}});
    all.push_back(
        {.group = "bookings",
         .name = "no-show",
         .help = "the customer did not come",
         .call = method<talk::MarkNoShowRequest, talk::Booking>("BookingService/MarkNoShow"),
         .collection = "bookings",
         .options = {request_id()}});
}

void add_orders_and_money(std::vector<Verb>& all) {
    all.push_back({.group = "orders",
                   .name = "place",
                   .help = "an order that the shop's own site took, e.g. phone=+254700000001 "
                           "product_id=tea quantity=2",
                   .call = method<talk::PlaceOrderRequest, talk::PlacedOrder>(
                       "ConversationService/PlaceOrder"),
                   .options = {request_id()},
                   .takes_fields = true});
    const auto order = method<money::GetOrderRequest, money::Order>("OrderService/GetOrder");
    all.push_back(
        {.group = "orders",
         .name = "advance",
         .help = "the shop is further with the goods; the customer is told",
         .call = method<money::AdvanceOrderRequest, money::Order>("OrderService/AdvanceOrder"),
         .collection = "orders",
         .options = {{"--to", "state", "processing, shipped or delivered", Kind::word, true},
                     {"--note", "note", "what the customer is told with it"},
                     request_id()},
         .look = order});
    all.push_back(
        {.group = "orders",
         .name = "cancel",
         .help = "give up one that is not shipped; the customer is told why",
         .call = method<money::CancelOrderRequest, money::Order>("OrderService/CancelOrder"),
         .collection = "orders",
         .options = {reason(true), request_id()},
         .look = order});
    all.push_back(
        {.group = "payments",
         .name = "create",
         .help = "open one, e.g. order=tenants/demo/orders/7; nobody is asked for money yet",
         .call = method<money::CreatePaymentIntentRequest, money::Payment>(
             "PaymentService/CreatePaymentIntent"),
         .options = {request_id()},
         .takes_fields = true});
    const auto looks =
        method<money::GetPaymentRequest, money::Payment>("PaymentService/GetPayment");
    all.push_back({.group = "payments",
                   .name = "push",
                   .help = "ask the payer's phone for the money",
                   .call = method<money::InitiateStkPushRequest, money::Payment>(
                       "PaymentService/InitiateStkPush"),
                   .collection = "payments",
                   .options = {{"--phone", "phone", "default: the payment's"}, request_id()},
                   .look = looks});
    all.push_back({.group = "payments",
                   .name = "cancel",
                   .help = "give up one for which nobody was asked yet",
                   .call = method<money::CancelPaymentRequest, money::Payment>(
                       "PaymentService/CancelPayment"),
                   .collection = "payments",
                   .options = {reason(true), request_id()},
                   .look = looks});
    all.push_back(
        {.group = "refunds",
         .name = "create",
         .help = "money of a payment goes back, all that is left of it unless amount.minor_units "
                 "and amount.currency_code say how much",
         .call = method<money::CreateRefundRequest, money::Refund>("RefundService/CreateRefund"),
         .options = {{"--payment", "payment", "tenants/<tenant>/payments/<id>", Kind::text, true},
                     reason(true),
                     request_id()},
         .takes_fields = true});
    all.push_back({.group = "refunds",
                   .name = "list",
                   .help = "the newest first",
                   .call = method<money::ListRefundsRequest, money::ListRefundsResponse>(
                       "RefundService/ListRefunds"),
                   .options = {state("open, done or given_up"), customer()},
                   .columns = {{"REFUND", "name"},
                               {"STATE", "state"},
                               {"AMOUNT", "amount", true},
                               {"PROVIDER", "provider"},
                               {"ORDER", "order_number"},
                               {"CREDIT NOTE", "credit_note"},
                               {"CREATED (UTC)", "create_time"}}});
    const auto refund = method<money::GetRefundRequest, money::Refund>("RefundService/GetRefund");
    all.push_back({.group = "refunds",
                   .name = "get",
                   .help = "one of them",
                   .call = refund,
                   .collection = "refunds"});
    all.push_back(
        {.group = "refunds",
         .name = "record",
         .help = "a person has sent the money back: the provider's receipt",
         .call = method<money::RecordRefundRequest, money::Refund>("RefundService/RecordRefund"),
         .collection = "refunds",
         .options = {{"--receipt", "receipt", "of the way back, e.g. TKT951KKMC", Kind::text, true},
                     etag(),
                     request_id()},
         .look = refund});
    all.push_back(
        {.group = "refunds",
         .name = "cancel",
         .help = "give up an open one: the money stays",
         .call = method<money::CancelRefundRequest, money::Refund>("RefundService/CancelRefund"),
         .collection = "refunds",
         .options = {reason(true), request_id()},
         .look = refund});
    all.push_back({.group = "invoices",
                   .name = "list",
                   .help = "the newest first",
                   .call = method<money::ListInvoicesRequest, money::ListInvoicesResponse>(
                       "InvoiceService/ListInvoices"),
                   .options = {state("draft, issued, paid, void or overdue"), customer()},
                   .columns = {{"INVOICE", "name"},
                               {"NUMBER", "number"},
                               {"STATE", "state"},
                               {"TOTAL", "total", true},
                               {"ORDER", "order_number"},
                               {"DUE (UTC)", "due_time"},
                               {"CREATED (UTC)", "create_time"}}});
    all.push_back(
        {.group = "invoices",
         .name = "get",
         .help = "one of them",
         .call = method<money::GetInvoiceRequest, money::Invoice>("InvoiceService/GetInvoice"),
         .collection = "invoices"});
    all.push_back({.group = "ledger",
                   .name = "balance",
                   .help = "the sum of every account, of now or of a past moment",
                   .call = method<money::GetTrialBalanceRequest, money::TrialBalance>(
                       "LedgerService/GetTrialBalance"),
                   .options = {{"--known", "known_time",
                                "only what was recorded by then, e.g. 2026-11-01T00:00:00Z"},
                               {"--occurred", "occurred_time", "only what had happened by then"}},
                   .columns = {{"ACCOUNT", "account"},
                               {"DEBITS", "debits", true},
                               {"CREDITS", "credits", true},
                               {"BALANCE", "balance", true}}});
    all.push_back(
        {.group = "ledger",
         .name = "list",
         .help = "transactions, the newest first",
         .call = method<money::ListJournalEntriesRequest, money::ListJournalEntriesResponse>(
             "LedgerService/ListJournalEntries"),
         .options = {{"--reference", "reference", "only of this invoice or payment"}},
         .columns = {{"TRANSACTION", "transaction_id"},
                     {"CAUSE", "cause"},
                     {"REFERENCE", "reference"},
                     {"POSTINGS", "postings", false, true},
                     {"TIME (UTC)", "time"}}});
    all.push_back({.group = "accounts",
                   .name = "get",
                   .help = "the account with one provider, e.g. mpesa; no credentials",
                   .call = method<money::GetProviderAccountRequest, money::ProviderAccount>(
                       "ProviderAccountService/GetProviderAccount"),
                   .collection = "providerAccounts"});
    all.push_back({.group = "accounts",
                   .name = "connect",
                   .help = "connect or replace one; its credentials come with --file",
                   .call = method<money::ConnectProviderAccountRequest, money::ProviderAccount>(
                       "ProviderAccountService/ConnectProviderAccount"),
                   .options = {request_id()},
                   .takes_fields = true});
}

void add_followups(std::vector<Verb>& all) {
    all.push_back({.group = "followups",
                   .name = "list",
                   .help = "the latest due first",
                   .call = method<followups::ListTasksRequest, followups::ListTasksResponse>(
                       "TaskService/ListTasks"),
                   .options = {state("SCHEDULED, FIRED, CANCELLED or SKIPPED"), customer()},
                   .columns = {{"TASK", "name"},
                               {"KIND", "kind"},
                               {"STATE", "state"},
                               {"REASON", "reason"},
                               {"CUSTOMER", "customer_id"},
                               {"DUE (UTC)", "due_time"},
                               {"TEXT", "text", false, true}}});
    const auto looks = method<followups::GetTaskRequest, followups::Task>("TaskService/GetTask");
    all.push_back({.group = "followups",
                   .name = "get",
                   .help = "one of them",
                   .call = looks,
                   .collection = "tasks"});
    all.push_back(
        {.group = "followups",
         .name = "create",
         .help = "say something later, e.g. customer_id=0193… "
                 "due_time=2026-12-01T09:00:00Z text=Hello",
         .call = method<followups::CreateTaskRequest, followups::Task>("TaskService/CreateTask"),
         .options = {request_id()},
         .takes_fields = true});
    all.push_back(
        {.group = "followups",
         .name = "cancel",
         .help = "take one back before its time",
         .call = method<followups::CancelTaskRequest, followups::Task>("TaskService/CancelTask"),
         .collection = "tasks",
         .options = {reason(), etag(), request_id()},
         .look = looks});
}

void add_campaigns(std::vector<Verb>& all) {
    const auto looks =
        method<campaigns::GetCampaignRequest, campaigns::Campaign>("CampaignService/GetCampaign");
    all.push_back(
        {.group = "campaigns",
         .name = "list",
         .help = "the newest first",
         .call = method<campaigns::ListCampaignsRequest, campaigns::ListCampaignsResponse>(
             "CampaignService/ListCampaigns"),
         .options = {state("DRAFT, SCHEDULED, RUNNING, PAUSED, COMPLETED or CANCELLED")},
         .columns = {{"CAMPAIGN", "name"},
                     {"NAME", "display_name", false, true},
                     {"STATE", "state"},
                     {"REASON", "reason"},
                     {"AUDIENCE", "audience_size", true},
                     {"STARTS (UTC)", "start_time"},
                     {"ENDED (UTC)", "end_time"}}});
    all.push_back({.group = "campaigns",
                   .name = "get",
                   .help = "one of them",
                   .call = looks,
                   .collection = "campaigns"});
    all.push_back({.group = "campaigns",
                   .name = "create",
                   .help = "draw one up, e.g. display_name=May body=\"Hello {{name}}\" "
                           "audience.kind=tag audience.values=vip",
                   .call = method<campaigns::CreateCampaignRequest, campaigns::Campaign>(
                       "CampaignService/CreateCampaign"),
                   .options = {request_id()},
                   .takes_fields = true});
    all.push_back({.group = "campaigns",
                   .name = "start",
                   .help = "send to its audience, now or at a time",
                   .call = method<campaigns::StartCampaignRequest, campaigns::Campaign>(
                       "CampaignService/StartCampaign"),
                   .collection = "campaigns",
                   .options = {{"--at", "start_time", "2026-11-25T09:00:00Z; default: now"},
                               etag(),
                               request_id()},
                   .look = looks});
    all.push_back({.group = "campaigns",
                   .name = "pause",
                   .help = "what waits is withdrawn, and asked for again on resume",
                   .call = method<campaigns::PauseCampaignRequest, campaigns::Campaign>(
                       "CampaignService/PauseCampaign"),
                   .collection = "campaigns",
                   .options = {reason(), etag(), request_id()},
                   .look = looks});
    all.push_back({.group = "campaigns",
                   .name = "resume",
                   .help = "let it go on where it stopped",
                   .call = method<campaigns::ResumeCampaignRequest, campaigns::Campaign>(
                       "CampaignService/ResumeCampaign"),
                   .collection = "campaigns",
                   .options = {etag(), request_id()},
                   .look = looks});
    all.push_back({.group = "campaigns",
                   .name = "cancel",
                   .help = "end it, for good",
                   .call = method<campaigns::CancelCampaignRequest, campaigns::Campaign>(
                       "CampaignService/CancelCampaign"),
                   .collection = "campaigns",
                   .options = {reason(), etag(), request_id()},
                   .look = looks});
    all.push_back({.group = "campaigns",
                   .name = "progress",
                   .help = "how its recipients fare",
                   .call = method<campaigns::GetCampaignMetricsRequest, campaigns::CampaignMetrics>(
                       "CampaignService/GetCampaignMetrics"),
                   .collection = "campaigns"});
    all.push_back(
        {.group = "campaigns",
         .name = "recipients",
         .help = "each of them, with what became of the message",
         .call = method<campaigns::ListRecipientsRequest, campaigns::ListRecipientsResponse>(
             "CampaignService/ListRecipients"),
         .collection = "campaigns",
         .options = {{"--disposition", "disposition",
                      "WAITING, QUEUED, SENT, DELIVERED, READ, REPLIED, SUPPRESSED, "
                      "FAILED, UNKNOWN or CANCELLED",
                      Kind::word}},
         .columns = {{"CUSTOMER", "customer_id"},
                     {"NAME", "display_name", false, true},
                     {"DISPOSITION", "disposition"},
                     {"REASON", "reason"},
                     {"CHANGED (UTC)", "update_time"}}});
}

}  // namespace

const std::vector<Verb>& verbs() {
    static const std::vector<Verb> kVerbs = [] {
        std::vector<Verb> all;
        add_tenants(all);
        add_keys(all);
        add_channels(all);
        add_contacts(all);
        add_messages(all);
        add_conversations(all);
        add_customers(all);
        add_provider_templates(all);
        add_webhook_endpoints(all);
        add_templates(all);
        add_flows(all);
        add_catalog(all);
        add_topics(all);
        add_bookings(all);
        add_orders_and_money(all);
        add_followups(all);
        add_campaigns(all);
        return all;
    }();
    return kVerbs;
}

}  // namespace flowstack::flowctl
