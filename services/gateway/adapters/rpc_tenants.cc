#include <google/protobuf/util/field_mask_util.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/eventlog/membership.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/gateway/v1/channel_service.grpc.pb.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/resources.h"
#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::size_t kTokenMax = 4096;
constexpr std::size_t kKeyBytes = 32;
// fsk_ and four letters: enough to know a key again, and 232 of its 256 random bits stay unknown.
constexpr std::size_t kKeyHintChars = 8;

eventlog::Folded<Tenant> fold_tenant(const Doors& doors, const std::string& tenant) {
    auto folded = doors.directory.tenants().load(tenant_stream(tenant));
    if (!std::holds_alternative<KnownTenant>(folded.state))
        throw rpc::not_found(rpc::tenant_name(tenant));
    return folded;
}

// Here beside the door's check for callers (rpc::Server): the log is what counts when a tenant is
// closed at the same moment.
void check_open(const eventlog::Folded<Tenant>& folded, const std::string& tenant) {
    if (std::get<KnownTenant>(folded.state).status == TenantStatus::closed)
        throw rpc::tenant_closed(rpc::tenant_name(tenant));
}

void show_tenant(const Doors& doors, const std::string& tenant, v1::Tenant& out) {
    const auto folded = fold_tenant(doors, tenant);
    out = tenant_resource(std::get<KnownTenant>(folded.state), folded.version);
}

eventlog::Folded<Channel> fold_channel(const Doors& doors, const ResourceName& name) {
    auto folded =
        doors.directory.channel_folds().load(channel_stream(name.tenant, ChannelId(name.id)));
    if (!std::holds_alternative<KnownChannel>(folded.state))
        throw rpc::not_found(rpc::resource_name(name.tenant, "channels", name.id));
    return folded;
}

void show_channel(const Doors& doors, const ResourceName& name, v1::Channel& out) {
    const auto folded = fold_channel(doors, name);
    out = channel_resource(name.tenant, std::get<KnownChannel>(folded.state), folded.version);
}

// `kind` is that of the channel; a provider that is not there is refused elsewhere.
SealedCredentials sealed(const Doors& doors, const std::string& tenant, const ChannelId& channel_id,
                         std::string_view kind, const v1::Credentials& credentials,
                         const std::string& field) {
    const auto& token = credentials.access_token();
    if (token.empty() || token.size() > kTokenMax)
        throw rpc::invalid_field(field + ".access_token", "must have 1 to 4096 characters");
    if (const auto* provider = doors.providers.find(kind))
        if (const auto faults = provider->credential_faults(Secret(token)); !faults.empty())
            throw refused_fields(faults, field);
    return {.sealed =
                doors.data_keys.of(tenant)->seal(Secret(token), credential_purpose(channel_id))};
}

ConnectChannel channel_from(const v1::ChannelSpec& spec, ChannelId channel_id,
                            const Providers& providers) {
    ConnectChannel channel;
    channel.channel_id = std::move(channel_id);
    channel.kind = spec.kind().empty() ? std::string(providers.first().kind()) : spec.kind();
    channel.external_id = ExternalChannelId(spec.external_id());
    channel.business_account_id = spec.business_account_id();
    channel.app_id = spec.app_id();
    channel.display_phone_number = spec.display_phone_number();
    const auto* provider = providers.find(channel.kind);
    channel.limits = with_defaults(from_proto(spec.limits()),
                                   (provider ? *provider : providers.first()).default_limits());
    return channel;
}

void check_channel_id(const std::string& id, const std::string& field) {
    if (!id.empty() && !valid_tenant_id(id))
        throw rpc::invalid_field(field,
                                 "must be lower-case letters, digits and inner dashes, at most 63");
}

std::vector<FieldError> channel_faults(const ConnectChannel& channel, const Providers& providers) {
    auto faults = faults_of(channel);
    if (const auto* provider = providers.find(channel.kind)) {
        for (auto& fault : provider->faults_of(channel)) faults.push_back(std::move(fault));
    } else {
        faults.push_back({"kind", "must be " + providers.kinds()});
    }
    return faults;
}

// ChannelConnected at the channel's lane, once; idempotent by its id.
void connect(const Doors& doors, const std::string& tenant, const ConnectChannel& channel,
             const std::string& command_id) {
    const auto decision = decide(Channel{NoChannel{}}, channel);
    if (!decision.accepted()) throw refused_fields(faults_of(channel), "channel");
    Command command;
    command.id = command_id;
    command.tenant = tenant;
    command.meta.routing = by_channel(channel.channel_id);
    service::name_caller(command.meta, rpc::caller());
    command.dedupe = eventlog::Dedupe::creation;
    command.parts.push_back({channel_stream(tenant, channel.channel_id), eventlog::kCreate,
                             encode_all(decision.events(), doors.clock.now())});
    const auto verdict = doors.store.append(std::move(command));
    if (verdict.accepted()) {
        // This replica's door does not wait for the settings poll: the next webhook may be on its
        // way.
        doors.directory.apply({tenant, "tenant", tenant});
        doors.directory.apply({tenant, "channel", channel.channel_id});
        return;
    }
    auto failure = rpc::already_exists(
        "This channel exists already, or its external id belongs to another tenant.");
    if (verdict.outcome == eventlog::Outcome::claim_taken)
        failure.reason = common::v1::ERROR_REASON_CHANNEL_TAKEN;
    throw failure;
}

// What these settings may name: all that the installation has, and the tenant's own flow when they
// name one that is published.
Installation installation_for(const Doors& doors, const std::string& tenant,
                              const TenantSettings& settings) {
    auto can = doors.installation;
    if (!settings.pack.empty() && std::ranges::find(can.packs, settings.pack) == can.packs.end() &&
        doors.has_flow && doors.has_flow(tenant, settings.pack))
        can.packs.push_back(settings.pack);
    return can;
}

template <class Decision>
Command command_on(const Doors& doors, eventlog::Routing routing, eventlog::StreamName stream,
                   std::int64_t expected, const Decision& decision) {
    Command command;
    command.meta.routing = std::move(routing);
    command.parts.push_back(
        {std::move(stream), expected, encode_all(decision.events(), doors.clock.now())});
    return command;
}

class TenantRpc final : public v1::TenantService::CallbackService {
public:
    explicit TenantRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* RegisterTenant(CallbackServerContext* context,
                                       const v1::RegisterTenantRequest* request,
                                       v1::Tenant* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            register_tenant(call, *request, *response);
        });
    }
    ServerUnaryReactor* GetTenant(CallbackServerContext* context,
                                  const v1::GetTenantRequest* request,
                                  v1::Tenant* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            show_tenant(doors_, rpc::parse_parent(request->name(), "name"), *response);
        });
    }
    ServerUnaryReactor* ListTenants(CallbackServerContext* context,
                                    const v1::ListTenantsRequest* request,
                                    v1::ListTenantsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::Tenant>(
                doors_.read_model, *request, {.tenant = "", .kind = "tenant"},
                [&](v1::Tenant tenant) { *response->add_tenants() = std::move(tenant); }));
        });
    }
    ServerUnaryReactor* UpdateTenantSettings(CallbackServerContext* context,
                                             const v1::UpdateTenantSettingsRequest* request,
                                             v1::Tenant* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { update(call, *request, *response); });
    }
    ServerUnaryReactor* SuspendTenant(CallbackServerContext* context,
                                      const v1::SuspendTenantRequest* request,
                                      v1::Tenant* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            change(call, *request, "SuspendTenant",
                   gateway::SuspendTenant{.reason = checked_reason(request->reason())}, *response);
        });
    }
    ServerUnaryReactor* ResumeTenant(CallbackServerContext* context,
                                     const v1::ResumeTenantRequest* request,
                                     v1::Tenant* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            change(call, *request, "ResumeTenant",
                   gateway::ResumeTenant{.reason = checked_reason(request->reason())}, *response);
        });
    }
    ServerUnaryReactor* CloseTenant(CallbackServerContext* context,
                                    const v1::CloseTenantRequest* request,
                                    v1::Tenant* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            if (request->reason().empty()) throw rpc::invalid_field("reason", "must be given");
            change(call, *request, "CloseTenant",
                   gateway::CloseTenant{.reason = checked_reason(request->reason())}, *response);
        });
    }
    ServerUnaryReactor* CreateApiKey(CallbackServerContext* context,
                                     const v1::CreateApiKeyRequest* request,
                                     v1::ApiKey* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            create_key(call, *request, *response);
        });
    }
    ServerUnaryReactor* GetApiKey(CallbackServerContext* context,
                                  const v1::GetApiKeyRequest* request,
                                  v1::ApiKey* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = rpc::parse_name(request->name(), "apiKeys");
            const auto folded = eventlog::Folds<ApiKeyCodec>(doors_.store, 1)
                                    .load(api_key_stream(name.tenant, ApiKeyId(name.id)));
            if (folded.version == 0) throw rpc::not_found(request->name());
            *response = api_key_resource(name.tenant, folded.state);
            set_last_used(name.tenant, {response});
        });
    }
    ServerUnaryReactor* ListApiKeys(CallbackServerContext* context,
                                    const v1::ListApiKeysRequest* request,
                                    v1::ListApiKeysResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = rpc::parse_parent(request->parent());
            response->set_next_page_token(service::list<v1::ApiKey>(
                doors_.read_model, *request, {.tenant = tenant, .kind = kApiKeyDocument},
                [&](v1::ApiKey key) { *response->add_api_keys() = std::move(key); }));
            std::vector<v1::ApiKey*> keys;
            for (auto& key : *response->mutable_api_keys()) keys.push_back(&key);
            set_last_used(tenant, keys);
        });
    }
    ServerUnaryReactor* RevokeApiKey(CallbackServerContext* context,
                                     const v1::RevokeApiKeyRequest* request,
                                     v1::ApiKey* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            revoke_key(call, *request, *response);
        });
    }

    ServerUnaryReactor* FindApiKey(CallbackServerContext* context,
                                   const v1::FindApiKeyRequest* request,
                                   v1::ApiKeyOwner* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            if (request->key_sha256().size() != crypto::Digest{}.size())
                throw rpc::invalid_field("key_sha256", "must have 32 bytes");
            const auto owner = doors_.directory.owner_of_key(request->key_sha256());
            if (!owner) throw rpc::not_found("apiKeys");
            if (doors_.key_uses != nullptr)
                doors_.key_uses->note(owner->tenant, owner->key_id.text());
            response->set_tenant_id(owner->tenant);
            response->set_key_id(owner->key_id);
        });
    }

private:
    void register_tenant(rpc::Call& call, const v1::RegisterTenantRequest& request,
                         v1::Tenant& response) {
        // A tenant that is not there yet has published no flow.
        const auto& can = doors_.installation;
        const auto settings = with_defaults(from_proto(request.settings()), can);
        if (const auto faults = faults_of(settings, can); !faults.empty())
            throw refused_fields(faults, "settings");
        if (!request.tenant_id().empty() && !valid_tenant_id(request.tenant_id()))
            throw rpc::invalid_field(
                "tenant_id", "must be lower-case letters, digits and inner dashes, at most 63");
        check_channel_id(request.channel().channel_id(), "channel.channel_id");
        // Everything that the request names is made of its id, so that a repeat makes the same.
        const auto request_id =
            request.request_id().empty() ? doors_.ids.next().text() : request.request_id();
        const auto caller = Uuid::parse(request_id);
        const auto at = caller && (caller->bytes[6] >> 4) == 7 ? time_of(*caller) : Time{};
        int reused = 0;
        const auto made = [&](const char* what) {
            return eventlog::derive_id("register/" + request_id, at, what, reused).text();
        };
        // A request id whose time is over registers another tenant.
        while (
            service::command_of(doors_.store, made("tenant"), "RegisterTenant", request_id).reused >
            0)
            ++reused;
        const auto tenant = request.tenant_id().empty() ? made("tenant") : request.tenant_id();
        auto channel = channel_from(
            request.channel(),
            ChannelId(request.channel().channel_id().empty() ? made("channel")
                                                             : request.channel().channel_id()),
            doors_.providers);
        channel.credentials = sealed(doors_, tenant, channel.channel_id, channel.kind,
                                     request.channel().credentials(), "channel.credentials");
        if (const auto faults = channel_faults(channel, doors_.providers); !faults.empty())
            throw refused_fields(faults, "channel");

        auto effect = one_effect(doors_, call, "RegisterTenant", tenant, request_id, request);
        effect.run([&]() -> std::optional<Command> {
            const auto folded = doors_.directory.tenants().load(tenant_stream(tenant));
            const auto decision =
                decide(folded.state,
                       gateway::RegisterTenant{.tenant_id = tenant,
                                               .settings = settings,
                                               .channel_id = channel.channel_id,
                                               .channel_kind = channel.kind,
                                               .channel_external_id = channel.external_id},
                       can);
            if (!decision.accepted())
                throw rpc::already_exists("Tenant " + tenant + " is registered already.");
            return command_on(doors_, by_tenant(tenant), tenant_stream(tenant), folded.expected(),
                              decision);
        });
        // The claim is held by the tenant from here on; a crash in between is mended by a repeat.
        connect(doors_, tenant, channel, "connect/" + channel.channel_id);
        show_tenant(doors_, tenant, response);
    }

    void update(rpc::Call& call, const v1::UpdateTenantSettingsRequest& request,
                v1::Tenant& response) {
        const auto tenant = rpc::parse_parent(request.name(), "name");
        auto effect =
            one_effect(doors_, call, "UpdateTenantSettings", tenant, request.request_id(), request);
        effect.run([&]() -> std::optional<Command> {
            const auto folded = fold_tenant(doors_, tenant);
            if (!request.etag().empty() && request.etag() != std::to_string(folded.version)) {
                rpc::Failure failure(grpc::StatusCode::ABORTED,
                                     common::v1::ERROR_REASON_VERSION_MISMATCH,
                                     "The settings were changed since they were read. Read them "
                                     "again, then decide.");
                throw failure;
            }
            v1::TenantSettings merged;
            to_proto(std::get<KnownTenant>(folded.state).settings, merged);
            if (request.update_mask().paths_size() == 0) {
                merged = request.settings();
            } else {
                using google::protobuf::util::FieldMaskUtil;
                if (!FieldMaskUtil::IsValidFieldMask<v1::TenantSettings>(request.update_mask()))
                    throw rpc::invalid_field("update_mask", "must name fields of TenantSettings");
                FieldMaskUtil::MergeOptions options;
                options.set_replace_message_fields(true);
                options.set_replace_repeated_fields(true);
                FieldMaskUtil::MergeMessageTo(request.settings(), request.update_mask(), options,
                                              &merged);
            }
            const auto settings = with_defaults(from_proto(merged), doors_.installation);
            const auto can = installation_for(doors_, tenant, settings);
            const auto decision = decide(folded.state, ChangeSettings{.settings = settings}, can);
            if (!decision.accepted()) {
                if (decision.rejection() == TenantRejection::invalid_settings)
                    throw refused_fields(faults_of(settings, can), "settings");
                throw rpc::tenant_closed(request.name());
            }
            if (decision.events().empty()) return std::nullopt;
            return command_on(doors_, by_tenant(tenant), tenant_stream(tenant), folded.expected(),
                              decision);
        });
        doors_.directory.apply({tenant, "tenant", tenant});
        show_tenant(doors_, tenant, response);
    }

    template <class Request>
    void change(rpc::Call& call, const Request& request, const std::string& method,
                const TenantCommand& wanted, v1::Tenant& response) {
        const auto tenant = rpc::parse_parent(request.name(), "name");
        auto effect = one_effect(doors_, call, method, tenant, request.request_id(), request);
        effect.run([&]() -> std::optional<Command> {
            const auto folded = fold_tenant(doors_, tenant);
            const auto decision = decide(folded.state, wanted, doors_.installation);
            if (!decision.accepted() && decision.rejection() == TenantRejection::closed)
                throw rpc::tenant_closed(request.name());
            if (!decision.accepted())
                throw rpc::wrong_state(
                    request.name(),
                    "The tenant is " +
                        std::string(text_of(std::get<KnownTenant>(folded.state).status)) + ".");
            if (decision.events().empty()) return std::nullopt;
            return command_on(doors_, by_tenant(tenant), tenant_stream(tenant), folded.expected(),
                              decision);
        });
        doors_.directory.apply({tenant, "tenant", tenant});
        show_tenant(doors_, tenant, response);
    }

    void create_key(rpc::Call& call, const v1::CreateApiKeyRequest& request, v1::ApiKey& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_open(fold_tenant(doors_, tenant), tenant);
        auto effect =
            one_effect(doors_, call, "CreateApiKey", tenant, request.request_id(), request);
        const ApiKeyId key_id(effect.derived_id("api_key"));
        // Only its hash is stored, so a repeat cannot show it again.
        const auto key = "fsk_" + crypto::base64url_encode(crypto::random_bytes(kKeyBytes));
        effect.run([&]() -> std::optional<Command> {
            v1::ApiKeyCreated created;
            created.set_key_id(key_id);
            created.set_name(request.display_name());
            created.set_key_sha256(std::string(crypto::bytes_of(crypto::sha256(key))));
            created.set_hint(key.substr(0, kKeyHintChars));
            return key_command(tenant, key_id, eventlog::kCreate, created);
        });
        doors_.directory.apply({tenant, "api_key", key_id});
        show_key(tenant, key_id, response);
        if (!effect.replayed()) response.set_key(key);
    }

    void revoke_key(rpc::Call& call, const v1::RevokeApiKeyRequest& request, v1::ApiKey& response) {
        const auto name = rpc::parse_name(request.name(), "apiKeys");
        const ApiKeyId key_id(name.id);
        eventlog::Folds<ApiKeyCodec> folds(doors_.store, 1);
        auto effect =
            one_effect(doors_, call, "RevokeApiKey", name.tenant, request.request_id(), request);
        effect.run([&]() -> std::optional<Command> {
            const auto folded = folds.load(api_key_stream(name.tenant, key_id));
            if (folded.version == 0) throw rpc::not_found(request.name());
            if (folded.state.revoked) return std::nullopt;
            v1::ApiKeyRevoked revoked;
            revoked.set_key_id(name.id);
            revoked.set_reason(checked_reason(request.reason()));
            return key_command(name.tenant, key_id, folded.expected(), revoked);
        });
        doors_.directory.apply({name.tenant, "api_key", name.id});
        show_key(name.tenant, key_id, response);
    }

    void show_key(const std::string& tenant, const ApiKeyId& key_id, v1::ApiKey& response) {
        eventlog::Folds<ApiKeyCodec> folds(doors_.store, 1);
        response = api_key_resource(tenant, folds.load(api_key_stream(tenant, key_id)).state);
    }

    void set_last_used(const std::string& tenant, const std::vector<v1::ApiKey*>& keys) {
        if (doors_.key_uses == nullptr) return;
        std::vector<std::string> ids;
        for (const auto* key : keys) ids.push_back(rpc::parse_name(key->name(), "apiKeys").id);
        const auto used = doors_.key_uses->last(tenant, ids);
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (const auto found = used.find(ids[i]); found != used.end())
                set_time(*keys[i]->mutable_last_used_time(), found->second);
    }

    template <class Proto>
    Command key_command(const std::string& tenant, const ApiKeyId& key_id, std::int64_t expected,
                        const Proto& proto) {
        eventlog::NewEvent event;
        event.type = Proto::descriptor()->full_name();
        event.payload = proto.SerializeAsString();
        event.occurred_at = doors_.clock.now();
        Command command;
        command.meta.routing = by_tenant(tenant);
        command.parts.push_back({api_key_stream(tenant, key_id), expected, {std::move(event)}});
        return command;
    }

    Doors doors_;
};

class ChannelRpc final : public v1::ChannelService::CallbackService {
public:
    explicit ChannelRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* ConnectChannel(CallbackServerContext* context,
                                       const v1::ConnectChannelRequest* request,
                                       v1::Channel* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto tenant = rpc::parse_parent(request->parent());
            check_open(fold_tenant(doors_, tenant), tenant);
            check_channel_id(request->channel().channel_id(), "channel.channel_id");
            auto effect =
                one_effect(doors_, call, "ConnectChannel", tenant, request->request_id(), *request);
            auto channel = channel_from(request->channel(),
                                        ChannelId(request->channel().channel_id().empty()
                                                      ? effect.derived_id("channel")
                                                      : request->channel().channel_id()),
                                        doors_.providers);
            channel.credentials = sealed(doors_, tenant, channel.channel_id, channel.kind,
                                         request->channel().credentials(), "channel.credentials");
            effect.run([&]() -> std::optional<Command> {
                const auto folded = doors_.directory.channel_folds().load(
                    channel_stream(tenant, channel.channel_id));
                const auto decision = decide(folded.state, channel);
                const auto faults = channel_faults(channel, doors_.providers);
                if (!faults.empty() && std::holds_alternative<NoChannel>(folded.state))
                    throw refused_fields(faults, "channel");
                if (!decision.accepted())
                    throw rpc::already_exists("This channel is connected already.");
                return command_on(doors_, by_channel(channel.channel_id),
                                  channel_stream(tenant, channel.channel_id), folded.expected(),
                                  decision);
            });
            show_channel(doors_, {tenant, channel.channel_id}, *response);
        });
    }
    ServerUnaryReactor* GetChannel(CallbackServerContext* context,
                                   const v1::GetChannelRequest* request,
                                   v1::Channel* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            show_channel(doors_, rpc::parse_name(request->name(), "channels"), *response);
        });
    }
    ServerUnaryReactor* ListChannels(CallbackServerContext* context,
                                     const v1::ListChannelsRequest* request,
                                     v1::ListChannelsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::Channel>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()), .kind = "channel"},
                [&](v1::Channel channel) { *response->add_channels() = std::move(channel); }));
        });
    }
    ServerUnaryReactor* RotateCredentials(CallbackServerContext* context,
                                          const v1::RotateCredentialsRequest* request,
                                          v1::Channel* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto name = rpc::parse_name(request->name(), "channels");
            const auto kind = std::get<KnownChannel>(fold_channel(doors_, name).state).channel.kind;
            change(call, *request, "RotateCredentials",
                   gateway::RotateCredentials{
                       .credentials = sealed(doors_, name.tenant, ChannelId(name.id), kind,
                                             request->credentials(), "credentials")},
                   *response);
        });
    }
    ServerUnaryReactor* UpdateLimits(CallbackServerContext* context,
                                     const v1::UpdateLimitsRequest* request,
                                     v1::Channel* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto channel = std::get<KnownChannel>(
                fold_channel(doors_, rpc::parse_name(request->name(), "channels")).state);
            // An empty request would set all limits to the provider's defaults.
            if (!request->has_limits()) throw rpc::invalid_field("limits", "must be given, whole");
            const auto* provider = doors_.providers.find(channel.channel.kind);
            const auto limits =
                with_defaults(from_proto(request->limits()),
                              (provider ? *provider : doors_.providers.first()).default_limits());
            if (const auto faults = faults_of(limits); !faults.empty())
                throw refused_fields(faults, "");
            change(call, *request, "UpdateLimits", ChangeLimits{.limits = limits}, *response);
        });
    }
    ServerUnaryReactor* PauseChannel(CallbackServerContext* context,
                                     const v1::PauseChannelRequest* request,
                                     v1::Channel* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            change(call, *request, "PauseChannel",
                   gateway::PauseChannel{.reason = checked_reason(request->reason())}, *response);
        });
    }
    ServerUnaryReactor* ResumeChannel(CallbackServerContext* context,
                                      const v1::ResumeChannelRequest* request,
                                      v1::Channel* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            change(call, *request, "ResumeChannel",
                   gateway::ResumeChannel{.reason = checked_reason(request->reason())}, *response);
        });
    }
    ServerUnaryReactor* GetChannelDispatch(CallbackServerContext* context,
                                           const v1::GetChannelDispatchRequest* request,
                                           v1::ChannelDispatch* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            show_dispatch(request->name(), *response);
        });
    }

private:
    void show_dispatch(const std::string& name, v1::ChannelDispatch& out) {
        const auto channel = rpc::parse_name(name, "channels");
        fold_channel(doors_, channel);
        const ChannelId channel_id(channel.id);
        const int lane = doors_.store.lane_of(by_channel(channel_id), channel.tenant);
        out.set_name(name);
        out.set_lane(lane);
        out.set_replica(doors_.replica);
        std::vector<std::string> kinds;
        for (int priority = 0; priority < kPriorities; ++priority)
            kinds.push_back(dispatch_kind(channel_id, priority));
        doors_.store.pool().with([&](postgres::Session& session) {
            if (const auto owner = eventlog::living_owner(session, lane)) {
                out.set_owner(owner->replica);
                out.set_owner_epoch(owner->owner_epoch);
                set_time(*out.mutable_owned_since(), owner->since);
            }
            const auto queued = session.query(
                "select count(*), coalesce(min(due_at), 'epoch') from work where lane = $1 and "
                "kind = any($2)",
                postgres::Params().add(lane).add_array(kinds));
            out.set_queued(queued.int8(0, 0));
            if (queued.int8(0, 0) > 0) set_time(*out.mutable_oldest_due(), queued.time(0, 1));
        });
        // The owner in the row may have lost the lane since: only the dispatcher itself knows the
        // state of its breaker.
        if (!doors_.dispatch || out.owner() != doors_.replica) return;
        const auto view = doors_.dispatch(channel.tenant, channel_id);
        if (!view) return;
        auto& breaker = *out.mutable_breaker();
        breaker.set_state(text_of(view->breaker));
        if (view->breaker_since != Time{}) set_time(*breaker.mutable_since(), view->breaker_since);
        breaker.set_failures(view->failures_in_a_row);
        breaker.set_retry_after_ms(view->retry_after.count());
        out.set_in_flight(view->in_flight);
    }

    static std::string text_of(resilience::CircuitBreaker::State state) {
        switch (state) {
            case resilience::CircuitBreaker::State::closed:
                return "CLOSED";
            case resilience::CircuitBreaker::State::open:
                return "OPEN";
            case resilience::CircuitBreaker::State::half_open:
                return "HALF_OPEN";
        }
        return "";
    }

    template <class Request>
    void change(rpc::Call& call, const Request& request, const std::string& method,
                const ChannelCommand& wanted, v1::Channel& response) {
        const auto name = rpc::parse_name(request.name(), "channels");
        auto effect = one_effect(doors_, call, method, name.tenant, request.request_id(), request);
        effect.run([&]() -> std::optional<Command> {
            const auto folded = fold_channel(doors_, name);
            const auto decision = decide(folded.state, wanted);
            if (!decision.accepted())
                throw rpc::wrong_state(request.name(), std::get<KnownChannel>(folded.state).paused
                                                           ? "The channel is paused already."
                                                           : "The channel is not paused.");
            if (decision.events().empty()) return std::nullopt;
            return command_on(doors_, by_channel(ChannelId(name.id)),
                              channel_stream(name.tenant, ChannelId(name.id)), folded.expected(),
                              decision);
        });
        // When the caller reads the answer, this replica's dispatcher goes by it.
        doors_.directory.apply({name.tenant, "channel", name.id});
        show_channel(doors_, name, response);
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_tenant_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back(
        {std::make_unique<TenantRpc>(doors), v1::TenantService::service_full_name()});
    services.push_back(
        {std::make_unique<ChannelRpc>(doors), v1::ChannelService::service_full_name()});
    return services;
}

}  // namespace flowstack::gateway
