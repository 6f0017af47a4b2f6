#include "services/gateway/inbound/element_commands.h"

#include <algorithm>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "services/gateway/inbound/inbound_codec.h"

namespace flowstack::gateway {
namespace {

using Kind = WebhookElement::Kind;
using eventlog::Command;
using eventlog::Dedupe;

template <class Proto>
eventlog::NewEvent event_of(const Proto& proto, Time occurred_at) {
    eventlog::NewEvent event;
    event.type = Proto::descriptor()->full_name();
    event.payload = proto.SerializeAsString();
    event.occurred_at = occurred_at;
    return event;
}

std::string consent_change_of(const std::vector<ContactEvent>& events) {
    for (const auto& event : events)
        if (const auto* changed = std::get_if<ConsentChanged>(&event))
            return changed->granted ? "resubscribed" : "unsubscribed";
    return {};
}

// The element's own time, but never one that is still to come.
Time time_of(const WebhookFrame& frame, const WebhookElement& element) {
    return element.provider_time == Time{} ? frame.received_at
                                           : std::min(element.provider_time, frame.received_at);
}

Command command_of(const WebhookFrame& frame, const std::string& tenant, std::string id,
                   eventlog::Routing routing, Dedupe dedupe) {
    Command command;
    command.id = std::move(id);
    command.tenant = tenant;
    command.meta.routing = std::move(routing);
    command.meta.actor = frame.actor;
    command.meta.correlation_id = frame.webhook_id.text();
    command.meta.traceparent = frame.traceparent;
    command.dedupe = dedupe;
    return command;
}

std::string how_it_was_said(const WebhookElement& element) {
    if (element.inbound == InboundKind::list_row) return "list_row";
    if (element.inbound != InboundKind::button) return "keyword";
    return element.provider_type == "button" ? "template_button" : "button";
}

template <class Proto>
void put_place(Proto& proto, const WebhookFrame& frame, const WebhookElement& element) {
    proto.set_webhook_event_id(std::string(frame.webhook_id.raw()));
    proto.set_element_path(element.path);
    proto.set_repaired(element.repaired);
}

}  // namespace

bool belongs_to_a_channel(const WebhookElement& element) {
    return element.kind == Kind::message || element.kind == Kind::status ||
           element.kind == Kind::preference;
}

std::vector<Identity> identities_of(const WebhookElement& element) {
    std::vector<Identity> identities;
    if (!element.phone.empty()) identities.push_back({std::string(kPhone), element.phone});
    if (!element.bsuid.empty()) identities.push_back({std::string(kBsuid), element.bsuid});
    return identities;
}

std::vector<Identity> changed_identities_of(const WebhookElement& element) {
    std::vector<Identity> identities;
    if (!element.changed_phone.empty())
        identities.push_back({std::string(kPhone), element.changed_phone});
    if (!element.changed_bsuid.empty())
        identities.push_back({std::string(kBsuid), element.changed_bsuid});
    return identities;
}

std::optional<ChangeConsent> consent_of(const WebhookElement& element) {
    if (element.kind == Kind::preference) {
        if (element.value == "stop")
            return ChangeConsent{{std::string(kMarketing)}, false, "user_preferences", "stop"};
        if (element.value == "resume" || element.value == "signup")
            return ChangeConsent{
                {std::string(kMarketing)}, true, "user_preferences", element.value};
        return std::nullopt;
    }
    if (element.kind != Kind::message || !element.group_id.empty()) return std::nullopt;
    const bool tapped =
        element.inbound == InboundKind::button || element.inbound == InboundKind::list_row;
    if (!tapped && element.inbound != InboundKind::text && element.inbound != InboundKind::edit)
        return std::nullopt;
    auto word = consent_word(element.text);
    // The id of a button that a shop wrote: "STOP_PROMOTIONS" under any words.
    if (!word && tapped) word = consent_word(element.tap_id);
    if (!word) return std::nullopt;
    return ChangeConsent{{std::string(kMarketing), std::string(kUtility)},
                         *word == ConsentWord::start,
                         how_it_was_said(element),
                         element.text};
}

Command message_command(const WebhookFrame& frame, const Destination& to,
                        const WebhookElement& element, const KnownCustomer& customer,
                        const ContactPlan& plan) {
    v1::MessageReceived received;
    received.set_provider_message_id(element.provider_message_id);
    received.set_channel_id(to.channel_id);
    received.set_customer_id(customer.customer_id);
    received.set_kind(to_proto(element.inbound));
    received.set_provider_type(element.provider_type);
    received.set_tap_id(element.tap_id);
    received.set_context_provider_message_id(element.context_provider_message_id);
    received.set_subject_provider_message_id(element.subject_provider_message_id);
    put_place(received, frame, element);
    // Whoever changed their number wrote from the old one a last time.
    const bool old_phone = element.phone.empty() || !element.changed_phone.empty();
    const auto& phone = old_phone ? customer.phone : element.phone;
    received.set_has_phone(!phone.empty());
    received.set_consent_change(consent_change_of(plan.events));
    auto& personal = *received.mutable_personal();
    personal.set_text(element.text);
    personal.set_profile_name(element.profile_name);
    personal.set_phone(phone);
    personal.set_element_json(std::string(element.json));
    if (element.location) to_proto(*element.location, *personal.mutable_location());

    auto command = command_of(frame, to.tenant, "inbound/" + element.provider_message_id,
                              by_customer(customer.customer_id), Dedupe::creation);
    command.meta.settings_version = to.settings_version;
    command.parts.push_back({inbound_stream(to.tenant, element.provider_message_id),
                             eventlog::kCreate,
                             {event_of(received, time_of(frame, element))}});
    if (plan.part) command.parts.push_back(*plan.part);
    return command;
}

Command group_message_command(const WebhookFrame& frame, const Destination& to,
                              const WebhookElement& element) {
    v1::GroupMessageReceived received;
    received.set_provider_message_id(element.provider_message_id);
    received.set_channel_id(to.channel_id);
    received.set_group_id(element.group_id);
    received.set_kind(to_proto(element.inbound));
    received.set_provider_type(element.provider_type);
    put_place(received, frame, element);
    auto& personal = *received.mutable_personal();
    personal.set_text(element.text);
    personal.set_profile_name(element.profile_name);
    personal.set_phone(element.phone);
    personal.set_element_json(std::string(element.json));
    auto command = command_of(frame, to.tenant, "inbound/" + element.provider_message_id,
                              {eventlog::RoutingKind::named, element.group_id}, Dedupe::creation);
    command.meta.settings_version = to.settings_version;
    command.parts.push_back({inbound_stream(to.tenant, element.provider_message_id),
                             eventlog::kCreate,
                             {event_of(received, time_of(frame, element))}});
    return command;
}

std::optional<Command> preference_command(const WebhookFrame& frame, const Destination& to,
                                          const WebhookElement& element, const ContactPlan& plan,
                                          const DerivedKeys& keys) {
    if (!plan.part) return std::nullopt;
    // By who it is for the provider, since the same person may be another customer later.
    const auto who = keys.identity_claim(to.tenant, identities_of(element).front());
    auto command = command_of(frame, to.tenant,
                              "preference/" + to.channel_id + "/" + who + "/" + element.value +
                                  "/" + std::to_string(unix_seconds(element.provider_time)),
                              by_customer(plan.customer.customer_id), Dedupe::claim);
    command.meta.settings_version = to.settings_version;
    command.parts.push_back(*plan.part);
    return command;
}

Command status_command(const WebhookFrame& frame, const Destination& to,
                       const WebhookElement& element, const DerivedKeys& keys) {
    const auto name = to.tenant + "/" + element.provider_message_id + "/" + element.value;
    if (const auto callback = keys.read_callback(to.tenant, element.callback_data)) {
        StatusReported status{
            element.value,
            element.provider_message_id,
            element.provider_time,
            element.error,
            {to.channel_id, callback->customer_id, callback->origin, callback->priority},
            callback->attempt};
        auto command = command_of(frame, to.tenant, "status/" + name,
                                  by_customer(callback->customer_id), Dedupe::claim);
        command.meta.settings_version = to.settings_version;
        command.parts.push_back({message_stream(to.tenant, callback->message_id),
                                 eventlog::kAny,
                                 {encode(MessageEvent(status), element.provider_time == Time{}
                                                                   ? frame.received_at
                                                                   : element.provider_time)}});
        return command;
    }
    // Found by the provider's id, or kept until its message comes: see reactor.cc.
    v1::StatusParked parked;
    parked.set_provider_message_id(element.provider_message_id);
    parked.set_status(element.value);
    parked.set_provider_time_us(unix_micros(element.provider_time));
    parked.set_callback_data(element.callback_data);
    if (element.error != SendError{}) to_proto(element.error, *parked.mutable_error());
    parked.set_webhook_event_id(std::string(frame.webhook_id.raw()));
    auto command =
        command_of(frame, to.tenant, "parked/" + name,
                   {eventlog::RoutingKind::named, element.provider_message_id}, Dedupe::claim);
    command.parts.push_back({delivery_stream(to.tenant, element.provider_message_id),
                             eventlog::kAny,
                             {event_of(parked, frame.received_at)}});
    return command;
}

Command quarantine_command(const WebhookFrame& frame, const WebhookElement& element,
                           const std::string& reason) {
    v1::ElementQuarantined event;
    event.set_reason(reason);
    event.set_app_id(frame.app_id);
    event.set_external_id(element.channel_external_id);
    event.set_webhook_event_id(std::string(frame.webhook_id.raw()));
    event.mutable_personal()->set_element_json(std::string(element.json));
    const auto digest = crypto::sha256(element.json);
    auto command =
        command_of(frame, std::string(kPlatform),
                   "quarantine/" + element.channel_external_id + "/" + reason + "/" +
                       crypto::hex_encode(crypto::bytes_of(digest)),
                   {eventlog::RoutingKind::named, element.channel_external_id}, Dedupe::claim);
    command.parts.push_back({{std::string(kPlatform), "quarantine", element.channel_external_id},
                             eventlog::kAny,
                             {event_of(event, frame.received_at)}});
    return command;
}

Command raw_webhook_command(const WebhookFrame& frame, const http::Request& request,
                            ParsedWebhook::Shape shape, int lane) {
    v1::WebhookReceived raw;
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
    raw.set_body(request.body);
    raw.set_app_id(frame.app_id);
    raw.set_parse(std::string(text_of(shape)));

    // One stream a lane and hour.
    const auto hour = unix_seconds(frame.received_at) / 3600;
    auto command = command_of(frame, std::string(kPlatform), frame.webhook_id.text(),
                              {eventlog::RoutingKind::lane, std::to_string(lane)}, Dedupe::none);
    command.meta.correlation_id.clear();
    auto event = event_of(raw, frame.received_at);
    event.is_private = true;
    event.id = frame.webhook_id;
    command.parts.push_back(
        {{std::string(kPlatform), "webhook", std::to_string(lane) + "-" + std::to_string(hour)},
         eventlog::kAny,
         {std::move(event)}});
    return command;
}

}  // namespace flowstack::gateway
