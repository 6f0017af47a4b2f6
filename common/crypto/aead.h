#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/secret.h"

// Authenticated encryption: AES-256-GCM.
//
// A sealed text is `version (1 byte, = 1) | nonce (12 bytes, random) | ciphertext | tag (16
// bytes)`. The version byte is authenticated too. Random 96-bit nonces are safe for 2^32 seals
// under one key.
namespace flowstack::crypto {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kSealOverheadBytes = 1 + 12 + 16;

// `aad` is bound but not stored: `open` needs the same. Name in it what the text belongs to.
// Throws std::invalid_argument if the key is not 32 bytes.
std::string seal(const Secret& key, std::string_view plaintext, std::string_view aad);

// Nothing if the key, the aad or a single bit differs, or if the version is unknown.
std::optional<Secret> open(const Secret& key, std::string_view sealed, std::string_view aad);

}  // namespace flowstack::crypto
