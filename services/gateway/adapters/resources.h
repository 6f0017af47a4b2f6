#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/core/time.h"
#include "common/rpc/timestamp.h"
#include "services/gateway/adapters/codec.h"

namespace flowstack::gateway::v1 {
class Tenant;
class Channel;
class Contact;
class Message;
class ApiKey;
}  // namespace flowstack::gateway::v1

// The API's resources made from folds, and moved along by single events (for the read models).
namespace flowstack::gateway {

v1::Tenant tenant_resource(const KnownTenant& tenant, std::int64_t version);
v1::Channel channel_resource(const std::string& tenant, const KnownChannel& channel,
                             std::int64_t version);
// When it was used is not in the log.
v1::ApiKey api_key_resource(const std::string& tenant, const ApiKeyState& key);
v1::Contact contact_resource(const std::string& tenant, const Contact& contact,
                             std::int64_t version);
v1::Message message_resource(const std::string& tenant, const Message& message,
                             std::int64_t version);

// (resource, event) → resource. They only know the event and the resource.
void move_along(v1::Contact& contact, const std::string& tenant, const ContactEvent& event,
                Time recorded_at, std::int64_t version);
void move_along(v1::Message& message, const std::string& tenant, const MessageEvent& event,
                Time recorded_at, std::int64_t version);

using rpc::set_time;
using rpc::time_of;

}  // namespace flowstack::gateway
