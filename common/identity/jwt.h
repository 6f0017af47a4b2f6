#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/time.h"
#include "common/identity/jwk.h"

// Signed tokens of one issuer (RFC 7519 in compact form, RFC 8725), read and judged. A pure
// function: keys and time are inputs.
namespace flowstack::identity {

inline constexpr std::size_t kTokenBytesMax = 8192;
inline constexpr std::size_t kSubjectBytesMax = 128;

// What a token must say to be taken.
struct Expected {
    std::string issuer;    // exactly
    std::string audience;  // one of `aud`
    // How far the issuer's clock may be from ours.
    std::chrono::seconds clock_skew_max{30};
    // From `iat` to `exp`. A token cannot be called back, so it must not last.
    std::chrono::seconds lifetime_max{3600};
    // The claim that lists what its subject may do: a list of texts (grants.h).
    std::string grants_claim = "flowstack";
    // The token is an ID token (OpenID Connect Core 3.1.3.7) that must say exactly this nonce, and
    // is for nobody besides `audience`. Empty: it is any token for `audience`.
    std::string nonce = {};
};

struct Claims {
    std::string subject;  // printable ASCII without a space
    Time expires;
    std::vector<std::string> grants;
    bool operator==(const Claims&) const = default;
};

// Why a token is not taken, as a sentence for its holder's developer. It tells what the token says
// about itself and never a part of its signature.
struct Refused {
    std::string why;
    bool unknown_key = false;  // the issuer may have changed its keys
    bool operator==(const Refused&) const = default;
};

// The key of this id.
using FindKey = std::function<std::optional<PublicKey>(const std::string& id)>;

// The signature is checked before anything that the token claims is looked at.
std::variant<Claims, Refused> read_token(std::string_view token, const Expected& expected,
                                         const FindKey& find_key, Time now);

// Whether a bearer's secret is meant to be a token: three parts with dots between them.
bool looks_like_token(std::string_view secret);

}  // namespace flowstack::identity
