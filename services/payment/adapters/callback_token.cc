#include "services/payment/adapters/callback_token.h"

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::payment {
namespace {

constexpr std::string_view kCallbackUse = "flowstack.payment.callback.v1";
constexpr char kVersion = 2;
constexpr std::size_t kProviderBytesMax = 32;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kTenantBytesMax = 128;
constexpr std::size_t kFixedBytes = 1 + 2 + 16 + 1;  // version, lane, intent, provider's length

std::string below(std::string_view public_base_url, const std::string& path) {
    while (!public_base_url.empty() && public_base_url.back() == '/')
        public_base_url.remove_suffix(1);
    return std::string(public_base_url) + path;
}

}  // namespace

std::string CallbackTokens::tag(std::string_view content) const {
    const auto digest = crypto::hmac_sha256(root_.derive(kCallbackUse).reveal(), content);
    return std::string(crypto::bytes_of(digest).substr(0, kTagBytes));
}

std::string CallbackTokens::make(const CallbackTarget& target) const {
    std::string content{kVersion, static_cast<char>(target.lane >> 8),
                        static_cast<char>(target.lane & 0xff)};
    content += target.intent.raw();
    content += static_cast<char>(target.provider.size());
    content += target.provider;
    content += target.tenant;
    return crypto::hex_encode(content + tag(content));
}

std::optional<CallbackTarget> CallbackTokens::check(std::string_view token) const {
    if (token.size() > 2 * (kFixedBytes + kProviderBytesMax + kTenantBytesMax + kTagBytes))
        return {};
    const auto bytes = crypto::hex_decode(token);
    if (!bytes || bytes->size() <= kFixedBytes + kTagBytes) return {};
    const auto content = std::string_view(*bytes).substr(0, bytes->size() - kTagBytes);
    if (!crypto::constant_time_equal(tag(content), std::string_view(*bytes).substr(content.size())))
        return {};
    if (content[0] != kVersion) return {};
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(content[i]); };
    const auto intent = Uuid::from_bytes(content.substr(3, 16));
    const std::size_t provider_bytes = byte(kFixedBytes - 1);
    const auto names = content.substr(kFixedBytes);
    if (provider_bytes >= names.size()) return {};
    return CallbackTarget{.tenant = std::string(names.substr(provider_bytes)),
                          .lane = byte(1) << 8 | byte(2),
                          .intent = intent.value_or(Uuid{}),
                          .provider = std::string(names.substr(0, provider_bytes))};
}

std::string callback_url(std::string_view public_base_url, std::string_view token) {
    return below(public_base_url, "/hooks/pay/" + std::string(token));
}

std::string return_url(std::string_view public_base_url) {
    return below(public_base_url, kReturnPath);
}

}  // namespace flowstack::payment
