#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/folds.h"
#include "tests/support/test_database.h"

namespace flowstack::eventlog {
namespace {

using flowstack::testing::TestDatabase;

constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};

void derive(const StreamName& stream, int, const NewEvent& event, Derived& out) {
    if (event.type == "test.v1.Named")
        out.claims.push_back({stream.tenant, "name", event.payload, "", stream});
}

// A running total per customer: what the consumer writes for each event of the source.
struct TotalCodec {
    using State = int;
    static State evolve(State total, const std::string& type, const std::string& payload, Time) {
        if (type == "test.v1.Named") return total;
        if (type != "test.v1.Counted") throw CorruptStream("total: " + type);
        return total + std::stoi(payload);
    }
};

// A source that is away for the next calls.
struct Away final : Source {
    explicit Away(std::shared_ptr<Source> real) : inner(std::move(real)) {}
    std::vector<std::int64_t> heads() override { return inner->heads(); }
    std::vector<Recorded> read(int lane, std::int64_t from, std::int64_t to, int limit) override {
        if (times-- > 0) throw TryLater("away");
        return inner->read(lane, from, to, limit);
    }
    std::shared_ptr<Source> inner;
    int times = 0;
};

class Consuming : public ::testing::Test {
protected:
    struct Replica {
        Replica(Consuming& test,
                std::chrono::milliseconds head_compare_every = std::chrono::milliseconds(0))
            : store({.service = "sums", .database_url = test.target_db.service_url(), .lanes = 4},
                    derive),
              totals(store),
              source(std::make_shared<Away>(own_source(test.source))),
              consumption(store, {{"source", source}},
                          {.consumer = "sums",
                           .head_compare_every = head_compare_every,
                           .idle_cursor_after = std::chrono::milliseconds(0)}) {
            consumption.react([this](const Recorded& event, Turn& turn) { react(event, turn); });
            consumption.project([](const Recorded& event, Turn& turn) {
                const auto seen = turn.get("t1", "count", event.meta.routing.key);
                const int n = seen ? std::stoi(seen->body) : 0;
                turn.put({.tenant = "t1",
                          .kind = "count",
                          .id = event.meta.routing.key,
                          .sort_at = event.recorded_at,
                          .body = std::to_string(n + 1)});
            });
            consumption.assign({0, 1, 2, 3});
        }

        void react(const Recorded& event, Turn& turn) {
            if (event.payload == "poison") throw CorruptStream("poison");
            if (event.payload == "away" && --times_away >= 0) throw TryLater("away");
            const StreamName stream{"t1", "total", event.meta.routing.key};
            const auto total = totals.load(stream, turn);
            Command command;
            command.tenant = "t1";
            command.meta.routing = event.meta.routing;
            NewEvent next{
                .type = "test.v1.Counted", .payload = "1", .occurred_at = event.occurred_at};
            if (event.payload.starts_with("name:") && !turn.refusal())
                next = {.type = "test.v1.Named",
                        .payload = event.payload.substr(5),
                        .occurred_at = kNow};
            command.parts.push_back({stream, total.expected(), {next}});
            turn.append(std::move(command), "react",
                        [this, payload = event.payload](Fate fate, const Verdict& verdict) {
                            fates[payload].push_back(fate);
                            if (fate == Fate::written) positions[payload] = verdict.first_position;
                        });
            if (after_decide) after_decide();
        }

        Store store;
        Folds<TotalCodec> totals;
        std::shared_ptr<Away> source;
        Consumption consumption;
        int times_away = 3;
        std::function<void()> after_decide;
        std::map<std::string, std::vector<Fate>> fates;  // by the payload of the event
        std::map<std::string, std::int64_t> positions;
    };

    // Appends one event of `customer` to the source's log.
    void happen(const std::string& customer, const std::string& payload) {
        Command c;
        c.id = "cmd-" + std::to_string(++commands);
        c.tenant = "t1";
        c.meta.routing = {RoutingKind::customer, customer};
        c.parts.push_back({{"t1", "thing", customer}, kAny, {{"test.v1.Happened", payload, kNow}}});
        ASSERT_TRUE(source.append(c).accepted());
    }
    // What the bus would bring for the whole source, lane by lane.
    std::vector<BusRecord> bus() {
        std::vector<BusRecord> records;
        for (int lane = 0; lane < 4; ++lane)
            for (const auto& event : source.read_lane(lane, 1, 0, 10'000))
                records.push_back({"source", lane, "t1/" + event.meta.routing.key, to_bus(event)});
        return records;
    }
    int total(Replica& replica, const std::string& customer) {
        return replica.totals.load({"t1", "total", customer}).state;
    }
    std::int64_t count(const std::string& sql) {
        postgres::Session session({.url = target_db.admin_url()});
        return session.query(sql).int8(0, 0);
    }

    TestDatabase source_db{4};
    TestDatabase target_db{4};
    Store source{{.service = "source", .database_url = source_db.service_url(), .lanes = 4},
                 derive};
    int commands = 0;
};

TEST_F(Consuming, I13_EachEventIsAppliedOnceHoweverOftenItComes) {
    Replica replica(*this);
    for (int i = 0; i < 50; ++i) happen("c" + std::to_string(i % 5), "x");
    auto records = bus();
    const auto again = records;
    records.insert(records.end(), again.begin(), again.end());
    replica.consumption.apply(records);
    replica.consumption.apply(again);
    EXPECT_EQ(count("select count(*) from events"), 50);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(total(replica, "c" + std::to_string(i)), 10);
    EXPECT_EQ(count("select sum(position)::bigint from cursors"), 50);
}

TEST_F(Consuming, I14_AGapIsRefilledFromTheSourceBeforeAnythingBehindIt) {
    Replica replica(*this);
    for (int i = 0; i < 30; ++i) happen("c1", "x");
    auto records = bus();
    records.erase(records.begin() + 3, records.begin() + 20);
    replica.consumption.apply(records);
    EXPECT_EQ(total(replica, "c1"), 30);
}

TEST_F(Consuming, I12_TheLastEventIsFoundWhenTheBusLostIt) {
    Replica replica(*this);
    for (int i = 0; i < 3; ++i) happen("c1", "x");
    auto records = bus();
    records.pop_back();
    replica.consumption.apply(records);
    EXPECT_EQ(total(replica, "c1"), 2);
    // Nothing leaves a gap behind the last one: the comparison of heads finds it, seen twice at one
    // place.
    for (int i = 0; i < 3; ++i) replica.consumption.apply({});
    EXPECT_EQ(total(replica, "c1"), 3);
}

// What the source's relay would tell at once.
std::vector<BusRecord> hints_of(std::vector<BusRecord> records) {
    for (auto& record : records) record.hint = true;
    return records;
}

TEST_F(Consuming, I13_WhatCameAsAHintIsNotAppliedAgainWhenTheBusBringsIt) {
    Replica replica(*this);
    for (int i = 0; i < 20; ++i) happen("c" + std::to_string(i % 5), "x");
    const auto hints = hints_of(bus());
    replica.source->times = 1'000;  // nothing comes from the source
    replica.consumption.apply(hints);
    EXPECT_EQ(count("select count(*) from events"), 20);
    replica.consumption.apply(hints);
    replica.consumption.apply(bus());
    EXPECT_EQ(count("select count(*) from events"), 20);
    EXPECT_EQ(replica.consumption.hints().applied, 20);
    EXPECT_EQ(replica.consumption.hints().late, 20);
    EXPECT_EQ(replica.consumption.hints().dropped, 0);
}

// What hints bring is not to be found by comparing heads.
constexpr std::chrono::hours kNoComparison{1};

TEST_F(Consuming, AHintBeforeItsTurnWaitsForTheBusAndFetchesNothing) {
    Replica replica(*this, kNoComparison);
    for (int i = 0; i < 5; ++i) happen("c1", "x");
    const auto records = bus();
    auto hints = hints_of(records);
    hints.erase(hints.begin(), hints.begin() + 2);  // the first two were lost
    replica.source->times = 1'000;
    replica.consumption.apply(hints);
    EXPECT_EQ(total(replica, "c1"), 0);
    EXPECT_EQ(replica.source->times, 1'000) << "a hint must not cause a question";
    replica.consumption.apply({records[0]});
    EXPECT_EQ(total(replica, "c1"), 1);
    replica.consumption.apply({records[1]});
    EXPECT_EQ(total(replica, "c1"), 5) << "the hints that waited come next";
    EXPECT_EQ(replica.consumption.hints().applied, 3);
    replica.consumption.apply(bus());
    EXPECT_EQ(count("select count(*) from events"), 5);
}

TEST_F(Consuming, AHintThatIsNotAsItMustBeIsLeftToTheBus) {
    Replica replica(*this, kNoComparison);
    for (int i = 0; i < 2; ++i) happen("c1", "x");
    const auto records = bus();
    auto hints = hints_of({records[0], records[0], records[0], records[0]});
    hints[0].key = "t2/c1";
    hints[1].value = "\x20\x01 and nothing that decodes";
    auto event = from_bus(records[0].value);
    event.service = "another";
    hints[2].value = to_bus(event);
    event = from_bus(records[0].value);
    event.payload_omitted = true;
    hints[3].value = to_bus(event);
    replica.consumption.apply(hints);
    EXPECT_EQ(total(replica, "c1"), 0);
    EXPECT_EQ(count("select count(*) from parked"), 0);
    EXPECT_EQ(replica.consumption.hints().dropped, 4);
    replica.consumption.apply(records);
    EXPECT_EQ(total(replica, "c1"), 2);
}

TEST_F(Consuming, HintsThatWaitAreForgottenWithTheirLane) {
    Replica replica(*this, kNoComparison), successor(*this, kNoComparison);
    for (int i = 0; i < 3; ++i) happen("c1", "x");
    const auto records = bus();
    replica.consumption.apply(hints_of({records[2]}));
    replica.consumption.unassign({records[0].lane});
    replica.consumption.apply(hints_of(records));  // of a lane that is not consumed here
    EXPECT_EQ(total(replica, "c1"), 0);
    successor.consumption.apply({records[0], records[1]});
    replica.consumption.assign({records[0].lane});
    replica.source->times = 1'000;
    replica.consumption.apply({});
    EXPECT_EQ(total(replica, "c1"), 2);
    replica.consumption.apply(hints_of({records[2]}));
    EXPECT_EQ(total(replica, "c1"), 3);
}

TEST_F(Consuming, HintsThatWaitAreNotMoreThanTheLimit) {
    Replica replica(*this, kNoComparison);
    constexpr int kMoreThanMayWait = 2'100;
    happen("c1", "x");
    const auto record = bus().at(0);
    auto event = from_bus(record.value);
    std::vector<BusRecord> hints;
    for (int i = 0; i < kMoreThanMayWait; ++i) {
        event.position = 3 + i;
        hints.push_back({"source", record.lane, record.key, to_bus(event), true});
    }
    replica.consumption.apply(hints);
    EXPECT_EQ(replica.consumption.hints().dropped, 100);
    EXPECT_EQ(total(replica, "c1"), 0);
}

TEST_F(Consuming, I15_AZombieCannotCommit) {
    Replica zombie(*this);
    happen("c1", "x");
    auto successor = std::make_unique<Replica>(*this);
    successor->consumption.apply(bus());
    EXPECT_EQ(total(*successor, "c1"), 1);
    // The zombie still believes in its cursor; what it decides does not count.
    zombie.consumption.apply(bus());
    EXPECT_EQ(total(zombie, "c1"), 1);
    EXPECT_EQ(count("select count(*) from events"), 1);
}

TEST_F(Consuming, I15_AConsumerStoppedInsideItsTransactionDoesNotHoldItsSuccessor) {
    Replica successor(*this);
    happen("c1", "x");
    // As if a process had been stopped between its statements: the transaction is open, the cursor
    // row is locked.
    postgres::Session stopped({.url = target_db.service_url(),
                               .idle_in_transaction_timeout = std::chrono::milliseconds(300)});
    const auto event =
        source.read_lane(lane_of({RoutingKind::customer, "c1"}, "t1", 4), 1, 0, 1).at(0);
    stopped.run("begin; select move_cursor('sums', 'source', " + std::to_string(event.lane) +
                ", 0, 1)");
    successor.consumption.apply(bus());
    EXPECT_EQ(total(successor, "c1"), 1);
    EXPECT_THROW(stopped.run("commit"), std::runtime_error);
    EXPECT_EQ(count("select count(*) from events"), 1);
}

// More in hand than one batch holds, and all of it was applied by another replica meanwhile.
TEST_F(Consuming, I13_WhatAnotherReplicaHasAppliedIsNotAppliedByTheBatchesBehind) {
    Replica first(*this);
    Replica second(*this);
    for (int i = 0; i < 450; ++i) happen("c1", "x");
    second.consumption.apply(bus());
    first.consumption.apply(bus());
    EXPECT_EQ(count("select count(*) from events"), 450);
    EXPECT_EQ(total(first, "c1"), 450);
    EXPECT_EQ(count("select sum(position)::bigint from cursors"), 450);
    happen("c1", "x");
    first.consumption.apply(bus());
    EXPECT_EQ(total(first, "c1"), 451);
}

// A replica keeps the documents that it wrote; what another one wrote meanwhile must not be lost.
TEST_F(Consuming, DocumentsKeptInMemoryAreForgottenWithTheLane) {
    Replica first(*this);
    Replica second(*this);
    const auto apply = [&](Replica& replica, int events) {
        for (int i = 0; i < events; ++i) happen("c1", "x");
        replica.consumption.apply(bus());
    };
    const auto shown = [&] {
        return count("select convert_from(body, 'utf8')::bigint from read_model where id = 'c1'");
    };
    apply(first, 3);
    second.consumption.assign({0, 1, 2, 3});
    apply(second, 4);
    EXPECT_EQ(shown(), 7);
    // Nobody told the first one that its lane went and came back.
    apply(first, 2);
    first.consumption.apply(bus());
    EXPECT_EQ(shown(), 9);
    second.consumption.assign({0, 1, 2, 3});
    apply(second, 1);
    EXPECT_EQ(shown(), 10);
}

TEST_F(Consuming, AnEventThatCannotBeAppliedIsParkedWithTheLaterOnesOfItsKeyOnly) {
    Replica replica(*this);
    happen("c1", "x");
    happen("c1", "poison");
    happen("c1", "x");
    happen("c2", "x");
    replica.consumption.apply(bus());
    EXPECT_EQ(total(replica, "c1"), 1);
    EXPECT_EQ(total(replica, "c2"), 1);
    EXPECT_EQ(count("select count(*) from parked"), 2);
    EXPECT_EQ(count("select sum(position)::bigint from cursors"), 4);
    // The fix is deployed: they are released in order.
    replica.consumption.react([&](const Recorded& event, Turn& turn) {
        auto mended = event;
        if (mended.payload == "poison") mended.payload = "x";
        replica.react(mended, turn);
    });
    const int lane = lane_of({RoutingKind::customer, "c1"}, "t1", 4);
    const auto done = replica.consumption.release("source", lane, "t1/c1");
    EXPECT_EQ(done.released, 2);
    EXPECT_EQ(done.left, 0);
    EXPECT_EQ(total(replica, "c1"), 3);
    EXPECT_EQ(count("select count(*) from parked"), 0);
    // And the key is free again.
    happen("c1", "x");
    replica.consumption.apply(bus());
    EXPECT_EQ(total(replica, "c1"), 4);
}

TEST_F(Consuming, AReleaseThatFailsLeavesTheRestParkedAndSaysWhy) {
    Replica replica(*this);
    happen("c1", "poison");
    happen("c1", "x");
    replica.consumption.apply(bus());
    const int lane = lane_of({RoutingKind::customer, "c1"}, "t1", 4);
    const auto done = replica.consumption.release("source", lane, "t1/c1");
    EXPECT_EQ(done.released, 0);
    EXPECT_EQ(done.left, 2);
    EXPECT_NE(done.why_left.find("poison"), std::string::npos) << done.why_left;
    EXPECT_EQ(total(replica, "c1"), 0);
    // Later events of the key still wait behind it.
    happen("c1", "x");
    replica.consumption.apply(bus());
    EXPECT_EQ(count("select count(*) from parked"), 3);
    EXPECT_THROW(replica.consumption.release("elsewhere", lane, "t1/c1"), std::out_of_range);
}

TEST_F(Consuming, TwoWhoReleaseTheSameEventDoItOnce) {
    Replica one(*this);
    happen("c1", "poison");
    one.consumption.apply(bus());
    Replica two(*this);
    const auto mend = [](Replica& replica) {
        replica.consumption.react([&replica](const Recorded& event, Turn& turn) {
            auto mended = event;
            mended.payload = "x";
            replica.react(mended, turn);
        });
    };
    mend(one);
    mend(two);
    const int lane = lane_of({RoutingKind::customer, "c1"}, "t1", 4);
    // The other one is through while this one has decided and not yet written.
    bool once = true;
    one.after_decide = [&] {
        if (!std::exchange(once, false)) return;
        EXPECT_EQ(two.consumption.release("source", lane, "t1/c1").released, 1);
    };
    EXPECT_EQ(one.consumption.release("source", lane, "t1/c1").released, 0);
    EXPECT_EQ(total(one, "c1"), 1);
}

TEST_F(Consuming, ANeighbourThatIsAwayOnlyDelays) {
    Replica replica(*this);
    happen("c1", "away");
    happen("c1", "x");
    replica.consumption.apply(bus());
    EXPECT_EQ(total(replica, "c1"), 2);
    EXPECT_EQ(count("select count(*) from parked"), 0);
}

TEST_F(Consuming, ATakenClaimIsToldToTheHandlerWhichDecidesOtherwise) {
    Replica replica(*this);
    happen("c1", "name:n");
    happen("c2", "name:n");
    replica.consumption.apply(bus());
    EXPECT_EQ(total(replica, "c1") + total(replica, "c2"), 1);
    EXPECT_EQ(count("select count(*) from claims"), 1);
    EXPECT_EQ(count("select count(*) from parked"), 0);
}

TEST_F(Consuming, AForeignWriterOnlyMakesItDecideAgain) {
    Replica replica(*this);
    happen("c1", "x");
    bool once = true;
    replica.after_decide = [&] {
        if (!std::exchange(once, false)) return;
        Command c;
        c.id = "foreign";
        c.tenant = "t1";
        c.meta.routing = {RoutingKind::customer, "c1"};
        c.parts.push_back({{"t1", "total", "c1"}, kAny, {{"test.v1.Counted", "100", kNow}}});
        ASSERT_TRUE(replica.store.append(c).accepted());
    };
    replica.consumption.apply(bus());
    EXPECT_EQ(total(replica, "c1"), 101);
}

TEST_F(Consuming, WhoeverAppendsHearsOnceForEachTryWhatBecameOfTheCommand) {
    Replica replica(*this);
    for (int i = 0; i < 4; ++i) happen("c1", "e" + std::to_string(i));
    happen("c1", "poison");
    // Somebody else writes first, once: that try and those of the halves are told.
    replica.after_decide = [&, once = false]() mutable {
        if (std::exchange(once, true)) return;
        Command foreign;
        foreign.id = "foreign";
        foreign.tenant = "t1";
        foreign.meta.routing = {RoutingKind::customer, "c1"};
        foreign.parts.push_back(
            {{"t1", "total", "c1"}, kCreate, {{"test.v1.Counted", "100", kNow}}});
        ASSERT_TRUE(replica.store.append(foreign).accepted());
    };
    replica.consumption.apply(bus());
    EXPECT_EQ(total(replica, "c1"), 104);
    ASSERT_EQ(replica.fates.size(), 4U);
    const int lane = lane_of({RoutingKind::customer, "c1"}, "t1", 4);
    for (const auto& [payload, fates] : replica.fates) {
        EXPECT_EQ(std::ranges::count(fates, Fate::written), 1) << payload;
        EXPECT_EQ(fates.back(), Fate::written) << payload;
        EXPECT_EQ(std::ranges::count(fates, Fate::unknown), 0) << payload;
        EXPECT_GT(fates.size(), 1U) << payload;
        const auto position = replica.positions.at(payload);
        EXPECT_EQ(replica.store.read_lane(lane, position, position, 1).at(0).type,
                  "test.v1.Counted");
    }
}

TEST_F(Consuming, AFateIsUnknownWhenTheAnswerToTheCommitIsLost) {
    Replica replica(*this);
    happen("c1", "x");
    // The transaction waits for its lane when its server process is ended.
    postgres::Session admin({.url = target_db.admin_url()});
    admin.run("begin; select 1 from lanes for update");
    std::thread killer([&] {
        postgres::Session other({.url = target_db.admin_url()});
        const char* const kEnd =
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name "
            "= 'sums-consume' and wait_event_type = 'Lock'";
        while (other.query(kEnd).int8(0, 0) == 0) std::this_thread::yield();
        admin.run("commit");
    });
    replica.consumption.apply(bus());
    killer.join();
    EXPECT_EQ(replica.fates.at("x"), (std::vector<Fate>{Fate::unknown, Fate::written}));
    EXPECT_EQ(total(replica, "c1"), 1);
}

TEST_F(Consuming, ABatchIsPreparedBeforeItsEventsAreHandled) {
    Replica replica(*this);
    for (int i = 0; i < 3; ++i) happen("c1", "e" + std::to_string(i));
    std::vector<std::size_t> prepared;
    replica.consumption.prepare([&](std::span<const Recorded* const> events, Pending&) {
        EXPECT_TRUE(replica.fates.empty());
        prepared.push_back(events.size());
    });
    replica.consumption.apply(bus());
    EXPECT_EQ(prepared, std::vector<std::size_t>{3});
    EXPECT_EQ(replica.fates.size(), 3U);
}

// Reads the documents and streams of a batch ahead, and then puts them out of the handlers' reach,
// so that a handler that asked the store would find nothing.
TEST_F(Consuming, WhatABatchReadAheadIsNotAskedForAgain) {
    happen("c1", "x");
    happen("c2", "x");
    Replica(*this).consumption.apply(bus());

    Replica replica(*this);  // its memory is empty
    happen("c1", "y");
    happen("c2", "y");
    happen("c3", "y");
    postgres::Session admin({.url = target_db.admin_url()});
    replica.consumption.prepare([&](std::span<const Recorded* const> events, Pending& pending) {
        std::vector<WantedDocument> documents;
        std::vector<StreamName> streams;
        for (const auto* event : events) {
            const auto& customer = event->meta.routing.key;
            documents.push_back({{"t1", "count", customer}, event->lane});
            streams.push_back({"t1", "total", customer});
        }
        read_ahead(replica.store, pending, documents);
        replica.totals.read_ahead(streams, pending);
        admin.run(
            "alter table read_model rename to hidden; alter table events rename to hidden_log");
    });
    int decided = 0;
    replica.consumption.react([&](const Recorded& event, Turn& turn) {
        replica.react(event, turn);
        if (++decided == 3)
            admin.run(
                "alter table hidden rename to read_model; alter table hidden_log rename to events");
    });
    replica.consumption.project([&](const Recorded& event, Turn& turn) {
        const auto& customer = event.meta.routing.key;
        const auto seen = turn.get("t1", "count", customer);
        EXPECT_EQ(seen.has_value(), customer != "c3");
        if (seen) {
            EXPECT_EQ(seen->body, "1");
        }
    });
    replica.consumption.apply(bus());
    EXPECT_EQ(decided, 3);
    EXPECT_EQ(total(replica, "c1"), 2);
    EXPECT_EQ(total(replica, "c2"), 2);
    EXPECT_EQ(total(replica, "c3"), 1);
}

TEST_F(Consuming, ARecordOfAnotherTenantThanItsKeyIsNotApplied) {
    Replica replica(*this);
    happen("c1", "x");
    auto records = bus();
    records[0].key = "t2/c1";
    replica.consumption.apply(records);
    EXPECT_EQ(total(replica, "c1"), 0);
    EXPECT_EQ(count("select count(*) from parked"), 1);
}

TEST_F(Consuming, I16_ReadModelsFromTheBusEqualARebuild) {
    Replica replica(*this);
    for (int i = 0; i < 60; ++i) happen("c" + std::to_string(i % 7), "x");
    replica.consumption.apply(bus());
    const std::string digest =
        "select ('x' || substr(md5(string_agg(md5(r::text), '' order by tenant, kind, id)), 1, "
        "15))::bit(60)::bigint "
        "from read_model r";
    const auto before = count(digest);
    replica.consumption.rebuild();
    EXPECT_EQ(count(digest), before);
    EXPECT_EQ(count("select count(*) from read_model"), 7);
}

TEST_F(Consuming, ARebuildWaitsForASourceThatIsAwayAndLosesNoDocument) {
    Replica replica(*this);
    for (int i = 0; i < 10; ++i) happen("c" + std::to_string(i), "x");
    replica.consumption.apply(bus());
    replica.source->times = 1;
    replica.consumption.rebuild();
    EXPECT_EQ(count("select count(*) from read_model"), 10);
}

}  // namespace
}  // namespace flowstack::eventlog
