#pragma once

#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {

// Deliveries that one call of ReplayWebhookDeliveries posts again at most.
inline constexpr int kReplayPageMax = 200;

// WebhookEndpointService (proto/flowstack/gateway/v1/webhook_endpoint_service.proto). `doors` has
// the webhooks.
NamedService make_webhook_endpoint_service(const Doors& doors);

}  // namespace flowstack::gateway
