#include "common/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <climits>
#include <memory>
#include <stdexcept>

namespace flowstack::crypto {
namespace {

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

// OpenSSL 3 looks its algorithm up by name in each one-shot call, which costs more than hashing a
// name of ours: here it is looked up once, and each thread keeps its context.
Digest sha256(std::string_view input) {
    static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
        EVP_MD_CTX_new(), EVP_MD_CTX_free);
    Digest digest;
    if (algorithm == nullptr || EVP_DigestInit_ex2(context.get(), algorithm, nullptr) != 1 ||
        EVP_DigestUpdate(context.get(), input.data(), input.size()) != 1 ||
        EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1)
        throw std::runtime_error("sha256: OpenSSL refused");
    return digest;
}

Digest hmac_sha256(std::string_view key, std::string_view input) {
    if (key.size() > INT_MAX) throw std::invalid_argument("hmac: the key is too long");
    // OpenSSL reads a null key as "the key of last time".
    const char* key_bytes = key.empty() ? "" : key.data();
    Digest digest;
    unsigned int length = 0;
    if (HMAC(EVP_sha256(), key_bytes, static_cast<int>(key.size()), bytes(input), input.size(),
             digest.data(), &length) == nullptr ||
        length != digest.size()) {
        throw std::runtime_error("hmac: OpenSSL refused");
    }
    return digest;
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
