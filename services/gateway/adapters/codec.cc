#include "services/gateway/adapters/codec.h"

#include <stdexcept>

#include "common/eventlog/fact.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/media_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/notice_events.pb.h"
#include "flowstack/gateway/v1/session_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "services/gateway/endpoints/webhook_codec.h"
#include "services/gateway/templates/template_codec.h"

namespace flowstack::gateway {

constexpr auto wire_values(Consent) {
    return std::array{std::pair{Consent::unasked, v1::CONSENT_STATE_UNASKED},
                      std::pair{Consent::granted, v1::CONSENT_STATE_GRANTED},
                      std::pair{Consent::refused, v1::CONSENT_STATE_REFUSED}};
}

constexpr auto wire_values(IdentityKind) {
    return std::array{std::pair{IdentityKind::phone, v1::IDENTITY_KIND_PHONE},
                      std::pair{IdentityKind::bsuid, v1::IDENTITY_KIND_BSUID}};
}

constexpr auto wire_values(Purpose) {
    return std::array{std::pair{Purpose::marketing, v1::MESSAGE_PURPOSE_MARKETING},
                      std::pair{Purpose::utility, v1::MESSAGE_PURPOSE_UTILITY},
                      std::pair{Purpose::service, v1::MESSAGE_PURPOSE_SERVICE}};
}

constexpr auto wire_values(ConsentSource) {
    return std::array{
        std::pair{ConsentSource::keyword, v1::CONSENT_SOURCE_KEYWORD},
        std::pair{ConsentSource::template_button, v1::CONSENT_SOURCE_TEMPLATE_BUTTON},
        std::pair{ConsentSource::button, v1::CONSENT_SOURCE_BUTTON},
        std::pair{ConsentSource::list_row, v1::CONSENT_SOURCE_LIST_ROW},
        std::pair{ConsentSource::user_preferences, v1::CONSENT_SOURCE_USER_PREFERENCES},
        std::pair{ConsentSource::provider_refusal, v1::CONSENT_SOURCE_PROVIDER_REFUSAL}};
}

constexpr auto wire_values(OriginKind) {
    return std::array{std::pair{OriginKind::reply, v1::MESSAGE_ORIGIN_KIND_REPLY},
                      std::pair{OriginKind::follow_up, v1::MESSAGE_ORIGIN_KIND_FOLLOW_UP},
                      std::pair{OriginKind::agent, v1::MESSAGE_ORIGIN_KIND_AGENT},
                      std::pair{OriginKind::campaign, v1::MESSAGE_ORIGIN_KIND_CAMPAIGN},
                      std::pair{OriginKind::api, v1::MESSAGE_ORIGIN_KIND_API}};
}

constexpr auto wire_values(Suppression) {
    return std::array{std::pair{Suppression::opted_out, v1::SUPPRESSION_REASON_OPTED_OUT},
                      std::pair{Suppression::window_closed, v1::SUPPRESSION_REASON_WINDOW_CLOSED},
                      std::pair{Suppression::answered, v1::SUPPRESSION_REASON_ANSWERED}};
}

constexpr auto wire_values(ErrorClass) {
    return std::array{
        std::pair{ErrorClass::none, v1::SEND_ERROR_CLASS_UNSPECIFIED},
        std::pair{ErrorClass::provider_ill, v1::SEND_ERROR_CLASS_PROVIDER_ILL},
        std::pair{ErrorClass::busy, v1::SEND_ERROR_CLASS_BUSY},
        std::pair{ErrorClass::too_fast, v1::SEND_ERROR_CLASS_TOO_FAST},
        std::pair{ErrorClass::recipient_too_fast, v1::SEND_ERROR_CLASS_RECIPIENT_TOO_FAST},
        std::pair{ErrorClass::wait, v1::SEND_ERROR_CLASS_WAIT},
        std::pair{ErrorClass::unauthorised, v1::SEND_ERROR_CLASS_UNAUTHORISED},
        std::pair{ErrorClass::needs_operator, v1::SEND_ERROR_CLASS_NEEDS_OPERATOR},
        std::pair{ErrorClass::account_blocked, v1::SEND_ERROR_CLASS_ACCOUNT_BLOCKED},
        std::pair{ErrorClass::rejected, v1::SEND_ERROR_CLASS_REJECTED},
        std::pair{ErrorClass::window_closed, v1::SEND_ERROR_CLASS_WINDOW_CLOSED},
        std::pair{ErrorClass::opted_out, v1::SEND_ERROR_CLASS_OPTED_OUT}};
}

// ---- parts of facts

FLOWSTACK_FACT(SendError, v1::SendError) {
    FACT_FIELD(error_class);
    FACT_FIELD(code);
    FACT_FIELD(title);
    FACT_FIELD(details);
    FACT_DURATION(retry_after, retry_after_s, std::chrono::seconds);
}
FLOWSTACK_FACT(MessagePrice, v1::MessagePrice) {
    FACT_FIELD(category);
    FACT_FIELD(type);
    FACT_FIELD(model);
    FACT_FIELD(calling_code);
}
FLOWSTACK_FACT(QuietHours, v1::QuietHours) {
    FACT_FIELD(start_minute);
    FACT_FIELD(end_minute);
}
FLOWSTACK_FACT(TenantSettings, v1::TenantSettings) {
    FACT_FIELD(name);
    FACT_FIELD(display_name);
    FACT_FIELD(country_code);
    FACT_FIELD(time_zone);
    FACT_FIELD(currency_code);
    FACT_FIELD(languages);
    FACT_FIELD(pack);
    FACT_FIELD(tax_rate_bp);
    FACT_FIELD(order_prefix);
    FACT_FIELD(invoice_prefix);
    FACT_FIELD(quiet_hours);
    FACT_FIELD(unknown_text_policy);
    FACT_FIELD(payment_providers);
    FACT_FIELD(unclear_payment_policy);
    FACT_FIELD(marketing_messages_per_month);
}
FLOWSTACK_FACT(SealedCredentials, v1::SealedCredentials) { FACT_FIELD(sealed); }
FLOWSTACK_FACT(ChannelLimits, v1::ChannelLimits) {
    FACT_FIELD(per_second);
    FACT_FIELD(inbound_headroom_per_second);
    FACT_FIELD(pair_interval_seconds);
    FACT_FIELD(pair_burst);
}
FLOWSTACK_FACT(Identity, v1::Identity) {
    FACT_FIELD(kind);
    FACT_FIELD(value);
}
FLOWSTACK_FACT(Origin, v1::MessageOrigin) {
    FACT_FIELD(kind);
    FACT_FIELD(id);
    FACT_FIELD(recipient);
}
FLOWSTACK_FACT(Preconditions, v1::Preconditions) {
    FACT_FIELD(purpose);
    FACT_TIME(nothing_inbound_since);
    FACT_FIELD(needs_open_window);
    FACT_TIME(window_evidence);
}

// ---- tenants and their keys

FLOWSTACK_FACT(RegisterTenant, v1::TenantRegistered) {
    FACT_FIELD(tenant_id);
    FACT_FIELD(settings);
    FACT_FIELD(channel_id);
    FACT_FIELD(channel_kind);
    FACT_FIELD(channel_external_id);
}
FLOWSTACK_FACT(TenantRegistered, v1::TenantRegistered) { describe(fact.tenant, message); }
FLOWSTACK_FACT(TenantSettingsChanged, v1::TenantSettingsChanged) { FACT_FIELD(settings); }
FLOWSTACK_FACT(TenantSuspended, v1::TenantSuspended) { FACT_FIELD(reason); }
FLOWSTACK_FACT(TenantResumed, v1::TenantResumed) { FACT_FIELD(reason); }
FLOWSTACK_FACT(TenantClosed, v1::TenantClosed) { FACT_FIELD(reason); }
FLOWSTACK_FACT(ApiKeyState, v1::ApiKeyCreated) {
    FACT_FIELD(key_id);
    FACT_FIELD(key_sha256);
    FACT_FIELD(name);
    FACT_FIELD(hint);
}

// ---- channels

FLOWSTACK_FACT(ConnectChannel, v1::ChannelConnected) {
    FACT_FIELD(channel_id);
    FACT_FIELD(kind);
    FACT_FIELD(external_id);
    FACT_FIELD(business_account_id);
    FACT_FIELD(app_id);
    FACT_FIELD(display_phone_number);
    FACT_FIELD(credentials);
    FACT_FIELD(limits);
}
FLOWSTACK_FACT(ChannelConnected, v1::ChannelConnected) { describe(fact.channel, message); }
FLOWSTACK_FACT(CredentialsRotated, v1::CredentialsRotated) { FACT_FIELD(credentials); }
FLOWSTACK_FACT(ChannelPaused, v1::ChannelPaused) { FACT_FIELD(reason); }
FLOWSTACK_FACT(ChannelResumed, v1::ChannelResumed) { FACT_FIELD(reason); }
FLOWSTACK_FACT(ChannelLimitsChanged, v1::ChannelLimitsChanged) { FACT_FIELD(limits); }

// ---- contacts

FLOWSTACK_FACT(ContactSeen, v1::ContactSeen) {
    FACT_FIELD(customer_id);
    FACT_FIELD(channel_id);
    FACT_PERSONAL(identities);
    FACT_PERSONAL(profile_name);
}
FLOWSTACK_FACT(IdentityAdded, v1::IdentityAdded) {
    FACT_FIELD(customer_id);
    FACT_PERSONAL(identity);
    FACT_PERSONAL(profile_name);
    FACT_FIELD(replaces_earlier);
}
FLOWSTACK_FACT(ConsentChanged, v1::ConsentChanged) {
    FACT_FIELD(customer_id);
    FACT_FIELD(purpose);
    FACT_FIELD(granted);
    FACT_FIELD(source);
    FACT_FIELD(text);
}
FLOWSTACK_FACT(ContactsLinked, v1::ContactsLinked) {
    FACT_FIELD(customer_id);
    FACT_FIELD(merged_customer_id);
    FACT_PERSONAL(identities);
    FACT_FIELD_AS(marketing, marketing_consent);
    FACT_FIELD_AS(utility, utility_consent);
}
FLOWSTACK_FACT(ContactMerged, v1::ContactMerged) {
    FACT_FIELD(customer_id);
    FACT_FIELD(into);
}

// ---- messages

FLOWSTACK_FACT(QueueMessage, v1::MessageQueued) {
    FACT_FIELD(message_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(idempotency_key);
    FACT_FIELD(key_reused);
    FACT_FIELD(origin);
    FACT_FIELD(priority);
    FACT_FIELD(preconditions);
    FACT_TIME(not_before);
    FACT_TIME(inbound_stored_at);
    FACT_PERSONAL(to);
    // The rules do not look inside a content, so they keep it as bytes.
    if constexpr (!std::is_const_v<FactOrConst>)
        fact.content = message.personal().content().SerializeAsString();
    else if (!message.mutable_personal()->mutable_content()->ParseFromString(fact.content))
        throw std::invalid_argument("message content is no MessageContent");
}
FLOWSTACK_FACT(MessageQueued, v1::MessageQueued) { describe(fact.message, message); }

// A message says as much of the route as its readers need: not all of them name who asked, or the
// queue.
template <class FactOrConst, class WireOrConst>
void describe_route(FactOrConst& fact, WireOrConst& message) {
    FACT_FIELD(channel_id);
    FACT_FIELD(customer_id);
    if constexpr (requires { message.origin(); }) {
        FACT_FIELD(origin);
    }
    if constexpr (requires { message.priority(); }) {
        FACT_FIELD(priority);
    }
}
FLOWSTACK_FACT(SendAttempted, v1::SendAttempted) {
    FACT_FIELD(attempt);
    FACT_FIELD(replica);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(SendAccepted, v1::SendAccepted) {
    FACT_FIELD(attempt);
    FACT_FIELD(provider_message_id);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(SendFailed, v1::SendFailed) {
    FACT_FIELD(attempt);
    FACT_SET(error);
    FACT_FIELD(reason);
    FACT_TIME(retry_at);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(SendUnknown, v1::SendUnknown) {
    FACT_FIELD(attempt);
    FACT_FIELD(reason);
    FACT_TIME(evidence_until);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(StatusReported, v1::StatusReported) {
    FACT_FIELD(status);
    FACT_FIELD(provider_message_id);
    FACT_TIME(provider_time);
    FACT_SET(error);
    FACT_SET(price);
    FACT_FIELD(attempt);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(MessageSuppressed, v1::MessageSuppressed) {
    FACT_FIELD(reason);
    FACT_SET(error);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(MessageCancelled, v1::MessageCancelled) {
    FACT_FIELD(reason);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(MessageRetried, v1::MessageRetried) {
    FACT_FIELD(actor);
    FACT_FIELD(reason);
    describe_route(fact.route, message);
}
FLOWSTACK_FACT(MessageDiscarded, v1::MessageDiscarded) {
    FACT_FIELD(actor);
    FACT_FIELD(reason);
    describe_route(fact.route, message);
}

eventlog::NewEvent encode(const TenantEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
eventlog::NewEvent encode(const ChannelEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
eventlog::NewEvent encode(const ContactEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
eventlog::NewEvent encode(const MessageEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}

TenantEvent decode_tenant(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<TenantEvent>("tenant", type, payload);
}
ChannelEvent decode_channel(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<ChannelEvent>("channel", type, payload);
}
ContactEvent decode_contact(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<ContactEvent>("contact", type, payload);
}
MessageEvent decode_message(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<MessageEvent>("message", type, payload);
}

ApiKeyCodec::State ApiKeyCodec::evolve(State state, const std::string& type,
                                       const std::string& payload, Time at) {
    if (eventlog::is<v1::ApiKeyCreated>(type)) {
        state = eventlog::fact_of<ApiKeyState>(payload);
        state.created_at = at;
        return state;
    }
    if (!eventlog::is<v1::ApiKeyRevoked>(type))
        throw CorruptStream("api_key: unknown event " + type);
    state.revoked = true;
    state.revoked_at = at;
    return state;
}

// ---- parts that the APIs show too

namespace {

template <class Part, class Proto>
Part read_part(const Proto& proto) {
    Part part;
    describe(part, proto);
    return part;
}

}  // namespace

TenantSettings from_proto(const v1::TenantSettings& proto) {
    return read_part<TenantSettings>(proto);
}
void to_proto(const TenantSettings& settings, v1::TenantSettings& proto) {
    describe(settings, proto);
}
ChannelLimits from_proto(const v1::ChannelLimits& proto) { return read_part<ChannelLimits>(proto); }
void to_proto(const ChannelLimits& limits, v1::ChannelLimits& proto) { describe(limits, proto); }
std::optional<OriginKind> origin_kind_of(v1::MessageOriginKind kind) {
    for (const auto& [ours, theirs] : wire_values(OriginKind{}))
        if (theirs == kind) return ours;
    return std::nullopt;
}
void to_proto(const Origin& origin, v1::MessageOrigin& proto) { describe(origin, proto); }
SendError from_proto(const v1::SendError& proto) { return read_part<SendError>(proto); }
MessagePrice from_proto(const v1::MessagePrice& proto) { return read_part<MessagePrice>(proto); }
void to_proto(const MessagePrice& price, v1::MessagePrice& proto) { describe(price, proto); }
void to_proto(const SendError& error, v1::SendError& proto) { describe(error, proto); }
void to_proto(const Identity& identity, v1::Identity& proto) { describe(identity, proto); }

// ---- The catalogue.

const std::vector<std::string>& event_types() {
    static const std::vector<std::string> types = [] {
        std::vector<std::string> names;
        const auto add = [&](auto... protos) {
            (names.push_back(decltype(protos)::descriptor()->full_name()), ...);
        };
        add(v1::TenantRegistered(), v1::TenantSettingsChanged(), v1::TenantSuspended(),
            v1::TenantResumed(), v1::TenantClosed(), v1::ApiKeyCreated(), v1::ApiKeyRevoked());
        add(v1::ChannelConnected(), v1::CredentialsRotated(), v1::ChannelPaused(),
            v1::ChannelResumed(), v1::ChannelLimitsChanged(), v1::ElementQuarantined(),
            v1::SignatureRejected());
        add(v1::WebhooksReceived(), v1::MessageReceived(), v1::GroupMessageReceived(),
            v1::MessageEchoed(), v1::StatusParked(), v1::NoticeReceived());
        add(v1::MediaExpected(), v1::MediaFetched(), v1::MediaFetchFailed(), v1::MediaUploaded());
        add(v1::ContactSeen(), v1::IdentityAdded(), v1::ConsentChanged(), v1::ContactsLinked(),
            v1::ContactMerged());
        add(v1::MessageQueued(), v1::SendAttempted(), v1::SendAccepted(), v1::SendFailed(),
            v1::SendUnknown(), v1::StatusReported(), v1::MessageSuppressed(),
            v1::MessageCancelled(), v1::MessageRetried(), v1::MessageDiscarded());
        add(v1::SessionBegan(), v1::SessionEnded());
        for (auto& type : template_event_types()) names.push_back(std::move(type));
        for (auto& type : webhook_endpoint_event_types()) names.push_back(std::move(type));
        return names;
    }();
    return types;
}

// ---- Names.

namespace {
eventlog::StreamName stream(std::string_view tenant, std::string_view category,
                            std::string_view key) {
    return {std::string(tenant), std::string(category), std::string(key)};
}
}  // namespace

eventlog::StreamName tenant_stream(std::string_view tenant) {
    return stream(tenant, "tenant", tenant);
}
eventlog::StreamName api_key_stream(std::string_view tenant, const ApiKeyId& key) {
    return stream(tenant, "api_key", key.text());
}
eventlog::StreamName channel_stream(std::string_view tenant, const ChannelId& channel) {
    return stream(tenant, "channel", channel.text());
}
eventlog::StreamName contact_stream(std::string_view tenant, const CustomerId& customer) {
    return stream(tenant, "contact", customer.text());
}
eventlog::StreamName inbound_stream(std::string_view tenant, const ProviderMessageId& message) {
    return stream(tenant, "inbound", message.text());
}
eventlog::StreamName delivery_stream(std::string_view tenant, const ProviderMessageId& message) {
    return stream(tenant, "delivery", message.text());
}
eventlog::StreamName message_stream(std::string_view tenant, const MessageId& message) {
    return stream(tenant, "message", message.text());
}
eventlog::StreamName media_stream(std::string_view tenant, std::string_view key) {
    return stream(tenant, "media", key);
}
eventlog::Routing by_customer(const CustomerId& customer) {
    return {eventlog::RoutingKind::customer, customer.text()};
}
eventlog::Routing by_tenant(std::string_view tenant) {
    return {eventlog::RoutingKind::tenant, std::string(tenant)};
}
eventlog::Routing by_channel(const ChannelId& channel) {
    return {eventlog::RoutingKind::named, channel.text()};
}

}  // namespace flowstack::gateway
