#include <gmock/gmock.h>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/folds.h"
#include "common/eventlog/integrity.h"
#include "tests/support/test_database.h"
#include "tests/support/test_vault.h"

// Personal fields are sealed on the way into the table and opened on the way out of it. Two
// services share one vault here: "source" writes, "sums" consumes.
namespace flowstack::eventlog {
namespace {

using flowstack::testing::TestDatabase;
using flowstack::testing::TestVault;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};
constexpr int kLanes = 4;

// A claim for every payload "name:…". It throws for sealed bytes, as a protobuf parser does.
void derive(const StreamName& stream, int, const NewEvent& event, Derived& out) {
    if (event.payload.starts_with(TestVault::kMark)) throw CorruptStream("a payload is sealed");
    if (event.payload.starts_with("name:"))
        out.claims.push_back({stream.tenant, "name", event.payload.substr(5), "", stream});
}

// All payloads of a stream, one after the other.
struct TextCodec {
    using State = std::string;
    static State evolve(State text, const std::string&, const std::string& payload, Time) {
        if (payload.starts_with(TestVault::kMark)) throw CorruptStream("a payload is sealed");
        return text + payload;
    }
};

std::vector<std::string> payloads(const std::vector<Recorded>& events) {
    std::vector<std::string> all;
    for (const auto& event : events) all.push_back(event.payload);
    return all;
}

class Sealing : public ::testing::Test {
protected:
    StoreOptions options(const std::string& service, const TestDatabase& database) const {
        return {.service = service,
                .database_url = database.service_url(),
                .lanes = kLanes,
                .vault = &vault_};
    }

    void happen(const std::string& customer, const std::string& payload,
                const std::string& type = "test.v1.Said") {
        Command command;
        command.id = "command-" + std::to_string(++commands_);
        command.tenant = "t1";
        command.meta.routing = {RoutingKind::customer, customer};
        command.parts.push_back({{"t1", "thing", customer}, kAny, {{type, payload, kNow}}});
        ASSERT_TRUE(source_.append(std::move(command)).accepted());
    }

    int lane_of(const std::string& customer) const {
        return source_.lane_of({RoutingKind::customer, customer}, "t1");
    }

    // What the relay publishes: the events as they are stored.
    std::vector<BusRecord> bus() {
        std::vector<BusRecord> records;
        for (int lane = 0; lane < kLanes; ++lane)
            for (const auto& event :
                 source_.read_lane(lane, 1, 0, 1000, Store::Personal::as_stored))
                records.push_back({"source", lane, "t1/" + event.meta.routing.key, to_bus(event)});
        return records;
    }

    // One column of bytes, as a superuser sees it.
    static std::vector<std::string> column(const TestDatabase& database, const std::string& sql) {
        postgres::Session session({.url = database.admin_url()});
        const auto rows = session.query(sql);
        std::vector<std::string> all;
        for (int row = 0; row < rows.rows(); ++row) all.emplace_back(rows.bytes(row, 0));
        return all;
    }

    const TestVault vault_;
    TestDatabase source_db_{kLanes};
    TestDatabase sums_db_{kLanes};
    Store source_{options("source", source_db_), derive};
    Store sums_{options("sums", sums_db_), derive};
    int commands_ = 0;
};

TEST_F(Sealing, TheTableHoldsSealedBytesAndReadersSeeClearOnes) {
    happen("amina", "secret one");
    happen("amina", "in clear", std::string(TestVault::kPublic));
    const auto stored =
        column(source_db_, "select payload from events where type = 'test.v1.Said'");
    EXPECT_THAT(stored, SizeIs(1));
    EXPECT_THAT(stored, Each(StartsWith(TestVault::kMark)));
    EXPECT_THAT(column(source_db_, "select payload from events where type = 'test.v1.Public'"),
                ElementsAre("in clear"));

    const StreamName amina{"t1", "thing", "amina"};
    const auto clear = ElementsAre("secret one", "in clear");
    EXPECT_THAT(payloads(source_.read_stream(amina)), clear);
    EXPECT_THAT(payloads(source_.read_lane(lane_of("amina"), 1, 0, 10)), clear);
    EXPECT_THAT(payloads(source_.read_stream(amina, 1, Store::Personal::as_stored)),
                ElementsAre(stored.front(), "in clear"));
    EXPECT_THAT(payloads(source_.read_lane(lane_of("amina"), 1, 0, 10, Store::Personal::as_stored)),
                ElementsAre(stored.front(), "in clear"));
}

TEST_F(Sealing, FoldsSeeClearPayloadsHoweverTheyAreLoaded) {
    happen("amina", "a");
    happen("brian", "x");
    happen("amina", "b");
    const StreamName amina{"t1", "thing", "amina"};
    const StreamName brian{"t1", "thing", "brian"};
    Folds<TextCodec> folds(source_);
    EXPECT_EQ(folds.load(amina).state, "ab");
    happen("amina", "c");  // behind what the cache holds
    EXPECT_EQ(folds.load(amina).state, "abc");
    EXPECT_EQ(folds.load_at(amina, 2).state, "ab");
    const std::vector<StreamName> both{amina, brian};
    const auto all = Folds<TextCodec>(source_).load_all(both);
    EXPECT_EQ(all.at(0).state, "abc");
    EXPECT_EQ(all.at(1).state, "x");
}

// "sums" copies what customers say into a stream of its own and shows it in a document.
class SealedConsuming : public Sealing {
protected:
    SealedConsuming() {
        consumption_.react([this](const Recorded& event, Turn& turn) {
            reacted_.push_back(event.payload);
            if (event.payload == refused_) throw CorruptStream("refused for now");
            const StreamName stream{"t1", "copy", event.meta.routing.key};
            const auto before = copies_.load(stream, turn);
            folded_.push_back(before.state);
            Command command;
            command.tenant = "t1";
            command.meta.routing = event.meta.routing;
            command.parts.push_back(
                {stream,
                 before.expected(),
                 {{.type = "test.v1.Copied", .payload = event.payload, .occurred_at = kNow}}});
            turn.append(std::move(command));
        });
        consumption_.project([](const Recorded& event, Turn& turn) {
            const auto& key = event.meta.routing.key;
            const auto seen = turn.get("t1", "said", key);
            turn.put({.tenant = "t1",
                      .kind = "said",
                      .id = key,
                      .sort_at = event.recorded_at,
                      .body = (seen ? seen->body : "") + event.payload});
        });
        consumption_.assign({0, 1, 2, 3});
    }

    std::vector<std::string> shown() {
        return column(sums_db_, "select body from read_model order by id");
    }

    Folds<TextCodec> copies_{sums_};
    Consumption consumption_{sums_,
                             {{"source", own_source(source_)}},
                             {.consumer = "sums",
                              .head_compare_every = std::chrono::milliseconds(0),
                              .idle_cursor_after = std::chrono::milliseconds(0)}};
    std::vector<std::string> reacted_;
    std::vector<std::string> folded_;  // what the handler found before each event
    std::string refused_ = "no payload is refused";
};

TEST_F(SealedConsuming, HandlersSeeClearPayloadsFromTheBusAndFromTheSourcesLog) {
    for (const auto* payload : {"a", "b", "c", "d"}) happen("amina", payload);
    auto records = bus();
    for (const auto& record : records)
        EXPECT_TRUE(from_bus(record.value).payload.starts_with(TestVault::kMark));
    records.erase(records.begin() + 1, records.begin() + 3);  // the bus lost "b" and "c"
    consumption_.apply(std::move(records));
    EXPECT_THAT(reacted_, ElementsAre("a", "b", "c", "d"));
    EXPECT_THAT(folded_, ElementsAre("", "a", "ab", "abc"));
    EXPECT_THAT(shown(), ElementsAre("abcd"));
    EXPECT_EQ(copies_.load({"t1", "copy", "amina"}).state, "abcd");
    EXPECT_THAT(column(sums_db_, "select payload from events"), Each(StartsWith(TestVault::kMark)));
}

TEST_F(SealedConsuming, ARebuildSeesClearPayloads) {
    happen("amina", "a");
    happen("amina", "b");
    happen("brian", "x");
    consumption_.apply(bus());
    consumption_.rebuild();
    EXPECT_THAT(shown(), ElementsAre("ab", "x"));
}

TEST_F(SealedConsuming, AParkedEventIsKeptSealedAndReleasedInClear) {
    refused_ = "b";
    for (const auto* payload : {"a", "b", "c"}) happen("amina", payload);
    consumption_.apply(bus());
    const auto parked = column(sums_db_, "select event from parked order by position");
    ASSERT_THAT(parked, SizeIs(2));
    for (const auto& event : parked)
        EXPECT_TRUE(from_bus(event).payload.starts_with(TestVault::kMark));
    EXPECT_THAT(shown(), ElementsAre("a"));

    refused_ = "no payload is refused";
    reacted_.clear();
    const auto done = consumption_.release("source", lane_of("amina"), "t1/amina");
    EXPECT_EQ(done.left, 0) << done.why_left;
    EXPECT_THAT(reacted_, ElementsAre("b", "c"));
    EXPECT_EQ(copies_.load({"t1", "copy", "amina"}).state, "abc");
}

TEST_F(Sealing, SideRowsAreDerivedFromTheClearPayloadAndTheIntegrityCheckAgrees) {
    happen("amina", "name:nyota");
    happen("brian", "hello");
    postgres::Session session({.url = source_db_.service_url()});
    EXPECT_EQ(session.query("select count(*) from claims where key = 'nyota'").int8(0, 0), 1);
    for (int lane = 0; lane < kLanes; ++lane)
        EXPECT_THAT(check_lane(session, "source", {.lane = lane}).problems, IsEmpty());
    const auto report = check_derived(session, "source", kLanes, derive, {}, vault_);
    EXPECT_EQ(report.claims, 1);
    EXPECT_THAT(report.problems, IsEmpty());
    // The control: without the vault the same check reads sealed bytes and must complain.
    EXPECT_THAT(check_derived(session, "source", kLanes, derive).problems, Not(IsEmpty()));
}

}  // namespace
}  // namespace flowstack::eventlog
