#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/ids.h"
#include "common/core/thread_pool.h"
#include "common/eventlog/store.h"
#include "common/http/router.h"
#include "common/http/server.h"
#include "common/observability/metrics.h"
#include "services/gateway/inbound/delivery.h"
#include "services/gateway/inbound/rejected_signatures.h"
#include "services/gateway/providers/provider.h"

// The door of every provider's webhooks: verify the raw bytes, store them, store every element as
// an event of its tenant, answer 200 after all of it is committed and never before.
//
//   good signature, any content     200   (what is not understood stays in the raw event)
//   bad or no signature             401, empty body
//   the store is away or full       503   (the provider sends it again)
namespace flowstack::gateway {

struct DoorOptions {
    int lookup_threads = 4;
    std::size_t lookups_queued_max = 20'000;
    std::size_t customers_cached_max = 200'000;
};

class WebhookDoor {
public:
    // Everything that is given by reference must outlive it.
    WebhookDoor(const Providers& providers, eventlog::Store& store, Directory& directory,
                Contacts& contacts, const DerivedKeys& keys, IdSource& ids, const Clock& clock,
                metrics::Registry& metrics, DoorOptions options);
    ~WebhookDoor();

    // The paths of every provider: GET asks whether the address is ours, POST is a webhook.
    void add_routes(http::Router& router);
    // Whether a provider sends its webhooks to this path.
    bool serves(std::string_view path) const;
    // A webhook of one of these providers: of the first one that can verify it.
    void webhook(const std::vector<const MessagingProvider*>& candidates, http::Request request,
                 http::Responder responder);

    Customers& customers() { return customers_; }
    void stop();

private:
    using Candidates = std::vector<const MessagingProvider*>;

    void take(const MessagingProvider& provider, SignedWebhook webhook, http::Request request,
              http::Responder responder);
    void refuse(const http::Request& request, const http::Responder& responder);
    // The channel whose secret is asked for may have been connected at another replica a moment
    // ago: the log knows. Whoever is not verified yet cannot make many such look-ups wait.
    void look_up_signer(const MessagingProvider& provider, std::string unknown_channel,
                        http::Request request, http::Responder responder);

    const Providers& providers_;
    Directory& directory_;
    IdSource& ids_;
    const Clock& clock_;
    metrics::Counter bad_signatures_;
    InboundCounters counters_;
    RejectedSignatures rejected_;
    Customers customers_;
    InboundParts parts_;
    std::atomic<int> signers_looked_up_{0};
    ThreadPool lookups_;  // last: its threads use everything above
};

}  // namespace flowstack::gateway
