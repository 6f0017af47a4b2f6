#include "services/gateway/adapters/resources.h"

#include "common/core/overloaded.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"

namespace flowstack::gateway {
namespace {

std::string consent_text(Consent consent) {
    switch (consent) {
        case Consent::unasked:
            return "UNASKED";
        case Consent::granted:
            return "GRANTED";
        case Consent::refused:
            return "REFUSED";
    }
    return "UNASKED";
}

bool same(const v1::Identity& a, const v1::Identity& b) {
    return a.kind() == b.kind() && a.value() == b.value();
}

void add_identity(v1::Contact& contact, const Identity& identity) {
    v1::Identity added;
    to_proto(identity, added);
    for (const auto& known : contact.identities())
        if (same(known, added)) return;
    *contact.add_identities() = std::move(added);
}

// The customer changed their number: the first phone is the one that is written to.
void put_identity_first(v1::Contact& contact, const Identity& identity) {
    v1::Identity added;
    to_proto(identity, added);
    auto& identities = *contact.mutable_identities();
    for (int i = 0; i < identities.size(); ++i)
        if (same(identities[i], added)) identities.DeleteSubrange(i--, 1);
    *identities.Add() = std::move(added);
    for (int i = identities.size() - 1; i > 0; --i) identities.SwapElements(i, i - 1);
}

View view_of(const v1::Message& message) {
    return delivery_state_of(message.state()).value_or(View::queued);
}
void show(v1::Message& message, View view) { message.set_state(std::string(text_of(view))); }
void climb(v1::Message& message, View evidence) {
    show(message, joined(view_of(message), evidence));
}
void set_error(v1::Message& message, const SendError& error) {
    message.clear_error();
    if (error != SendError{}) to_proto(error, *message.mutable_error());
}

void describe(v1::Message& resource, const std::string& tenant, const QueueMessage& m) {
    resource.set_name(rpc::resource_name(tenant, "messages", m.message_id));
    resource.set_message_id(m.message_id);
    resource.set_customer_id(m.customer_id);
    resource.set_channel_id(m.channel_id);
    to_proto(m.origin, *resource.mutable_origin());
    resource.set_to(m.to);
    resource.mutable_content()->ParseFromString(m.content);
    resource.set_idempotency_key(m.idempotency_key);
}

}  // namespace

v1::Tenant tenant_resource(const KnownTenant& tenant, std::int64_t version) {
    v1::Tenant resource;
    resource.set_name(rpc::tenant_name(tenant.tenant_id));
    resource.set_tenant_id(tenant.tenant_id);
    to_proto(tenant.settings, *resource.mutable_settings());
    resource.set_settings_version(version);
    resource.set_status(std::string(text_of(tenant.status)));
    resource.set_channel_id(tenant.first_channel_id);
    resource.set_etag(std::to_string(version));
    return resource;
}

v1::Channel channel_resource(const std::string& tenant, const KnownChannel& known,
                             std::int64_t version) {
    const auto& channel = known.channel;
    v1::Channel resource;
    resource.set_name(rpc::resource_name(tenant, "channels", channel.channel_id));
    resource.set_channel_id(channel.channel_id);
    resource.set_kind(channel.kind);
    resource.set_external_id(channel.external_id);
    resource.set_business_account_id(channel.business_account_id);
    resource.set_app_id(channel.app_id);
    resource.set_display_phone_number(channel.display_phone_number);
    to_proto(channel.limits, *resource.mutable_limits());
    resource.set_state(known.paused ? "PAUSED" : "CONNECTED");
    resource.set_pause_reason(known.pause_reason);
    resource.set_etag(std::to_string(version));
    return resource;
}

v1::ApiKey api_key_resource(const std::string& tenant, const ApiKeyState& key) {
    v1::ApiKey resource;
    resource.set_name(rpc::resource_name(tenant, "apiKeys", key.key_id));
    resource.set_display_name(key.name);
    resource.set_revoked(key.revoked);
    resource.set_hint(key.hint);
    set_time(*resource.mutable_create_time(), key.created_at);
    if (key.revoked) set_time(*resource.mutable_revoke_time(), key.revoked_at);
    return resource;
}

v1::Contact contact_resource(const std::string& tenant, const Contact& contact,
                             std::int64_t version) {
    v1::Contact resource;
    std::visit(Overloaded{[](const NoContact&) {},
                          [&](const OpenContact& c) {
                              resource.set_customer_id(c.customer_id);
                              for (const auto& identity : c.identities)
                                  add_identity(resource, identity);
                              resource.set_profile_name(c.profile_name);
                              resource.set_channel_id(c.channel_id);
                              resource.set_marketing_consent(consent_text(c.marketing));
                              resource.set_utility_consent(consent_text(c.utility));
                          },
                          [&](const MergedContact& c) {
                              resource.set_customer_id(c.customer_id);
                              resource.set_merged_into(c.into);
                          }},
               contact);
    resource.set_name(rpc::resource_name(tenant, "contacts", resource.customer_id()));
    resource.set_etag(std::to_string(version));
    return resource;
}

v1::Message message_resource(const std::string& tenant, const Message& m, std::int64_t version) {
    v1::Message resource;
    describe(resource, tenant, m.message);
    resource.set_state(std::string(text_of(m.view)));
    resource.set_reason(m.reason);
    set_error(resource, m.error);
    resource.set_failed_attempt(m.failed_attempt);
    resource.set_attempts(m.attempts);
    resource.set_provider_message_id(m.provider_message_id);
    resource.set_dead(std::holds_alternative<stage::Dead>(m.stage) ||
                      std::holds_alternative<stage::Unknown>(m.stage));
    resource.set_discarded(m.discarded);
    if (m.price != MessagePrice{}) to_proto(m.price, *resource.mutable_price());
    if (const auto* queued = std::get_if<stage::Queued>(&m.stage);
        queued != nullptr && queued->not_before != Time{})
        set_time(*resource.mutable_retry_time(), queued->not_before);
    resource.set_etag(std::to_string(version));
    return resource;
}

void move_along(v1::Contact& contact, const std::string& tenant, const ContactEvent& event,
                Time recorded_at, std::int64_t version) {
    std::visit(
        Overloaded{[&](const ContactSeen& e) {
                       contact.set_name(rpc::resource_name(tenant, "contacts", e.customer_id));
                       contact.set_customer_id(e.customer_id);
                       contact.set_channel_id(e.channel_id);
                       contact.set_profile_name(e.profile_name);
                       contact.set_marketing_consent("UNASKED");
                       contact.set_utility_consent("UNASKED");
                       for (const auto& identity : e.identities) add_identity(contact, identity);
                       set_time(*contact.mutable_create_time(), recorded_at);
                   },
                   [&](const IdentityAdded& e) {
                       if (e.replaces_earlier)
                           put_identity_first(contact, e.identity);
                       else
                           add_identity(contact, e.identity);
                       if (!e.profile_name.empty()) contact.set_profile_name(e.profile_name);
                   },
                   [&](const ConsentChanged& e) {
                       const std::string consent = e.granted ? "GRANTED" : "REFUSED";
                       if (e.purpose == Purpose::marketing)
                           contact.set_marketing_consent(consent);
                       else
                           contact.set_utility_consent(consent);
                   },
                   [&](const ContactsLinked& e) {
                       for (const auto& identity : e.identities)
                           identity.kind == IdentityKind::phone
                               ? put_identity_first(contact, identity)
                               : add_identity(contact, identity);
                       contact.set_marketing_consent(consent_text(e.marketing));
                       contact.set_utility_consent(consent_text(e.utility));
                   },
                   [&](const ContactMerged& e) { contact.set_merged_into(e.into); }},
        event);
    contact.set_etag(std::to_string(version));
}

void move_along(v1::Message& message, const std::string& tenant, const MessageEvent& event,
                Time recorded_at, std::int64_t version) {
    std::visit(Overloaded{[&](const MessageQueued& e) {
                              describe(message, tenant, e.message);
                              set_time(*message.mutable_create_time(), recorded_at);
                              climb(message, View::queued);
                          },
                          [&](const SendAttempted& e) {
                              message.set_attempts(e.attempt);
                              message.clear_provider_message_id();
                              message.clear_reason();
                              message.clear_error();
                              message.clear_retry_time();
                              show(message, tried_again(view_of(message)));
                          },
                          [&](const SendAccepted& e) {
                              message.set_provider_message_id(e.provider_message_id);
                              message.set_dead(false);
                              climb(message, View::sending);
                          },
                          [&](const SendFailed& e) {
                              set_error(message, e.error);
                              message.set_reason(e.reason);
                              message.set_dead(e.retry_at == Time{});
                              if (e.retry_at == Time{}) {
                                  climb(message, View::failed);
                              } else {
                                  set_time(*message.mutable_retry_time(), e.retry_at);
                                  show(message, tried_again(view_of(message)));
                              }
                          },
                          [&](const SendUnknown& e) {
                              message.set_reason(e.reason);
                              message.set_dead(true);
                              climb(message, View::unknown);
                          },
                          [&](const StatusReported& e) {
                              if (const auto price = price_due(e);
                                  !message.has_price() && price != MessagePrice{})
                                  to_proto(price, *message.mutable_price());
                              switch (weigh(e, view_of(message), message.attempts(),
                                            message.failed_attempt(),
                                            ProviderMessageId(message.provider_message_id()))) {
                                  case StatusWeight::history:
                                      return;
                                  case StatusWeight::failure:
                                      message.set_failed_attempt(message.attempts());
                                      set_error(message, e.error);
                                      message.set_reason(e.error.title);
                                      return;
                                  case StatusWeight::evidence:
                                      break;
                              }
                              if (!e.provider_message_id.empty())
                                  message.set_provider_message_id(e.provider_message_id);
                              message.set_dead(false);
                              climb(message, *reported_state(e.status));
                              if (!arrived(view_of(message))) return;
                              message.clear_error();
                              message.clear_reason();
                          },
                          [&](const MessageSuppressed& e) {
                              message.set_reason(std::string(text_of(e.reason)));
                              set_error(message, e.error);
                              message.set_dead(false);
                              climb(message, View::suppressed);
                          },
                          [&](const MessageCancelled& e) {
                              message.set_reason(e.reason);
                              climb(message, View::cancelled);
                          },
                          [&](const MessageRetried&) { message.set_dead(false); },
                          [&](const MessageDiscarded& e) {
                              message.set_reason(e.reason);
                              message.set_dead(false);
                              message.set_discarded(true);
                          }},
               event);
    set_time(*message.mutable_update_time(), recorded_at);
    message.set_etag(std::to_string(version));
}

}  // namespace flowstack::gateway
