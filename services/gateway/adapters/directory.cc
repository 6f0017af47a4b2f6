#include "services/gateway/adapters/directory.h"

#include <algorithm>
#include <mutex>
#include <tuple>

#include "common/observability/log.h"
#include "services/gateway/adapters/derive.h"

namespace flowstack::gateway {
namespace {
std::string pair_key(std::string_view tenant, std::string_view id) {
    return std::string(tenant) + "/" + std::string(id);
}
}  // namespace

std::string credential_purpose(const ChannelId& channel_id) {
    return "channel/" + channel_id + "/access_token";
}

Directory::Directory(eventlog::Store& store, keys::DataKeys& data_keys)
    : store_(store),
      data_keys_(data_keys),
      tenant_folds_(store),
      channel_folds_(store),
      key_folds_(store) {}

void Directory::apply(const eventlog::SettingsChange& change) {
    if (change.kind == "tenant")
        load_tenant(change.tenant);
    else if (change.kind == "channel")
        load_channel(change.tenant, ChannelId(change.key));
    else if (change.kind == "api_key")
        load_api_key(change.tenant, ApiKeyId(change.key));
    else if (change.kind == "contact_merged")
        for (const auto& listener : merged_) listener(change.tenant, CustomerId(change.key));
}

void Directory::load_tenant(const std::string& tenant) {
    const auto folded = tenant_folds_.load(tenant_stream(tenant));
    const auto* known = std::get_if<KnownTenant>(&folded.state);
    if (known == nullptr) return;
    for (const auto& listener : tenant_read_) listener(*known);
    auto entry = std::make_shared<TenantEntry>(TenantEntry{*known, folded.version});
    const std::unique_lock lock(mutex_);
    // Two threads may have read the stream: the newer fold stays.
    auto& kept = tenants_[tenant];
    if (!kept || kept->version <= entry->version) kept = std::move(entry);
}

std::pair<Secret, Secret> Directory::opened(const std::string& tenant, const ChannelId& channel,
                                            const KnownChannel& known) {
    std::pair<Secret, Secret> tokens;
    std::string why =
        "its data key is gone from the table data_keys, or is not the one that "
        "sealed them";
    try {
        if (const auto envelope = data_keys_.find(tenant)) {
            const auto purpose = credential_purpose(channel);
            if (known.previous_credentials)
                if (auto token = envelope->open(known.previous_credentials->sealed, purpose))
                    tokens.second = std::move(*token);
            if (auto token = envelope->open(known.channel.credentials.sealed, purpose)) {
                tokens.first = std::move(*token);
                return tokens;
            }
        }
    } catch (const crypto::KeysRefused& refused) {
        why = refused.what();
    }
    log::error("a channel's credentials do not open",
               {{"tenant", tenant}, {"channel", channel.text()}, {"why", why}});
    return tokens;
}

void Directory::load_channel(const std::string& tenant, const ChannelId& channel) {
    const auto folded = channel_folds_.load(channel_stream(tenant, channel));
    const auto* known = std::get_if<KnownChannel>(&folded.state);
    if (known == nullptr) return;
    auto entry = std::make_shared<ChannelEntry>();
    entry->tenant = tenant;
    entry->channel = known->channel;
    entry->paused = known->paused;
    entry->pause_reason = known->pause_reason;
    entry->version = folded.version;
    entry->lane = store_.lane_of(by_channel(channel), tenant);
    std::tie(entry->access_token, entry->previous_access_token) = opened(tenant, channel, *known);
    const std::unique_lock lock(mutex_);
    auto& kept = channels_[pair_key(tenant, channel.text())];
    if (kept && kept->version > entry->version) return;
    kept = entry;
    external_[channel_claim_key(known->channel.kind, known->channel.external_id)] = entry;
    auto& ids = of_tenant_[tenant];
    if (std::ranges::find(ids, channel) == ids.end()) ids.push_back(channel);
}

void Directory::load_api_key(const std::string& tenant, const ApiKeyId& key_id) {
    const auto key = key_folds_.load(api_key_stream(tenant, key_id)).state;
    const std::unique_lock lock(mutex_);
    if (key.revoked)
        keys_.erase(key.key_sha256);
    else if (!key.key_sha256.empty())
        keys_[key.key_sha256] = {tenant, key_id};
}

std::shared_ptr<const TenantEntry> Directory::tenant(std::string_view id) const {
    const std::shared_lock lock(mutex_);
    const auto found = tenants_.find(id);
    return found == tenants_.end() ? nullptr : found->second;
}

std::shared_ptr<const ChannelEntry> Directory::channel(std::string_view tenant,
                                                       const ChannelId& channel_id) const {
    const std::shared_lock lock(mutex_);
    const auto found = channels_.find(pair_key(tenant, channel_id.text()));
    return found == channels_.end() ? nullptr : found->second;
}

std::shared_ptr<const ChannelEntry> Directory::by_external_id(
    std::string_view kind, const ExternalChannelId& external_id) const {
    const std::shared_lock lock(mutex_);
    const auto found = external_.find(channel_claim_key(kind, external_id));
    return found == external_.end() ? nullptr : found->second;
}

std::optional<ConnectedChannel> Directory::connected(std::string_view kind,
                                                     std::string_view external_id) const {
    const auto entry = by_external_id(kind, ExternalChannelId(std::string(external_id)));
    if (!entry) return std::nullopt;
    return ConnectedChannel{.business_account_id = entry->channel.business_account_id,
                            .credentials = entry->access_token,
                            .previous_credentials = entry->previous_access_token};
}

std::shared_ptr<const ChannelEntry> Directory::find_external_id(
    std::string_view kind, const ExternalChannelId& external_id) {
    if (auto known = by_external_id(kind, external_id)) return known;
    const auto claim = store_.claim("", kChannelClaim, channel_claim_key(kind, external_id));
    if (!claim) return nullptr;
    // The claim names the tenant; which of its channels it is, its own changes say.
    const auto rows = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            "select distinct key from settings_changes where tenant = $1 and kind = 'channel'",
            postgres::Params().add(claim->value));
    });
    load_tenant(claim->value);
    for (int row = 0; row < rows.rows(); ++row)
        load_channel(claim->value, ChannelId(rows.text(row, 0)));
    return by_external_id(kind, external_id);
}

std::vector<std::shared_ptr<const ChannelEntry>> Directory::channels_of_account(
    std::string_view kind, std::string_view business_account_id) const {
    std::vector<std::shared_ptr<const ChannelEntry>> found;
    if (business_account_id.empty()) return found;
    // News of accounts is rare: no index is kept for it.
    const std::shared_lock lock(mutex_);
    for (const auto& [key, entry] : channels_)
        if (entry->channel.kind == kind &&
            entry->channel.business_account_id == business_account_id)
            found.push_back(entry);
    return found;
}

std::vector<std::shared_ptr<const ChannelEntry>> Directory::channels_of(
    std::string_view tenant) const {
    const std::shared_lock lock(mutex_);
    std::vector<std::shared_ptr<const ChannelEntry>> found;
    const auto ids = of_tenant_.find(tenant);
    if (ids == of_tenant_.end()) return found;
    for (const auto& id : ids->second) found.push_back(channels_.at(pair_key(tenant, id.text())));
    return found;
}

std::optional<Directory::KeyOwner> Directory::owner_of_key(std::string_view key_sha256) const {
    const std::shared_lock lock(mutex_);
    const auto found = keys_.find(key_sha256);
    if (found == keys_.end()) return std::nullopt;
    return found->second;
}

}  // namespace flowstack::gateway
