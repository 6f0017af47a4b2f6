#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/core/clock.h"
#include "common/core/thread_pool.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/http/client.h"
#include "common/observability/metrics.h"
#include "common/postgres/session.h"
#include "common/service/loop.h"
#include "services/gateway/endpoints/courier_options.h"
#include "services/gateway/endpoints/webhook_book.h"

// Posts the webhooks of the lanes that this replica owns. Each line (endpoint and customer) has one
// post under way at most, so its order is kept; what comes of it is a fact of the line, and the row
// of the line goes when nothing waits in it.
//
// At least once: a post whose outcome is not written is made again.
namespace flowstack::gateway {

class Courier {
public:
    // http::Client::call, or what a test has in its place.
    using Post = std::function<void(http::ClientRequest, std::function<void(http::ClientResult)>)>;

    // All of it must outlive this.
    Courier(eventlog::Store& store, eventlog::Owners& owners, WebhookBook& book, const Clock& clock,
            metrics::Registry& metrics, Post post, CourierOptions options);
    ~Courier() { stop(); }

    void start();
    // What comes later from an endpoint is forgotten: its row is found again.
    void stop();
    // A row was put (Host::on_work).
    void wake(const eventlog::WorkNews& news);

    // Begins what is due. The loop calls it; a test may.
    void look();
    // Whether a post is under way, or about to be.
    bool is_busy() const;

private:
    struct Job {
        WebhookLineName name;
        eventlog::OwnerGuard guard;
        WebhookEndpointPtr entry;  // null: the endpoint is gone
        WebhookDeliveryId delivery_id;
        std::chrono::steady_clock::time_point begun{};
    };
    using JobPtr = std::shared_ptr<Job>;
    // Outlives this object: an endpoint may answer when it is gone.
    struct Door {
        std::mutex mutex;
        Courier* courier;
    };
    struct DueRow {
        std::string key;
        std::string tenant;
        int lane = 0;
    };

    std::vector<DueRow> due_rows(Time now);
    void begin(const DueRow& row);
    void run(const JobPtr& job);
    void post(const JobPtr& job, const WaitingWebhook& webhook, std::string body);
    void settle(const JobPtr& job, const http::ClientResult& result);
    void drop(const JobPtr& job);
    // Appends what is made of the line as it is now, and returns it; nothing when nothing was made
    // of it, or when somebody else has the lane.
    std::optional<WebhookLineEvent> write(
        const JobPtr& job,
        const std::function<std::optional<WebhookLineEvent>(const WebhookLine&)>& make);
    WebhookAnswer answer_of(const JobPtr& job, const http::ClientResult& result);
    void tell_health(const JobPtr& job, const WebhookAnswer& answer);
    // Nothing came of it for a reason of ours: the line is looked at again a little later.
    void put_off(const JobPtr& job, const std::exception& error);
    void end(const JobPtr& job, std::optional<Time> not_before);
    double random();

    eventlog::Store& store_;
    eventlog::Owners& owners_;
    WebhookBook& book_;
    const Clock& clock_;
    const Post post_;
    const CourierOptions options_;
    eventlog::Folds<WebhookLineCodec> lines_;
    metrics::Counter delivered_;
    metrics::Counter failed_;
    metrics::Counter dead_;
    metrics::Counter switched_off_;
    metrics::Histogram seconds_;
    postgres::Session session_;
    std::shared_ptr<Door> door_;

    mutable std::mutex mutex_;
    std::set<std::string> under_way_;   // keys of lines
    std::map<std::string, Time> held_;  // lines whose first is not due yet
    std::map<WebhookEndpointId, WebhookPace> paces_;
    std::mt19937_64 random_{std::random_device{}()};

    ThreadPool workers_;
    service::Loop loop_;
};

}  // namespace flowstack::gateway
