#pragma once

#include "common/http/server.h"

namespace flowstack::config {
class Reader;
}

namespace flowstack::http {

// What the public doors have in common. Reads HTTP_TLS_*, HTTP_HSTS_SECONDS and
// HTTP_TRUSTED_PROXIES, reports mistakes under their names, and puts into the options: TLS where a
// certificate is set, the proxies, and headers that make browsers careful with every answer:
//
//   X-Content-Type-Options: nosniff      an answer is what its type says, not what it looks like
//   Content-Security-Policy: default-src 'none'; frame-ancestors 'none'
//                                        JSON that is opened as a page runs and shows nothing
//   Referrer-Policy: no-referrer         addresses, which hold ids, are told to nobody
//   Strict-Transport-Security            only where HTTP_HSTS_SECONDS is set
class DoorSettings {
public:
    explicit DoorSettings(config::Reader& reader);

    // A certificate that is read again, or cannot be, is told to the log.
    // `loaded` hears of its file now and whenever it was read again.
    void apply(ServerOptions& options,
               const std::function<void(const std::string& file)>& loaded = {}) const;

private:
    std::optional<ServerTls> tls_;
    TrustedProxies proxies_;
    std::int64_t hsts_seconds_ = 0;
};

}  // namespace flowstack::http
