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
    // The same of a tenant's API key, which comes where a token does. It may have to ask another
    // service, so a door calls it on a thread that may wait. None: API keys are not looked at.
    std::function<Caller(std::string_view key, const std::string& source_address)> key_holder_of =
        nullptr;
};

// What every API key of a tenant begins with.
inline constexpr std::string_view kApiKeyPrefix = "fsk_";

// What a call brings.
struct Credentials {
    std::optional<std::string> key;
    std::optional<std::string> token;   // of `authorization: Bearer …`
    std::optional<std::string> actor;   // as whom the caller describes itself (kActorHeader)
    std::optional<std::string> role;    // kRoleHeader
    std::optional<std::string> source;  // kSourceHeader
    std::string peer_address = {};      // where the connection comes from
    // The caller's certificate: it is in time and signed by a CA of ours, or else there would be no
    // connection. Its URIs.
    bool has_certificate = false;
    std::vector<std::string> certificate_uris = {};
};

// Whether the caller is known by an API key, so that `admitted` may have to wait.
bool is_by_api_key(const AdmissionRules& rules, const Credentials& shown);

// Who calls. Throws a Failure that says what is missing: UNAUTHENTICATED for a caller that proves
// nothing, PERMISSION_DENIED for a certificate of somebody who may not call here.
//
// Whoever shows a token is its holder and may do what it grants, whatever else comes with it. With
// the key, a caller is whom it names (caller_named). A certificate says who its holder is, and no
// header makes another one of it; only our own services may name the person or key on whose behalf
// they call, which they have let in themselves, and never another service. Whoever is believed to
// call for somebody is believed about that one's role and address too.
Caller admitted(const AdmissionRules& rules, const Credentials& shown);

}  // namespace flowstack::rpc
