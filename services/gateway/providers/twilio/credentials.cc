#include "services/gateway/providers/twilio/credentials.h"

#include <algorithm>

#include "common/crypto/encoding.h"

namespace flowstack::gateway::twilio {
namespace {

constexpr std::size_t kSidDigits = 32;

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return c > ' ' && c < 127 && c != ',' && c != ':';
    });
}

}  // namespace

bool is_sid(std::string_view prefix, std::string_view text) {
    return text.size() == prefix.size() + kSidDigits && text.starts_with(prefix) &&
           std::ranges::all_of(text.substr(prefix.size()), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
           });
}

std::optional<Credentials> parse_credentials(const Secret& secret) {
    const std::string_view text = secret.reveal();
    const auto comma = text.find(',');
    const auto token = text.substr(0, comma);
    if (!is_token(token)) return std::nullopt;
    Credentials credentials{
        .auth_token = Secret(std::string(token)), .api_key_sid = {}, .api_key_secret = {}};
    if (comma == std::string_view::npos) return credentials;
    const auto key = text.substr(comma + 1);
    const auto colon = key.find(':');
    if (colon == std::string_view::npos || !is_sid("SK", key.substr(0, colon)) ||
        !is_token(key.substr(colon + 1)))
        return std::nullopt;
    credentials.api_key_sid = key.substr(0, colon);
    credentials.api_key_secret = Secret(std::string(key.substr(colon + 1)));
    return credentials;
}

std::string authorization(std::string_view account_sid, const Credentials& credentials) {
    const bool by_key = !credentials.api_key_sid.empty();
    const auto user = by_key ? credentials.api_key_sid : std::string(account_sid);
    const auto& password = by_key ? credentials.api_key_secret : credentials.auth_token;
    return "Basic " + crypto::base64_encode(user + ":" + password.reveal());
}

}  // namespace flowstack::gateway::twilio
