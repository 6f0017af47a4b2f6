#pragma once

#include <vector>

#include "common/core/secret.h"
#include "services/gateway/providers/meta/meta_signature.h"
#include "services/gateway/providers/webhook.h"

namespace flowstack::gateway {

inline constexpr std::string_view kMetaChannel = "META_CLOUD";

// Webhooks of Meta's Cloud API: signed by an app's secret, one body for many numbers.
class MetaWebhooks final : public WebhookReader {
public:
    // Without apps nothing verifies; without a token no handshake succeeds.
    MetaWebhooks(std::vector<MetaApp> apps, Secret verify_token)
        : apps_(std::move(apps)), verify_token_(std::move(verify_token)) {}

    std::string_view name() const override { return "meta"; }
    std::string_view channel_kind() const override { return kMetaChannel; }
    http::Response handshake(const http::Request& request) const override;
    std::variant<Unsigned, SignedWebhook> read(const http::Request& request) const override;
    ParsedWebhook parse(std::string_view body) const override;

private:
    std::vector<MetaApp> apps_;
    Secret verify_token_;
};

}  // namespace flowstack::gateway
