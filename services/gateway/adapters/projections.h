#pragma once

#include <chrono>

#include "common/eventlog/turn.h"

// gateway's read models: the API's resources as documents, for lists and for what the dispatcher
// asks about a customer.
//
//   kind "tenant", "channel"            by tenant
//   kind "contact"                      a customer, with the last inbound time and the window
//   kind "message" (parent: customer)   an outbound message
//   kind "origin_message" (parent: origin id)  the same, for campaigns
//   kind "received_message" (parent: customer)  an inbound message
//   kind "echoed_message" (parent: customer)  one that the shop wrote on its own phone
//   kind "dead_letter"                  those that wait for a person
//   kind "media" (parent: customer)     a file, by its hash
//   kind "api_key" (state: ACTIVE,      without the key
//       REVOKED)
//   kind "notice" (state: its kind)     what a provider told about an account or a number
//   kind "provider_template" (parent: account, state: status)  a template at a provider
//   kind "template_account"             an account, as far as its templates go
//   kind "webhook_delivery" (parent: endpoint, state: its own)  a webhook to a tenant's system
namespace flowstack::gateway {

// Documents of received messages (LoggedMessage), one each.
inline constexpr const char* kReceivedDocument = "received_message";
// The same of messages that the shop wrote on its own phone.
inline constexpr const char* kEchoedDocument = "echoed_message";
inline constexpr const char* kMediaDocument = "media";
inline constexpr const char* kChargeDocument = "charge";
inline constexpr const char* kNoticeDocument = "notice";
inline constexpr const char* kApiKeyDocument = "api_key";
inline constexpr const char* kProviderTemplateDocument = "provider_template";
inline constexpr const char* kTemplateAccountDocument = "template_account";
inline constexpr const char* kWebhookDeliveryDocument = "webhook_delivery";

void project(const eventlog::Recorded& event, eventlog::Turn& turn);

}  // namespace flowstack::gateway
