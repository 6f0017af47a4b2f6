#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/secret.h"
#include "common/eventlog/folds.h"
#include "common/keys/data_keys.h"
#include "services/gateway/endpoints/webhook_codec.h"

// The webhook endpoints of the whole installation in memory: a tenant that has none costs one
// look-up an event. Settings changes feed it, as they feed the Directory. Thread-safe.
namespace flowstack::gateway {

struct WebhookEndpointEntry {
    std::string tenant;
    WebhookEndpoint endpoint;
    Secret secret;           // empty when it does not open, which is told to the log
    Secret previous_secret;  // empty when there is none

    // Those that sign at this moment, the newest first.
    std::vector<Secret> secrets(Time now) const;
};
using WebhookEndpointPtr = std::shared_ptr<const WebhookEndpointEntry>;

class WebhookBook {
public:
    // `data_keys` seal and open the endpoints' secrets.
    WebhookBook(eventlog::Store& store, keys::DataKeys& data_keys)
        : data_keys_(data_keys), folds_(store) {}

    // One settings change; reads the stream that it names. Throws when the store is away.
    void apply(const eventlog::SettingsChange& change);
    // As the log has it now.
    eventlog::Folded<WebhookEndpoints> load(const std::string& tenant);

    // Whether no tenant has an endpoint, or had one.
    bool empty() const;
    std::vector<WebhookEndpointPtr> of_tenant(std::string_view tenant) const;
    std::vector<WebhookEndpointPtr> all() const;

    WebhookKey seal(const std::string& tenant, const WebhookEndpointId& endpoint_id,
                    const Secret& secret, std::string public_key);

private:
    Secret opened(const std::string& tenant, const WebhookEndpoint& endpoint,
                  const WebhookKey& key);

    keys::DataKeys& data_keys_;
    eventlog::Folds<WebhookEndpointsCodec> folds_;
    struct OfTenant {
        std::int64_t version = 0;
        std::vector<WebhookEndpointPtr> endpoints;
    };
    mutable std::shared_mutex mutex_;
    std::map<std::string, OfTenant, std::less<>> tenants_;  // those that have some, or had
};

}  // namespace flowstack::gateway
