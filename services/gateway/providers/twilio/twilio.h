#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/http/client.h"
#include "services/gateway/providers/connected_channels.h"
#include "services/gateway/providers/provider.h"
#include "services/gateway/providers/twilio/options.h"

// WhatsApp by Twilio's Programmable Messaging as a messaging provider. A channel's external id is
// its sender's number ("+14155238886") or its messaging service ("MG…"); its business account is
// the account SID. Each channel's webhooks are signed with its account's own auth token.
namespace flowstack::gateway::twilio {

class Twilio final : public MessagingProvider {
public:
    // Both outlive it.
    Twilio(http::Client& client, const ConnectedChannels& channels, TwilioOptions options)
        : client_(client), channels_(channels), options_(std::move(options)) {}

    std::string_view kind() const override { return "TWILIO"; }
    std::string_view name() const override { return "twilio"; }

    std::vector<FieldError> faults_of(const ConnectChannel& channel) const override;
    std::vector<FieldError> credential_faults(const Secret& credentials) const override;
    // Those of WhatsApp itself, which stand behind Twilio's own: 80 messages a second of a sender;
    // one message in 6 s for a pair of numbers, with 45 in a burst.
    ChannelLimits default_limits() const override {
        return {.per_second = 80,
                .inbound_headroom_per_second = 20,
                .pair_interval_seconds = 6,
                .pair_burst = 45};
    }

    std::vector<std::string> webhook_paths() const override;
    // There is none: 405.
    http::Response handshake(const http::Request& request) const override;
    std::variant<Unsigned, SignedWebhook> read(const http::Request& request) const override;
    ParsedWebhook parse(std::string_view body, std::string_view query) const override;

    // Buttons and lists exist at Twilio only as templates that were made before.
    bool numbers_choices() const override { return true; }
    std::vector<FieldError> faults_of(const common::v1::MessageContent& content) const override;
    void send(OutboundCall call, std::function<void(Outcome)> done) const override;
    void fetch_media(MediaCall call, std::function<void(MediaOutcome)> done) const override;

private:
    http::Client& client_;
    const ConnectedChannels& channels_;
    TwilioOptions options_;
};

}  // namespace flowstack::gateway::twilio
