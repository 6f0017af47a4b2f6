#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/secret.h"
#include "common/rpc/caller.h"
#include "common/rpc/peer_names.h"

// Whom a gRPC door lets in, and in whose name a call is made: decided here and nowhere else.
namespace flowstack::rpc {

// By what a caller shows who it is.
enum class Proof : std::uint8_t {
    key,          // INTERNAL_KEY in x-internal-key
    certificate,  // its certificate, of a CA that the door believes
    either,       // a certificate when it has one, otherwise the key: while an installation changes
};

struct AdmissionRules {
    Proof proof = Proof::key;
    Secret internal_key = {};  // empty, with Proof::key: nothing is asked for, nobody is believed
    PeerNames names = {};      // of certificates
    // Who is meant by a token, with the grants that it has; throws a Failure when it is not good.
    // None: tokens are not looked at.
    std::function<Caller(std::string_view token)> holder_of = nullptr;
};

// What a call brings.
struct Credentials {
    std::optional<std::string> key;
    std::optional<std::string> token;  // of `authorization: Bearer …`
    std::optional<std::string> actor;  // as whom the caller describes itself (kActorHeader)
    // The caller's certificate: it is in time and signed by a CA of ours, or else there would be no
    // connection. Its URIs.
    bool has_certificate = false;
    std::vector<std::string> certificate_uris = {};
};

// Who calls. Throws a Failure that says what is missing: UNAUTHENTICATED for a caller that proves
// nothing, PERMISSION_DENIED for a certificate of somebody who may not call here.
//
// Whoever shows a token is its holder and may do what it grants, whatever else comes with it. With
// the key, a caller is whom it names (caller_named). A certificate says who its holder is, and no
// header makes another one of it; only our own services may name the person or key on whose behalf
// they call, which they have let in themselves, and never another service.
Caller admitted(const AdmissionRules& rules, const Credentials& shown);

}  // namespace flowstack::rpc
