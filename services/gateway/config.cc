#include "services/gateway/config.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "common/config/config.h"
#include "common/core/money.h"
#include "common/http/url.h"

namespace flowstack::gateway {
namespace {

// "mpesa:KES", "cards:KES/USD", "cash" (every currency).
PaymentProvider provider_in(const std::string& part, config::Reader& reader) {
    const auto colon = part.find(':');
    PaymentProvider provider{part.substr(0, colon), {}};
    if (provider.name.empty()) reader.mistake("PAYMENT_PROVIDERS: a provider without a name");
    if (colon == std::string::npos) return provider;
    std::istringstream currencies(part.substr(colon + 1));
    for (std::string code; std::getline(currencies, code, '/');) {
        if (!parse_currency(code))
            reader.mistake("PAYMENT_PROVIDERS: " + code + " is not a known ISO 4217 currency");
        provider.currencies.push_back(code);
    }
    return provider;
}

Installation installation_in(config::Reader& reader) {
    Installation can;
    can.packs =
        reader.list("PACKS", "ECOMMERCE,SUPPORT,BOOKING",
                    "flows of conversation that a tenant's settings may name; the first one "
                    "is used when they name none");
    can.languages = reader.list("LANGUAGES", "en,sw",
                                "languages that a tenant's settings may name: those of the packs");
    for (const auto& part : reader.list(
             "PAYMENT_PROVIDERS", "mpesa:KES",
             "providers that a tenant's settings may name, each with the currencies that it takes: "
             "mpesa:KES, cards:KES/USD; without currencies it takes all"))
        can.payment_providers.push_back(provider_in(part, reader));
    if (can.packs.empty()) reader.mistake("PACKS: must name at least one");
    if (can.languages.empty()) reader.mistake("LANGUAGES: must name at least one");
    return can;
}

// Limits of Meta that its documents do not say: "contacts=257, copy_code=15".
meta::RecalledLimits meta_limits_in(config::Reader& reader) {
    meta::RecalledLimits limits;
    const auto set = [&](const std::string& name, std::int64_t value) {
        const auto number = static_cast<int>(value);
        const auto length = static_cast<std::size_t>(value);
        if (name == "contacts")
            limits.contacts_max = number;
        else if (name == "link_title")
            limits.link_title_max = length;
        else if (name == "form_button")
            limits.form_button_max = length;
        else if (name == "template_buttons")
            limits.template_buttons_max = number;
        else if (name == "quick_reply_payload")
            limits.quick_reply_payload_max = length;
        else if (name == "url_suffix")
            limits.url_suffix_max = length;
        else if (name == "copy_code")
            limits.copy_code_max = length;
        else if (name == "carousel_cards")
            limits.carousel_cards_max = number;
        else if (name == "card_buttons")
            limits.card_buttons_max = number;
        else
            reader.mistake("META_LIMITS: there is no limit " + name);
    };
    for (const auto& part : reader.list(
             "META_LIMITS", "",
             "limits of Meta that its documents do not say, where they have changed: contacts, "
             "link_title, form_button, template_buttons, quick_reply_payload, url_suffix, "
             "copy_code, carousel_cards, card_buttons; e.g. contacts=257, copy_code=15")) {
        constexpr std::int64_t kMax = 100'000;
        const auto equals = part.find('=');
        std::int64_t value = 0;
        if (equals != std::string::npos)
            std::from_chars(part.data() + equals + 1, part.data() + part.size(), value);
        if (value < 1 || value > kMax)
            reader.mistake("META_LIMITS: " + part + " must be a name and a number from 1");
        else
            set(part.substr(0, equals), value);
    }
    return limits;
}

// OIDC_ISSUER is read where tokens are (common/service/tokens.h).
LoginOptions login_in(config::Reader& reader, const std::string& base_url) {
    LoginOptions login;
    login.base_url = base_url;
    login.client.id = reader.text(
        "OIDC_CLIENT_ID", "",
        "what OIDC_ISSUER calls us: people then log in with a browser at /auth/login. The issuer "
        "must know <PUBLIC_BASE_URL>/auth/callback as the redirect");
    login.client.secret =
        reader.secret("OIDC_CLIENT_SECRET", "",
                      "the secret of that client, where it has one; without it PKCE alone protects "
                      "the code");
    login.client.scopes = reader.text(
        "OIDC_SCOPES", "openid",
        "what is asked of the issuer, with spaces between; with openid among it. The ID token must "
        "have OIDC_GRANTS_CLAIM");
    login.lifetime =
        reader.duration_ms("SESSION_LIFETIME_MS", 28'800'000,
                           "a browser's session ends after this, whatever happens", 60'000);
    login.idle = reader.duration_ms("SESSION_IDLE_MS", 1'800'000,
                                    "and when it was not used for so long", 10'000);
    if (login.client.id.empty()) {
        if (!login.client.secret.empty())
            reader.mistake("OIDC_CLIENT_SECRET: is not used without OIDC_CLIENT_ID");
        return login;
    }
    if (!http::reached_safely(base_url))
        reader.mistake(
            "PUBLIC_BASE_URL: must begin with https:// where people log in (http:// only on this "
            "machine), because their session is in a cookie");
    std::istringstream scopes(login.client.scopes);
    if (std::find(std::istream_iterator<std::string>(scopes), {}, "openid") ==
        std::istream_iterator<std::string>())
        reader.mistake("OIDC_SCOPES: must have openid among it");
    return login;
}

}  // namespace

GatewayConfig gateway_config(config::Reader& reader) {
    GatewayConfig c;
    c.http_address =
        reader.text("HTTP_ADDRESS", "127.0.0.1", "address on which webhooks and REST are served");
    c.http_port = reader.port("HTTP_PORT", 0, "port of webhooks and REST; 0 = any free one");
    c.http_threads = static_cast<int>(
        reader.integer("HTTP_THREADS", 2, 1, 64, "threads that serve webhooks and REST"));
    c.webhook_bytes_max = static_cast<std::size_t>(
        reader.integer("WEBHOOK_BYTES_MAX", 3'145'728, 65'536, 16'777'216,
                       "a larger webhook gets 413; Meta sends up to 3 MiB"));
    c.status_gather = reader.duration_ms(
        "STATUS_GATHER_MS", 50,
        "how long a webhook of nothing but statuses may wait for another append to be committed "
        "with; it is answered when it is stored. 0: it is stored at once",
        0, 2'000);
    c.body_bytes_max = static_cast<std::size_t>(reader.integer(
        "BODY_BYTES_MAX", 1'048'576, 1024, 16'777'216, "a larger REST body gets 413"));
    c.admin_key = reader.required_secret("ADMIN_KEY", "opens REST for platform operators");
    c.admin_password = reader.secret(
        "ADMIN_PASSWORD", "",
        "password of Basic authentication at /admin and /api/admin, with any user name; ADMIN_KEY "
        "is taken there too. After 10 wrong ones an address may try one every 30 s and gets 429 "
        "meanwhile");
    c.installation = installation_in(reader);

    std::vector<std::string> parts;
    const auto apps = reader.secret(
        "META_APPS", "", "Meta apps whose webhooks are believed: app_id:secret, app_id:secret");
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
        c.meta.apps = parse_meta_apps(parts);
    } catch (const std::invalid_argument& error) {
        reader.mistake(error.what());
    }
    c.meta.verify_token = reader.secret("META_VERIFY_TOKEN", "",
                                        "token that Meta must show in the webhook handshake");
    const auto base =
        reader.text("META_BASE_URL", "https://graph.facebook.com", "address of the Graph API");
    const auto version = reader.text("META_API_VERSION", "v25.0", "version of the Graph API");
    c.meta.base_url = base + "/" + version;
    c.meta.limits = meta_limits_in(reader);

    c.twilio.base_url =
        reader.text("TWILIO_BASE_URL", "https://api.twilio.com", "address of Twilio's API");
    c.twilio.public_base_url =
        reader.text("PUBLIC_BASE_URL", "http://127.0.0.1:8080",
                    "the address at which customers and providers reach this installation");
    if (c.twilio.public_base_url.ends_with('/')) c.twilio.public_base_url.pop_back();

    c.lookup_threads = static_cast<int>(reader.integer(
        "LOOKUP_THREADS", 4, 1, 64, "threads that look up customers who are new to this replica"));
    c.lookups_queued_max = static_cast<std::size_t>(reader.integer(
        "LOOKUPS_QUEUED_MAX", 20'000, 100, 1'000'000,
        "look-ups that may wait; a webhook that needs one more gets 503, and Meta sends it again"));
    c.customers_cached_max =
        static_cast<std::size_t>(reader.integer("CUSTOMERS_CACHED_MAX", 200'000, 1'000, 10'000'000,
                                                "identities whose customer is kept in memory"));

    c.retry.attempts_max = static_cast<int>(
        reader.integer("SEND_ATTEMPTS_MAX", 5, 1, 20,
                       "attempts to send a message, before it becomes a dead letter"));
    c.retry.backoff_base =
        reader.duration_ms("SEND_BACKOFF_BASE_MS", 1'000,
                           "longest wait before the second attempt; later waits are longer", 1);
    c.retry.backoff_max =
        reader.duration_ms("SEND_BACKOFF_MAX_MS", 300'000, "longest wait between two attempts", 1);
    c.retry.unknown_evidence_wait =
        reader.duration_ms("UNKNOWN_EVIDENCE_WAIT_MS", 600'000,
                           "how long a message without an answer waits for a status before it is "
                           "sent again, where the "
                           "tenant's unknown_text_policy is send_again",
                           1);
    c.window_margin =
        reader.duration_ms("WINDOW_MARGIN_MS", 300'000,
                           "how much before its 24 hours the service window is taken to be closed");
    c.dispatch_poll_interval = reader.duration_ms(
        "DISPATCH_POLL_MS", 10,
        "how often the queues are searched for messages that other replicas have queued; while "
        "this one has every lane, once a second",
        1);
    c.attempt_start_max = reader.duration_ms(
        "ATTEMPT_START_MS_MAX", 2'000,
        "a send that has not started within this time of its attempt being recorded is never made; "
        "a new owner of the lane waits this long before it sends",
        10);
    c.send_timeout = reader.duration_ms(
        "SEND_TIMEOUT_MS", 10'000,
        "how long the provider may take to answer; then the message is UNKNOWN", 10);
    c.held_retry_after = reader.duration_ms(
        "HELD_RETRY_MS", 1'000,
        "how long a message that may not leave yet waits before it is looked at again", 1);
    c.sends_in_flight_max = static_cast<int>(
        reader.integer("SENDS_IN_FLIGHT_MAX", 256, 1, 10'000,
                       "calls of the provider that one channel may have open at once"));
    c.breaker_failures = static_cast<int>(
        reader.integer("BREAKER_FAILURES", 5, 1, 1000,
                       "failed calls in a row that open a channel's circuit breaker"));
    c.breaker_open_for = reader.duration_ms("BREAKER_OPEN_MS", 5'000,
                                            "how long a breaker stays open the first time", 1);
    c.breaker_open_for_max = reader.duration_ms("BREAKER_OPEN_MAX_MS", 60'000,
                                                "how long a breaker stays open at most: so late it "
                                                "is noticed that the provider answers again",
                                                1);
    if (c.breaker_open_for_max < c.breaker_open_for)
        reader.mistake("BREAKER_OPEN_MAX_MS: must not be less than BREAKER_OPEN_MS");
    c.media_directory = reader.text(
        "MEDIA_DIRECTORY", "media",
        "where the files are kept that customers send and that tenants upload; replicas share it");
    S3Options s3;
    s3.url = reader.text("MEDIA_S3_URL", "",
                         "bucket of S3 where the files are kept instead of MEDIA_DIRECTORY: "
                         "https://s3.eu-west-1.amazonaws.com/bucket, or the address of another "
                         "store that speaks like it, with the bucket and what keys begin with");
    s3.credentials.region = reader.text("MEDIA_S3_REGION", "us-east-1", "the bucket's region");
    s3.credentials.access_key_id = reader.text("MEDIA_S3_ACCESS_KEY_ID", "", "who calls the store");
    s3.credentials.secret_access_key =
        reader.secret("MEDIA_S3_SECRET_ACCESS_KEY", "", "signs the calls");
    c.media_s3_ca_file =
        reader.text("MEDIA_S3_CA_FILE", "",
                    "PEM file of the CA that signed the store's certificate; without it the "
                    "system's CAs are believed");
    s3.timeout = reader.duration_ms("MEDIA_S3_TIMEOUT_MS", 30'000,
                                    "how long one call of the store may take", 100);
    if (!s3.url.empty()) {
        if (const auto mistake = mistake_in_s3_url(s3.url); !mistake.empty())
            reader.mistake("MEDIA_S3_URL: " + mistake);
        if (s3.credentials.access_key_id.empty() || s3.credentials.secret_access_key.empty())
            reader.mistake(
                "MEDIA_S3_URL: MEDIA_S3_ACCESS_KEY_ID and MEDIA_S3_SECRET_ACCESS_KEY are required "
                "with it");
        c.media_s3 = std::move(s3);
    }
    c.media_bytes_max =
        static_cast<std::size_t>(reader.integer("MEDIA_BYTES_MAX", 16'777'216, 1024, 16'777'216,
                                                "a larger file of a customer is not fetched"));
    c.media_timeout = reader.duration_ms("MEDIA_TIMEOUT_MS", 30'000,
                                         "how long one step of fetching a file may take", 100);
    c.templates.every = reader.duration_ms(
        "TEMPLATE_SYNC_MS", 21'600'000,
        "how often the templates of an account are listed at its provider, besides when a channel "
        "is connected, when somebody asks and when news leaves something open",
        1'000);
    c.templates.list_lag = reader.duration_ms(
        "TEMPLATE_LIST_LAG_MS", 60'000,
        "how old a provider's list of templates may be: what became of a request whose answer was "
        "lost is judged by a list that was asked for so much later");
    c.templates.timeout = reader.duration_ms(
        "TEMPLATE_TIMEOUT_MS", 8'000,
        "how long a provider may take to answer about templates; keep it below REST_TIMEOUT_MS",
        100);
    c.private_webhooks = reader.boolean(
        "WEBHOOK_PRIVATE_ADDRESSES", false,
        "tenants' webhook endpoints may be http:// and on private, loopback and link-local "
        "addresses; for development: whoever registers an endpoint then reaches what this "
        "process reaches");
    c.webhooks.timeout =
        reader.duration_ms("WEBHOOK_TIMEOUT_MS", 15'000,
                           "how long a tenant's endpoint may take to answer", 100, 60'000);
    c.webhooks.at_once_max = static_cast<int>(
        reader.integer("WEBHOOKS_AT_ONCE_MAX", 8, 1, 256,
                       "posts that one replica may have under way for one endpoint"));
    c.webhooks.policy.backoff_base = reader.duration_ms(
        "WEBHOOK_BACKOFF_BASE_MS", 5'000,
        "longest wait before a webhook's second attempt; later waits are longer", 1);
    c.webhooks.policy.backoff_max = reader.duration_ms(
        "WEBHOOK_BACKOFF_MAX_MS", 3'600'000,
        "longest wait between two attempts, and between two looks whether an endpoint that fails "
        "works again",
        1);
    c.webhooks.policy.give_up_after = reader.duration_ms(
        "WEBHOOK_GIVE_UP_MS", 259'200'000,
        "a webhook whose attempt fails so long after it was queued is a dead letter", 1);
    c.webhooks.health.off_after =
        reader.duration_ms("WEBHOOK_SWITCH_OFF_MS", 432'000'000,
                           "an endpoint that fails for so long is switched off", 1);
    c.rest_timeout = reader.duration_ms("REST_TIMEOUT_MS", 10'000,
                                        "deadline of the gRPC call that a REST request makes", 10);
    c.login = login_in(reader, c.twilio.public_base_url);
    c.login_threads = static_cast<int>(
        reader.integer("SESSION_THREADS", 4, 1, 64,
                       "threads that handle what comes with the cookie of a session, and logins"));
    return c;
}

}  // namespace flowstack::gateway
