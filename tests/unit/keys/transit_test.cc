#include "common/keys/transit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/certificates.h"
#include "tests/support/vault_stand_in.h"

namespace flowstack::keys {
namespace {

using flowstack::testing::TestCa;
using flowstack::testing::TestFolder;
using flowstack::testing::VaultStandIn;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kDataKey(32, 'k');

TransitOptions options(const VaultStandIn& vault) {
    return {.address = vault.url(), .token = Secret("s.stand-in")};
}

// What a call throws of this type.
template <class Error, class Call>
std::string error_of(const Call& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing was thrown";
}

TEST(Transit, OpensWhatItWrappedForTheSameTenantOnly) {
    VaultStandIn vault;
    TransitKey key(options(vault));
    EXPECT_EQ(key.version(), "transit:transit/flowstack:v1");
    const auto wrapped = key.wrap(Secret(kDataKey), "demo");
    EXPECT_THAT(wrapped, StartsWith("transit:transit/flowstack:v1:"));
    EXPECT_EQ(crypto::version_of(wrapped), key.version());
    EXPECT_EQ(key.unwrap(wrapped, "demo").value_or(Secret("")).reveal(), kDataKey);
    EXPECT_FALSE(key.unwrap(wrapped, "another"));
}

TEST(Transit, RewrapsUnderTheNewVersionWithoutSeeingTheDataKey) {
    VaultStandIn vault;
    TransitKey key(options(vault));
    const auto old = key.wrap(Secret(kDataKey), "demo");
    vault.rotate();
    EXPECT_EQ(key.version(), "transit:transit/flowstack:v2");
    const auto asked_before = vault.asked().size();
    const auto now = key.rewrap(old, "demo");
    ASSERT_TRUE(now);
    EXPECT_EQ(crypto::version_of(*now), "transit:transit/flowstack:v2");
    EXPECT_EQ(vault.asked().size(), asked_before + 1);
    EXPECT_EQ(vault.asked().back(), "POST /v1/transit/rewrap/flowstack");
    EXPECT_EQ(key.unwrap(*now, "demo").value_or(Secret("")).reveal(), kDataKey);
    // The old form opens until the key's owner says otherwise.
    EXPECT_TRUE(key.unwrap(old, "demo"));
    vault.refuse_before(2);
    EXPECT_THAT(error_of<crypto::KeysRefused>([&] { key.unwrap(old, "demo"); }),
                HasSubstr("disallowed by policy (too old)"));
    EXPECT_TRUE(key.unwrap(*now, "demo"));
}

TEST(Transit, LeavesAloneWhatAnotherKeyWrapped) {
    VaultStandIn vault;
    TransitKey key(options(vault));
    EXPECT_FALSE(key.opens("local:0011223344556677"));
    EXPECT_FALSE(key.opens("transit:transit/other:v1"));
    EXPECT_FALSE(key.unwrap("local:0011223344556677:AAAA", "demo"));
    EXPECT_FALSE(key.rewrap("local:0011223344556677:AAAA", "demo"));
    EXPECT_TRUE(vault.asked().empty());
}

TEST(Transit, SaysWhatVaultComplainsOf) {
    VaultStandIn vault;
    auto wrong = options(vault);
    wrong.token = Secret("s.somebody-elses");
    TransitKey refused(wrong);
    const auto text =
        error_of<crypto::KeysUnavailable>([&] { refused.wrap(Secret(kDataKey), "demo"); });
    EXPECT_THAT(text, HasSubstr("encrypt flowstack"));
    EXPECT_THAT(text, HasSubstr("HTTP 403: permission denied"));
    EXPECT_THAT(text, HasSubstr("its policy must allow"));
    EXPECT_THAT(text, Not(HasSubstr("s.somebody-elses")));

    auto unknown = options(vault);
    unknown.key = "no-such-key";
    EXPECT_THAT(error_of<crypto::KeysRefused>([&] { TransitKey(unknown).version(); }),
                HasSubstr("encryption key not found"));

    TransitKey key(options(vault));
    vault.answer_with(503);
    EXPECT_THAT(error_of<crypto::KeysUnavailable>([&] { key.version(); }),
                HasSubstr("HTTP 503: Vault is sealed"));
    vault.answer_with(502);  // a proxy before it
    EXPECT_THAT(error_of<crypto::KeysUnavailable>([&] { key.version(); }), HasSubstr("HTTP 502"));
    vault.answer_with(200);
    EXPECT_THAT(error_of<crypto::KeysUnavailable>([&] { key.wrap(Secret(kDataKey), "demo"); }),
                HasSubstr("has no data.ciphertext"));
    vault.answer_with(0);
    EXPECT_NO_THROW(key.version());
}

TEST(Transit, IsUnavailableWhileNobodyAnswers) {
    std::string url;
    {
        const VaultStandIn gone;
        url = gone.url();
    }
    TransitKey key({.address = url, .token = Secret("t"), .timeout = std::chrono::seconds(1)});
    EXPECT_THAT(error_of<crypto::KeysUnavailable>([&] { key.version(); }),
                HasSubstr("does not answer"));
}

TEST(Transit, ReadsATokenFileAtEveryCall) {
    VaultStandIn vault;
    const TestFolder folder;
    auto from_file = options(vault);
    from_file.token = Secret("not this one");
    from_file.token_file = folder.write("token", "s.stand-in\n");
    TransitKey key(from_file);
    EXPECT_NO_THROW(key.version());
    vault.take_token("s.renewed");
    EXPECT_THROW(key.version(), crypto::KeysUnavailable);
    folder.write("token", "s.renewed\n");
    EXPECT_NO_THROW(key.version());
    folder.write("token", "\n");
    EXPECT_THAT(error_of<crypto::KeysUnavailable>([&] { key.version(); }),
                HasSubstr("has no token in its first line"));
}

TEST(Transit, NamesItsNamespace) {
    VaultStandIn vault;
    vault.ask_for_namespace("shops/kenya");
    EXPECT_THROW(TransitKey(options(vault)).version(), crypto::KeysUnavailable);
    auto named = options(vault);
    named.name_space = "shops/kenya";
    EXPECT_NO_THROW(TransitKey(named).version());
}

TEST(Transit, BelievesOnlyTheCaThatItIsGiven) {
    const TestFolder folder;
    const TestCa ca("vault's CA"), stranger("another CA");
    const auto pem = ca.issue("DNS:localhost");
    VaultStandIn vault(
        {.tls = http::ServerTls{.certificate_file = folder.write("cert.pem", pem.certificate),
                                .key_file = folder.write("key.pem", pem.key)}});
    auto good = options(vault);
    good.ca_file = folder.write("ca.pem", ca.certificate());
    EXPECT_NO_THROW(TransitKey(good).version());
    auto bad = options(vault);
    bad.ca_file = folder.write("stranger.pem", stranger.certificate());
    EXPECT_THROW(TransitKey(bad).version(), crypto::KeysUnavailable);
}

}  // namespace
}  // namespace flowstack::keys
