#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/eventlog/store.h"
#include "common/service/schema.h"
#include "tests/support/test_database.h"

namespace flowstack::service {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Schema, NeedsTheEventLogsMigrationsAndItsOwn) {
    const auto payment = migrations_for("payment");
    ASSERT_FALSE(payment.empty());
    EXPECT_EQ(payment.front(), "eventlog/0001_tables.sql");
    EXPECT_THAT(payment, Contains("payment/0001_needs_person.sql"));
    EXPECT_THAT(payment, Each(Not(StartsWith("campaign/"))));
}

TEST(Schema, NamesTheMigrationThatIsMissing) {
    const flowstack::testing::TestDatabase database;
    eventlog::Store store({.service = "test", .database_url = database.service_url(), .lanes = 4},
                          [](const auto&, int, const auto&, auto&) {});
    const std::vector<std::string> needed{"eventlog/0001_tables.sql", "test/0002_more.sql"};
    EXPECT_EQ(missing_migration(store, needed), "") << "a database without notes is taken as it is";

    postgres::Session owner({.url = database.admin_url()});
    owner.query("create table schema_migrations (name text primary key)");
    EXPECT_THROW(missing_migration(store, needed), postgres::SqlError) << "it may not read them";
    owner.query("grant select on schema_migrations to flowstack_service");
    EXPECT_EQ(missing_migration(store, needed), needed[0]);
    owner.query("insert into schema_migrations values ('eventlog/0001_tables.sql')");
    EXPECT_EQ(missing_migration(store, needed), needed[1]);
    owner.query("insert into schema_migrations values ('test/0002_more.sql'), ('test/0003.sql')");
    EXPECT_EQ(missing_migration(store, needed), "") << "what a later release needs is no concern";
}

}  // namespace
}  // namespace flowstack::service
