#include "services/gateway/inbound/webhook_event.h"

#include "common/core/ids.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "services/gateway/inbound/inbound_codec.h"

namespace flowstack::gateway {

eventlog::Command raw_webhook_command(const WebhookFrame& frame, const http::Request& request,
                                      ParsedWebhook::Shape shape, int lane) {
    v1::WebhooksReceived received;
    auto& raw = *received.add_webhooks();
    raw.set_webhook_id(std::string(frame.webhook_id.raw()));
    raw.set_received_at_us(unix_micros(frame.received_at));
    raw.set_provider(frame.provider);
    raw.set_path(request.path);
    for (const auto& header : request.headers) {
        // A caller's credentials are no part of what a provider said.
        if (http::equal_ignoring_case(header.name, "Authorization") ||
            http::equal_ignoring_case(header.name, "Cookie"))
            continue;
        auto* line = raw.add_headers();
        line->set_name(header.name);
        line->set_value(header.value);
    }
    raw.set_query(request.query);
    raw.set_body(request.body);
    raw.set_app_id(frame.app_id);
    raw.set_parse(to_proto(shape));

    eventlog::Command command;
    command.id = frame.webhook_id.text();
    command.tenant = kPlatform;
    // Neither the request nor its trace: the event may hold other webhooks too. The facts that were
    // made of a webhook have both.
    command.meta.routing = {eventlog::RoutingKind::lane, std::to_string(lane)};
    command.meta.actor = frame.actor;
    eventlog::NewEvent event;
    event.type = v1::WebhooksReceived::descriptor()->full_name();
    event.payload = received.SerializeAsString();
    event.occurred_at = frame.received_at;
    event.is_private = true;
    event.id = frame.webhook_id;
    // One stream a lane and hour.
    const auto hour = unix_seconds(frame.received_at) / 3600;
    command.parts.push_back(
        {{std::string(kPlatform), "webhook", std::to_string(lane) + "-" + std::to_string(hour)},
         eventlog::kAny,
         {std::move(event)}});
    return command;
}

bool join_raw_webhooks(eventlog::Command& into, const eventlog::Command& more) {
    if (into.meta.actor != more.meta.actor) return false;
    // Messages of protobuf one after the other are one message with the webhooks of both.
    into.parts.front().events.front().payload += more.parts.front().events.front().payload;
    return true;
}

}  // namespace flowstack::gateway
