#include "services/gateway/providers/meta/meta_signature.h"

#include <algorithm>
#include <stdexcept>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::gateway {
namespace {
constexpr std::string_view kPrefix = "sha256=";
constexpr std::size_t kHexDigits = 64;
}  // namespace

std::vector<MetaApp> parse_meta_apps(const std::vector<std::string>& parts) {
    std::vector<MetaApp> apps;
    for (const auto& part : parts) {
        const auto colon = part.find(':');
        if (colon == std::string::npos || colon == 0 || colon + 1 == part.size())
            throw std::invalid_argument("META_APPS: part " + std::to_string(apps.size() + 1) +
                                        " must be app_id:secret");
        apps.push_back({part.substr(0, colon), Secret(part.substr(colon + 1))});
    }
    return apps;
}

std::optional<std::string> signing_app(const std::vector<MetaApp>& apps, std::string_view body,
                                       std::string_view header) {
    if (header.size() != kPrefix.size() + kHexDigits || !header.starts_with(kPrefix))
        return std::nullopt;
    const auto digits = header.substr(kPrefix.size());
    const auto lower_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (!std::ranges::all_of(digits, lower_hex)) return std::nullopt;
    const auto given = crypto::hex_decode(digits);
    if (!given) return std::nullopt;
    for (const auto& app : apps) {
        const auto ours = crypto::hmac_sha256(app.secret.reveal(), body);
        if (crypto::constant_time_equal(*given, crypto::bytes_of(ours))) return app.id;
    }
    return std::nullopt;
}

}  // namespace flowstack::gateway
