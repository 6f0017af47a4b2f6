#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/time.h"
#include "common/eventlog/types.h"
#include "services/gateway/domain/channel.h"
#include "services/gateway/domain/contact.h"
#include "services/gateway/domain/message.h"
#include "services/gateway/domain/tenant.h"

namespace flowstack::common::v1 {
class MessageContent;
}
namespace flowstack::gateway::v1 {
class TenantSettings;
class MessageOrigin;
class MessagePrice;
class SendError;
class ChannelLimits;
class Identity;
enum MessageOriginKind : int;
}  // namespace flowstack::gateway::v1

// Between stored events (protobuf, proto/flowstack/gateway/v1) and the rules' structs, in both
// directions. Old schema versions are upcast here and nowhere else.
namespace flowstack::gateway {

// Facts of the shell itself: no aggregate decides on them.
struct ApiKeyState {
    ApiKeyId key_id;
    std::string key_sha256;
    std::string name;
    std::string hint;
    bool revoked = false;
    Time created_at{};
    Time revoked_at{};
};

eventlog::NewEvent encode(const TenantEvent& event, Time occurred_at);
eventlog::NewEvent encode(const ChannelEvent& event, Time occurred_at);
eventlog::NewEvent encode(const ContactEvent& event, Time occurred_at);
eventlog::NewEvent encode(const MessageEvent& event, Time occurred_at);

template <class Event>
std::vector<eventlog::NewEvent> encode_all(const std::vector<Event>& events, Time occurred_at) {
    std::vector<eventlog::NewEvent> encoded;
    for (const auto& event : events) encoded.push_back(encode(event, occurred_at));
    return encoded;
}

// Throw CorruptStream for a type or payload that does not belong to the aggregate.
TenantEvent decode_tenant(std::string_view type, std::string_view payload);
ChannelEvent decode_channel(std::string_view type, std::string_view payload);
ContactEvent decode_contact(std::string_view type, std::string_view payload);
MessageEvent decode_message(std::string_view type, std::string_view payload);

// For eventlog::Folds.
struct TenantCodec {
    using State = Tenant;
    static State evolve(State state, const std::string& type, const std::string& payload, Time) {
        return gateway::evolve(state, decode_tenant(type, payload));
    }
};
struct ChannelCodec {
    using State = Channel;
    static State evolve(State state, const std::string& type, const std::string& payload, Time) {
        return gateway::evolve(state, decode_channel(type, payload));
    }
};
struct ContactCodec {
    using State = Contact;
    static State evolve(State state, const std::string& type, const std::string& payload, Time) {
        return gateway::evolve(state, decode_contact(type, payload));
    }
};
struct MessageCodec {
    using State = Message;
    static State evolve(State state, const std::string& type, const std::string& payload, Time) {
        return gateway::evolve(std::move(state), decode_message(type, payload));
    }
};
struct ApiKeyCodec {
    using State = ApiKeyState;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};

TenantSettings from_proto(const v1::TenantSettings& proto);
void to_proto(const TenantSettings& settings, v1::TenantSettings& proto);
ChannelLimits from_proto(const v1::ChannelLimits& proto);
void to_proto(const ChannelLimits& limits, v1::ChannelLimits& proto);
void to_proto(const Origin& origin, v1::MessageOrigin& proto);
SendError from_proto(const v1::SendError& proto);
void to_proto(const SendError& error, v1::SendError& proto);
MessagePrice from_proto(const v1::MessagePrice& proto);
void to_proto(const MessagePrice& price, v1::MessagePrice& proto);
void to_proto(const Identity& identity, v1::Identity& proto);
// Nothing when it says none.
std::optional<OriginKind> origin_kind_of(v1::MessageOriginKind kind);

// Every event type that gateway writes; docs/events.md is held equal to it.
const std::vector<std::string>& event_types();

// Names of streams and their routing.
inline constexpr std::string_view kPlatform = "platform";
eventlog::StreamName tenant_stream(std::string_view tenant);
eventlog::StreamName api_key_stream(std::string_view tenant, const ApiKeyId& key);
eventlog::StreamName channel_stream(std::string_view tenant, const ChannelId& channel);
eventlog::StreamName contact_stream(std::string_view tenant, const CustomerId& customer);
eventlog::StreamName inbound_stream(std::string_view tenant, const ProviderMessageId& message);
eventlog::StreamName delivery_stream(std::string_view tenant, const ProviderMessageId& message);
eventlog::StreamName message_stream(std::string_view tenant, const MessageId& message);
// Of a received message's file by the message's provider id, of an uploaded one by its own id.
eventlog::StreamName media_stream(std::string_view tenant, std::string_view key);
eventlog::Routing by_customer(const CustomerId& customer);
eventlog::Routing by_tenant(std::string_view tenant);
eventlog::Routing by_channel(const ChannelId& channel);

}  // namespace flowstack::gateway
