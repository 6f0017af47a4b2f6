#include "common/identity/jwk.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <stdexcept>

#include "common/crypto/encoding.h"

namespace flowstack::identity {
namespace {

namespace json = boost::json;

constexpr std::size_t kP256Bytes = 32;
constexpr std::size_t kEd25519Bytes = 32;

using Key = std::shared_ptr<EVP_PKEY>;
using Number = std::unique_ptr<BIGNUM, void (*)(BIGNUM*)>;

std::string text_of(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// Bytes in base64url; empty when they are missing or malformed.
std::string bytes_in(const json::object& object, std::string_view name) {
    return crypto::base64url_decode(text_of(object, name)).value_or("");
}

Number number_of(const std::string& bytes) {
    return {BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                      static_cast<int>(bytes.size()), nullptr),
            BN_free};
}

// A public key of these parameters; null when OpenSSL takes them for none.
Key key_from(const char* type, OSSL_PARAM_BLD* parts) {
    const std::unique_ptr<OSSL_PARAM, void (*)(OSSL_PARAM*)> parameters(
        OSSL_PARAM_BLD_to_param(parts), OSSL_PARAM_free);
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> context(
        EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), EVP_PKEY_CTX_free);
    EVP_PKEY* made = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    Key key(made, EVP_PKEY_free);
    // A point that is not on the curve, an even modulus.
    const std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> check(
        EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr), EVP_PKEY_CTX_free);
    const bool sound = check && EVP_PKEY_public_check(check.get()) == 1;
    ERR_clear_error();
    return sound ? key : nullptr;
}

using Parts = std::unique_ptr<OSSL_PARAM_BLD, void (*)(OSSL_PARAM_BLD*)>;
Parts new_parts() { return {OSSL_PARAM_BLD_new(), OSSL_PARAM_BLD_free}; }

Key rsa_key(const json::object& jwk) {
    const auto modulus = bytes_in(jwk, "n"), exponent = bytes_in(jwk, "e");
    if (modulus.empty() || exponent.empty() || modulus.size() > kRsaBitsMax / 8) return nullptr;
    const auto n = number_of(modulus), e = number_of(exponent);
    const auto bits = BN_num_bits(n.get());
    if (bits < kRsaBitsMin || bits > kRsaBitsMax || BN_num_bits(e.get()) > 64) return nullptr;
    const auto parts = new_parts();
    OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    return key_from("RSA", parts.get());
}

Key p256_key(const json::object& jwk) {
    const auto x = bytes_in(jwk, "x"), y = bytes_in(jwk, "y");
    if (text_of(jwk, "crv") != "P-256" || x.size() != kP256Bytes || y.size() != kP256Bytes)
        return nullptr;
    const auto point = "\x04" + x + y;
    const auto parts = new_parts();
    OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                     point.size());
    return key_from("EC", parts.get());
}

Key ed25519_key(const json::object& jwk) {
    const auto x = bytes_in(jwk, "x");
    if (text_of(jwk, "crv") != "Ed25519" || x.size() != kEd25519Bytes) return nullptr;
    Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                        reinterpret_cast<const unsigned char*>(x.data()), x.size()),
            EVP_PKEY_free);
    ERR_clear_error();
    return key;
}

// A key that checks our signatures, or one without algorithms.
PublicKey usable_key(const json::object& jwk) {
    PublicKey key{.id = text_of(jwk, "kid"), .algorithms = {}, .key = {}};
    if (jwk.contains("use") && text_of(jwk, "use") != "sig") return key;
    const auto type = text_of(jwk, "kty");
    std::vector<Algorithm> possible;
    if (type == "RSA") {
        key.key = rsa_key(jwk);
        possible = {Algorithm::rs256, Algorithm::ps256};
    } else if (type == "EC") {
        key.key = p256_key(jwk);
        possible = {Algorithm::es256};
    } else if (type == "OKP") {
        key.key = ed25519_key(jwk);
        possible = {Algorithm::eddsa};
    }
    if (!key.key) return key;
    if (!jwk.contains("alg")) {
        key.algorithms = possible;
    } else if (const auto said = parse_algorithm(text_of(jwk, "alg"));
               said && std::ranges::find(possible, *said) != possible.end()) {
        key.algorithms = {*said};
    }
    return key;
}

// JOSE has r and s one after the other (RFC 7518 §3.4), OpenSSL wants them in DER.
std::string der_of(std::string_view signature) {
    if (signature.size() != 2 * kP256Bytes) return {};
    const std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> made(ECDSA_SIG_new(), ECDSA_SIG_free);
    auto r = number_of(std::string(signature.substr(0, kP256Bytes)));
    auto s = number_of(std::string(signature.substr(kP256Bytes)));
    if (!made || ECDSA_SIG_set0(made.get(), r.get(), s.get()) != 1) return {};
    (void)r.release();  // they are the signature's now
    (void)s.release();
    unsigned char* bytes = nullptr;
    const int size = i2d_ECDSA_SIG(made.get(), &bytes);
    std::string der;
    if (size > 0) der.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return der;
}

}  // namespace

std::optional<Algorithm> parse_algorithm(std::string_view name) {
    if (name == "RS256") return Algorithm::rs256;
    if (name == "PS256") return Algorithm::ps256;
    if (name == "ES256") return Algorithm::es256;
    if (name == "EdDSA") return Algorithm::eddsa;
    return std::nullopt;
}

std::vector<PublicKey> parse_jwks(std::string_view text) {
    boost::system::error_code broken;
    const auto parsed = json::parse(text, broken);
    const auto* set = broken ? nullptr : parsed.if_object();
    const auto* list =
        set != nullptr && set->contains("keys") ? set->at("keys").if_array() : nullptr;
    if (list == nullptr) throw std::invalid_argument("it is no JSON object with a list of keys");
    std::vector<PublicKey> keys;
    std::set<std::string> ids;
    for (const auto& each : *list) {
        const auto* jwk = each.if_object();
        if (jwk == nullptr) continue;
        auto key = usable_key(*jwk);
        if (key.id.empty() || key.algorithms.empty() || keys.size() == kKeysMax) continue;
        if (!ids.insert(key.id).second)
            throw std::invalid_argument("it has two keys with the id " + key.id);
        keys.push_back(std::move(key));
    }
    return keys;
}

bool signed_by(const PublicKey& key, Algorithm algorithm, std::string_view bytes,
               std::string_view signature) {
    if (std::ranges::find(key.algorithms, algorithm) == key.algorithms.end()) return false;
    const bool ecdsa = algorithm == Algorithm::es256;
    const auto given = ecdsa ? der_of(signature) : std::string(signature);
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    EVP_PKEY_CTX* details = nullptr;  // the context's
    const auto* digest = algorithm == Algorithm::eddsa ? nullptr : EVP_sha256();
    bool good = context && !given.empty() &&
                EVP_DigestVerifyInit(context.get(), &details, digest, nullptr, key.key.get()) == 1;
    if (good && algorithm == Algorithm::ps256)
        good = EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(details, RSA_PSS_SALTLEN_DIGEST) == 1;
    good = good &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(given.data()),
                            given.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size()) == 1;
    ERR_clear_error();
    return good;
}

}  // namespace flowstack::identity
