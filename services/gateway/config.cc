#include "services/gateway/config.h"

#include <stdexcept>

#include "common/config/config.h"

namespace flowstack::gateway {

GatewayConfig gateway_config(config::Reader& reader) {
    GatewayConfig c;
    c.http_address =
        reader.text("HTTP_ADDRESS", "127.0.0.1", "address of the door for webhooks and REST");
    c.http_port = reader.port("HTTP_PORT", 0, "webhooks and REST");
    c.http_threads =
        static_cast<int>(reader.integer("HTTP_THREADS", 2, 1, 64, "threads of that door"));
    c.webhook_bytes_max = static_cast<std::size_t>(
        reader.integer("WEBHOOK_BYTES_MAX", 3'145'728, 65'536, 16'777'216,
                       "a larger webhook gets 413; Meta sends up to 3 MiB"));
    c.body_bytes_max = static_cast<std::size_t>(reader.integer(
        "BODY_BYTES_MAX", 1'048'576, 1024, 16'777'216, "a larger REST body gets 413"));
    c.master_key = reader.required_secret(
        "MASTER_KEY",
        "64 hex digits; wraps tenants' data keys and keys the claims. Make one with: openssl rand "
        "-hex 32");
    c.admin_key = reader.required_secret("ADMIN_KEY", "opens REST for platform operators");

    std::vector<std::string> parts;
    const auto apps = reader.secret("META_APPS", "", "Meta apps: app_id:secret, app_id:secret");
    std::string part;
    for (const char ch : apps.reveal() + ",") {
        if (ch == ',') {
            if (!part.empty()) parts.push_back(part);
            part.clear();
        } else if (ch != ' ') {
            part += ch;
        }
    }
    try {
        c.meta_apps = parse_meta_apps(parts);
    } catch (const std::invalid_argument& error) {
        reader.mistake(error.what());
    }
    c.meta_verify_token =
        reader.secret("META_VERIFY_TOKEN", "", "what Meta must show in the webhook handshake");
    const auto base = reader.text("META_BASE_URL", "https://graph.facebook.com", "the Graph API");
    const auto version = reader.text("META_API_VERSION", "v25.0", "version of the Graph API");
    c.graph_base_url = base + "/" + version;
    c.public_base_url = reader.text("PUBLIC_BASE_URL", "http://127.0.0.1:8080",
                                    "the address at which the world finds us");

    c.lookup_threads = static_cast<int>(reader.integer(
        "LOOKUP_THREADS", 4, 1, 64, "threads that look up customers who are new to this replica"));
    c.lookups_queued_max = static_cast<std::size_t>(
        reader.integer("LOOKUPS_QUEUED_MAX", 20'000, 100, 1'000'000,
                       "waiting look-ups; over it a webhook gets 503 and comes again"));
    c.customers_cached_max =
        static_cast<std::size_t>(reader.integer("CUSTOMERS_CACHED_MAX", 200'000, 1'000, 10'000'000,
                                                "identities whose customer is remembered"));

    c.retry.attempts_max = static_cast<int>(
        reader.integer("SEND_ATTEMPTS_MAX", 5, 1, 20, "then a message is a dead letter"));
    c.retry.backoff_base =
        reader.duration_ms("SEND_BACKOFF_BASE_MS", 1'000, "bound of the first wait", 1);
    c.retry.backoff_max =
        reader.duration_ms("SEND_BACKOFF_MAX_MS", 300'000, "bound of every wait", 1);
    c.retry.unknown_evidence_wait = reader.duration_ms(
        "UNKNOWN_EVIDENCE_WAIT_MS", 600'000,
        "an unknown message waits so long for evidence before it is sent again, where the tenant "
        "wants that",
        1);
    c.window_margin_ms = reader.duration_ms("WINDOW_MARGIN_MS", 300'000,
                                            "the 24 hour window is taken to close so much earlier");
    c.dispatch_poll_ms =
        reader.duration_ms("DISPATCH_POLL_MS", 10, "how often queues are looked at", 1);
    c.attempt_start_ms_max = reader.duration_ms(
        "ATTEMPT_START_MS_MAX", 2'000,
        "a send whose first byte has not left so long after it was announced never leaves; a new "
        "owner waits as long",
        10);
    c.send_timeout_ms = reader.duration_ms("SEND_TIMEOUT_MS", 10'000,
                                           "a send without answer by then is UNKNOWN", 10);
    c.held_retry_ms = reader.duration_ms("HELD_RETRY_MS", 1'000,
                                         "a message that may not leave yet is looked at again", 1);
    c.sends_in_flight_max = static_cast<int>(
        reader.integer("SENDS_IN_FLIGHT_MAX", 256, 1, 10'000, "calls of one channel at once"));
    c.breaker_failures = static_cast<int>(
        reader.integer("BREAKER_FAILURES", 5, 1, 1000, "in a row open a channel's breaker"));
    c.breaker_open_ms =
        reader.duration_ms("BREAKER_OPEN_MS", 5'000, "first pause of an open breaker", 1);
    c.breaker_open_max_ms = reader.duration_ms(
        "BREAKER_OPEN_MAX_MS", 60'000,
        "longest pause: how late it is noticed that a provider is well again", 1);
    if (c.breaker_open_max_ms < c.breaker_open_ms)
        reader.mistake("BREAKER_OPEN_MAX_MS: must not be less than BREAKER_OPEN_MS");
    c.rest_timeout_ms =
        reader.duration_ms("REST_TIMEOUT_MS", 10'000, "deadline of a call behind REST", 10);
    return c;
}

}  // namespace flowstack::gateway
