#include "services/gateway/adapters/codec.h"

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"

namespace flowstack::gateway {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::stored;

// 0 in protobuf and the epoch in a rule both mean "none".
std::int64_t us(Time at) { return unix_micros(at); }
Time at(std::int64_t us) { return from_unix_micros(us); }

[[noreturn]] void unknown(std::string_view aggregate, std::string_view type) {
    throw CorruptStream(std::string(aggregate) + ": unknown event type " + std::string(type));
}

v1::Identity proto_of(const Identity& identity) {
    v1::Identity proto;
    proto.set_kind(identity.kind);
    proto.set_value(identity.value);
    return proto;
}
v1::ConsentState proto_of(Consent consent) {
    switch (consent) {
        case Consent::unasked:
            return v1::CONSENT_STATE_UNASKED;
        case Consent::granted:
            return v1::CONSENT_STATE_GRANTED;
        case Consent::refused:
            return v1::CONSENT_STATE_REFUSED;
    }
    return v1::CONSENT_STATE_UNASKED;
}
Consent consent_of(v1::ConsentState state) {
    if (state == v1::CONSENT_STATE_GRANTED) return Consent::granted;
    return state == v1::CONSENT_STATE_REFUSED ? Consent::refused : Consent::unasked;
}

template <class Repeated>
std::vector<Identity> identities_of(const Repeated& protos) {
    std::vector<Identity> identities;
    for (const auto& proto : protos) identities.push_back({proto.kind(), proto.value()});
    return identities;
}

void seal_into(v1::SealedCredentials& proto, const SealedCredentials& credentials) {
    proto.set_wrapped_data_key(credentials.wrapped_data_key);
    proto.set_sealed(credentials.sealed);
}
SealedCredentials sealed_of(const v1::SealedCredentials& proto) {
    return {proto.wrapped_data_key(), proto.sealed()};
}

template <class Proto>
void put_route(Proto& proto, const Route& route) {
    to_proto(route.origin, *proto.mutable_origin());
    proto.set_channel_id(route.channel_id);
    proto.set_customer_id(route.customer_id);
}
template <class Proto>
Route route_of(const Proto& proto) {
    return {proto.channel_id(), proto.customer_id(), from_proto(proto.origin()), 0};
}

static_assert(static_cast<int>(ErrorClass::opted_out) == v1::SEND_ERROR_CLASS_OPTED_OUT);
static_assert(static_cast<int>(ErrorClass::opted_out) == v1::SendErrorClass_MAX);

}  // namespace

// ---- Shared parts.

void to_proto(const SendError& error, v1::SendError& proto) {
    proto.set_error_class(static_cast<v1::SendErrorClass>(error.error_class));
    proto.set_code(error.code);
    proto.set_title(error.title);
    proto.set_details(error.details);
    proto.set_retry_after_s(error.retry_after.count());
}

SendError from_proto(const v1::SendError& proto) {
    const bool known = v1::SendErrorClass_IsValid(proto.error_class());
    return {known ? static_cast<ErrorClass>(proto.error_class()) : ErrorClass::rejected,
            proto.code(), proto.title(), proto.details(),
            std::chrono::seconds(proto.retry_after_s())};
}

TenantSettings from_proto(const v1::TenantSettings& p) {
    TenantSettings s;
    s.name = p.name();
    s.display_name = p.display_name();
    s.country_code = p.country_code();
    s.time_zone = p.time_zone();
    s.currency_code = p.currency_code();
    s.languages.assign(p.languages().begin(), p.languages().end());
    s.pack = p.pack();
    s.tax_rate_bp = p.tax_rate_bp();
    s.order_prefix = p.order_prefix();
    s.invoice_prefix = p.invoice_prefix();
    s.quiet_hours = {p.quiet_hours().start_minute(), p.quiet_hours().end_minute()};
    s.unknown_text_policy = p.unknown_text_policy();
    s.payment_providers.assign(p.payment_providers().begin(), p.payment_providers().end());
    return s;
}

void to_proto(const TenantSettings& s, v1::TenantSettings& p) {
    p.set_name(s.name);
    p.set_display_name(s.display_name);
    p.set_country_code(s.country_code);
    p.set_time_zone(s.time_zone);
    p.set_currency_code(s.currency_code);
    for (const auto& language : s.languages) p.add_languages(language);
    p.set_pack(s.pack);
    p.set_tax_rate_bp(s.tax_rate_bp);
    p.set_order_prefix(s.order_prefix);
    p.set_invoice_prefix(s.invoice_prefix);
    p.mutable_quiet_hours()->set_start_minute(s.quiet_hours.start_minute);
    p.mutable_quiet_hours()->set_end_minute(s.quiet_hours.end_minute);
    p.set_unknown_text_policy(s.unknown_text_policy);
    for (const auto& provider : s.payment_providers) p.add_payment_providers(provider);
}

ChannelLimits from_proto(const v1::ChannelLimits& p) {
    return {p.per_second(), p.inbound_headroom_per_second(), p.pair_interval_seconds(),
            p.pair_burst()};
}

void to_proto(const ChannelLimits& limits, v1::ChannelLimits& p) {
    p.set_per_second(limits.per_second);
    p.set_inbound_headroom_per_second(limits.inbound_headroom_per_second);
    p.set_pair_interval_seconds(limits.pair_interval_seconds);
    p.set_pair_burst(limits.pair_burst);
}

Origin from_proto(const v1::MessageOrigin& p) { return {p.kind(), p.id(), p.recipient()}; }

void to_proto(const Origin& origin, v1::MessageOrigin& p) {
    p.set_kind(origin.kind);
    p.set_id(origin.id);
    p.set_recipient(origin.recipient);
}

// ---- Tenants.

eventlog::NewEvent encode(const TenantEvent& event, Time occurred_at) {
    return std::visit(Overloaded{[&](const TenantRegistered& e) {
                                     v1::TenantRegistered p;
                                     p.set_tenant_id(e.tenant.tenant_id);
                                     to_proto(e.tenant.settings, *p.mutable_settings());
                                     p.set_channel_id(e.tenant.channel_id);
                                     p.set_channel_kind(e.tenant.channel_kind);
                                     p.set_channel_external_id(e.tenant.channel_external_id);
                                     return stored(p, occurred_at);
                                 },
                                 [&](const TenantSettingsChanged& e) {
                                     v1::TenantSettingsChanged p;
                                     to_proto(e.settings, *p.mutable_settings());
                                     return stored(p, occurred_at);
                                 },
                                 [&](const TenantSuspended& e) {
                                     v1::TenantSuspended p;
                                     p.set_reason(e.reason);
                                     return stored(p, occurred_at);
                                 },
                                 [&](const TenantResumed& e) {
                                     v1::TenantResumed p;
                                     p.set_reason(e.reason);
                                     return stored(p, occurred_at);
                                 },
                                 [&](const TenantClosed& e) {
                                     v1::TenantClosed p;
                                     p.set_reason(e.reason);
                                     return stored(p, occurred_at);
                                 }},
                      event);
}

TenantEvent decode_tenant(std::string_view type, std::string_view payload) {
    if (is<v1::TenantRegistered>(type)) {
        const auto p = parsed<v1::TenantRegistered>(payload);
        return TenantRegistered{{p.tenant_id(), from_proto(p.settings()), p.channel_id(),
                                 p.channel_kind(), p.channel_external_id()}};
    }
    if (is<v1::TenantSettingsChanged>(type))
        return TenantSettingsChanged{
            from_proto(parsed<v1::TenantSettingsChanged>(payload).settings())};
    if (is<v1::TenantSuspended>(type))
        return TenantSuspended{parsed<v1::TenantSuspended>(payload).reason()};
    if (is<v1::TenantResumed>(type))
        return TenantResumed{parsed<v1::TenantResumed>(payload).reason()};
    if (is<v1::TenantClosed>(type)) return TenantClosed{parsed<v1::TenantClosed>(payload).reason()};
    unknown("tenant", type);
}

ApiKeyCodec::State ApiKeyCodec::evolve(State state, const std::string& type,
                                       const std::string& payload, Time) {
    if (is<v1::ApiKeyCreated>(type)) {
        const auto p = parsed<v1::ApiKeyCreated>(payload);
        return {p.key_id(), p.key_sha256(), p.name(), false};
    }
    if (is<v1::ApiKeyRevoked>(type)) {
        state.revoked = true;
        return state;
    }
    unknown("api_key", type);
}

// ---- Channels.

eventlog::NewEvent encode(const ChannelEvent& event, Time occurred_at) {
    return std::visit(Overloaded{[&](const ChannelConnected& e) {
                                     v1::ChannelConnected p;
                                     const auto& c = e.channel;
                                     p.set_channel_id(c.channel_id);
                                     p.set_kind(c.kind);
                                     p.set_external_id(c.external_id);
                                     p.set_business_account_id(c.business_account_id);
                                     p.set_app_id(c.app_id);
                                     p.set_display_phone_number(c.display_phone_number);
                                     seal_into(*p.mutable_credentials(), c.credentials);
                                     to_proto(c.limits, *p.mutable_limits());
                                     return stored(p, occurred_at);
                                 },
                                 [&](const CredentialsRotated& e) {
                                     v1::CredentialsRotated p;
                                     seal_into(*p.mutable_credentials(), e.credentials);
                                     return stored(p, occurred_at);
                                 },
                                 [&](const ChannelPaused& e) {
                                     v1::ChannelPaused p;
                                     p.set_reason(e.reason);
                                     return stored(p, occurred_at);
                                 },
                                 [&](const ChannelResumed& e) {
                                     v1::ChannelResumed p;
                                     p.set_reason(e.reason);
                                     return stored(p, occurred_at);
                                 },
                                 [&](const ChannelLimitsChanged& e) {
                                     v1::ChannelLimitsChanged p;
                                     to_proto(e.limits, *p.mutable_limits());
                                     return stored(p, occurred_at);
                                 }},
                      event);
}

ChannelEvent decode_channel(std::string_view type, std::string_view payload) {
    if (is<v1::ChannelConnected>(type)) {
        const auto p = parsed<v1::ChannelConnected>(payload);
        return ChannelConnected{{p.channel_id(), p.kind(), p.external_id(), p.business_account_id(), p.app_id(),
                                 p.display_phone_number(), sealed_of(p.credentials()),
                                 from_proto(p.limits())}};
    }
    if (is<v1::CredentialsRotated>(type))
        return CredentialsRotated{sealed_of(parsed<v1::CredentialsRotated>(payload).credentials())};
    if (is<v1::ChannelPaused>(type))
        return ChannelPaused{parsed<v1::ChannelPaused>(payload).reason()};
    if (is<v1::ChannelResumed>(type))
        return ChannelResumed{parsed<v1::ChannelResumed>(payload).reason()};
    if (is<v1::ChannelLimitsChanged>(type))
        return ChannelLimitsChanged{from_proto(parsed<v1::ChannelLimitsChanged>(payload).limits())};
    unknown("channel", type);
}

// ---- Contacts.

eventlog::NewEvent encode(const ContactEvent& event, Time occurred_at) {
    return std::visit(
        Overloaded{[&](const ContactSeen& e) {
                       v1::ContactSeen p;
                       p.set_customer_id(e.customer_id);
                       p.set_channel_id(e.channel_id);
                       for (const auto& identity : e.identities)
                           *p.mutable_personal()->add_identities() = proto_of(identity);
                       p.mutable_personal()->set_profile_name(e.profile_name);
                       return stored(p, occurred_at);
                   },
                   [&](const IdentityAdded& e) {
                       v1::IdentityAdded p;
                       p.set_customer_id(e.customer_id);
                       *p.mutable_personal()->mutable_identity() = proto_of(e.identity);
                       p.mutable_personal()->set_profile_name(e.profile_name);
                       p.set_replaces_earlier(e.replaces_earlier);
                       return stored(p, occurred_at);
                   },
                   [&](const ConsentChanged& e) {
                       v1::ConsentChanged p;
                       p.set_customer_id(e.customer_id);
                       p.set_purpose(e.purpose);
                       p.set_granted(e.granted);
                       p.set_source(e.source);
                       p.set_text(e.text);
                       return stored(p, occurred_at);
                   },
                   [&](const ContactsLinked& e) {
                       v1::ContactsLinked p;
                       p.set_customer_id(e.customer_id);
                       p.set_merged_customer_id(e.merged_customer_id);
                       for (const auto& identity : e.identities)
                           *p.mutable_personal()->add_identities() = proto_of(identity);
                       p.set_marketing_consent(proto_of(e.marketing));
                       p.set_utility_consent(proto_of(e.utility));
                       return stored(p, occurred_at);
                   },
                   [&](const ContactMerged& e) {
                       v1::ContactMerged p;
                       p.set_customer_id(e.customer_id);
                       p.set_into(e.into);
                       return stored(p, occurred_at);
                   }},
        event);
}

ContactEvent decode_contact(std::string_view type, std::string_view payload) {
    if (is<v1::ContactSeen>(type)) {
        const auto p = parsed<v1::ContactSeen>(payload);
        return ContactSeen{p.customer_id(), p.channel_id(),
                           identities_of(p.personal().identities()), p.personal().profile_name()};
    }
    if (is<v1::IdentityAdded>(type)) {
        const auto p = parsed<v1::IdentityAdded>(payload);
        return IdentityAdded{p.customer_id(),
                             {p.personal().identity().kind(), p.personal().identity().value()},
                             p.personal().profile_name(),
                             p.replaces_earlier()};
    }
    if (is<v1::ConsentChanged>(type)) {
        const auto p = parsed<v1::ConsentChanged>(payload);
        return ConsentChanged{p.customer_id(), p.purpose(), p.granted(), p.source(), p.text()};
    }
    if (is<v1::ContactsLinked>(type)) {
        const auto p = parsed<v1::ContactsLinked>(payload);
        return ContactsLinked{p.customer_id(), p.merged_customer_id(),
                              identities_of(p.personal().identities()),
                              consent_of(p.marketing_consent()), consent_of(p.utility_consent())};
    }
    if (is<v1::ContactMerged>(type)) {
        const auto p = parsed<v1::ContactMerged>(payload);
        return ContactMerged{p.customer_id(), p.into()};
    }
    unknown("contact", type);
}

// ---- Messages.

eventlog::NewEvent encode(const MessageEvent& event, Time occurred_at) {
    return std::visit(
        Overloaded{[&](const MessageQueued& e) {
                       v1::MessageQueued p;
                       const auto& m = e.message;
                       p.set_message_id(m.message_id);
                       p.set_channel_id(m.channel_id);
                       p.set_customer_id(m.customer_id);
                       p.set_idempotency_key(m.idempotency_key);
                       to_proto(m.origin, *p.mutable_origin());
                       p.set_priority(m.priority);
                       auto& conditions = *p.mutable_preconditions();
                       conditions.set_purpose(m.preconditions.purpose);
                       conditions.set_nothing_inbound_since_us(
                           us(m.preconditions.nothing_inbound_since));
                       conditions.set_needs_open_window(m.preconditions.needs_open_window);
                       conditions.set_window_evidence_us(us(m.preconditions.window_evidence));
                       p.set_not_before_us(us(m.not_before));
                       p.mutable_personal()->set_to(m.to);
                       if (!p.mutable_personal()->mutable_content()->ParseFromString(m.content))
                           throw std::invalid_argument("message content is no MessageContent");
                       return stored(p, occurred_at);
                   },
                   [&](const SendAttempted& e) {
                       v1::SendAttempted p;
                       p.set_attempt(e.attempt);
                       p.set_replica(e.replica);
                       p.set_channel_id(e.route.channel_id);
                       p.set_customer_id(e.route.customer_id);
                       p.set_priority(e.route.priority);
                       return stored(p, occurred_at);
                   },
                   [&](const SendAccepted& e) {
                       v1::SendAccepted p;
                       p.set_attempt(e.attempt);
                       p.set_provider_message_id(e.provider_message_id);
                       put_route(p, e.route);
                       return stored(p, occurred_at);
                   },
                   [&](const SendFailed& e) {
                       v1::SendFailed p;
                       p.set_attempt(e.attempt);
                       if (e.error != SendError{}) to_proto(e.error, *p.mutable_error());
                       p.set_reason(e.reason);
                       p.set_retry_at_us(us(e.retry_at));
                       put_route(p, e.route);
                       p.set_priority(e.route.priority);
                       return stored(p, occurred_at);
                   },
                   [&](const SendUnknown& e) {
                       v1::SendUnknown p;
                       p.set_attempt(e.attempt);
                       p.set_reason(e.reason);
                       p.set_evidence_until_us(us(e.evidence_until));
                       put_route(p, e.route);
                       return stored(p, occurred_at);
                   },
                   [&](const StatusReported& e) {
                       v1::StatusReported p;
                       p.set_status(e.status);
                       p.set_provider_message_id(e.provider_message_id);
                       p.set_provider_time_us(us(e.provider_time));
                       if (e.error != SendError{}) to_proto(e.error, *p.mutable_error());
                       put_route(p, e.route);
                       p.set_priority(e.route.priority);
                       p.set_attempt(e.attempt);
                       return stored(p, occurred_at);
                   },
                   [&](const MessageSuppressed& e) {
                       v1::MessageSuppressed p;
                       p.set_reason(e.reason);
                       if (e.error != SendError{}) to_proto(e.error, *p.mutable_error());
                       put_route(p, e.route);
                       p.set_priority(e.route.priority);
                       return stored(p, occurred_at);
                   },
                   [&](const MessageCancelled& e) {
                       v1::MessageCancelled p;
                       p.set_reason(e.reason);
                       put_route(p, e.route);
                       p.set_priority(e.route.priority);
                       return stored(p, occurred_at);
                   },
                   [&](const MessageRetried& e) {
                       v1::MessageRetried p;
                       p.set_actor(e.actor);
                       p.set_reason(e.reason);
                       p.set_channel_id(e.route.channel_id);
                       p.set_customer_id(e.route.customer_id);
                       p.set_priority(e.route.priority);
                       return stored(p, occurred_at);
                   },
                   [&](const MessageDiscarded& e) {
                       v1::MessageDiscarded p;
                       p.set_actor(e.actor);
                       p.set_reason(e.reason);
                       p.set_channel_id(e.route.channel_id);
                       p.set_customer_id(e.route.customer_id);
                       return stored(p, occurred_at);
                   }},
        event);
}

MessageEvent decode_message(std::string_view type, std::string_view payload) {
    if (is<v1::MessageQueued>(type)) {
        const auto p = parsed<v1::MessageQueued>(payload);
        QueueMessage m;
        m.message_id = p.message_id();
        m.channel_id = p.channel_id();
        m.customer_id = p.customer_id();
        m.idempotency_key = p.idempotency_key();
        m.origin = from_proto(p.origin());
        m.priority = p.priority();
        m.preconditions.purpose = p.preconditions().purpose();
        m.preconditions.nothing_inbound_since = at(p.preconditions().nothing_inbound_since_us());
        m.preconditions.needs_open_window = p.preconditions().needs_open_window();
        m.preconditions.window_evidence = at(p.preconditions().window_evidence_us());
        m.not_before = at(p.not_before_us());
        m.to = p.personal().to();
        m.content = p.personal().content().SerializeAsString();
        return MessageQueued{std::move(m)};
    }
    if (is<v1::SendAttempted>(type)) {
        const auto p = parsed<v1::SendAttempted>(payload);
        return SendAttempted{p.attempt(), p.replica(),
                             Route{p.channel_id(), p.customer_id(), {}, p.priority()}};
    }
    if (is<v1::SendAccepted>(type)) {
        const auto p = parsed<v1::SendAccepted>(payload);
        return SendAccepted{p.attempt(), p.provider_message_id(), route_of(p)};
    }
    if (is<v1::SendFailed>(type)) {
        const auto p = parsed<v1::SendFailed>(payload);
        auto route = route_of(p);
        route.priority = p.priority();
        return SendFailed{p.attempt(), from_proto(p.error()), p.reason(), at(p.retry_at_us()),
                          std::move(route)};
    }
    if (is<v1::SendUnknown>(type)) {
        const auto p = parsed<v1::SendUnknown>(payload);
        return SendUnknown{p.attempt(), p.reason(), at(p.evidence_until_us()), route_of(p)};
    }
    if (is<v1::StatusReported>(type)) {
        const auto p = parsed<v1::StatusReported>(payload);
        auto route = route_of(p);
        route.priority = p.priority();
        return StatusReported{p.status(),
                              p.provider_message_id(),
                              at(p.provider_time_us()),
                              from_proto(p.error()),
                              std::move(route),
                              p.attempt()};
    }
    if (is<v1::MessageSuppressed>(type)) {
        const auto p = parsed<v1::MessageSuppressed>(payload);
        auto route = route_of(p);
        route.priority = p.priority();  // names the queue that it leaves
        return MessageSuppressed{p.reason(), from_proto(p.error()), std::move(route)};
    }
    if (is<v1::MessageCancelled>(type)) {
        const auto p = parsed<v1::MessageCancelled>(payload);
        auto route = route_of(p);
        route.priority = p.priority();  // names the queue that it leaves
        return MessageCancelled{p.reason(), std::move(route)};
    }
    if (is<v1::MessageRetried>(type)) {
        const auto p = parsed<v1::MessageRetried>(payload);
        return MessageRetried{p.actor(), p.reason(),
                              Route{p.channel_id(), p.customer_id(), {}, p.priority()}};
    }
    if (is<v1::MessageDiscarded>(type)) {
        const auto p = parsed<v1::MessageDiscarded>(payload);
        return MessageDiscarded{p.actor(), p.reason(),
                                Route{p.channel_id(), p.customer_id(), {}, 0}};
    }
    unknown("message", type);
}

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
        add(v1::WebhookReceived(), v1::MessageReceived(), v1::GroupMessageReceived(),
            v1::StatusParked());
        add(v1::ContactSeen(), v1::IdentityAdded(), v1::ConsentChanged(), v1::ContactsLinked(),
            v1::ContactMerged());
        add(v1::MessageQueued(), v1::SendAttempted(), v1::SendAccepted(), v1::SendFailed(),
            v1::SendUnknown(), v1::StatusReported(), v1::MessageSuppressed(),
            v1::MessageCancelled(), v1::MessageRetried(), v1::MessageDiscarded());
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
eventlog::StreamName api_key_stream(std::string_view tenant, std::string_view key_id) {
    return stream(tenant, "api_key", key_id);
}
eventlog::StreamName channel_stream(std::string_view tenant, std::string_view channel) {
    return stream(tenant, "channel", channel);
}
eventlog::StreamName contact_stream(std::string_view tenant, std::string_view customer) {
    return stream(tenant, "contact", customer);
}
eventlog::StreamName inbound_stream(std::string_view tenant, std::string_view id) {
    return stream(tenant, "inbound", id);
}
eventlog::StreamName delivery_stream(std::string_view tenant, std::string_view id) {
    return stream(tenant, "delivery", id);
}
eventlog::StreamName message_stream(std::string_view tenant, std::string_view message_id) {
    return stream(tenant, "message", message_id);
}
eventlog::Routing by_customer(std::string_view customer) {
    return {eventlog::RoutingKind::customer, std::string(customer)};
}
eventlog::Routing by_tenant(std::string_view tenant) {
    return {eventlog::RoutingKind::tenant, std::string(tenant)};
}
eventlog::Routing by_channel(std::string_view channel) {
    return {eventlog::RoutingKind::named, std::string(channel)};
}

}  // namespace flowstack::gateway
