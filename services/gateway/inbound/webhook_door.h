#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/core/ids.h"
#include "common/eventlog/store.h"
#include "common/http/server.h"
#include "common/observability/metrics.h"
#include "services/gateway/inbound/delivery.h"
#include "services/gateway/inbound/rejected_signatures.h"

// The door of one provider's webhooks: verify the raw bytes, store them, store every element as an
// event of its tenant, answer 200 after all of it is committed and never before.
//
//   good signature, any content     200   (what is not understood stays in the raw event)
//   bad or no signature             401, empty body
//   the store is away or full       503   (the provider sends it again)
namespace flowstack::gateway {

// Where Meta may send: one door, with the names that older systems gave it.
inline constexpr std::string_view kMetaPaths[] = {"/webhooks/whatsapp", "/whatsapp/webhook",
                                                  "/api/messages/incoming"};

struct DoorOptions {
    int lookup_threads = 4;
    std::size_t lookups_queued_max = 20'000;
    std::size_t customers_cached_max = 200'000;
};

class WebhookDoor {
public:
    // Everything that is given by reference must outlive it.
    WebhookDoor(const WebhookReader& reader, eventlog::Store& store, Directory& directory,
                Contacts& contacts, const DerivedKeys& keys, IdSource& ids, const Clock& clock,
                metrics::Registry& metrics, DoorOptions options);
    ~WebhookDoor();

    // GET: the provider asks whether the address is ours.
    void handshake(const http::Request& request, const http::Responder& responder) const;
    // POST: a signed body.
    void webhook(http::Request request, http::Responder responder);

    Customers& customers() { return customers_; }
    void stop();

private:
    const WebhookReader& reader_;
    IdSource& ids_;
    const Clock& clock_;
    metrics::Counter bad_signatures_;
    InboundCounters counters_;
    RejectedSignatures rejected_;
    Customers customers_;
    InboundParts parts_;
    Pool lookups_;  // last: its threads use everything above
};

}  // namespace flowstack::gateway
