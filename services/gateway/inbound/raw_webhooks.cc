#include "services/gateway/inbound/raw_webhooks.h"

#include <utility>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "services/gateway/inbound/inbound_codec.h"
#include "services/gateway/inbound/notice_routes.h"

namespace flowstack::gateway {
namespace {

using Kind = WebhookElement::Kind;
using eventlog::Command;

constexpr int kReadAgainTriesMax = 3;
constexpr int kReadAtOnce = 500;
// A page ends after so many events of the log, webhooks or not, so that one call stays short.
constexpr int kEventsPerPageMax = 20'000;
// A webhook is recorded a little after it came, when its commit got through, and by the clock of
// the database, which may differ from the door's.
constexpr std::chrono::minutes kRecordedWithin{1};

// What the preference's or message's own consent may still do: a person who had refused meanwhile
// is not written to again because an old word of theirs was found.
std::optional<ChangeConsent> refusal_of(const WebhookElement& element) {
    auto consent = consent_of(element);
    if (consent && consent->granted) return std::nullopt;
    return consent;
}

RawWebhook raw_webhook(const WebhookPlace& place, v1::RawWebhook raw) {
    const auto id = Uuid::from_bytes(raw.webhook_id());
    if (!id) throw CorruptStream("a raw webhook without an id");
    return {.place = place, .id = *id, .raw = std::move(raw)};
}

bool webhook_is_wanted(const WebhookQuery& query, const v1::RawWebhook& raw) {
    const auto received_at = from_unix_micros(raw.received_at_us());
    return received_at >= query.from && received_at < query.until &&
           (!query.parse || raw.parse() == to_proto(*query.parse));
}

}  // namespace

std::int64_t RawWebhooks::first_since(int lane, Time time, std::int64_t head) {
    // The recorded time only grows along a lane.
    std::int64_t low = 1;
    std::int64_t high = head + 1;
    while (low < high) {
        const auto middle = low + (high - low) / 2;
        const auto found = store_.read_lane(lane, middle, middle, 1);
        if (!found.empty() && found.front().recorded_at < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

WebhookPage RawWebhooks::list(const WebhookQuery& query) {
    WebhookPage page;
    const auto heads = store_.heads();
    const int first = query.lane ? *query.lane : query.at.lane;
    const int last = query.lane ? *query.lane : static_cast<int>(heads.size()) - 1;
    const auto recorded_until =
        query.until == Time::max() ? query.until : query.until + kRecordedWithin;
    int events_read = 0;
    for (int lane = first; lane <= last; ++lane) {
        const auto head = heads[static_cast<std::size_t>(lane)];
        WebhookPlace at{.lane = lane};
        if (lane == query.at.lane) at = query.at;
        if (at.position == 0)
            at.position =
                query.from == Time{} ? 1 : first_since(lane, query.from - kRecordedWithin, head);
        while (at.position <= head) {
            const auto events = store_.read_lane(lane, at.position, head, kReadAtOnce);
            if (events.empty()) break;
            for (const auto& event : events) {
                if (event.recorded_at >= recorded_until) {
                    at.position = head + 1;
                    break;
                }
                const int from = std::exchange(at.index, 0);
                at.position = event.position + 1;
                ++events_read;
                if (!eventlog::is<v1::WebhooksReceived>(event)) continue;
                auto received = eventlog::parsed<v1::WebhooksReceived>(event);
                for (int index = from; index < received.webhooks_size(); ++index) {
                    auto& raw = *received.mutable_webhooks(index);
                    if (!webhook_is_wanted(query, raw)) continue;
                    const WebhookPlace place{lane, event.position, index};
                    page.webhooks.push_back(raw_webhook(place, std::move(raw)));
                    if (static_cast<int>(page.webhooks.size()) < query.page_size) continue;
                    const bool more = index + 1 < received.webhooks_size();
                    page.next = more ? WebhookPlace{lane, event.position, index + 1} : at;
                    return page;
                }
            }
            if (events_read < kEventsPerPageMax || at.position > head) continue;
            page.next = at;
            return page;
        }
    }
    return page;
}

std::optional<RawWebhook> RawWebhooks::get(const WebhookPlace& place) {
    if (place.lane < 0 || place.lane >= store_.options().lanes || place.position < 1)
        return std::nullopt;
    const auto events = store_.read_lane(place.lane, place.position, place.position, 1);
    if (events.empty() || !eventlog::is<v1::WebhooksReceived>(events.front())) return std::nullopt;
    auto received = eventlog::parsed<v1::WebhooksReceived>(events.front());
    if (place.index < 0 || place.index >= received.webhooks_size()) return std::nullopt;
    return raw_webhook(place, std::move(*received.mutable_webhooks(place.index)));
}

std::vector<ReadElement> RawWebhooks::read(const RawWebhook& webhook, bool append,
                                           const std::string& actor) {
    const auto* provider = providers_.named(webhook.raw.provider());
    if (provider == nullptr)
        return {{.path = "",
                 .provider_type = webhook.raw.provider(),
                 .state = ElementState::unreadable,
                 .detail = "this build has no provider of this name"}};
    const auto parsed = provider->parse(webhook.raw.body(), webhook.raw.query());
    if (parsed.shape == ParsedWebhook::Shape::malformed_json)
        return {{.path = "",
                 .state = ElementState::unreadable,
                 .detail = "the body's brackets and quotes do not close"}};
    const WebhookFrame frame{.provider = webhook.raw.provider(),
                             .actor = actor,
                             .app_id = webhook.raw.app_id(),
                             .choices_numbered = provider->numbers_choices(),
                             .webhook_id = webhook.id,
                             .received_at = from_unix_micros(webhook.raw.received_at_us()),
                             .traceparent = ""};
    std::vector<ReadElement> elements;
    for (const auto& element : parsed.elements)
        elements.push_back(read_element(frame, provider->kind(), element, append));
    return elements;
}

ReadElement RawWebhooks::read_element(const WebhookFrame& frame, std::string_view channel_kind,
                                      const WebhookElement& element, bool append) {
    ReadElement out;
    out.path = element.path;
    out.kind = element.kind;
    out.provider_type = element.value.empty() ? element.provider_type : element.value;
    out.provider_message_id = element.provider_message_id;
    out.repaired = element.repaired;
    if (element.broken) {
        out.state = ElementState::unreadable;
        return out;
    }
    if (belongs_to_an_account(element)) {
        read_account_notice(out, frame, channel_kind, element, append);
        return out;
    }
    if (!belongs_to_a_channel(element)) return out;
    const auto channel = directory_.find_external_id(channel_kind, channel_of(element));
    if (!channel || (!channel->channel.app_id.empty() && channel->channel.app_id != frame.app_id)) {
        out.state = ElementState::quarantined;
        return out;
    }
    out.tenant = channel->tenant;
    const auto tenant = directory_.tenant(channel->tenant);
    const Destination to{.tenant = channel->tenant,
                         .channel_id = channel->channel.channel_id,
                         .settings_version = tenant ? tenant->version : 0};
    try {
        std::optional<Command> alone;
        if (element.kind == Kind::status)
            alone = status_command(frame, to, element, keys_);
        else if (element.kind == Kind::notice)
            alone = notice_command(frame, to, element);
        else if (!element.group_id.empty())
            alone = group_message_command(frame, to, element);
        else if (element.kind != Kind::preference &&
                 is_received(to.tenant, ProviderMessageId(element.provider_message_id)))
            out.state = ElementState::stored;
        else if (element.kind == Kind::preference && !refusal_of(element))
            out.state = ElementState::stored;  // a consent of the past is not given again
        else if (append)
            out.state = append_for_customer(frame, to, element);
        else
            out.state = ElementState::missing;
        if (alone && is_stored(*alone))
            out.state = ElementState::stored;
        else if (alone)
            out.state = append ? append_command(std::move(*alone)) : ElementState::missing;
    } catch (const std::exception& error) {
        log::warn("an element could not be read again", {{"webhook", frame.webhook_id.text()},
                                                         {"element", element.path},
                                                         {"error", error.what()}});
        out.state = ElementState::failed;
        out.detail = error.what();
    }
    return out;
}

void RawWebhooks::read_account_notice(ReadElement& out, const WebhookFrame& frame,
                                      std::string_view channel_kind, const WebhookElement& element,
                                      bool append) {
    const auto routes = routes_of_notice(directory_, channel_kind, element, frame.app_id);
    if (routes.nobody) {
        out.state = ElementState::quarantined;
        return;
    }
    out.state = ElementState::stored;
    try {
        for (const auto& to : routes.to) {
            out.tenant = to.tenant;
            auto command = notice_command(frame, to, element);
            if (is_stored(command)) continue;
            out.state = append ? append_command(std::move(command)) : ElementState::missing;
        }
    } catch (const std::exception& error) {
        out.state = ElementState::failed;
        out.detail = error.what();
    }
}

bool RawWebhooks::is_received(const std::string& tenant, const ProviderMessageId& message) {
    return !store_.read_stream(inbound_stream(tenant, message)).empty();
}

bool RawWebhooks::is_stored(const Command& command) {
    if (command.dedupe == eventlog::Dedupe::claim)
        return store_.claim(command.tenant, "command", command.id).has_value();
    return !store_.read_stream(command.parts.front().stream).empty();
}

ElementState RawWebhooks::append_command(Command command) {
    const auto verdict = store_.append(std::move(command));
    return verdict.outcome == eventlog::Outcome::ok ? ElementState::appended : ElementState::stored;
}

ElementState RawWebhooks::append_for_customer(const WebhookFrame& frame, const Destination& to,
                                              const WebhookElement& element) {
    for (int attempt = 0; attempt < kReadAgainTriesMax; ++attempt) {
        const auto plan =
            contacts_.plan(to.tenant, to.channel_id, identities_of(element), element.profile_name,
                           refusal_of(element), changed_identities_of(element));
        const auto command =
            element.kind == Kind::message
                ? std::optional(message_command(frame, to, element, plan.customer, plan))
            : element.kind == Kind::echo
                ? std::optional(echo_command(frame, to, element, plan.customer, plan))
                : preference_command(frame, to, element, plan, keys_);
        // A refusal that is known changes nothing.
        if (!command || is_stored(*command)) return ElementState::stored;
        const auto verdict = store_.append(*command);
        if (verdict.outcome == eventlog::Outcome::ok) return ElementState::appended;
        if (verdict.accepted()) return ElementState::stored;
        // Somebody else changed the contact meanwhile: plan again.
    }
    return ElementState::failed;
}

}  // namespace flowstack::gateway
