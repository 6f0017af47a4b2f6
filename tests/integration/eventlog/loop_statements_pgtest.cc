#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "common/eventlog/loop_statements.h"
#include "common/eventlog/store.h"
#include "services/campaign/loop_statements.h"
#include "services/followup/loop_statements.h"
#include "services/payment/loop_statements.h"
#include "tests/support/rows_read.h"
#include "tests/support/test_database.h"

// No statement of a loop reads more when its tables have grown.
namespace flowstack::eventlog {
namespace {

using flowstack::testing::fill_with_a_million;
using flowstack::testing::rows_read;
using flowstack::testing::RowsRead;
using flowstack::testing::TestDatabase;
using postgres::Params;

constexpr int kLanes = 64;
const Time kNow = std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now());
const std::vector<std::string> kTables{"events", "heads",      "claims",
                                       "work",   "read_model", "settings_changes"};

// A scan of an index that finds few of its entries counts few rows; its pages tell.
constexpr std::int64_t kPagesForEachRow = 8;
constexpr std::int64_t kPagesBesides = 100;

// A statement with what it is asked in daily life.
struct Asked {
    const LoopStatement* statement;
    Params params;
    std::int64_t events = 0;  // of an append, whose answer is one row for all
};

std::vector<std::int32_t> all_lanes() {
    std::vector<std::int32_t> lanes(kLanes);
    std::iota(lanes.begin(), lanes.end(), 0);
    return lanes;
}

// The n-th of the million streams, events and claims.
Uuid uuid_of(int n) {
    char text[40];
    std::snprintf(text, sizeof text, "00000000-0000-0000-0000-%012x", static_cast<unsigned>(n));
    return Uuid::parse(text).value();
}

// Three commands: one that makes a stream and claims a name, one to a stream of the million that
// takes a work row away and puts another, one whose owner is checked.
AppendCall an_append() {
    static const StoreOptions options{.service = "test", .lanes = kLanes};
    const auto derive = [](const StreamName& stream, int lane, const NewEvent& event,
                           Derived& derived) {
        if (event.type == "test.v1.Named")
            derived.claims.push_back({stream.tenant, "name", stream.key, ""});
        if (event.type != "test.v1.Moved") return;
        derived.work_del.push_back({lane, "timer", "t1/c9/9"});
        derived.work_put.push_back({lane, "timer", "t1/c9/new", kNow, 0, ""});
    };
    std::vector<Command> commands;
    for (const std::string type : {"test.v1.Named", "test.v1.Moved", "test.v1.Plain"}) {
        Command command;
        command.id = type;
        command.tenant = "t1";
        command.meta.routing = {RoutingKind::lane, "7"};
        command.parts.push_back({{"t1", "fresh", type}, kCreate, {{type, "x", kNow}}});
        commands.push_back(std::move(command));
    }
    commands.back().owner_guard = OwnerGuard{7, 0};
    return append_call(commands, options, derive, false);
}

std::vector<Asked> questions() {
    using namespace loops;
    const auto lanes = all_lanes();
    const std::vector<std::int32_t> two_lanes{3, 4};
    const std::vector<std::int64_t> two_positions{9, 9}, relayed{15'000, 16'000}, from{7, 7},
        to{8, 8};
    const std::vector<std::string> kinds{"timer", "other"}, sources{"source", "source"},
        tenants{"t1", "t1"}, document_kinds{"contact", "contact"}, ids{"c5", "new"}, none{"", ""};
    const std::vector<std::int32_t> timer_lanes{7, 7};
    const std::vector<std::string> first_keys{"t1/c9/", "t1/c7/"}, beyond_keys{"t1/c90", "t1/c70"};
    const std::vector<std::int64_t> limits{256, 256}, versions{1, 3};
    const std::vector<Uuid> streams{uuid_of(1000), uuid_of(2000)};
    const std::vector<std::string_view> bodies{"a", "b"};
    const std::vector<Time> times{kNow, kNow};
    const auto append = an_append();
    return {
        {&kRenewLease, Params().add("0").add(std::int64_t{1}).add(std::int64_t{6'000})},
        {&kReplicas, {}},
        {&kLanesNow, {}},
        {&kLivingOwner, Params().add(5)},
        {&kRelayHeads, Params().add_array(lanes)},
        {&kRelayPage, Params().add_array(two_lanes).add_array(relayed).add(std::int64_t{100})},
        {&kRelayPage, Params().add_array(two_lanes).add_array(relayed).add(std::int64_t{1'000})},
        {&kRelaySave, Params().add_array(two_lanes).add_array(two_positions)},
        {&kLaneCompared, Params().add(3).add(std::int64_t{9})},
        {&kLaneReadTo, Params().add(4).add(std::int64_t{9})},
        {&kVerifyStretch, Params().add(3).add(std::int64_t{100}).add(std::int64_t{199})},
        {&kWorkDue, Params().add_array(kinds).add_array(limits).add_array(lanes).add(true)},
        {&kWorkDue, Params().add_array(kinds).add_array(limits).add_array(lanes).add(false)},
        {&kSettingsChanges, Params().add(std::int64_t{999'990})},
        {&kSettingsChanges, Params().add(std::int64_t{1'000'000})},
        {&kHeads, {}},
        {&kLanePage,
         Params().add(3).add(std::int64_t{100}).add(std::int64_t{1} << 62).add(std::int64_t{50})},
        {&kStream, Params().add(uuid_of(1000)).add(std::int64_t{1})},
        {&kStream, Params().add(uuid_of(1000)).add(std::int64_t{5})},
        {&kStreams, Params().add_array(streams).add_array(versions)},
        {&kClaim, Params().add(uuid_of(1000))},
        {&kMoveCursors,
         Params().add("test").add_array(sources).add_array(two_lanes).add_array(from).add_array(
             to)},
        {&kCursor, Params().add("test").add("source").add(3)},
        {&kParkedKeys, Params().add("test").add("source").add(3)},
        {&kDocument, Params().add("t1").add("contact").add("c5")},
        {&kDocument, Params().add("t1").add("contact").add("unknown")},
        {&kDocuments, Params().add_array(tenants).add_array(document_kinds).add_array(ids)},
        {&kWriteDocuments, Params()
                               .add_array(tenants)
                               .add_array(document_kinds)
                               .add_array(ids)
                               .add_array(none)
                               .add_array(none)
                               .add_array(times)
                               .add_array(two_lanes)
                               .add_array(two_positions)
                               .add_bytes_array(bodies)},
        {&kDropDocuments, Params().add_array(tenants).add_array(document_kinds).add_array(ids)},
        {&kAppend, append.statement.params, 3},
        {&followup::kOpenTimers,
         Params().add("timer").add_array(timer_lanes).add_array(first_keys).add_array(beyond_keys)},
    };
}

class LoopStatements : public ::testing::Test {
protected:
    // What stands in the small tables, as in an installation that has run for a while.
    void set_up_small_tables() {
        admin.run(R"sql(
            insert into replicas select n::text, 1, now() + interval '1 hour' * (case when n < 3
                then 1 else -1 end) from generate_series(0, 200) n;
            update lane_owner set replica = '0', incarnation = 1;
            insert into cursors select 'test', 'source', n, 1, 7 from generate_series(0, 63) n;
            insert into parked select case when n % 100 = 0 then 'test' else 'other' end, 'source',
                n % 64, n, 'k' || n, 'reason', '', now() from generate_series(1, 20000) n)sql");
    }
    RowsRead read(const Asked& asked) { return read(asked, session); }
    static RowsRead read(const Asked& asked, postgres::Session& on) {
        return rows_read(on, asked.statement->sql, asked.params);
    }
    static void expect_reads_little(const Asked& asked, postgres::Session& on) {
        const auto& statement = *asked.statement;
        const auto found = read(asked, on);
        const auto answer = std::max(found.answer, asked.events);
        const auto may = statement.read_for_each * answer + statement.read_besides;
        EXPECT_LE(found.rows, may)
            << statement.name << " returned or changed " << answer << " rows\n"
            << statement.sql;
        EXPECT_LE(found.pages, kPagesForEachRow * may + kPagesBesides)
            << statement.name << " returned or changed " << answer << " rows\n"
            << statement.sql;
    }

    TestDatabase database{kLanes, "followup"};
    postgres::Session admin{{.url = database.admin_url()}};
    postgres::Session session{{.url = database.service_url()}};
};

TEST_F(LoopStatements, ReadNoMoreThanTheySayOnTablesOfAMillionRowsWithPlansOfEmptyTables) {
    set_up_small_tables();
    const auto all = questions();
    for (const auto& asked : all) read(asked);  // makes the plans
    fill_with_a_million(database.admin_url(), kTables);
    admin.run(R"sql(insert into work select n % 64, 'timer', 'due-' || n, now(), 0, ''
                      from generate_series(1, 100) n)sql");
    std::set<std::string> tried;
    for (const auto& asked : all) {
        tried.insert(asked.statement->name);
        expect_reads_little(asked, session);
    }
    for (const auto* statement : loop_statements())
        EXPECT_TRUE(tried.contains(statement->name)) << statement->name << " was not tried";
}

// It named the kind by a parameter: a plan for any kind cannot use an index of one kind.
TEST_F(LoopStatements, OfPaymentCountWhatNeedsAPersonWithoutReadingEveryDocument) {
    const TestDatabase with_its_index{kLanes, "payment"};
    postgres::Session of_payment({.url = with_its_index.service_url()});
    const Asked asked{&payment::kPaymentsForPerson, Params().add(kNow).add(kNow)};
    const Asked open{&payment::kOpenPayments, Params().add(kNow).add(kNow)};
    read(asked, of_payment);
    read(open, of_payment);
    fill_with_a_million(with_its_index.admin_url(), {"read_model"});
    expect_reads_little(asked, of_payment);
    expect_reads_little(open, of_payment);
}

// A list of a few ids read all contacts of the lane, which is most of a large tenant's.
TEST_F(LoopStatements, OfCampaignReadAPageOfContactsAndNoMore) {
    const TestDatabase with_its_index{kLanes, "campaign"};
    postgres::Session of_campaign({.url = with_its_index.service_url()});
    const auto of_lane_7 = [] {
        return Params().add("t1").add(7).add("c5").add(std::int64_t{200});
    };
    const std::vector<std::string> listed{"c7", "c71", "c72", "unknown"};
    const std::vector<Asked> all{
        {&campaign::kContactsPage, of_lane_7()},
        {&campaign::kListedContacts, of_lane_7().add_array(std::span<const std::string>(listed))}};
    for (const auto& asked : all) read(asked, of_campaign);
    fill_with_a_million(with_its_index.admin_url(), {"read_model"});
    for (const auto& asked : all) expect_reads_little(asked, of_campaign);
    EXPECT_EQ(read(all[0], of_campaign).answer, 200);
    EXPECT_EQ(read(all[1], of_campaign).answer, 2) << "c7 and c71 live in lane 7";
}

// A defect of the past: append() took a work row away by lane, kind and key, and the primary key of
// work was made before its other index. A plan of the empty table then found the row by its lane
// and kind only, and read all rows of both.
TEST_F(LoopStatements, AndTheCountFindsAPlanThatWasGoodOnlyWhileTheTableWasYoung) {
    admin.run(
        "drop index work_due; alter table work drop constraint work_pkey; "
        "alter table work add primary key (lane, kind, key); "
        "create index work_due on work (lane, kind, due_at); "
        "alter table work set (autovacuum_enabled = off)");
    set_up_small_tables();
    const LoopStatement one_row{
        .name = "a work row goes",
        .sql = "delete from work where lane = $1 and kind = $2 and key = $3"};
    const Asked asked{&one_row, Params().add(7).add("timer").add("t1/c9/9")};
    read(asked);
    admin.run(R"sql(insert into work select 7, 'timer', 'k' || n, now() + interval '1 hour', 0, ''
                      from generate_series(1, 20000) n)sql");
    EXPECT_GT(read(asked).rows, 10'000);
}

// Another one: the open timers of a customer were asked for by a prefix that no index served.
TEST_F(LoopStatements, AndTheCountFindsAPrefixThatNoIndexServes) {
    set_up_small_tables();
    const LoopStatement by_prefix{
        .name = "open timers",
        .sql = "select key from work where lane = $1 and kind = $2 and key like $3"};
    const Asked asked{&by_prefix, Params().add(7).add("timer").add("t1/c9/%")};
    read(asked);
    admin.run(
        R"sql(insert into work select 7, 'timer', 't1/c' || n, now() + interval '1 hour', 0, ''
                      from generate_series(1, 20000) n)sql");
    EXPECT_GT(read(asked).rows, 10'000);
}

}  // namespace
}  // namespace flowstack::eventlog
