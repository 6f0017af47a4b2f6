#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/core/secret.h"
#include "common/eventlog/folds.h"
#include "common/keys/data_keys.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/providers/connected_channels.h"

// Keeps tenants, channels and API keys of the whole installation in memory, for the doors and
// dispatchers, which ask for every message. Settings changes feed it, so a replica knows what
// another one wrote within SETTINGS_POLL_MS.
//
// Thread-safe; entries are immutable and stay valid while somebody holds them.
namespace flowstack::gateway {

struct TenantEntry {
    KnownTenant tenant;
    std::int64_t version = 0;
};
struct ChannelEntry {
    std::string tenant;
    ConnectChannel channel;
    bool paused = false;
    std::string pause_reason;
    Secret access_token;
    Secret previous_access_token;  // before the last rotation; empty when there was none
    int lane = 0;
    std::int64_t version = 0;
};

class Directory final : public ConnectedChannels {
public:
    // `data_keys` open the channels' credentials.
    Directory(eventlog::Store& store, keys::DataKeys& data_keys);

    // One settings change; reads the stream that it names. Throws when the store is away.
    void apply(const eventlog::SettingsChange& change);

    std::shared_ptr<const TenantEntry> tenant(std::string_view id) const;
    std::shared_ptr<const ChannelEntry> channel(std::string_view tenant,
                                                const ChannelId& channel_id) const;
    // By the provider's id of the number.
    std::shared_ptr<const ChannelEntry> by_external_id(std::string_view kind,
                                                       const ExternalChannelId& external_id) const;
    std::optional<ConnectedChannel> connected(std::string_view kind,
                                              std::string_view external_id) const override;
    // The same, and for one that is not known here yet as the log has it: another replica may have
    // connected it a moment ago. Reads the store: throws when it is away.
    std::shared_ptr<const ChannelEntry> find_external_id(std::string_view kind,
                                                         const ExternalChannelId& external_id);
    // Those of a provider's account, of whatever tenant, in no order.
    std::vector<std::shared_ptr<const ChannelEntry>> channels_of_account(
        std::string_view kind, std::string_view business_account_id) const;
    // A tenant's channels, in the order in which they were connected.
    std::vector<std::shared_ptr<const ChannelEntry>> channels_of(std::string_view tenant) const;
    // The tenant and the id of an API key, by the key's SHA-256.
    struct KeyOwner {
        std::string tenant;
        ApiKeyId key_id;
    };
    std::optional<KeyOwner> owner_of_key(std::string_view key_sha256) const;

    // Called with the customer that closed, on the thread that feeds us. Before the first change.
    void on_merge(std::function<void(const std::string& tenant, const CustomerId& customer)> f) {
        merged_.push_back(std::move(f));
    }
    // Called with each tenant as it is now, on the thread that feeds us. Before the first change.
    void on_tenant(std::function<void(const KnownTenant& tenant)> f) {
        tenant_read_.push_back(std::move(f));
    }

    // The folds, for RPCs that read their own writes.
    eventlog::Folds<TenantCodec>& tenants() { return tenant_folds_; }
    eventlog::Folds<ChannelCodec>& channel_folds() { return channel_folds_; }

private:
    void load_tenant(const std::string& tenant);
    // Of each of these the access token; empty where it does not open, which is told to the log.
    std::pair<Secret, Secret> opened(const std::string& tenant, const ChannelId& channel,
                                     const KnownChannel& known);
    void load_channel(const std::string& tenant, const ChannelId& channel);
    void load_api_key(const std::string& tenant, const ApiKeyId& key_id);

    eventlog::Store& store_;
    keys::DataKeys& data_keys_;
    eventlog::Folds<TenantCodec> tenant_folds_;
    eventlog::Folds<ChannelCodec> channel_folds_;
    eventlog::Folds<ApiKeyCodec> key_folds_;
    std::vector<std::function<void(const std::string&, const CustomerId&)>> merged_;
    std::vector<std::function<void(const KnownTenant&)>> tenant_read_;

    mutable std::shared_mutex mutex_;
    std::map<std::string, std::shared_ptr<const TenantEntry>, std::less<>> tenants_;
    std::map<std::string, std::shared_ptr<const ChannelEntry>, std::less<>> channels_;  // tenant/id
    std::map<std::string, std::shared_ptr<const ChannelEntry>, std::less<>> external_;
    std::map<std::string, std::vector<ChannelId>, std::less<>> of_tenant_;
    std::map<std::string, KeyOwner, std::less<>> keys_;  // by sha256
};

// What a credential is bound to when it is sealed.
std::string credential_purpose(const ChannelId& channel_id);

}  // namespace flowstack::gateway
