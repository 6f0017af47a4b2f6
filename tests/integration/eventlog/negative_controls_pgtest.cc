#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "common/eventlog/store.h"
#include "tests/support/test_database.h"

// Two ways of reading a log that look right and are not, beside ours under the very same schedule.
// They are here so that the checks below are known to be able to fail.
namespace flowstack::eventlog {
namespace {

using flowstack::testing::TestDatabase;

constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};

class NegativeControl : public ::testing::Test {
protected:
    NegativeControl() {
        first.run(
            "create table naive (seq bigserial primary key, xid xid8 not null default "
            "pg_current_xact_id(), "
            "version bigint not null)");
    }
    // What a reader finds after `checkpoint`, by the order given.
    std::vector<std::int64_t> read(const std::string& columns) {
        postgres::Session reader({.url = database.admin_url()});
        const auto rows = reader.query(columns);
        std::vector<std::int64_t> found;
        for (int row = 0; row < rows.rows(); ++row) found.push_back(rows.int8(row, 0));
        return found;
    }
    Command command(const std::string& id, std::int64_t expected) {
        Command c;
        c.id = id;
        c.tenant = "t1";
        c.meta.routing = {RoutingKind::customer, "c1"};
        c.parts.push_back({{"t1", "thing", "a"}, expected, {{"test.v1.Happened", id, kNow}}});
        return c;
    }
    void append_in(postgres::Session& session, const Command& command) {
        const auto statement = append_call({&command, 1}, options, derive, true).statement;
        session.query(statement.sql, statement.params);
    }

    TestDatabase database{1};
    postgres::Session first{{.url = database.admin_url()}};
    postgres::Session second{
        {.url = database.admin_url(), .statement_timeout = std::chrono::milliseconds(300)}};
    StoreOptions options{.service = "test", .database_url = database.admin_url(), .lanes = 1};
    DeriveFn derive = [](const StreamName&, int, const NewEvent&, Derived&) {};
};

TEST_F(NegativeControl, ASequenceReaderLosesWhatCommitsLate) {
    first.run("begin; insert into naive (version) values (1)");
    second.run("insert into naive (version) values (2)");
    const auto seen = read("select seq from naive where seq > 0 order by seq");
    const auto checkpoint = seen.back();
    first.run("commit");
    const auto later =
        read("select seq from naive where seq > " + std::to_string(checkpoint) + " order by seq");
    // Two rows are there and the reader has seen one of them, for ever.
    EXPECT_EQ(seen.size() + later.size(), 1u);
    EXPECT_EQ(read("select count(*) from naive").front(), 2);
}

TEST_F(NegativeControl, I8_UnderTheSameScheduleOurReaderSeesAPrefix) {
    first.run("begin");
    append_in(first, command("c1", kCreate));
    // The second writer of the lane cannot pass: it waits for the first, here until its patience
    // ends.
    EXPECT_THROW(append_in(second, command("c2", kAny)), postgres::SqlError);
    EXPECT_TRUE(read("select position from events order by position").empty());
    first.run("commit");
    append_in(second, command("c2", kAny));
    EXPECT_EQ(read("select position from events order by position"),
              (std::vector<std::int64_t>{1, 2}));
}

TEST_F(NegativeControl, OrderByTransactionIdReordersAStream) {
    // An older transaction writes later: it has its id before the other one begins.
    first.run("begin; select pg_current_xact_id()");
    second.run("insert into naive (version) values (1)");
    first.run("insert into naive (version) values (2); commit");
    // Transactions of the server's other databases hold the horizon back as well.
    std::vector<std::int64_t> seen;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (seen.size() < 2 && std::chrono::steady_clock::now() < until)
        seen = read(
            "select version from naive where xid < pg_snapshot_xmin(pg_current_snapshot()) "
            "order by xid, seq");
    EXPECT_EQ(seen, (std::vector<std::int64_t>{2, 1}));
}

TEST_F(NegativeControl, I2_UnderTheSameScheduleOurPositionsFollowTheVersions) {
    first.run("begin; select pg_current_xact_id()");
    append_in(second, command("c1", kCreate));
    append_in(first, command("c2", 1));
    first.run("commit");
    EXPECT_EQ(read("select version from events order by lane, position"),
              (std::vector<std::int64_t>{1, 2}));
}

}  // namespace
}  // namespace flowstack::eventlog
