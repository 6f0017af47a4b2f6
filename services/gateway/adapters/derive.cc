#include "services/gateway/adapters/derive.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "common/core/overloaded.h"
#include "common/core/uuid.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/eventlog/payload.h"
#include "flowstack/gateway/v1/media_events.pb.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/endpoints/webhook_codec.h"
#include "services/gateway/templates/template_codec.h"

namespace flowstack::gateway {
namespace {

constexpr std::size_t kTagBytes = 8;
constexpr std::string_view kIdentityUse = "flowstack.gateway.identity.v1";
constexpr std::string_view kCallbackUse = "flowstack.gateway.callback.v1";

// Fields between zero bytes: none of them may hold one.
std::string joined(const std::vector<std::string>& parts) {
    std::string text = parts.front();
    for (std::size_t i = 1; i < parts.size(); ++i) text += '\0' + parts[i];
    return text;
}
std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
        if (c == at)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}
std::optional<int> number(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// A key that is used again after its time is another name. No key holds a control character.
std::string claimed_key(const QueueMessage& message) {
    return message.key_reused == 0
               ? message.idempotency_key
               : message.idempotency_key + "\n" + std::to_string(message.key_reused);
}

// Of a row whose key says the rest.
std::string tenant_ref(const std::string& tenant) {
    return ref_text(
        {.tenant = tenant, .channel_id = {}, .customer_id = {}, .attempt = 0, .origin_id = {}});
}

struct Deriver {
    int lanes;
    const DerivedKeys* keys;

    int channel_lane(const std::string& tenant, const ChannelId& channel) const {
        return eventlog::lane_of(by_channel(channel), tenant, lanes);
    }

    void settings(const eventlog::StreamName& stream, std::string kind,
                  eventlog::Derived& out) const {
        out.settings.push_back({stream.tenant, std::move(kind), stream.key});
    }

    void tenant(const eventlog::StreamName& stream, const eventlog::NewEvent& event,
                eventlog::Derived& out) const {
        settings(stream, "tenant", out);
        const auto fact = decode_tenant(event.type, event.payload);
        // Held for the channel's own stream, which claims it again when it is connected.
        if (const auto* e = std::get_if<TenantRegistered>(&fact))
            claim_channel(stream.tenant, e->tenant.channel_kind, e->tenant.channel_external_id,
                          e->tenant.channel_id, out);
    }

    void channel(const eventlog::StreamName& stream, const eventlog::NewEvent& event,
                 eventlog::Derived& out) const {
        settings(stream, "channel", out);
        const auto fact = decode_channel(event.type, event.payload);
        if (const auto* e = std::get_if<ChannelConnected>(&fact))
            claim_channel(stream.tenant, e->channel.kind, e->channel.external_id,
                          e->channel.channel_id, out);
    }

    void claim_channel(const std::string& tenant, const std::string& kind,
                       const ExternalChannelId& external_id, const ChannelId& channel_id,
                       eventlog::Derived& out) const {
        out.claims.push_back({"", std::string(kChannelClaim), channel_claim_key(kind, external_id),
                              tenant, channel_stream(tenant, channel_id)});
    }

    void contact(const eventlog::StreamName& stream, const eventlog::NewEvent& event,
                 eventlog::Derived& out) const {
        const auto claim = [&](const Identity& identity, const CustomerId& customer) {
            out.claims.push_back({stream.tenant, std::string(kIdentityClaim),
                                  keys->identity_claim(stream.tenant, identity), customer, stream});
        };
        std::visit(Overloaded{[&](const ContactSeen& e) {
                                  for (const auto& identity : e.identities)
                                      claim(identity, e.customer_id);
                              },
                              [&](const IdentityAdded& e) { claim(e.identity, e.customer_id); },
                              [&](const ContactMerged&) {
                                  // Every door forgets what it knew about this customer.
                                  settings(stream, "contact_merged", out);
                              },
                              [](const ConsentChanged&) {}, [](const ContactsLinked&) {}},
                   decode_contact(event.type, event.payload));
    }

    void message(const eventlog::StreamName& stream, const eventlog::NewEvent& event,
                 eventlog::Derived& out) const {
        const auto& tenant = stream.tenant;
        const auto& id = stream.key;
        const auto put = [&](const Route& route, std::string kind, Time due, int attempt) {
            out.work_put.push_back({channel_lane(tenant, route.channel_id), std::move(kind), id,
                                    due, route.priority,
                                    ref_text({.tenant = tenant,
                                              .channel_id = route.channel_id,
                                              .customer_id = route.customer_id,
                                              .attempt = attempt,
                                              .origin_id = route.origin.id})});
        };
        const auto remove = [&](const Route& route, std::string kind) {
            out.work_del.push_back({channel_lane(tenant, route.channel_id), std::move(kind), id});
        };
        const auto leave_queue = [&](const Route& route) {
            remove(route, dispatch_kind(route.channel_id, route.priority));
        };
        const auto close_attempt = [&](const Route& route) {
            remove(route, std::string(kAttemptKind));
            remove(route, std::string(kEvidenceKind));
        };
        std::visit(
            Overloaded{[&](const MessageQueued& e) {
                           const auto& m = e.message;
                           put({.channel_id = m.channel_id,
                                .customer_id = m.customer_id,
                                .origin = m.origin,
                                .priority = m.priority},
                               dispatch_kind(m.channel_id, m.priority),
                               std::max(event.occurred_at, m.not_before), 0);
                           if (!m.idempotency_key.empty())
                               out.claims.push_back({tenant, std::string(kIdempotencyClaim),
                                                     claimed_key(m), m.message_id, stream});
                       },
                       [&](const SendAttempted& e) {
                           leave_queue(e.route);
                           put(e.route, std::string(kAttemptKind), event.occurred_at, e.attempt);
                       },
                       [&](const SendAccepted& e) {
                           close_attempt(e.route);
                           const auto value = claim_value(
                               {.message_id = MessageId(id), .customer_id = e.route.customer_id});
                           if (!e.provider_message_id.empty() && !value.empty())
                               out.claims.push_back({tenant, std::string(kProviderMessageClaim),
                                                     e.provider_message_id, value, stream});
                       },
                       [&](const SendFailed& e) {
                           close_attempt(e.route);
                           if (e.retry_at != Time{})
                               put(e.route, dispatch_kind(e.route.channel_id, e.route.priority),
                                   e.retry_at, e.attempt);
                       },
                       [&](const SendUnknown& e) {
                           close_attempt(e.route);
                           if (e.evidence_until != Time{})
                               put(e.route, std::string(kEvidenceKind), e.evidence_until,
                                   e.attempt);
                       },
                       [&](const StatusReported& e) {
                           // Evidence that it arrived: nothing is open any more. A failure is
                           // judged first.
                           if (e.status == "failed" || e.route.channel_id.empty()) return;
                           leave_queue(e.route);
                           close_attempt(e.route);
                       },
                       [&](const MessageSuppressed& e) {
                           leave_queue(e.route);
                           close_attempt(e.route);
                       },
                       [&](const MessageCancelled& e) { leave_queue(e.route); },
                       [&](const MessageRetried& e) {
                           close_attempt(e.route);
                           put(e.route, dispatch_kind(e.route.channel_id, e.route.priority),
                               event.occurred_at, 0);
                       },
                       [&](const MessageDiscarded& e) { close_attempt(e.route); }},
            decode_message(event.type, event.payload));
    }

    // A file of a received message, until it is here or given up.
    static void media(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
                      eventlog::Derived& out) {
        const auto put = [&](const std::string& channel_id, const std::string& customer_id,
                             Time due) {
            out.work_put.push_back({lane, std::string(kMediaKind), stream.key, due, 0,
                                    ref_text({.tenant = stream.tenant,
                                              .channel_id = ChannelId(channel_id),
                                              .customer_id = CustomerId(customer_id),
                                              .attempt = 0,
                                              .origin_id = {}})});
        };
        if (eventlog::is<v1::MediaExpected>(event.type)) {
            const auto expected = eventlog::parsed<v1::MediaExpected>(event.payload);
            return put(expected.channel_id(), expected.customer_id(), event.occurred_at);
        }
        if (eventlog::is<v1::MediaFetchFailed>(event.type)) {
            const auto failed = eventlog::parsed<v1::MediaFetchFailed>(event.payload);
            if (failed.retry_at_us() != 0)
                return put(failed.channel_id(), failed.customer_id(),
                           from_unix_micros(failed.retry_at_us()));
        }
        if (!eventlog::is<v1::MediaUploaded>(event.type))
            out.work_del.push_back({lane, std::string(kMediaKind), stream.key});
    }

    // The list of an account's templates, until it is read; then again at its next time.
    static void template_account(const eventlog::StreamName& stream, int lane,
                                 const eventlog::NewEvent& event, eventlog::Derived& out) {
        const auto key = listing_key(stream.tenant, stream.key);
        const auto due =
            std::visit(Overloaded{[](const TemplateListingRequested& e) { return e.due; },
                                  [](const TemplatesListed& e) { return e.next; },
                                  [](const TemplateListingFailed& e) { return e.retry; }},
                       decode_template_account(event.type, event.payload));
        if (due == Time{})
            out.work_del.push_back({lane, std::string(kTemplateListingKind), key});
        else
            out.work_put.push_back(
                {lane, std::string(kTemplateListingKind), key, due, 0, tenant_ref(stream.tenant)});
    }

    static void provider_template(const eventlog::StreamName& stream, int lane,
                                  const eventlog::NewEvent& event, eventlog::Derived& out) {
        const auto answered = [&] {
            out.work_del.push_back({lane, std::string(kTemplateCallKind), stream.key});
        };
        std::visit(Overloaded{[&](const TemplateRequested& e) {
                                  out.work_put.push_back({lane, std::string(kTemplateCallKind),
                                                          stream.key, e.request.answer_until, 0,
                                                          tenant_ref(stream.tenant)});
                              },
                              [&](const TemplateRequestAccepted&) { answered(); },
                              [&](const TemplateRequestRefused&) { answered(); },
                              [&](const TemplateRequestUnknown&) { answered(); },
                              [](const TemplateReported&) {}, [](const TemplateGone&) {}},
                   decode_template(event.type, event.payload));
    }

    // The row of a line, while something waits in it.
    static void webhook_line(const eventlog::StreamName& stream, int lane,
                             const eventlog::NewEvent& event, eventlog::Derived& out) {
        const auto line = webhook_line_of(stream.tenant, stream.key);
        if (!line) return;
        const auto kind = webhook_kind(line->endpoint_id);
        const auto put = [&](Time due) {
            out.work_put.push_back({lane, kind, stream.key, due, 0, tenant_ref(stream.tenant)});
        };
        const auto put_if = [&](bool more) {
            if (more)
                put(event.occurred_at);
            else
                out.work_del.push_back({lane, kind, stream.key});
        };
        std::visit(Overloaded{[&](const WebhooksQueued&) { put(event.occurred_at); },
                              [&](const WebhookDelivered& e) { put_if(e.more); },
                              [&](const WebhookAttemptFailed& e) {
                                  if (e.retry_at == Time{})
                                      put_if(e.more);
                                  else
                                      put(e.retry_at);
                              },
                              [&](const WebhooksDropped&) { put_if(false); }},
                   decode_webhook_line(event.type, event.payload));
    }

    void operator()(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
                    eventlog::Derived& out) const {
        if (stream.category == "message")
            message(stream, event, out);
        else if (stream.category == "contact")
            contact(stream, event, out);
        else if (stream.category == "tenant")
            tenant(stream, event, out);
        else if (stream.category == "channel")
            channel(stream, event, out);
        else if (stream.category == "api_key")
            settings(stream, "api_key", out);
        else if (stream.category == "media")
            media(stream, lane, event, out);
        else if (stream.category == kTemplateCategory)
            provider_template(stream, lane, event, out);
        else if (stream.category == kTemplateAccountCategory)
            template_account(stream, lane, event, out);
        else if (stream.category == kWebhookLineCategory)
            webhook_line(stream, lane, event, out);
        else if (stream.category == kWebhookEndpointsCategory)
            settings(stream, std::string(kWebhookSettings), out);
    }
};

}  // namespace

std::string DerivedKeys::identity_claim(std::string_view tenant, const Identity& identity) const {
    const auto tenant_key = crypto::hmac_sha256(root_.derive(kIdentityUse).reveal(), tenant);
    const auto spelling =
        identity.kind == IdentityKind::phone ? one_spelling(identity.value) : identity.value;
    return crypto::hex_encode(crypto::bytes_of(crypto::hmac_sha256(
        crypto::bytes_of(tenant_key), std::string(text_of(identity.kind)) + ":" + spelling)));
}

std::string DerivedKeys::callback_data(std::string_view tenant, const Callback& c) const {
    const auto text = joined({"1", c.message_id, c.customer_id, std::to_string(c.attempt),
                              std::to_string(c.priority), std::string(text_of(c.origin.kind)),
                              c.origin.id, c.origin.recipient});
    const auto tag =
        crypto::hmac_sha256(root_.derive(kCallbackUse).reveal(), std::string(tenant) + '\0' + text);
    return crypto::base64url_encode(std::string(crypto::bytes_of(tag).substr(0, kTagBytes)) + text);
}

std::optional<DerivedKeys::Callback> DerivedKeys::read_callback(std::string_view tenant,
                                                                std::string_view data) const {
    const auto bytes = crypto::base64url_decode(data);
    if (!bytes || bytes->size() <= kTagBytes) return std::nullopt;
    const auto text = bytes->substr(kTagBytes);
    const auto tag =
        crypto::hmac_sha256(root_.derive(kCallbackUse).reveal(), std::string(tenant) + '\0' + text);
    if (!crypto::constant_time_equal(bytes->substr(0, kTagBytes),
                                     crypto::bytes_of(tag).substr(0, kTagBytes)))
        return std::nullopt;
    const auto parts = split(text, '\0');
    if (parts.size() != 8 || parts[0] != "1") return std::nullopt;
    const auto attempt = number(parts[3]);
    const auto priority = number(parts[4]);
    const auto kind = origin_kind_of(parts[5]);
    if (!attempt || !priority || !kind) return std::nullopt;
    return Callback{
        .message_id = MessageId(parts[1]),
        .customer_id = CustomerId(parts[2]),
        .attempt = *attempt,
        .priority = *priority,
        .origin = {.kind = *kind, .id = OriginId(parts[6]), .recipient = CustomerId(parts[7])}};
}

std::string channel_claim_key(std::string_view kind, const ExternalChannelId& external_id) {
    return std::string(kind) + "/" + external_id;
}

std::string claim_value(const MessageAddress& address) {
    const auto message = Uuid::parse(address.message_id.text());
    const auto customer = Uuid::parse(address.customer_id.text());
    if (!message || !customer) return {};
    return std::string(message->raw()) + std::string(customer->raw());
}

std::optional<MessageAddress> read_claim_value(std::string_view value) {
    if (value.size() != 32) return std::nullopt;
    const auto message = Uuid::from_bytes(value.substr(0, 16));
    const auto customer = Uuid::from_bytes(value.substr(16));
    if (!message || !customer) return std::nullopt;
    return MessageAddress{.message_id = MessageId(message->text()),
                          .customer_id = CustomerId(customer->text())};
}

std::string dispatch_kind(const ChannelId& channel_id, int priority) {
    return std::string(kDispatchPrefix) + channel_id + "/" + std::to_string(priority);
}

std::string listing_key(std::string_view tenant, std::string_view business_account_id) {
    return std::string(tenant) + "/" + std::string(business_account_id);
}
std::string account_of_listing(std::string_view key) {
    return std::string(key.substr(key.find('/') + 1));
}

std::string ref_text(const WorkRef& ref) {
    return ref.tenant + "\n" + ref.channel_id + "\n" + ref.customer_id + "\n" +
           std::to_string(ref.attempt) + "\n" + ref.origin_id;
}

std::optional<WorkRef> read_ref(std::string_view text) {
    const auto parts = split(text, '\n');
    if (parts.size() != 5) return std::nullopt;
    const auto attempt = number(parts[3]);
    if (!attempt) return std::nullopt;
    return WorkRef{.tenant = parts[0],
                   .channel_id = ChannelId(parts[1]),
                   .customer_id = CustomerId(parts[2]),
                   .attempt = *attempt,
                   .origin_id = OriginId(parts[4])};
}

eventlog::DeriveFn make_derive(int lanes, const DerivedKeys& keys) { return Deriver{lanes, &keys}; }

}  // namespace flowstack::gateway
