#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st;

namespace flowstack::identity {

// The signatures that are taken (RFC 7518, RFC 8037). None of them has a shared secret, and `none`
// is not among them.
enum class Algorithm : std::uint8_t { rs256, ps256, es256, eddsa };

// "RS256"; nothing for any other word.
std::optional<Algorithm> parse_algorithm(std::string_view name);

inline constexpr std::size_t kKeysMax = 64;  // of one issuer; further ones are left out
inline constexpr int kRsaBitsMin = 2048;
inline constexpr int kRsaBitsMax = 8192;

// A public key of an issuer.
struct PublicKey {
    std::string id;
    // What it may check: fixed by its type, and by `alg` when the issuer says it. A token does not
    // choose.
    std::vector<Algorithm> algorithms;
    std::shared_ptr<evp_pkey_st> key;
};

// RFC 7517. Keys that cannot check one of our signatures are left out: other types and curves, too
// small, for encryption, shared secrets, without an id. Throws std::invalid_argument when this is
// no set of keys, or names one id twice.
std::vector<PublicKey> parse_jwks(std::string_view json);

// Whether `signature` is this key's over `bytes`. False also for an algorithm that is not the
// key's.
bool signed_by(const PublicKey& key, Algorithm algorithm, std::string_view bytes,
               std::string_view signature);

}  // namespace flowstack::identity
