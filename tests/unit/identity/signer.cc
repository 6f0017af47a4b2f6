#include "tests/unit/identity/signer.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stdexcept>
#include <vector>

#include "common/crypto/encoding.h"

namespace flowstack::identity::testing {
namespace {

namespace json = boost::json;

void must(bool done, const char* what) {
    if (!done) throw std::runtime_error(std::string("openssl: ") + what);
}

EVP_PKEY* new_key(Signer::Type type) {
    switch (type) {
        case Signer::Type::rsa:
            return EVP_RSA_gen(2048);
        case Signer::Type::small_rsa:
            return EVP_RSA_gen(1024);
        case Signer::Type::p256:
            return EVP_EC_gen("P-256");
        case Signer::Type::p384:
            return EVP_EC_gen("P-384");
        case Signer::Type::ed25519:
            return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    }
    return nullptr;
}

std::string number(const EVP_PKEY* key, const char* name) {
    BIGNUM* value = nullptr;
    must(EVP_PKEY_get_bn_param(key, name, &value) == 1, name);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
    BN_free(value);
    return bytes;
}

std::string padded(std::string bytes, std::size_t size) {
    return std::string(size - bytes.size(), '\0') + bytes;
}

// r and s one after the other.
std::string raw_signature(const std::string& der) {
    const auto* from = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, void (*)(ECDSA_SIG*)> parts(
        d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(der.size())), ECDSA_SIG_free);
    std::string raw(64, '\0');
    auto* to = reinterpret_cast<unsigned char*>(raw.data());
    must(BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), to, 32) == 32, "r");
    must(BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), to + 32, 32) == 32, "s");
    return raw;
}

}  // namespace

std::string encoded(const json::object& part) {
    return crypto::base64url_encode(json::serialize(part));
}

std::string jwks_of(const std::vector<json::object>& keys) {
    json::array all;
    for (const auto& key : keys) all.push_back(key);
    return json::serialize(json::object{{"keys", std::move(all)}});
}

Signer::Signer(Type type, std::string id) : id_(std::move(id)), key_(new_key(type), EVP_PKEY_free) {
    must(key_ != nullptr, "no key");
}

json::object Signer::jwk() const {
    json::object made{{"kid", id_}, {"use", "sig"}};
    const auto put = [&](const char* name, const std::string& bytes) {
        made[name] = crypto::base64url_encode(bytes);
    };
    const auto type = EVP_PKEY_get_base_id(key_.get());
    if (type == EVP_PKEY_RSA) {
        made["kty"] = "RSA";
        put("n", number(key_.get(), OSSL_PKEY_PARAM_RSA_N));
        put("e", number(key_.get(), OSSL_PKEY_PARAM_RSA_E));
    } else if (type == EVP_PKEY_EC) {
        const bool p256 = EVP_PKEY_get_bits(key_.get()) == 256;
        const std::size_t size = p256 ? 32 : 48;
        made["kty"] = "EC";
        made["crv"] = p256 ? "P-256" : "P-384";
        put("x", padded(number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X), size));
        put("y", padded(number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y), size));
    } else {
        std::string bytes(32, '\0');
        std::size_t size = bytes.size();
        must(EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                                         &size) == 1,
             "no public key");
        made["kty"] = "OKP";
        made["crv"] = "Ed25519";
        put("x", bytes);
    }
    return made;
}

std::string Signer::public_pem() const {
    const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
    must(PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1, "no PEM");
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string Signer::sign(const json::object& header, const json::object& claims,
                         const std::string& alg) const {
    const auto text = encoded(header) + "." + encoded(claims);
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                     EVP_MD_CTX_free);
    EVP_PKEY_CTX* details = nullptr;
    must(EVP_DigestSignInit(context.get(), &details, alg == "EdDSA" ? nullptr : EVP_sha256(),
                            nullptr, key_.get()) == 1,
         "cannot sign");
    if (alg == "PS256") {
        EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(details, RSA_PSS_SALTLEN_DIGEST);
    }
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    must(EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1, "no size");
    std::string signature(size, '\0');
    must(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                        bytes, text.size()) == 1,
         "no signature");
    signature.resize(size);
    if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_EC && EVP_PKEY_get_bits(key_.get()) == 256)
        signature = raw_signature(signature);
    return text + "." + crypto::base64url_encode(signature);
}

std::string Signer::sign(const json::object& claims, const std::string& alg) const {
    return sign({{"alg", alg}, {"typ", "JWT"}, {"kid", id_}}, claims, alg);
}

}  // namespace flowstack::identity::testing
