#include "common/identity/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/identity/grants.h"
#include "tests/unit/identity/signer.h"

// Tokens that are signed here, and every way in which one may not be good enough.
namespace flowstack::identity {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using testing::encoded;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::jwks_of;
using testing::Signer;
using ::testing::SizeIs;
using Type = Signer::Type;

constexpr std::int64_t kNow = 1'800'000'000;

class Token : public ::testing::Test {
protected:
    Token() { publish({rsa.jwk(), p256.jwk(), ed25519.jwk()}); }

    void publish(const std::vector<json::object>& jwks) {
        keys.clear();
        for (auto& key : parse_jwks(jwks_of(jwks))) keys[key.id] = key;
    }
    static json::object claims(const json::object& other = {}) {
        json::object all{{"iss", "https://login.example"},
                         {"aud", "flowstack"},
                         {"sub", "ann"},
                         {"iat", kNow - 10},
                         {"exp", kNow + 600},
                         {"flowstack", {"demo:agent"}}};
        for (const auto& [name, value] : other)
            if (value.is_null())
                all.erase(name);
            else
                all[name] = value;
        return all;
    }
    std::variant<Claims, Refused> read(const std::string& token) const {
        return read_token(
            token, expected,
            [this](const std::string& id) -> std::optional<PublicKey> {
                const auto found = keys.find(id);
                if (found == keys.end()) return std::nullopt;
                return found->second;
            },
            from_unix_seconds(kNow));
    }
    // Why the token is refused; empty when it is taken.
    std::string why_not(const std::string& token) const {
        const auto result = read(token);
        const auto* refused = std::get_if<Refused>(&result);
        return refused ? refused->why : "";
    }
    std::string why_not(const json::object& other) const {
        return why_not(p256.sign(claims(other), "ES256"));
    }

    Signer rsa{Type::rsa, "rsa-1"}, p256{Type::p256, "ec-1"}, ed25519{Type::ed25519, "ed-1"};
    std::map<std::string, PublicKey> keys;
    Expected expected{.issuer = "https://login.example", .audience = "flowstack"};
};

TEST_F(Token, IsTakenWithEachSignatureThatItsKeyMakes) {
    const Claims ann{
        .subject = "ann", .expires = from_unix_seconds(kNow + 600), .grants = {"demo:agent"}};
    for (const auto& token : {rsa.sign(claims(), "RS256"), rsa.sign(claims(), "PS256"),
                              p256.sign(claims(), "ES256"), ed25519.sign(claims(), "EdDSA")}) {
        EXPECT_TRUE(looks_like_token(token));
        EXPECT_EQ(why_not(token), "");
        EXPECT_EQ(std::get<Claims>(read(token)), ann);
    }
}

TEST_F(Token, WithoutASignatureIsNone) {
    for (const auto* none : {"none", "None", "NONE", "nOnE", ""}) {
        const auto head = encoded({{"alg", none}, {"kid", "ec-1"}}) + "." + encoded(claims()) + ".";
        EXPECT_THAT(why_not(head), HasSubstr("algorithm")) << none;
        EXPECT_THAT(why_not(head + "AAAA"), HasSubstr("algorithm")) << none;
    }
    auto cut = p256.sign(claims(), "ES256");
    cut.erase(cut.rfind('.') + 1);
    EXPECT_THAT(why_not(cut), HasSubstr("signature is wrong"));
    EXPECT_THAT(why_not(encoded({{"kid", "ec-1"}}) + "." + encoded(claims()) + ".AAAA"),
                HasSubstr("algorithm"));
}

TEST_F(Token, APublicKeyIsNoSharedSecret) {
    for (const auto& secret : {rsa.public_pem(), json::serialize(rsa.jwk())}) {
        const auto text =
            encoded({{"alg", "HS256"}, {"typ", "JWT"}, {"kid", "rsa-1"}}) + "." + encoded(claims());
        const auto mac = crypto::hmac_sha256(secret, text);
        EXPECT_THAT(why_not(text + "." + crypto::base64url_encode(crypto::bytes_of(mac))),
                    HasSubstr("algorithm"));
    }
}

TEST_F(Token, TheKeyDecidesTheAlgorithm) {
    // Each signed by its key, with a header that says something else.
    const auto as = [&](const Signer& signer, const std::string& real, const std::string& said) {
        return why_not(signer.sign({{"alg", said}, {"kid", signer.id()}}, claims(), real));
    };
    EXPECT_THAT(as(rsa, "RS256", "ES256"), HasSubstr("does not sign by ES256"));
    EXPECT_THAT(as(p256, "ES256", "RS256"), HasSubstr("does not sign by RS256"));
    EXPECT_THAT(as(ed25519, "EdDSA", "ES256"), HasSubstr("does not sign by ES256"));
    EXPECT_THAT(as(rsa, "RS256", "PS256"), HasSubstr("signature is wrong"));
    EXPECT_THAT(as(rsa, "RS256", "RS512"), HasSubstr("algorithm"));
    // An issuer that says what a key is for means it.
    auto only = rsa.jwk();
    only["alg"] = "PS256";
    publish({only});
    EXPECT_EQ(as(rsa, "PS256", "PS256"), "");
    EXPECT_THAT(as(rsa, "RS256", "RS256"), HasSubstr("does not sign by RS256"));
}

TEST_F(Token, ByAnUnknownKeyIsRefusedAsSuch) {
    const Signer stranger(Type::p256, "ec-2");
    const auto result = read(stranger.sign(claims(), "ES256"));
    ASSERT_TRUE(std::holds_alternative<Refused>(result));
    EXPECT_TRUE(std::get<Refused>(result).unknown_key);
    // A stranger that uses a known key's id, and one that brings its own key.
    const Signer impostor(Type::p256, "ec-1");
    EXPECT_THAT(why_not(impostor.sign(claims(), "ES256")), HasSubstr("signature is wrong"));
    EXPECT_THAT(why_not(impostor.sign({{"alg", "ES256"}, {"kid", "ec-1"}, {"jwk", impostor.jwk()}},
                                      claims(), "ES256")),
                HasSubstr("signature is wrong"));
    EXPECT_THAT(why_not(p256.sign({{"alg", "ES256"}}, claims(), "ES256")), HasSubstr("kid"));
}

TEST_F(Token, NoBitOfItMayChange) {
    const auto token = p256.sign(claims(), "ES256");
    const auto changed = encoded({{"alg", "ES256"}, {"typ", "JWT"}, {"kid", "ec-1"}}) + "." +
                         encoded(claims({{"sub", "bob"}})) + token.substr(token.rfind('.'));
    EXPECT_THAT(why_not(changed), HasSubstr("signature is wrong"));
    const Signer other(Type::rsa, "rsa-1");
    EXPECT_THAT(why_not(other.sign(claims(), "RS256")), HasSubstr("signature is wrong"));
}

TEST_F(Token, IsOfThisIssuerForThisAudience) {
    EXPECT_THAT(why_not({{"iss", "https://login.example/"}}), HasSubstr("another issuer"));
    EXPECT_THAT(why_not({{"iss", "https://evil.example"}}), HasSubstr("another issuer"));
    EXPECT_THAT(why_not({{"iss", nullptr}}), HasSubstr("another issuer"));
    EXPECT_THAT(why_not({{"aud", "other"}}), HasSubstr("another audience"));
    EXPECT_THAT(why_not({{"aud", {"other", "third"}}}), HasSubstr("another audience"));
    EXPECT_THAT(why_not({{"aud", nullptr}}), HasSubstr("another audience"));
    EXPECT_EQ(why_not({{"aud", {"other", "flowstack"}}}), "");
}

TEST_F(Token, IsGoodForItsTimeAndTheClocksDifference) {
    EXPECT_THAT(why_not({{"exp", kNow - 30}}), HasSubstr("expired"));
    EXPECT_EQ(why_not({{"exp", kNow - 29}}), "");
    EXPECT_THAT(why_not({{"nbf", kNow + 31}}), HasSubstr("not good yet"));
    EXPECT_EQ(why_not({{"nbf", kNow + 30}}), "");
    EXPECT_THAT(why_not({{"nbf", "soon"}}), HasSubstr("not good yet"));
    EXPECT_THAT(why_not({{"iat", kNow + 31}}), HasSubstr("in the future"));
    EXPECT_EQ(why_not({{"iat", kNow + 30}}), "");
    for (const auto* missing : {"exp", "iat"})
        EXPECT_THAT(why_not({{missing, nullptr}}), HasSubstr("from when until when")) << missing;
    for (const json::value& odd : {json::value("1800000600"), json::value(-1), json::value(1e300)})
        EXPECT_THAT(why_not({{"exp", odd}}), HasSubstr("from when until when")) << odd;
}

TEST_F(Token, MayNotLastTooLong) {
    EXPECT_EQ(why_not({{"iat", kNow}, {"exp", kNow + 3600}}), "");
    EXPECT_THAT(why_not({{"iat", kNow}, {"exp", kNow + 3601}}), HasSubstr("too long"));
    EXPECT_THAT(why_not({{"iat", 0}}), HasSubstr("too long"));
}

TEST_F(Token, NamesWhomItIsAbout) {
    for (const json::value& subject :
         {json::value(nullptr), json::value(""), json::value("a b"), json::value("a\nb"),
          json::value("\xC3\xA9"), json::value(std::string(kSubjectBytesMax + 1, 'a'))})
        EXPECT_THAT(why_not({{"sub", subject}}), HasSubstr("subject")) << subject;
    EXPECT_EQ(why_not({{"sub", std::string(kSubjectBytesMax, 'a')}}), "");
}

TEST_F(Token, WithAnExtensionThatNobodyKnowsIsRefused) {
    EXPECT_THAT(why_not(p256.sign({{"alg", "ES256"}, {"kid", "ec-1"}, {"crit", {"exp"}}}, claims(),
                                  "ES256")),
                HasSubstr("crit"));
    EXPECT_THAT(why_not(p256.sign({{"alg", "ES256"}, {"kid", "ec-1"}, {"typ", "dpop+jwt"}},
                                  claims(), "ES256")),
                HasSubstr("type"));
    EXPECT_EQ(why_not(p256.sign({{"alg", "ES256"}, {"kid", "ec-1"}, {"typ", "at+JWT"}}, claims(),
                                "ES256")),
              "");
}

TEST_F(Token, WhatIsNoneIsRefused) {
    const auto good = p256.sign(claims(), "ES256");
    for (const auto& text :
         {std::string(), std::string("."), std::string(".."), std::string("a.b"), good + ".",
          good + "=", "x" + good, std::string("fsk_0123"), std::string("e30.e30.e30"),
          "\xff" + good, encoded({}) + "." + encoded({}) + "."})
        EXPECT_NE(why_not(text), "") << text;
    EXPECT_THAT(why_not({{"more", std::string(kTokenBytesMax, 'x')}}), HasSubstr("longer"));
    EXPECT_FALSE(looks_like_token("fsk_0123456789abcdef"));
    EXPECT_FALSE(looks_like_token("a.b.c.d"));
}

TEST_F(Token, GrantsAreAListOfTexts) {
    EXPECT_EQ(std::get<Claims>(read(p256.sign(claims({{"flowstack", nullptr}}), "ES256"))).grants,
              std::vector<std::string>{});
    EXPECT_THAT(why_not({{"flowstack", "platform_admin"}}), HasSubstr("must be a list"));
    EXPECT_THAT(
        std::get<Claims>(read(p256.sign(claims({{"flowstack", {"a:viewer", 7}}}), "ES256"))).grants,
        ElementsAre("a:viewer"));
}

// ------------------------------------------------------------------------------- keys

TEST(Jwks, KeysThatCannotSignForUsAreLeftOut) {
    const Signer good(Type::p256, "good");
    auto encrypts = Signer(Type::rsa, "encrypts").jwk();
    encrypts["use"] = "enc";
    auto without_id = Signer(Type::p256, "x").jwk();
    without_id.erase("kid");
    auto off_curve = Signer(Type::p256, "off-curve").jwk();
    off_curve["y"] = off_curve["x"];
    auto other_alg = Signer(Type::rsa, "other-alg").jwk();
    other_alg["alg"] = "RS512";
    const json::object shared{{"kty", "oct"}, {"kid", "shared"}, {"k", "c2VjcmV0"}};
    const auto keys = parse_jwks(
        jwks_of({Signer(Type::small_rsa, "small").jwk(), Signer(Type::p384, "p384").jwk(), encrypts,
                 without_id, off_curve, other_alg, shared, good.jwk()}));
    ASSERT_THAT(keys, SizeIs(1));
    EXPECT_EQ(keys.front().id, "good");
}

TEST(Jwks, ASetThatIsNoneIsRefused) {
    for (const auto* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":7})", "{\"keys\":["})
        EXPECT_THROW(parse_jwks(text), std::invalid_argument) << text;
    EXPECT_THAT(parse_jwks(R"({"keys":[1,"a",{}]})"), IsEmpty());
    const Signer one(Type::p256, "same"), two(Type::p256, "same");
    EXPECT_THROW(parse_jwks(jwks_of({one.jwk(), two.jwk()})), std::invalid_argument);
    std::vector<json::object> many;
    for (std::size_t i = 0; i < kKeysMax + 3; ++i) {
        auto key = one.jwk();
        key["kid"] = std::to_string(i);
        many.push_back(key);
    }
    EXPECT_THAT(parse_jwks(jwks_of(many)), SizeIs(kKeysMax));
}

// Signatures that others made: RFC 7515 A.3 (ES256) and RFC 8037 A.4 (EdDSA).
TEST(Jwks, ChecksTheSignaturesOfTheStandards) {
    const auto keys = parse_jwks(R"({"keys":[
        {"kid":"es","kty":"EC","crv":"P-256",
         "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kid":"ed","kty":"OKP","crv":"Ed25519",
         "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
    ASSERT_THAT(keys, SizeIs(2));
    const auto raw = [](const char* text) { return crypto::base64url_decode(text).value(); };
    EXPECT_TRUE(signed_by(
        keys[0], Algorithm::es256,
        "eyJhbGciOiJFUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ",
        raw("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1"
            "Q")));
    const auto ed = raw(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
    EXPECT_TRUE(signed_by(keys[1], Algorithm::eddsa,
                          "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc", ed));
    EXPECT_FALSE(signed_by(keys[1], Algorithm::eddsa,
                           "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmd", ed));
    EXPECT_FALSE(signed_by(keys[1], Algorithm::es256, "x", ed));
}

// ------------------------------------------------------------------------------ grants

TEST(Grants, AreThePlatformsOrATenants) {
    const auto grants = parse_grants({"platform_admin", "demo:admin", "demo:viewer", "kiosk:agent",
                                      "offline_access", ":admin", "demo:owner", "demo:", "x"});
    EXPECT_TRUE(grants.platform_admin);
    EXPECT_EQ(grants.tenants, (decltype(grants.tenants){{"demo", {Role::admin, Role::viewer}},
                                                        {"kiosk", {Role::agent}}}));
    EXPECT_EQ(parse_grants({"platform_admin:admin", "Platform_admin"}).platform_admin, false);
    for (const auto role : {Role::viewer, Role::auditor, Role::agent, Role::admin})
        EXPECT_EQ(parse_role(name_of(role)), role);
}

}  // namespace
}  // namespace flowstack::identity
