#include <stdexcept>

#include "common/identity/jwt.h"
#include "tests/fuzz/fuzz.h"

// What strangers send as a token, and what an issuer's address answers as its keys.
namespace flowstack::identity {
namespace {

// One key of each type, whose private halves nobody has: of RFC 7515 A.2 and A.3, and RFC 8037 A.
constexpr std::string_view kKeys = R"({"keys":[
    {"kid":"rs","kty":"RSA","e":"AQAB",
     "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    {"kid":"es","kty":"EC","crv":"P-256",
     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    {"kid":"ed","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

FLOWSTACK_FUZZ_TARGET(jwt) {
    static const auto keys = parse_jwks(kKeys);
    FLOWSTACK_EXPECT(keys.size() == 3);
    const Expected expected{.issuer = "joe", .audience = "flowstack"};
    for (const auto& key : keys) {
        const auto result = read_token(
            bytes, expected, [&](const std::string&) { return key; },
            from_unix_seconds(1'300'819'000));
        // The signed examples of the standards are for no audience, and others cannot be signed.
        const auto* refused = std::get_if<Refused>(&result);
        FLOWSTACK_EXPECT(refused != nullptr && !refused->why.empty());
        FLOWSTACK_EXPECT(refused->why.size() < 200);
    }
}

FLOWSTACK_FUZZ_TARGET(jwks) {
    try {
        const auto keys = parse_jwks(bytes);
        FLOWSTACK_EXPECT(keys.size() <= kKeysMax);
        for (const auto& key : keys) {
            FLOWSTACK_EXPECT(!key.id.empty() && !key.algorithms.empty() && key.key);
            for (const auto algorithm : key.algorithms)
                FLOWSTACK_EXPECT(!signed_by(key, algorithm, "signed", std::string(64, 'x')));
        }
    } catch (const std::invalid_argument&) {  // it is no set of keys
    }
}

}  // namespace
}  // namespace flowstack::identity
