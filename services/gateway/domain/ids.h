#pragma once

#include "common/core/id.h"

// Ids of things that gateway alone speaks of; those that other services know too are in
// common/core/id.h.
namespace flowstack::gateway {

using ApiKeyId = Id<struct ApiKeyKind>;
// A provider's own id of the number or account that a channel connects.
using ExternalChannelId = Id<struct ExternalChannelKind>;
// Of what asked for a message: a conversation, a task or a campaign.
using OriginId = Id<struct OriginIdKind>;
// A provider's own id of a message.
using ProviderMessageId = Id<struct ProviderMessageKind>;
// Our own id of a template at a provider.
using ProviderTemplateId = Id<struct ProviderTemplateKind>;
// A tenant's own system that webhooks are posted to, and one webhook for it.
using WebhookEndpointId = Id<struct WebhookEndpointKind>;
using WebhookDeliveryId = Id<struct WebhookDeliveryKind>;

}  // namespace flowstack::gateway
