#pragma once

#include <string>

#include "common/http/client.h"
#include "services/gateway/providers/provider.h"

// Sends through Meta's Cloud API.
namespace flowstack::gateway::meta {

class CloudApi final : public MessagingProvider {
public:
    // `base_url` with the version: "https://graph.facebook.com/v25.0".
    CloudApi(http::Client& client, std::string base_url)
        : client_(client), base_url_(std::move(base_url)) {}

    std::string_view kind() const override { return "META_CLOUD"; }
    std::vector<FieldError> faults_of(const ConnectChannel& channel) const override;
    std::vector<FieldError> faults_of(const common::v1::MessageContent& content) const override;
    ChannelLimits default_limits() const override { return {}; }
    void send(OutboundCall call, std::function<void(Outcome)> done) const override;

private:
    http::Client& client_;
    std::string base_url_;
};

}  // namespace flowstack::gateway::meta
