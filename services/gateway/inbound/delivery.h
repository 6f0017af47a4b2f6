#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/core/thread_pool.h"
#include "common/eventlog/store.h"
#include "common/http/message.h"
#include "common/observability/metrics.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/inbound/customers.h"
#include "services/gateway/inbound/element_commands.h"

// One verified webhook on its way into the log.
namespace flowstack::gateway {

struct InboundCounters {
    metrics::Counter malformed;
    metrics::Counter damaged;
    metrics::Counter messages;
    metrics::Counter group_messages;
    metrics::Counter echoes;
    metrics::Counter notices;
    metrics::Counter statuses;
    metrics::Counter unknown;
    metrics::Counter oversized;
    metrics::Counter quarantined;
    metrics::Counter refused;
};
InboundCounters inbound_counters(metrics::Registry& metrics);

// What every delivery works with.
struct InboundParts {
    eventlog::Store& store;
    Directory& directory;
    Contacts& contacts;
    const DerivedKeys& keys;
    Customers& customers;
    ThreadPool& lookups;
    const InboundCounters& counters;
};

// The raw bytes and every element are stored; then, and only then, `finished` is told. Elements of
// one customer keep their order: each is a step of the customer's chain. A known customer's message
// costs no read and holds up nothing; whoever has to be looked up is looked up on a thread of the
// pool, and those behind them wait. What is asked for while the elements are handed out goes to the
// log in one commit. The raw bytes go with the first command of them all.
class Delivery : public std::enable_shared_from_this<Delivery> {
public:
    using Finished = std::function<void(bool stored)>;

    Delivery(const InboundParts& parts, std::string_view channel_kind, http::Request request,
             ParsedWebhook parsed, WebhookFrame frame, Finished finished)
        : parts_(parts),
          channel_kind_(channel_kind),
          request_(std::move(request)),
          parsed_(std::move(parsed)),
          frame_(std::move(frame)),
          finished_(std::move(finished)) {}

    void begin();

private:
    class Chain;

    // Says which elements could not be read as they should be.
    void report_damage() const;
    void find_strangers();
    // Hands the elements to their channels' tenants; quarantines what nobody has.
    void route();
    void append_alone(eventlog::Command command);
    void quarantine(const WebhookElement& element, QuarantineReason reason);
    // News of an account: one append for each tenant that it concerns.
    void tell_account(const WebhookElement& element, std::vector<eventlog::Command>& alone);
    // Nothing can be stored now.
    void refuse();

    // No reply waits for these, so they may wait for other commands to be committed with.
    bool holds_only_statuses() const;
    void ask(eventlog::Command command, eventlog::Store::Answer answer);
    // To the log, and the raw webhook with them if it has not gone yet.
    void append(std::vector<eventlog::Store::Asked> asked);
    // Every element, and the raw webhook, is expected once and done once.
    void expect() { ++pending_; }
    void done(bool stored);

    InboundParts parts_;
    std::string channel_kind_;
    http::Request request_;
    ParsedWebhook parsed_;
    WebhookFrame frame_;
    Finished finished_;

    std::atomic<int> pending_{2};  // begin() holds one, the raw webhook one
    std::atomic<bool> failed_{false};
    std::atomic<bool> raw_asked_{false};
    std::thread::id router_;
    bool gathering_ = true;  // the router's thread only
    std::vector<eventlog::Store::Asked> gathered_;
};

}  // namespace flowstack::gateway
