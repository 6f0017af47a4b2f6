#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/eventlog/types.h"
#include "services/gateway/domain/webhook_endpoint.h"
#include "services/gateway/domain/webhook_line.h"

namespace flowstack::gateway::v1 {
class WebhookDelivery;
class WebhookEndpoint;
enum WebhookSignature : int;
}  // namespace flowstack::gateway::v1

// Webhooks to tenants' systems: between stored events (proto/flowstack/gateway/v1) and the rules'
// structs, their streams and work rows, and the API's resources of them.
namespace flowstack::gateway {

eventlog::NewEvent encode(const WebhookEndpointEvent& event, Time occurred_at);
eventlog::NewEvent encode(const WebhookLineEvent& event, Time occurred_at);
// Throw CorruptStream for a type or payload that does not belong to the aggregate.
WebhookEndpointEvent decode_webhook_endpoint(std::string_view type, std::string_view payload);
WebhookLineEvent decode_webhook_line(std::string_view type, std::string_view payload);

// For eventlog::Folds.
struct WebhookEndpointsCodec {
    using State = WebhookEndpoints;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at) {
        return gateway::evolve(std::move(state), decode_webhook_endpoint(type, payload), at);
    }
};
struct WebhookLineCodec {
    using State = WebhookLine;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at) {
        return gateway::evolve(std::move(state), decode_webhook_line(type, payload), at);
    }
};

std::vector<std::string> webhook_endpoint_event_types();

inline constexpr std::string_view kWebhookEndpointsCategory = "webhook_endpoints";
inline constexpr std::string_view kWebhookLineCategory = "webhook_line";
// The kind of the settings changes that such a stream makes.
inline constexpr std::string_view kWebhookSettings = "webhook_endpoints";
eventlog::StreamName webhook_endpoints_stream(std::string_view tenant);

// A line: of one endpoint, about one customer, or about none (its tests).
struct WebhookLineName {
    std::string tenant;
    WebhookEndpointId endpoint_id;
    CustomerId customer_id;
    friend auto operator<=>(const WebhookLineName&, const WebhookLineName&) = default;
};
eventlog::StreamName webhook_line_stream(const WebhookLineName& line);
// Nothing for a key that is none of ours.
std::optional<WebhookLineName> webhook_line_of(std::string_view tenant, std::string_view key);
// With what else is about the customer; what is about nobody, with the tenant.
eventlog::Routing webhook_line_routing(const WebhookLineName& line);

// The row of a line in which something waits, at the line's lane: one kind for each endpoint, and
// the line's stream as its key.
inline constexpr std::string_view kWebhookKindPrefix = "webhook/";
std::string webhook_kind(const WebhookEndpointId& endpoint_id);

v1::WebhookEndpoint webhook_endpoint_resource(const std::string& tenant,
                                              const WebhookEndpoint& endpoint);
WebhookSignature signature_of(v1::WebhookSignature signature);

inline constexpr const char* kWebhookQueued = "QUEUED";
inline constexpr const char* kWebhookDropped = "DROPPED";
// The resource of a delivery that was just queued, and moved along by an attempt.
v1::WebhookDelivery webhook_delivery_resource(const WebhookLineName& line,
                                              const QueuedWebhook& webhook, Time at);
void move_along(v1::WebhookDelivery& delivery, const WebhookDelivered& event, Time at);
void move_along(v1::WebhookDelivery& delivery, const WebhookAttemptFailed& event, Time at);

}  // namespace flowstack::gateway
