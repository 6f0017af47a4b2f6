#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/core/secret.h"
#include "services/gateway/domain/message.h"
#include "services/gateway/domain/tenant_settings.h"
#include "services/gateway/endpoints/courier_options.h"
#include "services/gateway/media/s3_options.h"
#include "services/gateway/providers/meta/options.h"
#include "services/gateway/providers/twilio/options.h"
#include "services/gateway/rest/options.h"
#include "services/gateway/templates/sync_options.h"

namespace flowstack::config {
class Reader;
}

// gateway's own settings. Those that every service has are in common/service/host.h.
namespace flowstack::gateway {

struct GatewayConfig {
    std::string http_address;
    std::uint16_t http_port = 0;
    int http_threads = 2;
    std::size_t webhook_bytes_max = 0;
    std::chrono::milliseconds status_gather{0};
    std::size_t body_bytes_max = 0;
    Secret admin_key;
    Secret admin_password;      // empty: the key itself
    Installation installation;  // without the time zones
    meta::CloudApiOptions meta;
    twilio::TwilioOptions twilio;
    int lookup_threads = 4;
    std::size_t lookups_queued_max = 0;
    std::size_t customers_cached_max = 0;
    RetryPolicy retry;
    std::chrono::milliseconds window_margin{0};
    std::chrono::milliseconds dispatch_poll_interval{0};
    std::chrono::milliseconds attempt_start_max{0};
    std::chrono::milliseconds send_timeout{0};
    std::chrono::milliseconds held_retry_after{0};
    int sends_in_flight_max = 0;
    int breaker_failures = 0;
    std::chrono::milliseconds breaker_open_for{0};
    std::chrono::milliseconds breaker_open_for_max{0};
    std::chrono::milliseconds rest_timeout{0};
    std::string media_directory;
    std::optional<S3Options> media_s3;  // instead of the directory
    std::string media_s3_ca_file;
    std::size_t media_bytes_max = 0;
    std::chrono::milliseconds media_timeout{0};
    // How people log in with a browser; without a client id nobody does.
    LoginOptions login;
    int login_threads = 4;
    TemplateSyncOptions templates;
    CourierOptions webhooks;
    bool private_webhooks = false;
};

GatewayConfig gateway_config(config::Reader& reader);

}  // namespace flowstack::gateway
