#include "common/rpc/admission.h"

#include <algorithm>

#include "common/crypto/hash.h"
#include "common/rpc/error.h"

namespace flowstack::rpc {
namespace {

// Whom a service may name as the one for whom it calls: whoever can come in at a door of ours and
// is no service.
bool may_be_passed_on(const std::string& actor) {
    return actor == kNamelessActor || actor == "operator" || actor.starts_with("operator:") ||
           actor.starts_with("key:") || actor.starts_with("user:");
}

Caller by_key(const AdmissionRules& rules, const Credentials& shown) {
    const bool asked = !rules.internal_key.empty();
    if (asked &&
        (!shown.key || !crypto::constant_time_equal(*shown.key, rules.internal_key.reveal())))
        throw unauthenticated(rules.proof == Proof::key
                                  ? "x-internal-key is missing or wrong"
                                  : "this door asks for a client certificate or x-internal-key: "
                                    "there is no certificate, and the key is missing or wrong");
    return caller_named(shown.actor, asked);
}

Caller by_certificate(const AdmissionRules& rules, const Credentials& shown) {
    // A SPIFFE certificate has one URI; with several nobody could say who it is.
    if (shown.certificate_uris.size() != 1)
        throw permission_denied(
            "the client certificate must have one URI (SPIFFE ID) as a name; it has " +
            std::to_string(shown.certificate_uris.size()));
    const auto& uri = shown.certificate_uris.front();
    const auto* peer = rules.names.find(uri);
    if (peer == nullptr)
        throw permission_denied("the client certificate's name " + uri +
                                " may not call this service: GRPC_TLS_ID and GRPC_TLS_CALLERS say "
                                "which names may");
    if (peer->ours && shown.actor) {
        auto named = caller_named(shown.actor, true);
        if (may_be_passed_on(named.actor)) return named;
    }
    return {peer->actor};
}

}  // namespace

Caller admitted(const AdmissionRules& rules, const Credentials& shown) {
    if (rules.holder_of && shown.token) return rules.holder_of(*shown.token);
    if (rules.proof == Proof::key) return by_key(rules, shown);
    if (shown.has_certificate) return by_certificate(rules, shown);
    if (rules.proof == Proof::either && !rules.internal_key.empty()) return by_key(rules, shown);
    throw unauthenticated("this door asks for a client certificate, and the caller has none");
}

}  // namespace flowstack::rpc
