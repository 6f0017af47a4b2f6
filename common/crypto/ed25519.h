#pragma once

#include <string>
#include <string_view>

#include "common/core/secret.h"

// Ed25519 signatures (RFC 8032) with raw keys of 32 bytes.
namespace flowstack::crypto {

struct Ed25519Pair {
    Secret private_key;
    std::string public_key;
};

// Throws std::runtime_error if the machine has no randomness to give.
Ed25519Pair make_ed25519_pair();

// 64 bytes. Throws std::invalid_argument for a key that is none.
std::string ed25519_sign(const Secret& private_key, std::string_view bytes);

// False also for a key or a signature that is none.
bool ed25519_verify(std::string_view public_key, std::string_view bytes,
                    std::string_view signature);

}  // namespace flowstack::crypto
