#include "services/gateway/endpoints/webhook_signature.h"

#include <sstream>
#include <stdexcept>

#include "common/crypto/ed25519.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::gateway {
namespace {

constexpr std::string_view kShared = "whsec_";
constexpr std::string_view kPrivate = "whsk_";
constexpr std::string_view kPublic = "whpk_";
constexpr std::string_view kShared1 = "v1,";
constexpr std::string_view kPair1 = "v1a,";
constexpr std::size_t kSharedBytes = 32;  // Standard Webhooks: 24 to 64

// The bytes behind the prefix.
std::string key_in(std::string_view text, std::string_view prefix) {
    auto key = crypto::base64_decode(text.substr(prefix.size()));
    if (!key || key->empty()) throw std::invalid_argument("a webhook secret is no base64");
    return std::move(*key);
}

std::string signed_text(std::string_view webhook_id, std::string_view timestamp_s,
                        std::string_view body) {
    std::string text(webhook_id);
    text += '.';
    text += timestamp_s;
    text += '.';
    text += body;
    return text;
}

std::string shared_signature(std::string_view secret, std::string_view text) {
    return std::string(kShared1) + crypto::base64_encode(crypto::bytes_of(
                                       crypto::hmac_sha256(key_in(secret, kShared), text)));
}

}  // namespace

NewWebhookSecret new_webhook_secret(WebhookSignature signature) {
    if (signature == WebhookSignature::ed25519) {
        const auto pair = crypto::make_ed25519_pair();
        return {.secret = Secret(std::string(kPrivate) +
                                 crypto::base64_encode(pair.private_key.reveal())),
                .public_key = std::string(kPublic) + crypto::base64_encode(pair.public_key)};
    }
    return {.secret = Secret(std::string(kShared) +
                             crypto::base64_encode(crypto::random_bytes(kSharedBytes))),
            .public_key = ""};
}

std::string webhook_signature(const Secret& secret, std::string_view webhook_id,
                              std::int64_t timestamp_s, std::string_view body) {
    const auto text = signed_text(webhook_id, std::to_string(timestamp_s), body);
    const std::string_view known = secret.reveal();
    if (known.starts_with(kShared)) return shared_signature(known, text);
    if (!known.starts_with(kPrivate))
        throw std::invalid_argument("a webhook secret begins with whsec_ or whsk_");
    return std::string(kPair1) +
           crypto::base64_encode(crypto::ed25519_sign(Secret(key_in(known, kPrivate)), text));
}

std::string webhook_signatures(const std::vector<Secret>& secrets, std::string_view webhook_id,
                               std::int64_t timestamp_s, std::string_view body) {
    std::string header;
    for (const auto& secret : secrets) {
        if (!header.empty()) header += ' ';
        header += webhook_signature(secret, webhook_id, timestamp_s, body);
    }
    return header;
}

bool verify_webhook(std::string_view secret_or_public_key, std::string_view webhook_id,
                    std::string_view timestamp_s, std::string_view body, std::string_view header) {
    const auto text = signed_text(webhook_id, timestamp_s, body);
    std::istringstream signatures{std::string(header)};
    for (std::string signature; std::getline(signatures, signature, ' ');) {
        if (secret_or_public_key.starts_with(kShared) && signature.starts_with(kShared1)) {
            if (crypto::constant_time_equal(shared_signature(secret_or_public_key, text),
                                            signature))
                return true;
        } else if (secret_or_public_key.starts_with(kPublic) && signature.starts_with(kPair1)) {
            const auto bytes =
                crypto::base64_decode(std::string_view(signature).substr(kPair1.size()));
            if (bytes &&
                crypto::ed25519_verify(key_in(secret_or_public_key, kPublic), text, *bytes))
                return true;
        }
    }
    return false;
}

}  // namespace flowstack::gateway
