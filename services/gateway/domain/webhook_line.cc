#include "services/gateway/domain/webhook_line.h"

#include <algorithm>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "services/gateway/domain/backoff.h"

namespace flowstack::gateway {
namespace {

WaitingWebhook& first_of(WebhookLine& line, const WebhookDeliveryId& delivery_id) {
    if (line.waiting.empty() || line.waiting.front().delivery_id != delivery_id)
        throw CorruptStream("webhook line: an attempt at one that is not its first");
    return line.waiting.front();
}

}  // namespace

std::chrono::milliseconds webhook_wait(const WebhookPolicy& policy, int failures, double random) {
    return full_jitter(policy.backoff_base, policy.backoff_max, failures, random);
}

std::optional<WebhookLineEvent> decide(const WebhookLine& line, const WebhookAnswer& answer,
                                       const WebhookPolicy& policy) {
    if (line.waiting.empty() || line.waiting.front().delivery_id != answer.delivery_id)
        return std::nullopt;
    const auto& webhook = line.waiting.front();
    const int attempt = webhook.attempts + 1;
    const bool others = line.waiting.size() > 1;
    if (answer.taken())
        return WebhookDelivered{.delivery_id = webhook.delivery_id,
                                .attempt = attempt,
                                .status = answer.status,
                                .took_ms = answer.took_ms,
                                .more = others};
    WebhookAttemptFailed failed{.delivery_id = webhook.delivery_id,
                                .attempt = attempt,
                                .status = answer.status,
                                .took_ms = answer.took_ms,
                                .reason = answer.reason,
                                .more = others};
    if (answer.now - webhook.queued_at < policy.give_up_after) {
        const auto asked = std::min(answer.wait, policy.backoff_max);
        failed.retry_at =
            answer.now + std::max(asked, webhook_wait(policy, attempt, answer.random));
        failed.more = true;
    }
    return failed;
}

WebhookLine evolve(WebhookLine line, const WebhookLineEvent& event, Time at) {
    ++line.version;
    std::visit(Overloaded{[&](const WebhooksQueued& e) {
                              for (std::size_t i = 0; i < e.webhooks.size(); ++i)
                                  line.waiting.push_back({.delivery_id = e.webhooks[i].delivery_id,
                                                          .webhook_id = e.webhooks[i].webhook_id,
                                                          .version = line.version,
                                                          .place = i,
                                                          .queued_at = at});
                          },
                          [&](const WebhookDelivered& e) {
                              first_of(line, e.delivery_id);
                              line.waiting.erase(line.waiting.begin());
                          },
                          [&](const WebhookAttemptFailed& e) {
                              auto& first = first_of(line, e.delivery_id);
                              first.attempts = e.attempt;
                              first.retry_at = e.retry_at;
                              if (e.retry_at == Time{}) line.waiting.erase(line.waiting.begin());
                          },
                          [&](const WebhooksDropped&) { line.waiting.clear(); }},
               event);
    return line;
}

int WebhookPace::room(Time now) const {
    if (failures_ < kFailuresOfSingles) return std::max(0, at_once_max_ - under_way_);
    return now < closed_until_ ? 0 : std::max(0, 1 - under_way_);
}

void WebhookPace::failed(Time now, double random) {
    ++failures_;
    if (failures_ >= kFailuresOfSingles)
        closed_until_ = now + webhook_wait(policy_, failures_ - kFailuresOfSingles + 1, random);
}

}  // namespace flowstack::gateway
