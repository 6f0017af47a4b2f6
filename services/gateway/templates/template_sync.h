#pragma once

#include <atomic>
#include <string>

#include "common/core/clock.h"
#include "common/core/thread_pool.h"
#include "common/eventlog/work.h"
#include "common/observability/metrics.h"
#include "services/gateway/templates/sync_options.h"
#include "services/gateway/templates/template_book.h"

// Reads the list of an account's templates at its provider, page by page, and writes down what has
// changed: TemplateReported, TemplateGone, what became of requests whose answer was lost, and at
// the end TemplatesListed. As work of the account's lane.
namespace flowstack::gateway {

inline constexpr int kTemplateListingsMax = 4;  // at once, of one replica

class TemplateSync {
public:
    // All of it must outlive this.
    TemplateSync(TemplateBook& book, const Directory& directory, const Providers& providers,
                 const Clock& clock, metrics::Registry& metrics, TemplateSyncOptions options);
    ~TemplateSync() { stop(); }

    // A work row of kTemplateListingKind (adapters/derive.h).
    void list(const eventlog::WorkRow& row, eventlog::WorkRunner::Done done);
    // A work row of kTemplateCallKind: a request is without an answer for too long. Whoever made it
    // is gone.
    void overdue(const eventlog::WorkRow& row, const eventlog::WorkRunner::Done& done);
    void stop();

private:
    struct Listing;

    void run(const eventlog::WorkRow& row);
    bool read_pages(Listing& listing, const TemplateDoor& door);
    // False when somebody else kept writing first.
    bool record(const Listing& listing, const TemplateKey& key, const ListedTemplate* listed);
    void finish(const Listing& listing);
    void fail(const Listing& listing, const std::string& reason, bool for_good);
    eventlog::Command command(const Listing& listing) const;

    TemplateBook& book_;
    const Directory& directory_;
    const Providers& providers_;
    const Clock& clock_;
    TemplateSyncOptions options_;
    metrics::Counter listed_;
    metrics::Counter failed_;
    std::atomic<bool> stopping_{false};
    ThreadPool readers_{{.name = "templates", .threads = 2, .waiting_max = 1'000}};
};

}  // namespace flowstack::gateway
