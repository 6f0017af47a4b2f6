#include "services/gateway/endpoints/webhook_codec.h"

#include <google/protobuf/timestamp.pb.h>

#include "common/eventlog/fact.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/timestamp.h"
#include "flowstack/gateway/v1/webhook_endpoint_events.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.pb.h"
#include "services/gateway/adapters/codec.h"

namespace flowstack::gateway {

constexpr auto wire_values(WebhookSignature) {
    return std::array{std::pair{WebhookSignature::hmac_sha256, v1::WEBHOOK_SIGNATURE_HMAC_SHA256},
                      std::pair{WebhookSignature::ed25519, v1::WEBHOOK_SIGNATURE_ED25519}};
}

// ---- endpoints

FLOWSTACK_FACT(WebhookKey, v1::WebhookKey) {
    FACT_FIELD(sealed);
    FACT_FIELD(public_key);
}
FLOWSTACK_FACT(WebhookTarget, v1::WebhookTarget) {
    FACT_FIELD(url);
    FACT_FIELD(event_types);
    FACT_FIELD(description);
}
FLOWSTACK_FACT(WebhookEndpointCreated, v1::WebhookEndpointCreated) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(target);
    FACT_FIELD(signature);
    FACT_FIELD(key);
}
FLOWSTACK_FACT(WebhookEndpointUpdated, v1::WebhookEndpointUpdated) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(target);
}
FLOWSTACK_FACT(WebhookSecretRotated, v1::WebhookSecretRotated) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(key);
    FACT_TIME(previous_until);
}
FLOWSTACK_FACT(WebhookEndpointPaused, v1::WebhookEndpointPaused) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(WebhookEndpointResumed, v1::WebhookEndpointResumed) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(WebhookEndpointDeleted, v1::WebhookEndpointDeleted) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(WebhookEndpointFailing, v1::WebhookEndpointFailing) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(WebhookEndpointRecovered, v1::WebhookEndpointRecovered) { FACT_FIELD(endpoint_id); }
FLOWSTACK_FACT(WebhookEndpointSwitchedOff, v1::WebhookEndpointSwitchedOff) {
    FACT_FIELD(endpoint_id);
    FACT_FIELD(reason);
    FACT_TIME(failing_since);
}

// ---- lines

FLOWSTACK_FACT(QueuedWebhook, v1::QueuedWebhook) {
    FACT_FIELD(delivery_id);
    FACT_FIELD(webhook_id);
    FACT_FIELD(type);
    FACT_FIELD(replay_of);
}
FLOWSTACK_FACT(WebhooksQueued, v1::WebhooksQueued) {
    FACT_FIELD(webhooks);
    FACT_PERSONAL(bodies);
}
FLOWSTACK_FACT(WebhookDelivered, v1::WebhookDelivered) {
    FACT_FIELD(delivery_id);
    FACT_FIELD(attempt);
    FACT_FIELD(status);
    FACT_FIELD(took_ms);
    FACT_FIELD(more);
}
FLOWSTACK_FACT(WebhookAttemptFailed, v1::WebhookAttemptFailed) {
    FACT_FIELD(delivery_id);
    FACT_FIELD(attempt);
    FACT_FIELD(status);
    FACT_FIELD(took_ms);
    FACT_FIELD(reason);
    FACT_TIME(retry_at);
    FACT_FIELD(more);
}
FLOWSTACK_FACT(WebhooksDropped, v1::WebhooksDropped) {
    FACT_FIELD(delivery_ids);
    FACT_FIELD(reason);
}

eventlog::NewEvent encode(const WebhookEndpointEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
eventlog::NewEvent encode(const WebhookLineEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
WebhookEndpointEvent decode_webhook_endpoint(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<WebhookEndpointEvent>("webhook endpoints", type, payload);
}
WebhookLineEvent decode_webhook_line(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<WebhookLineEvent>("webhook line", type, payload);
}

std::vector<std::string> webhook_endpoint_event_types() {
    std::vector<std::string> names;
    const auto add = [&](auto... protos) {
        (names.push_back(decltype(protos)::descriptor()->full_name()), ...);
    };
    add(v1::WebhookEndpointCreated(), v1::WebhookEndpointUpdated(), v1::WebhookSecretRotated(),
        v1::WebhookEndpointPaused(), v1::WebhookEndpointResumed(), v1::WebhookEndpointDeleted(),
        v1::WebhookEndpointFailing(), v1::WebhookEndpointRecovered(),
        v1::WebhookEndpointSwitchedOff(), v1::WebhooksQueued(), v1::WebhookDelivered(),
        v1::WebhookAttemptFailed(), v1::WebhooksDropped());
    return names;
}

// ---- names

eventlog::StreamName webhook_endpoints_stream(std::string_view tenant) {
    return {std::string(tenant), std::string(kWebhookEndpointsCategory), std::string(tenant)};
}

eventlog::StreamName webhook_line_stream(const WebhookLineName& line) {
    return {line.tenant, std::string(kWebhookLineCategory),
            line.endpoint_id + "/" + line.customer_id.text()};
}

std::optional<WebhookLineName> webhook_line_of(std::string_view tenant, std::string_view key) {
    const auto slash = key.find('/');
    if (slash == std::string_view::npos || slash == 0) return std::nullopt;
    return WebhookLineName{.tenant = std::string(tenant),
                           .endpoint_id = WebhookEndpointId(key.substr(0, slash)),
                           .customer_id = CustomerId(key.substr(slash + 1))};
}

eventlog::Routing webhook_line_routing(const WebhookLineName& line) {
    return line.customer_id.empty() ? by_tenant(line.tenant) : by_customer(line.customer_id);
}

std::string webhook_kind(const WebhookEndpointId& endpoint_id) {
    return std::string(kWebhookKindPrefix) + endpoint_id.text();
}

// ---- resources

v1::WebhookEndpoint webhook_endpoint_resource(const std::string& tenant,
                                              const WebhookEndpoint& endpoint) {
    v1::WebhookEndpoint resource;
    resource.set_name(rpc::resource_name(tenant, "webhookEndpoints", endpoint.endpoint_id));
    resource.set_url(endpoint.target.url);
    for (const auto& type : endpoint.target.event_types) resource.add_event_types(type);
    resource.set_description(endpoint.target.description);
    resource.set_signature(eventlog::wire_scalar<v1::WebhookSignature>(endpoint.signature));
    resource.set_state(std::string(text_of(endpoint.status)));
    resource.set_reason(endpoint.reason);
    resource.set_public_key(endpoint.key.public_key);
    if (endpoint.previous_key)
        rpc::set_time(*resource.mutable_previous_key_expire_time(), endpoint.previous_until);
    if (endpoint.failing_since != Time{})
        rpc::set_time(*resource.mutable_failing_since(), endpoint.failing_since);
    rpc::set_time(*resource.mutable_create_time(), endpoint.created_at);
    resource.set_etag(std::to_string(endpoint.version));
    return resource;
}

WebhookSignature signature_of(v1::WebhookSignature signature) {
    return signature == v1::WEBHOOK_SIGNATURE_ED25519 ? WebhookSignature::ed25519
                                                      : WebhookSignature::hmac_sha256;
}

v1::WebhookDelivery webhook_delivery_resource(const WebhookLineName& line,
                                              const QueuedWebhook& webhook, Time at) {
    v1::WebhookDelivery delivery;
    delivery.set_name(rpc::resource_name(line.tenant, "webhookDeliveries", webhook.delivery_id));
    delivery.set_endpoint_id(line.endpoint_id);
    delivery.set_webhook_id(webhook.webhook_id);
    delivery.set_type(webhook.type);
    delivery.set_state(kWebhookQueued);
    delivery.set_customer_id(line.customer_id);
    delivery.set_replay_of(webhook.replay_of);
    rpc::set_time(*delivery.mutable_create_time(), at);
    rpc::set_time(*delivery.mutable_update_time(), at);
    return delivery;
}

void move_along(v1::WebhookDelivery& delivery, const WebhookDelivered& event, Time at) {
    delivery.set_state("DELIVERED");
    delivery.set_attempts(event.attempt);
    delivery.set_status(event.status);
    delivery.clear_reason();
    delivery.clear_retry_time();
    rpc::set_time(*delivery.mutable_update_time(), at);
}

void move_along(v1::WebhookDelivery& delivery, const WebhookAttemptFailed& event, Time at) {
    delivery.set_state(event.retry_at == Time{} ? "DEAD" : kWebhookQueued);
    delivery.set_attempts(event.attempt);
    delivery.set_status(event.status);
    delivery.set_reason(event.reason);
    delivery.clear_retry_time();
    if (event.retry_at != Time{}) rpc::set_time(*delivery.mutable_retry_time(), event.retry_at);
    rpc::set_time(*delivery.mutable_update_time(), at);
}

}  // namespace flowstack::gateway
