#include "services/gateway/adapters/projections.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>

#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/media_events.pb.h"
#include "flowstack/gateway/v1/media_service.pb.h"
#include "flowstack/gateway/v1/message_log_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/notice_events.pb.h"
#include "flowstack/gateway/v1/notice_service.pb.h"
#include "flowstack/gateway/v1/provider_template_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.pb.h"
#include "services/gateway/adapters/resources.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/endpoints/webhook_codec.h"
#include "services/gateway/templates/template_codec.h"

namespace flowstack::gateway {
namespace {

using eventlog::Document;
using eventlog::Recorded;
using eventlog::Turn;

// Of the event's own stream.
template <class Resource>
Resource own_resource(Turn& turn, const std::string& kind) {
    Resource resource;
    if (const auto document = turn.own(kind)) resource.ParseFromString(document->body);
    return resource;
}

template <class Resource>
Resource resource_of(Turn& turn, const std::string& tenant, const std::string& kind,
                     const std::string& id) {
    Resource resource;
    if (const auto document = turn.get(tenant, kind, id)) resource.ParseFromString(document->body);
    return resource;
}

Document document_of(const std::string& tenant, std::string kind, std::string id,
                     std::string parent, std::string state, Time sort_at,
                     const google::protobuf::Message& body) {
    Document document;
    document.tenant = tenant;
    document.kind = std::move(kind);
    document.id = std::move(id);
    document.parent = std::move(parent);
    document.state = std::move(state);
    document.sort_at = sort_at;
    document.body = body.SerializeAsString();
    return document;
}

// A tenant's document is the fold's own shape, moved along by building the domain state again from
// the resource: the settings are whole in every event that changes them.
void project_tenant(const Recorded& event, Turn& turn) {
    auto resource = own_resource<v1::Tenant>(turn, "tenant");
    const auto fact = decode_tenant(event.type, event.payload);
    if (const auto* e = std::get_if<TenantRegistered>(&fact)) {
        resource = tenant_resource({.tenant_id = e->tenant.tenant_id,
                                    .settings = e->tenant.settings,
                                    .first_channel_id = e->tenant.channel_id},
                                   event.version);
        set_time(*resource.mutable_create_time(), event.recorded_at);
    } else if (const auto* s = std::get_if<TenantSettingsChanged>(&fact)) {
        resource.clear_settings();
        to_proto(s->settings, *resource.mutable_settings());
    } else {
        const auto status = std::holds_alternative<TenantSuspended>(fact) ? TenantStatus::suspended
                            : std::holds_alternative<TenantClosed>(fact)  ? TenantStatus::closed
                                                                          : TenantStatus::active;
        resource.set_status(std::string(text_of(status)));
    }
    resource.set_settings_version(event.version);
    resource.set_etag(std::to_string(event.version));
    turn.put(document_of(event.stream.tenant, "tenant", event.stream.key, "", resource.status(),
                         time_of(resource.create_time()), resource));
}

void project_channel(const Recorded& event, Turn& turn) {
    auto resource = own_resource<v1::Channel>(turn, "channel");
    const auto fact = decode_channel(event.type, event.payload);
    if (const auto* e = std::get_if<ChannelConnected>(&fact)) {
        resource = channel_resource(event.stream.tenant,
                                    {.channel = e->channel, .pause_reason = ""}, event.version);
        set_time(*resource.mutable_create_time(), event.recorded_at);
    } else if (const auto* l = std::get_if<ChannelLimitsChanged>(&fact)) {
        to_proto(l->limits, *resource.mutable_limits());
    } else if (const auto* p = std::get_if<ChannelPaused>(&fact)) {
        resource.set_state("PAUSED");
        resource.set_pause_reason(p->reason);
    } else if (std::holds_alternative<ChannelResumed>(fact)) {
        resource.set_state("CONNECTED");
        resource.clear_pause_reason();
    }
    resource.set_etag(std::to_string(event.version));
    turn.put(document_of(event.stream.tenant, "channel", event.stream.key, "", resource.state(),
                         time_of(resource.create_time()), resource));
}

void project_api_key(const Recorded& event, Turn& turn) {
    auto resource = own_resource<v1::ApiKey>(turn, kApiKeyDocument);
    const auto key = ApiKeyCodec::evolve({}, event.type, event.payload, event.occurred_at);
    if (key.revoked) {
        resource.set_revoked(true);
        set_time(*resource.mutable_revoke_time(), key.revoked_at);
    } else {
        resource = api_key_resource(event.stream.tenant, key);
    }
    turn.put(document_of(event.stream.tenant, kApiKeyDocument, event.stream.key, "",
                         resource.revoked() ? "REVOKED" : "ACTIVE", time_of(resource.create_time()),
                         resource));
}

void put_contact(const Recorded& event, Turn& turn, const v1::Contact& resource) {
    std::string phone;
    for (const auto& identity : resource.identities())
        if (phone.empty() && identity.kind() == v1::IDENTITY_KIND_PHONE)
            phone = one_spelling(identity.value());
    turn.put(document_of(event.stream.tenant, "contact", resource.customer_id(), phone, "",
                         time_of(resource.create_time()), resource));
}

void project_contact(const Recorded& event, Turn& turn) {
    auto resource =
        resource_of<v1::Contact>(turn, event.stream.tenant, "contact", event.stream.key);
    move_along(resource, event.stream.tenant, decode_contact(event.type, event.payload),
               event.recorded_at, event.version);
    put_contact(event, turn, resource);
}

void log_received(const Recorded& event, Turn& turn, const v1::MessageReceived& received) {
    v1::LoggedMessage message;
    message.set_direction(v1::MESSAGE_DIRECTION_INBOUND);
    message.set_message_id(received.provider_message_id());
    message.set_customer_id(received.customer_id());
    message.set_channel_id(received.channel_id());
    message.set_type(received.provider_type());
    message.set_text(received.personal().text());
    message.set_tap_id(received.tap_id());
    message.set_context_provider_message_id(received.context_provider_message_id());
    message.set_state("RECEIVED");
    message.set_address(received.personal().phone());
    message.set_media_id(received.media().sha256());
    set_time(*message.mutable_create_time(), event.occurred_at);
    turn.put(document_of(event.stream.tenant, kReceivedDocument, received.provider_message_id(),
                         received.customer_id(), message.state(), event.occurred_at, message));
}

void log_echoed(const Recorded& event, Turn& turn) {
    v1::MessageEchoed echoed;
    if (!echoed.ParseFromString(event.payload)) return;
    v1::LoggedMessage message;
    message.set_direction(v1::MESSAGE_DIRECTION_OUTBOUND);
    message.set_message_id(echoed.provider_message_id());
    message.set_customer_id(echoed.customer_id());
    message.set_channel_id(echoed.channel_id());
    message.set_type(echoed.provider_type());
    message.set_text(echoed.personal().text());
    message.set_context_provider_message_id(echoed.context_provider_message_id());
    message.set_state("SENT");
    message.set_address(echoed.personal().phone());
    message.set_media_id(echoed.media().sha256());
    message.set_from_phone(true);
    set_time(*message.mutable_create_time(), event.occurred_at);
    turn.put(document_of(event.stream.tenant, kEchoedDocument, echoed.provider_message_id(),
                         echoed.customer_id(), message.state(), event.occurred_at, message));
}

v1::ServiceWindow& window_at(v1::Contact& contact, const std::string& channel_id) {
    for (auto& window : *contact.mutable_windows())
        if (window.channel_id() == channel_id) return window;
    auto& window = *contact.add_windows();
    window.set_channel_id(channel_id);
    return window;
}

// A window is the max of the inbound messages' own times.
void project_inbound(const Recorded& event, Turn& turn) {
    if (event.type == v1::MessageEchoed::descriptor()->full_name()) return log_echoed(event, turn);
    v1::MessageReceived received;
    if (event.type != v1::MessageReceived::descriptor()->full_name() ||
        !received.ParseFromString(event.payload))
        return;
    log_received(event, turn, received);
    // The provider's own news is nothing that the customer wrote: it opens no window.
    if (received.kind() == v1::INBOUND_KIND_SYSTEM) return;
    auto resource =
        resource_of<v1::Contact>(turn, event.stream.tenant, "contact", received.customer_id());
    if (resource.customer_id().empty()) {
        // The contact's own event comes later in the same append.
        resource.set_name(
            rpc::resource_name(event.stream.tenant, "contacts", received.customer_id()));
        resource.set_customer_id(received.customer_id());
        set_time(*resource.mutable_create_time(), event.recorded_at);
    }
    const auto last = std::max(time_of(resource.last_inbound_time()), event.occurred_at);
    set_time(*resource.mutable_last_inbound_time(), last);
    set_time(*resource.mutable_window_expire_time(), window_end(last, {}));
    auto& window = window_at(resource, received.channel_id());
    const auto here = std::max(time_of(window.last_inbound_time()), event.occurred_at);
    set_time(*window.mutable_last_inbound_time(), here);
    set_time(*window.mutable_expire_time(), window_end(here, {}));
    put_contact(event, turn, resource);
}

void put_media(const Recorded& event, Turn& turn, v1::Media media, const std::string& id) {
    if (media.media_id().empty()) {
        media.set_name(rpc::resource_name(event.stream.tenant, "media", id));
        media.set_media_id(id);
        set_time(*media.mutable_create_time(), event.recorded_at);
    }
    turn.put(document_of(event.stream.tenant, kMediaDocument, id, media.customer_id(),
                         media.state(), time_of(media.create_time()), media));
}

// By its hash. What is not hashed by its provider is known when it is here.
void project_media(const Recorded& event, Turn& turn) {
    const auto known = [&](const std::string& id) {
        return resource_of<v1::Media>(turn, event.stream.tenant, kMediaDocument, id);
    };
    constexpr const char* kStored = "STORED";
    if (eventlog::is<v1::MediaExpected>(event)) {
        const auto m = eventlog::parsed<v1::MediaExpected>(event);
        const auto& id = m.media().sha256();
        if (id.empty()) return;
        auto media = known(id);
        if (media.state() == kStored) return;
        media.set_state("FETCHING");
        media.set_mime_type(m.media().mime_type());
        media.set_customer_id(m.customer_id());
        media.set_provider_message_id(event.stream.key);
        media.clear_reason();
        put_media(event, turn, std::move(media), id);
    } else if (eventlog::is<v1::MediaFetched>(event)) {
        const auto m = eventlog::parsed<v1::MediaFetched>(event);
        auto media = known(m.sha256());
        if (media.state() == kStored) return;
        media.set_state(kStored);
        media.set_mime_type(m.mime_type());
        media.set_size_bytes(m.size_bytes());
        media.set_customer_id(m.customer_id());
        media.set_provider_message_id(event.stream.key);
        media.clear_reason();
        put_media(event, turn, std::move(media), m.sha256());
        // A message whose provider named no hash shows its file from now on.
        auto message = resource_of<v1::LoggedMessage>(turn, event.stream.tenant, kReceivedDocument,
                                                      event.stream.key);
        if (message.message_id().empty() || message.media_id() == m.sha256()) return;
        message.set_media_id(m.sha256());
        turn.put(document_of(event.stream.tenant, kReceivedDocument, message.message_id(),
                             message.customer_id(), message.state(), time_of(message.create_time()),
                             message));
    } else if (eventlog::is<v1::MediaFetchFailed>(event)) {
        const auto m = eventlog::parsed<v1::MediaFetchFailed>(event);
        if (m.sha256().empty()) return;
        auto media = known(m.sha256());
        if (media.state() == kStored) return;
        media.set_state(m.retry_at_us() == 0 ? "MISSING" : "FETCHING");
        media.set_reason(m.reason());
        put_media(event, turn, std::move(media), m.sha256());
    } else if (eventlog::is<v1::MediaUploaded>(event)) {
        const auto m = eventlog::parsed<v1::MediaUploaded>(event);
        auto media = known(m.sha256());
        if (media.state() == kStored) return;
        media.set_state(kStored);
        media.set_mime_type(m.mime_type());
        media.set_size_bytes(m.size_bytes());
        media.clear_reason();
        put_media(event, turn, std::move(media), m.sha256());
    }
}

void project_notice(const Recorded& event, Turn& turn) {
    const auto m = eventlog::parsed<v1::NoticeReceived>(event);
    v1::Notice notice;
    notice.set_kind(m.kind());
    notice.set_provider_type(m.provider_type());
    notice.set_channel_id(m.channel_id());
    notice.set_business_account_id(m.business_account_id());
    notice.set_event(m.event());
    notice.set_reason(m.reason());
    if (m.has_template_()) *notice.mutable_template_() = m.template_();
    if (m.has_number()) *notice.mutable_number() = m.number();
    set_time(*notice.mutable_create_time(), event.occurred_at);
    notice.set_element_json(m.personal().element_json());
    turn.put(document_of(event.stream.tenant, kNoticeDocument, event.event_id.text(), "",
                         v1::NoticeKind_Name(m.kind()), event.occurred_at, notice));
}

// One for each message that costs something; SummarizeCharges counts equal bodies.
void put_charge(const Recorded& event, Turn& turn, const v1::Message& message) {
    v1::Charge charge;
    charge.set_category(message.price().category());
    charge.set_type(message.price().type());
    charge.set_calling_code(message.price().calling_code());
    const bool is_campaign = message.origin().kind() == v1::MESSAGE_ORIGIN_KIND_CAMPAIGN;
    turn.put(document_of(event.stream.tenant, kChargeDocument, event.stream.key,
                         is_campaign ? message.origin().id() : "", charge.category(),
                         event.occurred_at, charge));
}

void project_message(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    const auto& id = event.stream.key;
    auto resource = own_resource<v1::Message>(turn, "message");
    const bool was_dead = resource.dead();
    const bool was_charged = resource.has_price();
    move_along(resource, tenant, decode_message(event.type, event.payload), event.recorded_at,
               event.version);
    const auto created = time_of(resource.create_time());
    turn.put(document_of(tenant, "message", id, resource.customer_id(), resource.state(), created,
                         resource));
    if (resource.origin().kind() == v1::MESSAGE_ORIGIN_KIND_CAMPAIGN)
        turn.put(document_of(tenant, "origin_message", id, resource.origin().id(), resource.state(),
                             created, resource));
    if (resource.has_price() && !was_charged) put_charge(event, turn, resource);
    if (resource.dead() || was_dead) {
        auto letter = document_of(tenant, "dead_letter", id, resource.customer_id(),
                                  resource.state(), created, resource);
        letter.deleted = !resource.dead();
        turn.put(std::move(letter));
    }
}

void project_template(const Recorded& event, Turn& turn) {
    auto resource = own_resource<v1::ProviderTemplate>(turn, kProviderTemplateDocument);
    move_along(resource, event.stream.tenant, decode_template(event.type, event.payload),
               event.recorded_at, event.version);
    turn.put(document_of(event.stream.tenant, kProviderTemplateDocument, event.stream.key,
                         resource.key().business_account_id(), resource.status(), event.recorded_at,
                         resource));
}

void project_template_account(const Recorded& event, Turn& turn) {
    auto resource = own_resource<v1::TemplateAccount>(turn, kTemplateAccountDocument);
    move_along(resource, decode_template_account(event.type, event.payload));
    turn.put(document_of(event.stream.tenant, kTemplateAccountDocument, event.stream.key, "", "",
                         event.recorded_at, resource));
}

void put_delivery(const Recorded& event, Turn& turn, const v1::WebhookDelivery& delivery) {
    const auto name = rpc::parse_name(delivery.name(), "webhookDeliveries");
    turn.put(document_of(event.stream.tenant, kWebhookDeliveryDocument, name.id,
                         delivery.endpoint_id(), delivery.state(), time_of(delivery.create_time()),
                         delivery));
}

template <class Attempt>
void project_webhook_attempt(const Recorded& event, Turn& turn, const Attempt& attempt) {
    auto delivery = resource_of<v1::WebhookDelivery>(turn, event.stream.tenant,
                                                     kWebhookDeliveryDocument, attempt.delivery_id);
    move_along(delivery, attempt, event.recorded_at);
    put_delivery(event, turn, delivery);
}

void project_webhook_line(const Recorded& event, Turn& turn) {
    const auto line = webhook_line_of(event.stream.tenant, event.stream.key);
    if (!line) return;
    const auto fact = decode_webhook_line(event.type, event.payload);
    if (const auto* queued = std::get_if<WebhooksQueued>(&fact)) {
        for (const auto& webhook : queued->webhooks)
            put_delivery(event, turn, webhook_delivery_resource(*line, webhook, event.recorded_at));
    } else if (const auto* delivered = std::get_if<WebhookDelivered>(&fact)) {
        project_webhook_attempt(event, turn, *delivered);
    } else if (const auto* failed = std::get_if<WebhookAttemptFailed>(&fact)) {
        project_webhook_attempt(event, turn, *failed);
    } else if (const auto* dropped = std::get_if<WebhooksDropped>(&fact)) {
        for (const auto& id : dropped->delivery_ids) {
            auto delivery = resource_of<v1::WebhookDelivery>(turn, event.stream.tenant,
                                                             kWebhookDeliveryDocument, id);
            delivery.set_state(kWebhookDropped);
            delivery.set_reason(dropped->reason);
            delivery.clear_retry_time();
            set_time(*delivery.mutable_update_time(), event.recorded_at);
            put_delivery(event, turn, delivery);
        }
    }
}

// What a tenant must hear of its own endpoint stands among its notices.
void project_webhook_endpoints(const Recorded& event, Turn& turn) {
    const auto fact = decode_webhook_endpoint(event.type, event.payload);
    const auto* off = std::get_if<WebhookEndpointSwitchedOff>(&fact);
    if (off == nullptr) return;
    v1::Notice notice;
    notice.set_kind(v1::NOTICE_KIND_WEBHOOK_ENDPOINT);
    notice.set_event("SWITCHED_OFF");
    notice.set_reason("webhook endpoint " + off->endpoint_id.text() + ": " + off->reason);
    set_time(*notice.mutable_create_time(), event.occurred_at);
    turn.put(document_of(event.stream.tenant, kNoticeDocument, event.event_id.text(), "",
                         v1::NoticeKind_Name(notice.kind()), event.occurred_at, notice));
}

}  // namespace

void project(const Recorded& event, Turn& turn) {
    if (event.service != "gateway") return;
    const auto& category = event.stream.category;
    if (category == "message")
        project_message(event, turn);
    else if (category == "inbound")
        project_inbound(event, turn);
    else if (category == "contact")
        project_contact(event, turn);
    else if (category == "media")
        project_media(event, turn);
    else if (category == "notice")
        project_notice(event, turn);
    else if (category == "tenant")
        project_tenant(event, turn);
    else if (category == "channel")
        project_channel(event, turn);
    else if (category == "api_key")
        project_api_key(event, turn);
    else if (category == kTemplateCategory)
        project_template(event, turn);
    else if (category == kTemplateAccountCategory)
        project_template_account(event, turn);
    else if (category == kWebhookLineCategory)
        project_webhook_line(event, turn);
    else if (category == kWebhookEndpointsCategory)
        project_webhook_endpoints(event, turn);
}

}  // namespace flowstack::gateway
