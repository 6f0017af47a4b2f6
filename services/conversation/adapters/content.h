#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "services/conversation/adapters/flow_json.h"
#include "services/conversation/adapters/streams.h"

// A tenant's content (products, promotions, topics, services with their calendars, templates,
// flows) as a step wants it: whole, in memory.
//
// Every replica hears of every change (settings changes, derive.h) and reads the stream that
// changed when the tenant's content is asked for next. Thread-safe. What it hands out never
// changes.
namespace flowstack::conversation {

template <class T>
struct Versioned {
    T value;
    std::int64_t version = 0;
};

struct Snapshot {
    std::vector<Product> products;              // by name
    std::vector<Promotion> promotions;          // by id
    std::vector<Topic> topics;                  // by id
    std::vector<BookableService> services;      // by id
    std::map<std::string, Calendar> calendars;  // by service
    Versioned<StoredBookingSettings> booking_settings;
    std::map<std::string, Template> templates;
    std::map<std::string, Versioned<StoredProduct>> stored_products;
    std::map<std::string, Versioned<Promotion>> stored_promotions;
    std::map<std::string, Versioned<StoredTopic>> stored_topics;
    std::map<std::string, Versioned<StoredService>> stored_services;
    std::map<std::string, StoredTemplate> stored_templates;  // those that exist
    std::map<std::string, StoredFlow> flows;                 // latest versions
};

class ContentCache {
public:
    ContentCache(eventlog::Store& store, Books& books, const Packs& packs)
        : store_(store), books_(books), packs_(packs) {}

    // Something of this tenant changed: "<category>/<stream key>".
    void touch(const std::string& tenant, const std::string& key);

    std::shared_ptr<const Snapshot> of(const std::string& tenant);

    // The flow that a new conversation begins with: the tenant's own of that key, else the pack of
    // that name. A null flow when there is neither.
    struct Current {
        std::string key;
        std::int64_t version = 0;
        std::shared_ptr<const Flow> flow;
    };
    Current current(const std::string& tenant, const std::string& pack);

    // A version of a flow, 0 = the pack that comes with FlowStack; null when there is none.
    std::shared_ptr<const Flow> flow(const std::string& tenant, const std::string& key,
                                     std::int64_t version);

    const Packs& packs() const { return packs_; }

private:
    struct Tenant {
        std::set<std::string> dirty;
        std::shared_ptr<const Snapshot> snapshot = std::make_shared<Snapshot>();
    };

    eventlog::Store& store_;
    Books& books_;
    const Packs& packs_;
    std::mutex mutex_;
    std::unordered_map<std::string, Tenant> tenants_;
    std::map<std::tuple<std::string, std::string, std::int64_t>, std::shared_ptr<const Flow>>
        flows_;
};

}  // namespace flowstack::conversation
