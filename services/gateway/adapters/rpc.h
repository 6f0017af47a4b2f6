#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/store.h"
#include "common/keys/data_keys.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/service/one_effect.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/key_uses.h"
#include "services/gateway/dispatch/dispatcher.h"
#include "services/gateway/endpoints/webhook_book.h"
#include "services/gateway/media/media_store.h"
#include "services/gateway/templates/template_book.h"

namespace grpc {
class Service;
}
namespace google::protobuf {
class Message;
}
namespace flowstack::rpc {
class Call;
class Server;
}  // namespace flowstack::rpc

// gateway's gRPC services. They translate between messages and the rules of the domain.
namespace flowstack::gateway {

struct Doors {
    rpc::Server& rpc;
    eventlog::Store& store;
    eventlog::ReadModel& read_model;
    Directory& directory;
    Contacts& contacts;
    keys::DataKeys& data_keys;
    const Clock& clock;
    IdSource& ids;
    const Providers& providers;
    std::chrono::milliseconds window_margin{300'000};
    std::string replica{};
    // Nothing when another replica sends for the channel.
    std::function<std::optional<Dispatcher::ChannelView>(const std::string& tenant,
                                                         const ChannelId& channel_id)>
        dispatch{};
    // What settings may name.
    Installation installation{};
    // Whether the tenant has published a flow of this key; throws rpc::Failure.
    std::function<bool(const std::string& tenant, const std::string& flow_key)> has_flow{};
    // Whether a message that is about to be queued may leave at once; empty: never.
    AskDeparture ask_departure{};
    // The tenants' files; null: there are none.
    MediaStore* media = nullptr;
    // When API keys were used; null: nobody knows.
    KeyUses* key_uses = nullptr;
    // What is known of templates at providers; null: nothing, and the providers judge alone.
    TemplateBook* templates = nullptr;
    // How long a provider may take to answer about a template.
    std::chrono::milliseconds template_timeout{8'000};
    // The webhook endpoints of tenants; null: there are none.
    WebhookBook* webhooks = nullptr;
    // Endpoints may be http:// and on private addresses.
    bool private_webhooks = false;
};

struct NamedService {
    std::unique_ptr<grpc::Service> service;
    std::string full_name;
};
std::vector<NamedService> make_tenant_services(const Doors& doors);
std::vector<NamedService> make_message_services(const Doors& doors);

// ---- Shared by the services' files.

using rpc::ResourceName;

// What a request makes, once (common/service/one_effect.h).
service::OneEffect one_effect(const Doors& doors, const rpc::Call& call, const std::string& method,
                              const std::string& tenant, const std::string& request_id,
                              const google::protobuf::Message& request);

// Throws NOT_FOUND for a tenant that does not exist.
void check_tenant(const Doors& doors, const std::string& tenant);
// The channel that a request names, or the tenant's only one. Throws FIELD_INVALID (channel_id).
ChannelId channel_for(const Doors& doors, const std::string& tenant, const ChannelId& channel_id);
// Whether contents may be sent through a channel as far as its provider's templates are known here.
// Remembers what it has looked up: for one call.
class TemplateCheck {
public:
    // `doors` outlives it.
    TemplateCheck(const Doors& doors, std::string tenant, ChannelId channel_id)
        : doors_(doors), tenant_(std::move(tenant)), channel_id_(std::move(channel_id)) {}

    // Throws WRONG_STATE when the content names a template that may not be sent. Otherwise what is
    // wrong with what it gives the template, by field.
    std::vector<FieldError> operator()(const common::v1::MessageContent& content);

private:
    const Doors& doors_;
    std::string tenant_;
    ChannelId channel_id_;
    std::map<TemplateKey, KnownTemplate> known_;
};

// Of events that are appended without one_effect.
std::string actor_of(const rpc::Call& call);
// The reason that a caller gives; throws rpc::Failure when it is too long.
const std::string& checked_reason(const std::string& reason);
rpc::Failure refused_fields(const std::vector<FieldError>& faults, const std::string& prefix);

}  // namespace flowstack::gateway
