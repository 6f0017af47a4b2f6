#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/secret.h"

// Who signed a Meta webhook? `X-Hub-Signature-256: sha256=<64 lower-case hex>` is the HMAC-SHA256
// of the raw body under the secret of a Meta app. A signature proves an app, not a tenant.
namespace flowstack::gateway {

struct MetaApp {
    std::string id;
    Secret secret;
};

// "app_id:secret,app_id:secret", the setting META_APPS. Throws std::invalid_argument that names the
// part (never the secret).
std::vector<MetaApp> parse_meta_apps(const std::vector<std::string>& parts);

// The app whose secret made this signature; nothing for every other header. Upper-case digits are
// refused: Meta never sends them. Compares in constant time.
std::optional<std::string> signing_app(const std::vector<MetaApp>& apps, std::string_view body,
                                       std::string_view header);

}  // namespace flowstack::gateway
