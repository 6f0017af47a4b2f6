#include "services/payment/adapters/callback_token.h"

#include <algorithm>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::payment {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kTenantBytesMax = 128;
constexpr std::size_t kFixedBytes = 1 + 2 + 16;  // version, lane, intent

}  // namespace

CallbackTokens::CallbackTokens(const Secret& master_key)
    : key_(std::string(crypto::bytes_of(
          crypto::hmac_sha256(master_key.reveal(), "flowstack.payment.callback.v1")))) {}

std::string CallbackTokens::tag(std::string_view content) const {
    const auto digest = crypto::hmac_sha256(key_.reveal(), content);
    return std::string(crypto::bytes_of(digest).substr(0, kTagBytes));
}

std::string CallbackTokens::make(const CallbackTarget& target) const {
    std::string content{kVersion, static_cast<char>(target.lane >> 8),
                        static_cast<char>(target.lane & 0xff)};
    content += target.intent.raw();
    content += target.tenant;
    return crypto::hex_encode(content + tag(content));
}

std::optional<CallbackTarget> CallbackTokens::check(std::string_view token) const {
    if (token.size() > 2 * (kFixedBytes + kTenantBytesMax + kTagBytes)) return {};
    const auto bytes = crypto::hex_decode(token);
    if (!bytes || bytes->size() <= kFixedBytes + kTagBytes) return {};
    const auto content = std::string_view(*bytes).substr(0, bytes->size() - kTagBytes);
    if (!crypto::constant_time_equal(tag(content), std::string_view(*bytes).substr(content.size())))
        return {};
    if (content[0] != kVersion) return {};
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(content[i]); };
    const auto intent = Uuid::from_bytes(content.substr(3, 16));
    return CallbackTarget{std::string(content.substr(kFixedBytes)), byte(1) << 8 | byte(2),
                          intent.value_or(Uuid{})};
}

std::optional<std::string> forbidden_word(std::string_view url) {
    std::string lower(url);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    for (const auto* word : {"mpesa", "m-pesa", "safaricom", "sql", "query", "cmd", "exe"})
        if (lower.find(word) != std::string::npos) return word;
    return {};
}

std::string callback_url(std::string_view public_base_url, std::string_view token) {
    while (!public_base_url.empty() && public_base_url.back() == '/')
        public_base_url.remove_suffix(1);
    return std::string(public_base_url) + "/hooks/pay/" + std::string(token);
}

}  // namespace flowstack::payment
