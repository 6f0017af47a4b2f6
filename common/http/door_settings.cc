#include "common/http/door_settings.h"

#include <stdexcept>

#include "common/config/config.h"
#include "common/http/tls.h"
#include "common/observability/log.h"

namespace flowstack::http {
namespace {

constexpr std::int64_t kHstsSecondsMax = 63'072'000;  // two years

void log_certificate(std::string_view failure) {
    if (failure.empty())
        log::info("the HTTP door shows a new certificate");
    else
        log::error("the HTTP door's new certificate cannot be used; it shows the one before",
                   {{"error", std::string(failure)}});
}

}  // namespace

DoorSettings::DoorSettings(config::Reader& reader) {
    ServerTls tls;
    tls.certificate_file = reader.text(
        "HTTP_TLS_CERT_FILE", "",
        "PEM file of the HTTP door's certificate and its chain: the door then speaks HTTPS only. "
        "Read again when it changes; without it the door speaks HTTP, for a proxy in front of it");
    tls.key_file =
        reader.text("HTTP_TLS_KEY_FILE", "", "PEM file of its private key, without a password");
    tls.handshake_timeout_ms = static_cast<int>(
        reader
            .duration_ms("HTTP_TLS_HANDSHAKE_MS", 5'000,
                         "a TLS handshake that takes longer is given up", 10, 600'000)
            .count());
    tls.handshakes_max = static_cast<std::size_t>(
        reader.integer("HTTP_TLS_HANDSHAKES_MAX", 256, 1, 100'000,
                       "TLS handshakes under way at once; for one more the oldest is given up"));
    hsts_seconds_ = reader.integer(
        "HTTP_HSTS_SECONDS", 0, 0, kHstsSecondsMax,
        "for how long browsers are to use nothing but HTTPS for this host (HSTS); 0 = not told. "
        "Also for a door behind a proxy with HTTPS");
    const auto proxies = reader.list(
        "HTTP_TRUSTED_PROXIES", "",
        "addresses and networks of proxies in front of the HTTP door, whose X-Forwarded-For names "
        "the client: 10.0.0.0/8,192.0.2.7. Otherwise the proxy is taken for the client");
    try {
        proxies_ = TrustedProxies(proxies);
    } catch (const std::invalid_argument& error) {
        reader.mistake(std::string("HTTP_TRUSTED_PROXIES: ") + error.what());
    }
    if (tls.certificate_file.empty() && tls.key_file.empty()) return;
    if (tls.certificate_file.empty()) {
        reader.mistake("HTTP_TLS_CERT_FILE: must be set with HTTP_TLS_KEY_FILE");
    } else if (tls.key_file.empty()) {
        reader.mistake("HTTP_TLS_KEY_FILE: must be set with HTTP_TLS_CERT_FILE");
    } else {
        try {
            const TlsCertificate usable(tls.certificate_file, tls.key_file);
        } catch (const std::runtime_error& error) {
            reader.mistake(std::string("HTTP_TLS_CERT_FILE: ") + error.what());
        }
    }
    tls_ = std::move(tls);
}

void DoorSettings::apply(ServerOptions& options,
                         const std::function<void(const std::string& file)>& loaded) const {
    options.trusted_proxies = proxies_;
    options.tls = tls_;
    if (options.tls) {
        if (loaded) loaded(options.tls->certificate_file);
        options.tls->on_change = [loaded,
                                  file = options.tls->certificate_file](std::string_view failure) {
            log_certificate(failure);
            if (failure.empty() && loaded) loaded(file);
        };
    }
    options.headers.push_back({"X-Content-Type-Options", "nosniff"});
    options.headers.push_back(
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"});
    options.headers.push_back({"Referrer-Policy", "no-referrer"});
    if (hsts_seconds_ > 0)
        options.headers.push_back(
            {"Strict-Transport-Security", "max-age=" + std::to_string(hsts_seconds_)});
}

}  // namespace flowstack::http
