#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/secret.h"
#include "services/gateway/domain/webhook_endpoint.h"

// The signatures of Standard Webhooks.
namespace flowstack::gateway {

struct NewWebhookSecret {
    Secret secret;           // whsec_… or whsk_…: what signs
    std::string public_key;  // whpk_… of ed25519
};
NewWebhookSecret new_webhook_secret(WebhookSignature signature);

// "v1,…" or "v1a,…", as the secret's prefix says. Throws std::invalid_argument for a text that is
// no such secret.
std::string webhook_signature(const Secret& secret, std::string_view webhook_id,
                              std::int64_t timestamp_s, std::string_view body);

// The header webhook-signature: of each of these secrets one, with blanks between.
std::string webhook_signatures(const std::vector<Secret>& secrets, std::string_view webhook_id,
                               std::int64_t timestamp_s, std::string_view body);

// Whether one of the header's signatures is right, as a receiver decides it.
bool verify_webhook(std::string_view secret_or_public_key, std::string_view webhook_id,
                    std::string_view timestamp_s, std::string_view body, std::string_view header);

}  // namespace flowstack::gateway
