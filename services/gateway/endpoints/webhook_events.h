#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/eventlog/types.h"

// Which events of the log tenants' systems are told, as which type and with which data
// (proto/flowstack/gateway/v1/webhook_data.proto).
namespace flowstack::gateway {

// A larger body says that its data was left out.
inline constexpr std::size_t kWebhookBodyBytesMax = 262'144;
inline constexpr std::string_view kTestWebhook = "webhook.test";

// All types, but the test's: what an endpoint may ask for.
const std::vector<std::string>& webhook_types();

struct WebhookNews {
    std::string type;
    std::string body;  // what is posted
};
// In order; empty for an event that nobody is told of. Throws CorruptStream for a payload that is
// none.
std::vector<WebhookNews> webhooks_of(const eventlog::Recorded& event);

WebhookNews test_webhook(const std::string& endpoint_id, Time at);

}  // namespace flowstack::gateway
