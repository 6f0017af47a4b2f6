#include "services/gateway/endpoints/webhook_book.h"

#include <mutex>

#include "common/observability/log.h"

namespace flowstack::gateway {
namespace {

std::string webhook_secret_purpose(const WebhookEndpointId& endpoint_id) {
    return "webhook_endpoint/" + endpoint_id + "/secret";
}

}  // namespace

std::vector<Secret> WebhookEndpointEntry::secrets(Time now) const {
    std::vector<Secret> signing;
    if (!secret.empty()) signing.push_back(secret);
    if (!previous_secret.empty() && now < endpoint.previous_until)
        signing.push_back(previous_secret);
    return signing;
}

void WebhookBook::apply(const eventlog::SettingsChange& change) {
    if (change.kind != kWebhookSettings) return;
    const auto folded = load(change.tenant);
    OfTenant read{.version = folded.version, .endpoints = {}};
    for (const auto& endpoint : folded.state.all) {
        auto entry = std::make_shared<WebhookEndpointEntry>();
        entry->tenant = change.tenant;
        entry->endpoint = endpoint;
        entry->secret = opened(change.tenant, endpoint, endpoint.key);
        if (endpoint.previous_key)
            entry->previous_secret = opened(change.tenant, endpoint, *endpoint.previous_key);
        read.endpoints.push_back(std::move(entry));
    }
    const std::unique_lock lock(mutex_);
    // Two threads may have read the stream: the newer fold stays.
    auto& kept = tenants_[change.tenant];
    if (kept.version <= read.version) kept = std::move(read);
}

eventlog::Folded<WebhookEndpoints> WebhookBook::load(const std::string& tenant) {
    return folds_.load(webhook_endpoints_stream(tenant));
}

bool WebhookBook::empty() const {
    const std::shared_lock lock(mutex_);
    return tenants_.empty();
}

std::vector<WebhookEndpointPtr> WebhookBook::of_tenant(std::string_view tenant) const {
    const std::shared_lock lock(mutex_);
    const auto found = tenants_.find(tenant);
    if (found == tenants_.end()) return {};
    return found->second.endpoints;
}

std::vector<WebhookEndpointPtr> WebhookBook::all() const {
    std::vector<WebhookEndpointPtr> every;
    const std::shared_lock lock(mutex_);
    for (const auto& [tenant, of] : tenants_)
        every.insert(every.end(), of.endpoints.begin(), of.endpoints.end());
    return every;
}

WebhookKey WebhookBook::seal(const std::string& tenant, const WebhookEndpointId& endpoint_id,
                             const Secret& secret, std::string public_key) {
    return {.sealed = data_keys_.of(tenant)->seal(secret, webhook_secret_purpose(endpoint_id)),
            .public_key = std::move(public_key)};
}

Secret WebhookBook::opened(const std::string& tenant, const WebhookEndpoint& endpoint,
                           const WebhookKey& key) {
    std::string why = "its data key is gone, or is not the one that sealed it";
    try {
        if (const auto envelope = data_keys_.find(tenant))
            if (auto secret =
                    envelope->open(key.sealed, webhook_secret_purpose(endpoint.endpoint_id)))
                return std::move(*secret);
    } catch (const crypto::KeysRefused& refused) {
        why = refused.what();
    }
    log::error("a webhook endpoint's secret does not open",
               {{"tenant", tenant}, {"endpoint", endpoint.endpoint_id.text()}, {"why", why}});
    return {};
}

}  // namespace flowstack::gateway
