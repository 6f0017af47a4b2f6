#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/http/client.h"
#include "services/gateway/providers/meta/media.h"
#include "services/gateway/providers/meta/options.h"
#include "services/gateway/providers/meta/templates.h"
#include "services/gateway/providers/provider.h"

// Meta's Cloud API as a messaging provider.
namespace flowstack::gateway::meta {

class CloudApi final : public MessagingProvider {
public:
    CloudApi(http::Client& client, CloudApiOptions options)
        : client_(client),
          options_(std::move(options)),
          media_(std::make_unique<MediaTransfer>(client_, options_.base_url)),
          templates_(client_, options_.base_url, options_.limits) {}

    std::string_view kind() const override { return "META_CLOUD"; }
    std::string_view name() const override { return "meta"; }

    std::vector<FieldError> faults_of(const ConnectChannel& channel) const override;
    // Those of a number of the Cloud API: 80 messages a second, in and out together; one message in
    // 6 s for a pair of numbers, with 45 in a burst.
    ChannelLimits default_limits() const override {
        return {.per_second = 80,
                .inbound_headroom_per_second = 20,
                .pair_interval_seconds = 6,
                .pair_burst = 45};
    }

    // Signed by an app's secret; one body for many numbers.
    std::vector<std::string> webhook_paths() const override;
    http::Response handshake(const http::Request& request) const override;
    std::variant<Unsigned, SignedWebhook> read(const http::Request& request) const override;
    ParsedWebhook parse(std::string_view body, std::string_view query) const override;

    std::vector<FieldError> faults_of(const common::v1::MessageContent& content) const override;
    void send(OutboundCall call, std::function<void(Outcome)> done) const override;
    void mark_read(ReadMark mark, std::function<void(Outcome)> done) const override;
    void fetch_media(MediaCall call, std::function<void(MediaOutcome)> done) const override;
    const ProviderTemplates* templates() const override { return &templates_; }

private:
    // The files that it names first, and once more when Meta does not know them any more.
    void send_with_files(OutboundCall call, std::vector<std::string> media_ids, bool again,
                         std::function<void(Outcome)> done) const;
    void post_message(const OutboundCall& call, const UploadedMedia& uploaded,
                      std::function<void(Outcome)> done) const;

    http::Client& client_;
    CloudApiOptions options_;
    std::unique_ptr<MediaTransfer> media_;
    Templates templates_;
};

}  // namespace flowstack::gateway::meta
