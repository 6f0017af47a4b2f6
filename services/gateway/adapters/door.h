#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/core/ids.h"
#include "common/core/secret.h"
#include "common/eventlog/store.h"
#include "common/http/server.h"
#include "common/observability/metrics.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/meta_parser.h"
#include "services/gateway/adapters/meta_signature.h"
#include "services/gateway/adapters/pool.h"

// The webhook door of Meta: verify the raw bytes, store them, store every element as an event of
// its tenant, answer 200 after all of it is committed and never before.
//
// A known customer's message costs no read: it goes from the server's thread into the log's group
// commit and the answer is sent from there. Whoever is new is looked up on a few threads of our
// own.
//
//   good signature, any content     200   (what is not understood stays in the raw event)
//   bad or no signature             401, empty body
//   the store is away or full       503   (Meta sends it again)
namespace flowstack::gateway {

// Where Meta may send: one door, with the names that older systems gave it.
inline constexpr std::string_view kMetaPaths[] = {"/webhooks/whatsapp", "/whatsapp/webhook",
                                                  "/api/messages/incoming"};

struct DoorOptions {
    std::vector<MetaApp> apps;
    Secret verify_token;
    int lookup_threads = 4;
    std::size_t lookups_queued_max = 20'000;
    std::size_t customers_cached_max = 200'000;
};

class Door {
public:
    Door(eventlog::Store& store, Directory& directory, Contacts& contacts, const DerivedKeys& keys,
         IdSource& ids, const Clock& clock, metrics::Registry& metrics, DoorOptions options);
    ~Door();

    // GET: Meta's handshake.
    void handshake(const http::Request& request, const http::Responder& responder) const;
    // POST: a signed body.
    void webhook(http::Request request, http::Responder responder);

    Customers& customers() { return customers_; }
    void stop();

private:
    struct Delivery;  // one POST on its way
    struct Chain;     // its elements of one customer, in order

    // The raw webhook, and with it what its elements have asked for so far.
    void store_raw(const std::shared_ptr<Delivery>& delivery);
    void ask(const std::shared_ptr<Delivery>& delivery, eventlog::Command command,
             eventlog::Store::Answer answer);
    // Hands the elements to their channels' tenants; quarantines what nobody has.
    void route(const std::shared_ptr<Delivery>& delivery);
    void start(const std::shared_ptr<Delivery>& delivery, std::shared_ptr<Chain> chain);
    void element(const std::shared_ptr<Delivery>& delivery, const std::shared_ptr<Chain>& chain,
                 std::size_t index, bool then_next);
    void look_up(const std::shared_ptr<Delivery>& delivery, const std::shared_ptr<Chain>& chain,
                 std::size_t index, int tries, bool then_next);
    void append_message(const std::shared_ptr<Delivery>& delivery,
                        const std::shared_ptr<Chain>& chain, std::size_t index,
                        const KnownCustomer& customer, ContactPlan plan, int tries, bool then_next);
    void append_status(const std::shared_ptr<Delivery>& delivery,
                       const std::shared_ptr<Chain>& chain, std::size_t index);
    void park_or_move_status(const std::shared_ptr<Delivery>& delivery,
                             const std::shared_ptr<Chain>& chain, std::size_t index);
    void quarantine(const std::shared_ptr<Delivery>& delivery, const WebhookElement& element,
                    std::string reason);
    void next(const std::shared_ptr<Delivery>& delivery, const std::shared_ptr<Chain>& chain,
              std::size_t index);

    // Wrong signatures, counted by source and minute; a minute that is over becomes one event.
    void count_rejected(const std::string& source);
    void write_rejected(bool all);
    void watch_rejected();

    eventlog::Store& store_;
    Directory& directory_;
    Contacts& contacts_;
    const DerivedKeys& keys_;
    IdSource& ids_;
    const Clock& clock_;
    DoorOptions options_;
    Customers customers_;

    metrics::Counter bad_signatures_;
    metrics::Counter malformed_;
    metrics::Counter messages_;
    metrics::Counter statuses_;
    metrics::Counter unknown_;
    metrics::Counter oversized_;
    metrics::Counter quarantined_;
    metrics::Counter refused_;

    std::mutex rejected_mutex_;
    std::condition_variable rejected_wake_;
    std::map<std::pair<std::string, std::int64_t>, std::int64_t> rejected_;
    bool stopping_ = false;
    std::thread rejected_watch_;

    Pool lookups_;  // last: its threads use everything above
};

}  // namespace flowstack::gateway
