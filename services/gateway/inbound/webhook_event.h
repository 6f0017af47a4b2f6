#pragma once

#include "common/eventlog/types.h"
#include "common/http/message.h"
#include "services/gateway/inbound/element_commands.h"
#include "services/gateway/providers/webhook.h"

// The event WebhooksReceived: what came to the door, as it came. One event holds the webhooks of
// one commit, since a row costs more than the bytes in it.
namespace flowstack::gateway {

// Stores one webhook in this lane. It may be joined with others.
eventlog::Command raw_webhook_command(const WebhookFrame& frame, const http::Request& request,
                                      ParsedWebhook::Shape shape, int lane);

// StoreOptions::join of gateway's log. The event keeps the id and time of its first webhook; each
// webhook has its own in the payload.
bool join_raw_webhooks(eventlog::Command& into, const eventlog::Command& more);

}  // namespace flowstack::gateway
