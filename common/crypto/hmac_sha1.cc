#include "common/crypto/hmac_sha1.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <climits>
#include <stdexcept>

namespace flowstack::crypto {

std::string hmac_sha1(std::string_view key, std::string_view bytes) {
    if (key.size() > INT_MAX) throw std::invalid_argument("hmac_sha1: the key is too long");
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data(),
             &size) == nullptr)
        throw std::runtime_error("hmac_sha1: OpenSSL refused");
    return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace flowstack::crypto
