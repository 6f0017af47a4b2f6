#include "common/service/tokens.h"

#include <chrono>

#include "common/config/config.h"
#include "common/identity/grants.h"
#include "common/rpc/error.h"

namespace flowstack::service {
namespace {

constexpr std::chrono::seconds kKeysComeWithin{1};

const Clock& wall_clock() {
    static const SystemClock clock;
    return clock;
}

std::chrono::seconds in_seconds(std::chrono::milliseconds time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time);
}

}  // namespace

Tokens::Tokens(config::Reader& reader) {
    identity::IssuerOptions options;
    auto& expected = options.expected;
    expected.issuer = reader.text("OIDC_ISSUER", "",
                                  "URL of the OpenID Connect issuer whose tokens (JWT) people and "
                                  "machines may show instead of "
                                  "a key, at REST and gRPC. Its keys are found by discovery");
    expected.audience =
        reader.text("OIDC_AUDIENCE", "flowstack", "what must stand in a token's `aud`");
    expected.grants_claim = reader.text("OIDC_GRANTS_CLAIM", "flowstack",
                                        "a token's claim that lists what its subject may do: "
                                        "platform_admin, or <tenant>:<role> with "
                                        "the role admin, agent, auditor or viewer");
    expected.clock_skew_max = in_seconds(reader.duration_ms(
        "OIDC_CLOCK_SKEW_MS", 30'000, "how far the issuer's clock may be from ours", 0, 300'000));
    expected.lifetime_max = in_seconds(
        reader.duration_ms("OIDC_TOKEN_LIFETIME_MAX_MS", 3'600'000,
                           "a token that lasts longer is refused, because it cannot be called back",
                           60'000, 86'400'000));
    options.refresh = reader.duration_ms("OIDC_KEYS_REFRESH_MS", 300'000,
                                         "how often the issuer's keys are fetched", 1'000);
    options.unknown_key_every = reader.duration_ms(
        "OIDC_UNKNOWN_KEY_MS", 30'000,
        "a token with an unknown key makes us fetch the keys at once, at most so often", 100);
    options.ca_file =
        reader.text("OIDC_CA_FILE", "",
                    "PEM file of the CA that signed the issuer's certificate; without "
                    "it the system's CAs are believed");
    if (expected.issuer.empty()) return;
    if (const auto mistake = identity::issuer_mistake(expected.issuer); !mistake.empty())
        reader.mistake("OIDC_ISSUER: " + mistake);
    options_ = std::move(options);
}

void Tokens::open() {
    if (options_) issuer_ = std::make_shared<identity::Issuer>(*options_, wall_clock());
}

rpc::Caller Tokens::holder_of(std::string_view token) const {
    const auto answer = issuer_->read(token);
    if (const auto* refused = std::get_if<identity::Refused>(&answer))
        throw rpc::unauthenticated(refused->why);
    const auto* claims = std::get_if<identity::Claims>(&answer);
    if (claims == nullptr)
        throw rpc::unavailable("the token's key is not known yet; it is being asked for",
                               kKeysComeWithin);
    return {"user:" + claims->subject, identity::parse_grants(claims->grants)};
}

}  // namespace flowstack::service
