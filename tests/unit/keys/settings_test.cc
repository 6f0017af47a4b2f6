#include "common/keys/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/config.h"
#include "tests/support/certificates.h"
#include "tests/support/vault_stand_in.h"

namespace flowstack::keys {
namespace {

using flowstack::testing::TestFolder;
using flowstack::testing::VaultStandIn;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kA(64, 'a'), kB(64, 'b');

struct Read {
    std::vector<std::string> mistakes;
    std::unique_ptr<crypto::KeyWrapper> wrapper;  // null after a mistake
    std::string printed;
};

Read read(const std::vector<std::string>& environment) {
    const char* const arguments[] = {"flowstack-payment"};
    std::vector<const char*> env;
    for (const auto& setting : environment) env.push_back(setting.c_str());
    env.push_back(nullptr);
    config::Reader reader(1, arguments, env.data());
    const KeySettings settings(reader);
    Read made{reader.mistakes(), nullptr, reader.printed_config()};
    if (made.mistakes.empty()) made.wrapper = settings.wrapper();
    return made;
}

TEST(KeySettings, AMasterKeyIsEnough) {
    const auto one = read({"MASTER_KEY=" + kA});
    ASSERT_THAT(one.mistakes, IsEmpty());
    EXPECT_THAT(one.wrapper->versions(), ElementsAre(StartsWith("local:")));
    EXPECT_THAT(one.wrapper->version(), Not(HasSubstr("aaaa")));
}

TEST(KeySettings, TwoMasterKeysOpenAndTheFirstWraps) {
    const auto old = read({"MASTER_KEY=" + kA});
    const auto both = read({"MASTER_KEY=" + kB, "MASTER_KEY_OTHER=" + kA});
    ASSERT_THAT(both.mistakes, IsEmpty());
    const auto wrapped = old.wrapper->wrap(Secret(std::string(32, 'k')), "demo");
    EXPECT_TRUE(both.wrapper->unwrap(wrapped, "demo"));
    const auto again = both.wrapper->rewrap(wrapped, "demo");
    ASSERT_TRUE(again);
    EXPECT_EQ(crypto::version_of(*again), read({"MASTER_KEY=" + kB}).wrapper->version());
    EXPECT_FALSE(old.wrapper->unwrap(*again, "demo"));
    EXPECT_FALSE(old.wrapper->opens(crypto::version_of(*again)));
}

TEST(KeySettings, KeysComeFromFilesToo) {
    const TestFolder folder;
    const auto both = read({"MASTER_KEY_FILE=" + folder.write("new", kB + "\n"),
                            "MASTER_KEY_OTHER_FILE=" + folder.write("old", kA + "\n")});
    ASSERT_THAT(both.mistakes, IsEmpty());
    EXPECT_EQ(both.wrapper->versions().size(), 2);
}

TEST(KeySettings, VaultMayOpenBeforeItWraps) {
    VaultStandIn vault;
    const std::string address = "VAULT_ADDRESS=" + vault.url(), token = "VAULT_TOKEN=s.stand-in";
    const auto before = read({"MASTER_KEY=" + kA, address, token});
    ASSERT_THAT(before.mistakes, IsEmpty());
    EXPECT_THAT(before.wrapper->version(), StartsWith("local:"));
    const auto after = read({"MASTER_KEY=" + kA, address, token, "KEYS_WRAPPED_BY=vault"});
    ASSERT_THAT(after.mistakes, IsEmpty());
    EXPECT_EQ(after.wrapper->version(), "transit:transit/flowstack:v1");
    const auto wrapped = before.wrapper->wrap(Secret(std::string(32, 'k')), "demo");
    const auto again = after.wrapper->rewrap(wrapped, "demo");
    ASSERT_TRUE(again);
    EXPECT_TRUE(before.wrapper->unwrap(*again, "demo"));
    EXPECT_THAT(read({address, token, "KEYS_WRAPPED_BY=vault"}).mistakes, IsEmpty());
}

TEST(KeySettings, WhatDoesNotFitIsToldByName) {
    const auto mistake = [](const std::vector<std::string>& environment) {
        const auto all = read(environment).mistakes;
        return all.empty() ? std::string("no mistake") : all.front();
    };
    const auto key = "MASTER_KEY=" + kA;
    EXPECT_THAT(mistake({}), StartsWith("MASTER_KEY: is required"));
    EXPECT_EQ(mistake({"MASTER_KEY=abc"}), "MASTER_KEY: must be 64 hex digits");
    EXPECT_EQ(mistake({key, "MASTER_KEY_OTHER=xyz"}), "MASTER_KEY_OTHER: must be 64 hex digits");
    EXPECT_EQ(mistake({key, "MASTER_KEY_OTHER=" + kA}),
              "MASTER_KEY_OTHER: is the same key as MASTER_KEY");
    EXPECT_THAT(mistake({"MASTER_KEY_OTHER=" + kA}), StartsWith("MASTER_KEY: is required"));
    EXPECT_THAT(mistake({"KEYS_WRAPPED_BY=vault"}), StartsWith("VAULT_ADDRESS: is required"));
    EXPECT_THAT(mistake({key, "KEYS_WRAPPED_BY=aws"}), StartsWith("KEYS_WRAPPED_BY"));
    EXPECT_THAT(mistake({key, "VAULT_ADDRESS=http://vault.example:8200", "VAULT_TOKEN=t"}),
                StartsWith("VAULT_ADDRESS: must begin with https://"));
    EXPECT_THAT(mistake({key, "VAULT_ADDRESS=https://vault.example:8200"}),
                StartsWith("VAULT_TOKEN: is required"));
    EXPECT_THAT(
        mistake({key, "VAULT_ADDRESS=https://v", "VAULT_TOKEN=t", "VAULT_TRANSIT_MOUNT=/transit"}),
        StartsWith("VAULT_TRANSIT_MOUNT"));
    EXPECT_THAT(mistake({key, "VAULT_ADDRESS=https://v", "VAULT_TOKEN=t", "VAULT_TRANSIT_KEY=a/b"}),
                StartsWith("VAULT_TRANSIT_KEY"));
}

TEST(KeySettings, NoKeyIsShown) {
    const auto all = read({"MASTER_KEY=" + kA, "MASTER_KEY_OTHER=" + kB,
                           "VAULT_ADDRESS=https://vault.example:8200", "VAULT_TOKEN=s.canary"});
    ASSERT_THAT(all.mistakes, IsEmpty());
    for (const auto& secret : {kA, kB, std::string("s.canary")})
        EXPECT_THAT(all.printed, Not(HasSubstr(secret)));
}

}  // namespace
}  // namespace flowstack::keys
