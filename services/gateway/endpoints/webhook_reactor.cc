#include "services/gateway/endpoints/webhook_reactor.h"

#include <utility>

#include "services/gateway/endpoints/webhook_events.h"

namespace flowstack::gateway {

void WebhookReactor::react(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto endpoints = book_.of_tenant(event.stream.tenant);
    if (endpoints.empty()) return;
    const auto routing = turn.routing();
    if (routing.kind != eventlog::RoutingKind::customer) return;
    const auto news = webhooks_of(event);
    if (news.empty()) return;
    std::vector<eventlog::Part> parts;
    for (const auto& entry : endpoints) {
        const auto& endpoint = entry->endpoint;
        // What happens while it is switched off is not kept for it.
        if (endpoint.status == WebhookEndpointStatus::switched_off) continue;
        WebhooksQueued queued;
        for (std::size_t i = 0; i < news.size(); ++i) {
            if (!wants(endpoint, news[i].type)) continue;
            const auto n = static_cast<int>(i);
            queued.webhooks.push_back(
                {.delivery_id = WebhookDeliveryId(
                     turn.derived_id("webhook/" + endpoint.endpoint_id, n).text()),
                 .webhook_id = turn.derived_id("webhook", n).text(),
                 .type = news[i].type,
                 .replay_of = {}});
            queued.bodies.push_back(news[i].body);
        }
        if (queued.webhooks.empty()) continue;
        const WebhookLineName line{.tenant = event.stream.tenant,
                                   .endpoint_id = endpoint.endpoint_id,
                                   .customer_id = CustomerId(routing.key)};
        parts.push_back({webhook_line_stream(line),
                         eventlog::kAny,
                         {encode(WebhookLineEvent(std::move(queued)), event.recorded_at)}});
    }
    if (!parts.empty()) turn.join(std::move(parts));
}

}  // namespace flowstack::gateway
