#include "services/gateway/providers/meta/meta_signature.h"

#include <gtest/gtest.h>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "tests/unit/gateway/meta_vectors.h"

namespace flowstack::gateway {
namespace {

using namespace vectors;

std::vector<MetaApp> apps() {
    return parse_meta_apps({"other:secret-of-another", "app1:" + std::string(kSecret)});
}

TEST(MetaSignature, ProvesTheAppThatSigned) {
    EXPECT_EQ(signing_app(apps(), kBody1, kSignature1), "app1");
    EXPECT_EQ(signing_app(apps(), kBody2, kSignature2), "app1");
    EXPECT_EQ(signing_app(apps(), kBody3, kSignature3), "app1");
    EXPECT_EQ(signing_app(apps(), kBody4, kSignature4), "app1");
}

TEST(MetaSignature, IsOverTheBytesAsReceivedNotOverTheDocument) {
    // V2 with its escapes decoded is the same JSON and another body.
    std::string decoded(kBody2);
    const auto replace = [&](std::string_view from, std::string_view to) {
        decoded.replace(decoded.find(from), from.size(), to);
    };
    replace("\\u00ed", "\xC3\xAD");
    replace("\\ud83d\\ude4f", "\xF0\x9F\x99\x8F");
    replace("\\/", "/");
    EXPECT_EQ(crypto::hex_encode(crypto::bytes_of(crypto::hmac_sha256(kSecret, decoded))),
              "40b9eabe5d2fb2bcc6c9efc1923eb700ea5d03b84b61b311918bb9f574baac0c");
    EXPECT_EQ(signing_app(apps(), decoded, kSignature2), std::nullopt);
}

TEST(MetaSignature, EveryOtherHeaderIsRefused) {
    const std::string good(kSignature1);
    const std::string hex = good.substr(7);
    std::string upper = hex;
    for (auto& c : upper) c = static_cast<char>(std::toupper(c));
    auto non_hex = hex;
    non_hex[10] = 'g';
    for (const auto& header :
         {std::string(), "sha1=" + hex, "SHA256=" + hex, hex, "sha256=" + hex.substr(1), good + "0",
          "sha256=" + non_hex, "sha256=" + upper, "sha256= " + hex.substr(1), good + " "})
        EXPECT_EQ(signing_app(apps(), kBody1, header), std::nullopt) << header;
    EXPECT_EQ(signing_app(apps(), std::string(kBody1) + "\n", good), std::nullopt);
    EXPECT_EQ(signing_app(apps(), "", good), std::nullopt);
    EXPECT_EQ(signing_app(parse_meta_apps({"b:another"}), kBody1, good), std::nullopt);
    EXPECT_EQ(signing_app({}, kBody1, good), std::nullopt);
}

TEST(MetaApps, AreIdAndSecret) {
    EXPECT_EQ(parse_meta_apps({"1:a:b"}).at(0).secret.reveal(), "a:b");
    for (const auto* part : {"no-colon", ":secret", "id:"})
        EXPECT_THROW(parse_meta_apps({part}), std::invalid_argument);
}

}  // namespace
}  // namespace flowstack::gateway
