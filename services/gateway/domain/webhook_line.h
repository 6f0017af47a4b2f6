#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/core/time.h"
#include "services/gateway/domain/ids.h"

// A line: the webhooks for one endpoint about one customer, which are posted one after the other in
// the order in which they were queued. A webhook whose attempt fails is tried again until
// `give_up_after`; those behind it wait. Other lines go on.
namespace flowstack::gateway {

struct WebhookPolicy {
    std::chrono::milliseconds backoff_base{5'000};     // longest wait before the second attempt
    std::chrono::milliseconds backoff_max{3'600'000};  // longest wait between two attempts
    // An attempt that fails so long after the webhook was queued was the last one.
    std::chrono::milliseconds give_up_after{std::chrono::hours{24 * 3}};
};
// Full jitter: from 0 to what doubles with each failure, at most `backoff_max`. `random` is from
// [0, 1).
std::chrono::milliseconds webhook_wait(const WebhookPolicy& policy, int failures, double random);

struct QueuedWebhook {
    WebhookDeliveryId delivery_id;
    std::string webhook_id;
    std::string type;
    WebhookDeliveryId replay_of;
};
struct WebhooksQueued {
    std::vector<QueuedWebhook> webhooks;
    std::vector<std::string> bodies;  // one for each
};
struct WebhookDelivered {
    WebhookDeliveryId delivery_id;
    int attempt = 0;
    int status = 0;
    std::int64_t took_ms = 0;
    bool more = false;
};
struct WebhookAttemptFailed {
    WebhookDeliveryId delivery_id;
    int attempt = 0;
    int status = 0;
    std::int64_t took_ms = 0;
    std::string reason;
    Time retry_at{};  // none: a dead letter
    bool more = false;
};
struct WebhooksDropped {
    std::vector<WebhookDeliveryId> delivery_ids;
    std::string reason;
};
using WebhookLineEvent =
    std::variant<WebhooksQueued, WebhookDelivered, WebhookAttemptFailed, WebhooksDropped>;

struct WaitingWebhook {
    WebhookDeliveryId delivery_id;
    std::string webhook_id;
    // Where its body is: the version of its WebhooksQueued, and its place in it.
    std::int64_t version = 0;
    std::size_t place = 0;
    Time queued_at{};
    int attempts = 0;
    Time retry_at{};  // not before
};
struct WebhookLine {
    std::vector<WaitingWebhook> waiting;  // the next one first
    std::int64_t version = 0;
};

// What came of an attempt to post the first of a line.
struct WebhookAnswer {
    WebhookDeliveryId delivery_id;
    int status = 0;  // 0: none
    std::int64_t took_ms = 0;
    std::string reason;  // why it does not count
    // What the endpoint asks for with 429 or 503.
    std::chrono::milliseconds wait{0};
    Time now{};
    double random = 0;

    bool taken() const { return status >= 200 && status < 300; }
};
// Nothing: it is not the first of the line any more.
std::optional<WebhookLineEvent> decide(const WebhookLine& line, const WebhookAnswer& answer,
                                       const WebhookPolicy& policy);

// Throws CorruptStream.
WebhookLine evolve(WebhookLine line, const WebhookLineEvent& event, Time at);

// How one process goes on with an endpoint: while attempts fail in a row it is asked rarely and
// once at a time, so that an endpoint that is down costs little however many lines wait for it.
class WebhookPace {
public:
    WebhookPace(const WebhookPolicy& policy, int at_once_max)
        : policy_(policy), at_once_max_(at_once_max) {}

    // How many posts may begin now.
    int room(Time now) const;
    void begun() { ++under_way_; }
    void ended() { --under_way_; }
    void took_it() { failures_ = 0; }
    void failed(Time now, double random);
    int failures() const { return failures_; }

private:
    WebhookPolicy policy_;
    int at_once_max_;
    int under_way_ = 0;
    int failures_ = 0;  // in a row
    Time closed_until_{};
};
// So many failures in a row are a matter of single webhooks.
inline constexpr int kFailuresOfSingles = 3;

}  // namespace flowstack::gateway
