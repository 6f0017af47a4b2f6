#include "common/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <climits>
#include <initializer_list>
#include <memory>
#include <stdexcept>

namespace flowstack::crypto {
namespace {

constexpr std::size_t kSha256BlockBytes = 64;

// The digest of these parts one after the other. OpenSSL 3 looks its algorithm up by name in each
// one-shot call, which costs more than hashing a name of ours: here it is looked up once, and each
// thread keeps its context.
Digest sha256_of(std::initializer_list<std::string_view> parts) {
    static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
        EVP_MD_CTX_new(), EVP_MD_CTX_free);
    Digest digest;
    bool good = algorithm != nullptr && EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1;
    for (const auto part : parts)
        good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
    if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1)
        throw std::runtime_error("sha256: OpenSSL refused");
    return digest;
}

}  // namespace

Digest sha256(std::string_view input) { return sha256_of({input}); }

// RFC 2104. OpenSSL's one-shot HMAC looks its algorithms up in each call, which costs more than
// a webhook's body does.
Digest hmac_sha256(std::string_view key, std::string_view input) {
    const auto hashed = key.size() > kSha256BlockBytes ? sha256(key) : Digest{};
    if (key.size() > kSha256BlockBytes) key = bytes_of(hashed);
    std::string inner(kSha256BlockBytes, '\x36');
    std::string outer(kSha256BlockBytes, '\x5c');
    for (std::size_t i = 0; i < key.size(); ++i) {
        inner[i] = static_cast<char>(inner[i] ^ key[i]);
        outer[i] = static_cast<char>(outer[i] ^ key[i]);
    }
    const auto digest = sha256_of({inner, input});
    const auto signature = sha256_of({outer, bytes_of(digest)});
    OPENSSL_cleanse(inner.data(), inner.size());
    OPENSSL_cleanse(outer.data(), outer.size());
    return signature;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

std::string random_bytes(std::size_t count) {
    if (count > INT_MAX) throw std::invalid_argument("random_bytes: too many");
    std::string result(count, '\0');
    if (count > 0 &&
        RAND_bytes(reinterpret_cast<unsigned char*>(result.data()), static_cast<int>(count)) != 1) {
        throw std::runtime_error("random_bytes: the system's generator failed");
    }
    return result;
}

}  // namespace flowstack::crypto
