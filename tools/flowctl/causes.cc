#include "tools/flowctl/causes.h"

#include <algorithm>

#include "common/core/ids.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "tools/flowctl/context.h"
#include "tools/flowctl/payload.h"
#include "tools/stack/logs.h"

namespace flowstack::flowctl {
namespace {

constexpr std::int64_t kWebhookAroundUs = 2'000'000;

// Finds the webhook that brought this event. The event names it by id and not by place, so it is
// looked for among the webhooks of that moment, with a few reads in each lane.
std::optional<RecordedEvent> webhook_of(stack::Api& api, const RecordedEvent& event) {
    auto id = webhook_id(event);
    // A status event has no field for the webhook's id: the correlation id is that of the webhook.
    if (id.empty() && event.service() == "gateway" && event.meta().actor() == "provider:meta")
        if (const auto correlation = Uuid::parse(event.meta().correlation_id()))
            id = std::string(correlation->raw());
    if (id.empty()) return std::nullopt;
    const auto from = event.recorded_at_us() - kWebhookAroundUs;
    int lane = 0;
    for (const auto head : stack::heads_of(api, "gateway")) {
        // Times climb in a lane: a binary search finds the first position that is late enough.
        std::int64_t low = 1;
        std::int64_t high = head + 1;
        common::v1::Position position;
        position.set_service("gateway");
        position.set_lane(lane++);
        while (low < high) {
            position.set_position(low + (high - low) / 2);
            const auto middle = stack::event_at(api, position);
            if (!middle || middle->recorded_at_us() < from)
                low = position.position() + 1;
            else
                high = position.position();
        }
        for (position.set_position(low); position.position() <= head;
             position.set_position(position.position() + 1)) {
            const auto candidate = stack::event_at(api, position);
            if (!candidate ||
                candidate->recorded_at_us() > event.recorded_at_us() + kWebhookAroundUs)
                break;
            if (auto found = with_webhook_alone(*candidate, id)) return found;
        }
    }
    return std::nullopt;
}

// A shard of the audience is in the lane of its customers, and so is the message.
std::optional<RecordedEvent> asked_by_campaign(stack::Api& api, const RecordedEvent& event) {
    gateway::v1::MessageQueued queued;
    if (event.type() != gateway::v1::MessageQueued::descriptor()->full_name() ||
        !queued.ParseFromString(event.payload()) ||
        queued.origin().kind() != gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN)
        return std::nullopt;
    const auto shard = stack::stream_of(api, "campaign", event.tenant(), "audience_shard",
                                        queued.origin().id() + ":" + std::to_string(event.lane()));
    const auto* ask = ask_for(shard, queued.origin().recipient(), event.recorded_at_us());
    return ask ? std::optional(*ask) : std::nullopt;
}

std::optional<RecordedEvent> step_of_campaign(stack::Api& api, const RecordedEvent& event) {
    campaign::v1::SendAsked asked;
    if (event.type() != campaign::v1::SendAsked::descriptor()->full_name() ||
        !asked.ParseFromString(event.payload()))
        return std::nullopt;
    const auto history =
        stack::stream_of(api, "campaign", event.tenant(), "campaign", asked.campaign_id());
    const auto* step = last_until(history, event.recorded_at_us());
    return step ? std::optional(*step) : std::nullopt;
}

}  // namespace

std::optional<RecordedEvent> cause_of(stack::Api& api, const RecordedEvent& event) {
    if (event.meta().has_causation()) {
        auto cause = stack::event_at(api, event.meta().causation());
        if (!cause)
            throw NotFound("the cause of " + place(event) + ", " + place(event.meta().causation()) +
                           ", cannot be found");
        return cause;
    }
    if (auto webhook = webhook_of(api, event)) return webhook;
    if (auto ask = asked_by_campaign(api, event)) return ask;
    return step_of_campaign(api, event);
}

std::optional<RecordedEvent> with_webhook_alone(const RecordedEvent& event, const std::string& id) {
    gateway::v1::WebhooksReceived received;
    if (event.type() != received.GetDescriptor()->full_name() ||
        !received.ParseFromString(event.payload()))
        return std::nullopt;
    for (auto& webhook : *received.mutable_webhooks()) {
        if (webhook.webhook_id() != id) continue;
        gateway::v1::WebhooksReceived alone;
        *alone.add_webhooks() = std::move(webhook);
        auto found = event;
        found.set_payload(alone.SerializeAsString());
        return found;
    }
    return std::nullopt;
}

const RecordedEvent* ask_for(const std::vector<RecordedEvent>& shard, const std::string& customer,
                             std::int64_t until_us) {
    const RecordedEvent* last = nullptr;
    for (const auto& event : shard) {
        campaign::v1::SendAsked asked;
        if (event.recorded_at_us() <= until_us &&
            event.type() == campaign::v1::SendAsked::descriptor()->full_name() &&
            asked.ParseFromString(event.payload()) &&
            std::find(asked.customer_ids().begin(), asked.customer_ids().end(), customer) !=
                asked.customer_ids().end())
            last = &event;
    }
    return last;
}

const RecordedEvent* last_until(const std::vector<RecordedEvent>& events, std::int64_t until_us) {
    const RecordedEvent* last = nullptr;
    for (const auto& event : events)
        if (event.recorded_at_us() <= until_us) last = &event;
    return last;
}

}  // namespace flowstack::flowctl
