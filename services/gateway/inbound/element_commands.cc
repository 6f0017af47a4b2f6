#include "services/gateway/inbound/element_commands.h"

#include <algorithm>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/rpc/caller.h"
#include "common/service/one_effect.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/media_events.pb.h"
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

v1::ConsentChange consent_change_of(const std::vector<ContactEvent>& events) {
    for (const auto& event : events)
        if (const auto* changed = std::get_if<ConsentChanged>(&event))
            return changed->granted ? v1::CONSENT_CHANGE_RESUBSCRIBED
                                    : v1::CONSENT_CHANGE_UNSUBSCRIBED;
    return v1::CONSENT_CHANGE_UNSPECIFIED;
}

// The element's own time, but never one that is still to come.
Time element_time(const WebhookFrame& frame, const WebhookElement& element) {
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
    // An operator has the webhook read again.
    if (const auto* caller = rpc::caller_if_any()) service::name_caller(command.meta, *caller);
    command.meta.correlation_id = frame.webhook_id.text();
    command.meta.traceparent = frame.traceparent;
    command.dedupe = dedupe;
    return command;
}

ConsentSource how_it_was_said(const WebhookElement& element) {
    if (element.inbound == InboundKind::list_row) return ConsentSource::list_row;
    if (element.inbound != InboundKind::button) return ConsentSource::keyword;
    return element.provider_type == "button" ? ConsentSource::template_button
                                             : ConsentSource::button;
}

template <class Proto>
void put_place(Proto& proto, const WebhookFrame& frame, const WebhookElement& element) {
    proto.set_webhook_id(std::string(frame.webhook_id.raw()));
    proto.set_element_path(element.path);
    proto.set_repaired(element.repaired);
}

// A file that came with the element is fetched later, as work of the same lane.
void expect_media(Command& command, const WebhookFrame& frame, const Destination& to,
                  const WebhookElement& element, const CustomerId& customer_id) {
    if (!element.details || !element.details->media ||
        element.details->media->provider_media_id.empty())
        return;
    v1::MediaExpected expected;
    to_proto(*element.details->media, *expected.mutable_media());
    expected.set_channel_id(to.channel_id);
    expected.set_customer_id(customer_id);
    command.parts.push_back({media_stream(to.tenant, element.provider_message_id),
                             eventlog::kCreate,
                             {event_of(expected, element_time(frame, element))}});
}

// "phone" and "bsuid" of an element as a customer's identities.
std::vector<Identity> identities(const std::string& phone, const std::string& bsuid) {
    std::vector<Identity> known;
    if (!phone.empty()) known.push_back({.kind = IdentityKind::phone, .value = phone});
    if (!bsuid.empty()) known.push_back({.kind = IdentityKind::bsuid, .value = bsuid});
    return known;
}

// Creates the stream of a message, which its provider's id names, so it exists once.
template <class Message>
Command creation_of(const WebhookFrame& frame, const Destination& to, const WebhookElement& element,
                    const std::string& command_prefix, eventlog::Routing routing,
                    const Message& message) {
    auto command = command_of(frame, to.tenant, command_prefix + element.provider_message_id,
                              std::move(routing), Dedupe::creation);
    command.meta.settings_version = to.settings_version;
    command.parts.push_back(
        {inbound_stream(to.tenant, ProviderMessageId(element.provider_message_id)),
         eventlog::kCreate,
         {event_of(message, element_time(frame, element))}});
    return command;
}

}  // namespace

std::string_view text_of(QuarantineReason reason) {
    switch (reason) {
        case QuarantineReason::unknown_channel:
            return "unknown_channel";
        case QuarantineReason::foreign_app:
            return "foreign_app";
    }
    return "";
}

ExternalChannelId channel_of(const WebhookElement& element) {
    return ExternalChannelId(element.channel_external_id);
}

bool belongs_to_a_channel(const WebhookElement& element) {
    return element.kind == Kind::message || element.kind == Kind::status ||
           element.kind == Kind::preference || element.kind == Kind::echo ||
           (element.kind == Kind::notice && !element.channel_external_id.empty());
}

bool belongs_to_an_account(const WebhookElement& element) {
    return element.kind == Kind::notice && element.channel_external_id.empty();
}

std::vector<Identity> identities_of(const WebhookElement& element) {
    return identities(element.phone, element.bsuid);
}

std::vector<Identity> changed_identities_of(const WebhookElement& element) {
    return identities(element.changed_phone, element.changed_bsuid);
}

std::optional<ChangeConsent> consent_of(const WebhookElement& element) {
    if (element.kind == Kind::preference) {
        const bool stop = element.value == "stop";
        if (!stop && element.value != "resume" && element.value != "signup") return std::nullopt;
        return ChangeConsent{.purposes = {Purpose::marketing},
                             .granted = !stop,
                             .source = ConsentSource::user_preferences,
                             .text = element.value};
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
    return ChangeConsent{.purposes = {Purpose::marketing, Purpose::utility},
                         .granted = *word == ConsentWord::start,
                         .source = how_it_was_said(element),
                         .text = element.text};
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
    received.set_choices_numbered(frame.choices_numbered);
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
    if (element.details) to_proto(*element.details, received);

    auto command =
        creation_of(frame, to, element, "inbound/", by_customer(customer.customer_id), received);
    expect_media(command, frame, to, element, customer.customer_id);
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
    return creation_of(frame, to, element, "inbound/",
                       {eventlog::RoutingKind::named, element.group_id}, received);
}

Command echo_command(const WebhookFrame& frame, const Destination& to,
                     const WebhookElement& element, const KnownCustomer& customer,
                     const ContactPlan& plan) {
    v1::MessageEchoed echoed;
    echoed.set_provider_message_id(element.provider_message_id);
    echoed.set_channel_id(to.channel_id);
    echoed.set_customer_id(customer.customer_id);
    echoed.set_kind(to_proto(element.inbound));
    echoed.set_provider_type(element.provider_type);
    echoed.set_context_provider_message_id(element.context_provider_message_id);
    echoed.set_subject_provider_message_id(element.subject_provider_message_id);
    put_place(echoed, frame, element);
    auto& personal = *echoed.mutable_personal();
    personal.set_text(element.text);
    personal.set_phone(element.phone.empty() ? customer.phone : element.phone);
    personal.set_element_json(std::string(element.json));
    if (element.details && element.details->media) {
        to_proto(*element.details->media, *echoed.mutable_media());
        personal.set_filename(element.details->media->filename);
    }
    auto command =
        creation_of(frame, to, element, "echo/", by_customer(customer.customer_id), echoed);
    expect_media(command, frame, to, element, customer.customer_id);
    if (plan.part) command.parts.push_back(*plan.part);
    return command;
}

Command notice_command(const WebhookFrame& frame, const Destination& to,
                       const WebhookElement& element) {
    v1::NoticeReceived received;
    received.set_provider_type(element.provider_type);
    received.set_channel_id(to.channel_id);
    received.set_business_account_id(element.business_account_id);
    received.set_provider_time_us(unix_micros(element.provider_time));
    to_proto(*element.notice, received);
    put_place(received, frame, element);
    received.mutable_personal()->set_element_json(std::string(element.json));
    const auto about = to.channel_id.empty() ? element.business_account_id : to.channel_id.text();
    // The same words at another time are other news.
    const auto digest = crypto::sha256(std::to_string(unix_seconds(element.provider_time)) +
                                       std::string(element.json));
    auto command = command_of(
        frame, to.tenant, "notice/" + about + "/" + crypto::hex_encode(crypto::bytes_of(digest)),
        {eventlog::RoutingKind::named, about}, Dedupe::claim);
    command.meta.settings_version = to.settings_version;
    command.parts.push_back({{to.tenant, "notice", about},
                             eventlog::kAny,
                             {event_of(received, element_time(frame, element))}});
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
        const StatusReported status{
            .status = element.value,
            .provider_message_id = ProviderMessageId(element.provider_message_id),
            .provider_time = element.provider_time,
            .error = element.error,
            .price = element.price,
            .route = {.channel_id = to.channel_id,
                      .customer_id = callback->customer_id,
                      .origin = callback->origin,
                      .priority = callback->priority},
            .attempt = callback->attempt};
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
    if (element.price != MessagePrice{}) to_proto(element.price, *parked.mutable_price());
    parked.set_webhook_id(std::string(frame.webhook_id.raw()));
    auto command =
        command_of(frame, to.tenant, "parked/" + name,
                   {eventlog::RoutingKind::named, element.provider_message_id}, Dedupe::claim);
    command.parts.push_back(
        {delivery_stream(to.tenant, ProviderMessageId(element.provider_message_id)),
         eventlog::kAny,
         {event_of(parked, frame.received_at)}});
    return command;
}

Command quarantine_command(const WebhookFrame& frame, const WebhookElement& element,
                           QuarantineReason reason) {
    const auto& about =
        belongs_to_an_account(element) ? element.business_account_id : element.channel_external_id;
    v1::ElementQuarantined event;
    event.set_reason(to_proto(reason));
    event.set_app_id(frame.app_id);
    event.set_external_id(about);
    event.set_webhook_id(std::string(frame.webhook_id.raw()));
    event.mutable_personal()->set_element_json(std::string(element.json));
    const auto digest = crypto::sha256(element.json);
    auto command = command_of(frame, std::string(kPlatform),
                              "quarantine/" + about + "/" + std::string(text_of(reason)) + "/" +
                                  crypto::hex_encode(crypto::bytes_of(digest)),
                              {eventlog::RoutingKind::named, about}, Dedupe::claim);
    command.parts.push_back({{std::string(kPlatform), "quarantine", about},
                             eventlog::kAny,
                             {event_of(event, frame.received_at)}});
    return command;
}

}  // namespace flowstack::gateway
