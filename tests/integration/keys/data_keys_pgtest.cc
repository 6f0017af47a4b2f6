#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/crypto/encoding.h"
#include "common/keys/data_keys.h"
#include "common/keys/transit.h"
#include "common/observability/log.h"
#include "tests/support/test_database.h"
#include "tests/support/vault_stand_in.h"

// A rotation of the wrapping key, as the processes of a service live through it.
namespace flowstack::keys {
namespace {

using flowstack::testing::TestDatabase;
using flowstack::testing::VaultStandIn;
using ::testing::HasSubstr;
using ::testing::Not;

const Secret kOld(std::string(64, 'a')), kNew(std::string(64, 'b'));

std::unique_ptr<crypto::KeyWrapper> master(const Secret& hex) {
    return std::make_unique<crypto::MasterKey>(*crypto::MasterKey::from_hex(hex));
}
// The first one wraps.
crypto::KeyRing ring(std::unique_ptr<crypto::KeyWrapper> first,
                     std::unique_ptr<crypto::KeyWrapper> second = nullptr) {
    std::vector<std::unique_ptr<crypto::KeyWrapper>> wrappers;
    wrappers.push_back(std::move(first));
    if (second) wrappers.push_back(std::move(second));
    return crypto::KeyRing(std::move(wrappers));
}

class Rotation : public ::testing::Test {
protected:
    // A process with these keys.
    struct Process {
        Process(postgres::Pool& pool, crypto::KeyRing keys)
            : wrapper(std::move(keys)), data_keys(pool, wrapper) {}
        crypto::KeyRing wrapper;
        DataKeys data_keys;
    };

    std::string refused(const std::function<void()>& call) {
        try {
            call();
        } catch (const crypto::KeysRefused& error) {
            return error.what();
        }
        return "nothing was refused";
    }
    std::int64_t under(const std::string& version) {
        return pool.with([&](postgres::Session& session) {
            return session
                .query("select count(*) from data_keys where wrapped_under = $1",
                       postgres::Params().add(version))
                .int8(0, 0);
        });
    }

    TestDatabase database;
    postgres::Pool pool{{.url = database.service_url()}, 4};
    const std::string old_version = master(kOld)->version(), new_version = master(kNew)->version();
};

TEST_F(Rotation, AProcessMakesADataKeyOnceAndAnotherOneOpensIt) {
    Process one(pool, ring(master(kOld))), two(pool, ring(master(kOld)));
    EXPECT_EQ(one.data_keys.find("demo"), nullptr);
    const auto sealed = one.data_keys.of("demo")->seal(Secret("EAAJ"), "channel/1");
    const auto opened = two.data_keys.of("demo")->open(sealed, "channel/1");
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->reveal(), "EAAJ");
    EXPECT_FALSE(two.data_keys.of("another")->open(sealed, "channel/1"));
    EXPECT_EQ(one.data_keys.root().reveal(), two.data_keys.root().reveal());
}

TEST_F(Rotation, ManyThreadsThatMakeItAtOnceGetOneKey) {
    Process process(pool, ring(master(kOld)));
    std::vector<std::string> roots(8);
    {
        std::vector<std::jthread> threads;
        for (auto& root : roots)
            threads.emplace_back([&] {
                Process other(pool, ring(master(kOld)));
                root = other.data_keys.root().reveal();
            });
    }
    EXPECT_THAT(roots, ::testing::Each(process.data_keys.root().reveal()));
}

// Step by step as docs/security.md has it, with a process of each step still running.
TEST_F(Rotation, GoesOnWhileProcessesWithOldAndNewSettingsServe) {
    Process before(pool, ring(master(kOld)));
    std::map<std::string, std::string> sealed;
    for (int i = 0; i < 7; ++i) {
        const auto tenant = "tenant-" + std::to_string(i);
        sealed[tenant] = before.data_keys.of(tenant)->seal(Secret("token of " + tenant), "p");
    }
    const auto root = before.data_keys.root().reveal();
    const auto opens_all = [&](DataKeys& data_keys) {
        for (const auto& [tenant, text] : sealed) {
            const auto opened = data_keys.of(tenant)->open(text, "p");
            if (!opened || opened->reveal() != "token of " + tenant) return false;
        }
        return data_keys.root().reveal() == root;
    };

    Process prepared(pool, ring(master(kOld), master(kNew)));
    Process switched(pool, ring(master(kNew), master(kOld)));
    prepared.data_keys.check_all_open();
    switched.data_keys.check_all_open();
    // A tenant that comes now is wrapped under the new key, and opens where both are known.
    sealed["late"] = switched.data_keys.of("late")->seal(Secret("token of late"), "p");
    EXPECT_TRUE(opens_all(prepared.data_keys));
    EXPECT_EQ(switched.data_keys.status().left, 8);

    // The job is interrupted after three, begun again, and run by two at once.
    EXPECT_EQ(switched.data_keys.rewrap(3), 3);
    EXPECT_EQ(switched.data_keys.status().left, 5);
    EXPECT_EQ(under(old_version), 5);
    {
        Process again(pool, ring(master(kNew), master(kOld)));
        std::jthread one([&] {
            while (again.data_keys.rewrap(1) > 0)
                ;
        });
        std::jthread two([&] {
            while (switched.data_keys.rewrap(2) > 0)
                ;
        });
    }
    // A call that lost every row of its page to the other one ends early; the next one goes on.
    while (switched.data_keys.rewrap(100) > 0)
        ;
    EXPECT_EQ(switched.data_keys.status().left, 0);
    EXPECT_EQ(under(old_version), 0);
    EXPECT_EQ(under(new_version), 9);
    EXPECT_EQ(switched.data_keys.rewrap(100), 0);

    // Whoever opened them before goes on with what it holds; whoever starts has the new key alone.
    sealed.erase("late");
    EXPECT_TRUE(opens_all(before.data_keys));
    Process after(pool, ring(master(kNew)));
    after.data_keys.check_all_open();
    EXPECT_TRUE(opens_all(after.data_keys));
}

TEST_F(Rotation, AProcessWithTheNewKeyAloneSaysWhatItMisses) {
    Process before(pool, ring(master(kOld)));
    before.data_keys.of("demo");
    before.data_keys.root();
    Process early(pool, ring(master(kNew)));
    const auto text = refused([&] { early.data_keys.check_all_open(); });
    EXPECT_THAT(text, HasSubstr("2 wrapped under " + old_version));
    EXPECT_THAT(text, HasSubstr("MASTER_KEY_OTHER"));
    EXPECT_THAT(text, HasSubstr("flowctl data-keys rewrap"));
    EXPECT_THAT(refused([&] { early.data_keys.of("demo"); }), HasSubstr("tenant demo"));
    // It has nothing that it could wrap again, and changes nothing.
    EXPECT_EQ(early.data_keys.rewrap(100), 0);
    EXPECT_EQ(under(old_version), 2);
    const auto status = early.data_keys.status();
    EXPECT_EQ(status.left, 2);
    for (const auto& version : status.versions)
        EXPECT_EQ(version.opens, version.name == new_version);
}

TEST_F(Rotation, FromAMasterKeyToVaultAndThroughItsVersions) {
    VaultStandIn vault;
    const auto transit = [&] {
        return std::make_unique<TransitKey>(
            TransitOptions{.address = vault.url(), .token = Secret("s.stand-in")});
    };
    Process before(pool, ring(master(kOld)));
    const auto sealed = before.data_keys.of("demo")->seal(Secret("EAAJ"), "p");
    Process switched(pool, ring(transit(), master(kOld)));
    EXPECT_EQ(switched.data_keys.rewrap(100), 1);
    EXPECT_EQ(under("transit:transit/flowstack:v1"), 1);
    Process after(pool, ring(transit()));
    after.data_keys.check_all_open();
    EXPECT_TRUE(after.data_keys.of("demo")->open(sealed, "p"));

    vault.rotate();
    EXPECT_EQ(after.data_keys.status().left, 1);
    EXPECT_EQ(after.data_keys.rewrap(100), 1);
    EXPECT_EQ(under("transit:transit/flowstack:v2"), 1);
    vault.refuse_before(2);
    Process fresh(pool, ring(transit()));
    EXPECT_TRUE(fresh.data_keys.of("demo")->open(sealed, "p"));
    // What is open stays open while Vault is away; what is not can wait.
    vault.answer_with(503);
    EXPECT_TRUE(fresh.data_keys.of("demo")->open(sealed, "p"));
    EXPECT_THROW(fresh.data_keys.of("late"), crypto::KeysUnavailable);
    vault.answer_with(0);
    EXPECT_NE(fresh.data_keys.of("late"), nullptr);
}

TEST_F(Rotation, ARowThatWasExchangedDoesNotOpen) {
    Process process(pool, ring(master(kOld)));
    process.data_keys.of("one");
    process.data_keys.of("two");
    {
        postgres::Session admin({.url = database.admin_url()});
        admin.run(
            "update data_keys set wrapped = (select wrapped from data_keys where tenant = 'one') "
            "where tenant = 'two'");
    }
    Process other(pool, ring(master(kNew), master(kOld)));
    EXPECT_THAT(refused([&] { other.data_keys.of("two"); }), HasSubstr("tenant two"));
    EXPECT_THAT(refused([&] { other.data_keys.rewrap(100); }), HasSubstr("tenant two"));
}

TEST_F(Rotation, TheServicesRoleCannotTakeADataKeyAwayOrGiveItToAnotherTenant) {
    Process process(pool, ring(master(kOld)));
    process.data_keys.of("demo");
    for (const char* statement :
         {"delete from data_keys", "truncate data_keys", "update data_keys set tenant = 'another'"})
        EXPECT_THROW(
            pool.with([&](postgres::Session& session) { return session.query(statement); }),
            postgres::SqlError)
            << statement;
}

TEST_F(Rotation, NoKeyIsInTheLogOrInWhatIsThrown) {
    std::string said;
    log::redirect([&](std::string_view line) { said += line; });
    Process before(pool, ring(master(kOld)));
    const auto data_key = before.data_keys.of("demo")->data_key().reveal();
    Process early(pool, ring(master(kNew)));
    said += refused([&] { early.data_keys.check_all_open(); });
    said += refused([&] { early.data_keys.of("demo"); });
    Process switched(pool, ring(master(kNew), master(kOld)));
    switched.data_keys.rewrap(100);
    for (const auto& version : switched.data_keys.status().versions) said += version.name;
    log::redirect({});
    for (const auto& secret : {kOld.reveal(), kNew.reveal(), data_key, crypto::hex_encode(data_key),
                               crypto::base64_encode(data_key), crypto::base64url_encode(data_key)})
        EXPECT_THAT(said, Not(HasSubstr(secret)));
}

}  // namespace
}  // namespace flowstack::keys
