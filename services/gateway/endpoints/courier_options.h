#pragma once

#include <chrono>
#include <cstddef>

#include "services/gateway/domain/webhook_endpoint.h"
#include "services/gateway/domain/webhook_line.h"

namespace flowstack::gateway {

struct CourierOptions {
    WebhookPolicy policy;
    WebhookHealthPolicy health;
    int at_once_max = 8;  // posts under way for one endpoint
    std::chrono::milliseconds timeout{15'000};
    std::chrono::milliseconds poll_interval{1'000};
    int threads = 4;
};
// How much of an answer is read; a longer one is a failure.
inline constexpr std::size_t kWebhookAnswerBytesMax = 65'536;

}  // namespace flowstack::gateway
