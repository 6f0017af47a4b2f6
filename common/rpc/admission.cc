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

bool can_be_kept(const std::optional<std::string>& text, std::size_t bytes_max) {
    return text && !text->empty() && text->size() <= bytes_max &&
           std::ranges::all_of(*text, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
}

// A caller that is believed to be whom it names. `passed_on`: a service may have let it in.
Caller with_origin(Caller caller, const Credentials& shown, bool passed_on) {
    if (caller.actor.starts_with("service:")) return caller;
    caller.role = passed_on && can_be_kept(shown.role, kRoleBytesMax) ? *shown.role
                                                                      : std::string(kOperatorRole);
    caller.source_address = passed_on && can_be_kept(shown.source, kSourceBytesMax)
                                ? *shown.source
                                : shown.peer_address;
    return caller;
}

Caller by_key(const AdmissionRules& rules, const Credentials& shown) {
    const bool asked = !rules.internal_key.empty();
    if (asked &&
        (!shown.key || !crypto::constant_time_equal(*shown.key, rules.internal_key.reveal())))
        throw unauthenticated(rules.proof == Proof::key
                                  ? "x-internal-key is missing or wrong"
                                  : "this door asks for a client certificate or x-internal-key: "
                                    "there is no certificate, and the key is missing or wrong");
    auto named = caller_named(shown.actor, asked);
    return asked ? with_origin(std::move(named), shown, true) : named;
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
        if (may_be_passed_on(named.actor)) return with_origin(std::move(named), shown, true);
    }
    return with_origin({peer->actor}, shown, false);
}

Caller by_token(const AdmissionRules& rules, const Credentials& shown) {
    auto caller = is_by_api_key(rules, shown)
                      ? rules.key_holder_of(*shown.token, shown.peer_address)
                      : rules.holder_of(*shown.token);
    caller.source_address = shown.peer_address;
    return caller;
}

// Whether there is somebody who looks at what the caller shows.
bool is_by_token(const AdmissionRules& rules, const Credentials& shown) {
    return shown.token && (rules.holder_of || is_by_api_key(rules, shown));
}

}  // namespace

bool is_by_api_key(const AdmissionRules& rules, const Credentials& shown) {
    return rules.key_holder_of && shown.token && shown.token->starts_with(kApiKeyPrefix);
}

Caller admitted(const AdmissionRules& rules, const Credentials& shown) {
    if (is_by_token(rules, shown)) return by_token(rules, shown);
    if (rules.proof == Proof::key) return by_key(rules, shown);
    if (shown.has_certificate) return by_certificate(rules, shown);
    if (rules.proof == Proof::either && !rules.internal_key.empty()) return by_key(rules, shown);
    throw unauthenticated("this door asks for a client certificate, and the caller has none");
}

}  // namespace flowstack::rpc
