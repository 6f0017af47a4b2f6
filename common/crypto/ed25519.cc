#include "common/crypto/ed25519.h"

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

namespace flowstack::crypto {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* bytes_at(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* room_in(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
DigestContext new_context() { return {EVP_MD_CTX_new(), EVP_MD_CTX_free}; }

}  // namespace

Ed25519Pair make_ed25519_pair() {
    const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
    std::string private_key(kKeyBytes, '\0');
    std::string public_key(kKeyBytes, '\0');
    std::size_t private_size = kKeyBytes;
    std::size_t public_size = kKeyBytes;
    if (!key || EVP_PKEY_get_raw_private_key(key.get(), room_in(private_key), &private_size) != 1 ||
        EVP_PKEY_get_raw_public_key(key.get(), room_in(public_key), &public_size) != 1)
        throw std::runtime_error("ed25519: OpenSSL made no key");
    return {.private_key = Secret(std::move(private_key)), .public_key = std::move(public_key)};
}

std::string ed25519_sign(const Secret& private_key, std::string_view bytes) {
    const auto& raw = private_key.reveal();
    const Key key(raw.size() == kKeyBytes ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                                                         bytes_at(raw), raw.size())
                                          : nullptr,
                  EVP_PKEY_free);
    if (!key) throw std::invalid_argument("ed25519: a private key has 32 bytes");
    const auto context = new_context();
    std::string signature(kSignatureBytes, '\0');
    std::size_t size = signature.size();
    if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
        EVP_DigestSign(context.get(), room_in(signature), &size, bytes_at(bytes), bytes.size()) !=
            1)
        throw std::runtime_error("ed25519: OpenSSL refused");
    return signature;
}

bool ed25519_verify(std::string_view public_key, std::string_view bytes,
                    std::string_view signature) {
    if (public_key.size() != kKeyBytes || signature.size() != kSignatureBytes) return false;
    const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_at(public_key),
                                              public_key.size()),
                  EVP_PKEY_free);
    const auto context = new_context();
    return key && context &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes_at(signature), signature.size(), bytes_at(bytes),
                            bytes.size()) == 1;
}

}  // namespace flowstack::crypto
