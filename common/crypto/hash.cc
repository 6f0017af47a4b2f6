#include "common/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <climits>
#include <stdexcept>

namespace flowstack::crypto {
namespace {

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Digest sha256(std::string_view input) {
    Digest digest;
    SHA256(bytes(input), input.size(), digest.data());
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
