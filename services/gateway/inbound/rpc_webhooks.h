#pragma once

#include <vector>

#include "services/gateway/adapters/rpc.h"
#include "services/gateway/inbound/raw_webhooks.h"

// WebhookService: raw webhooks for the platform's operators.
namespace flowstack::gateway {

// `webhooks` must outlive the service.
NamedService make_webhook_service(const Doors& doors, RawWebhooks& webhooks);

}  // namespace flowstack::gateway
