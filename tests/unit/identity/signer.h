#pragma once

#include <openssl/types.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

namespace flowstack::identity::testing {

// An issuer's private key, which signs whatever a test wants.
class Signer {
public:
    enum class Type { rsa, p256, ed25519, p384, small_rsa };
    Signer(Type type, std::string id);

    const std::string& id() const { return id_; }
    // The public half, as a member of a JWKS.
    boost::json::object jwk() const;
    // The public half in PEM: what confuses whoever takes it for a shared secret.
    std::string public_pem() const;
    // A token with exactly this header and these claims, signed as `alg` says: RS256, PS256, ES256,
    // EdDSA.
    std::string sign(const boost::json::object& header, const boost::json::object& claims,
                     const std::string& alg) const;
    // The usual header.
    std::string sign(const boost::json::object& claims, const std::string& alg) const;

private:
    std::string id_;
    std::shared_ptr<EVP_PKEY> key_;
};

std::string jwks_of(const std::vector<boost::json::object>& keys);
// base64url of the JSON.
std::string encoded(const boost::json::object& part);

}  // namespace flowstack::identity::testing
