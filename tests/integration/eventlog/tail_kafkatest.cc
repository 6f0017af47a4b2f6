#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/integrity.h"
#include "common/eventlog/membership.h"
#include "common/eventlog/relay.h"
#include "common/eventlog/tail.h"
#include "common/messaging/kafka.h"
#include "tests/support/test_database.h"

// A log that was restored to an earlier moment, while the bus kept what was published after it.
namespace flowstack::eventlog {
namespace {

using flowstack::testing::TestDatabase;
using Steady = std::chrono::steady_clock;

constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};
constexpr std::chrono::seconds kPatience{30};
constexpr int kLanes = 2;
const Ordered kBy{.principal = "user:test", .reason = "a restore"};

bool never() { return false; }

// Of a payload: "name:…" claims a name, "todo:…" leaves work, "done:…" takes it away, "private:…"
// does not travel.
void derive(const StreamName& stream, int lane, const NewEvent& event, Derived& out) {
    if (event.payload == "poison") throw CorruptStream("poison");
    const auto after = [&](std::string_view prefix) -> std::optional<std::string> {
        if (!event.payload.starts_with(prefix)) return std::nullopt;
        return event.payload.substr(prefix.size());
    };
    if (const auto name = after("name:")) out.claims.push_back({"t1", "name", *name, "", stream});
    if (const auto key = after("todo:"))
        out.work_put.push_back({lane, "todo", *key, event.occurred_at, 3, "ref of " + *key});
    if (const auto key = after("done:")) out.work_del.push_back({lane, "todo", *key});
    if (const auto key = after("set:")) out.settings.push_back({"t1", "thing", *key});
}

messaging::Brokers brokers() {
    const char* text = std::getenv("TEST_KAFKA_BROKERS");
    if (!text) throw std::runtime_error("TEST_KAFKA_BROKERS is not set; ./flowstack test sets it");
    return text;
}

bool wait_for(const std::function<bool()>& what) {
    const auto until = Steady::now() + kPatience;
    while (Steady::now() < until) {
        if (what()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
}

class LostTail : public ::testing::Test {
protected:
    LostTail() { make_topic(); }

    void make_topic() {
        topic = "flowstack.tailtest" + std::to_string(getpid()) + "_" +
                std::to_string(Steady::now().time_since_epoch().count()) + ".events";
        // The broker that stands in for Kafka makes a topic when it is first named.
        const char* kind = std::getenv("TEST_KAFKA_KIND");
        if (kind && std::string(kind) == "devbroker") return;
        messaging::ensure_topics(brokers(), {topic}, kLanes, std::chrono::seconds(10));
    }

    // One process that owns and publishes every lane of a database.
    struct Process {
        Process(const LostTail& test, const TestDatabase& database)
            : store(
                  {.service = "tailtest", .database_url = database.service_url(), .lanes = kLanes},
                  derive),
              owners(store, "a"),
              membership(store, owners, {.replica = "a"}),
              relay(store, owners, {.brokers = brokers(), .topic = test.topic}) {
            membership.on_seen([this](const Membership::Seen& seen) {
                if (seen.uncompared) relay.look_again();
            });
            owners.assigned({0, 1});
            relay.start();
        }

        Command command(int lane, const std::string& payload) const {
            Command command;
            command.id = "id of " + payload;
            command.tenant = "t1";
            command.meta.routing = {RoutingKind::lane, std::to_string(lane)};
            command.parts.push_back(
                {{"t1", "thing", std::to_string(lane)},
                 kAny,
                 {{"test.v1.Happened", payload, kNow, payload.starts_with("private:")}}});
            return command;
        }
        Verdict append(int lane, const std::string& payload) {
            return store.append(command(lane, payload));
        }
        // As a request with an idempotency key.
        Verdict request(int lane, const std::string& payload) {
            auto asked = command(lane, payload);
            asked.dedupe = Dedupe::claim;
            asked.meta.request_hash = "hash of " + payload;
            return store.append(std::move(asked));
        }
        std::vector<Recovery> recover(const LostTail& test,
                                      const std::function<bool()>& enough = never) {
            return recover_tails(store, brokers(), test.topic, kBy, enough);
        }
        std::vector<Loss> lose(const LostTail& test, const LossRequest& request = {}) {
            return lose_tails(store, brokers(), test.topic, request, kBy);
        }
        // Every record of the topic against the table, as the service does it that consumes it.
        std::int64_t mismatches(const LostTail& test) {
            for (int lane = 0; lane < kLanes; ++lane) {
                messaging::PartitionReader reader(brokers(), test.topic, lane, Time{},
                                                  std::chrono::seconds(10));
                for (auto records = reader.next(100); !records.empty(); records = reader.next(100))
                    for (auto& record : records) relay.verify(lane, std::move(record.value));
            }
            std::this_thread::sleep_for(std::chrono::seconds(1));
            return relay.mismatches();
        }
        std::vector<std::string> bytes(int lane) {
            std::vector<std::string> all;
            for (const auto& event :
                 store.read_lane(lane, 1, 0, 10'000, Store::Personal::as_stored))
                all.push_back(to_bus(event));
            return all;
        }
        void append_many(int lane, int from, int to) {
            for (int i = from; i <= to; ++i)
                ASSERT_TRUE(
                    append(lane, std::to_string(lane) + "/" + std::to_string(i)).accepted());
        }
        bool all_is_published() {
            return wait_for([&] {
                const auto heads = store.heads();
                const auto status = relay.status();
                if (status.size() != heads.size()) return false;
                for (const auto& lane : status)
                    if (lane.published != heads[static_cast<std::size_t>(lane.lane)]) return false;
                return true;
            });
        }
        Membership::Report report() {
            membership.beat();
            return membership.report();
        }

        Store store;
        Owners owners;
        Membership membership;
        Relay relay;
    };

    void run(const TestDatabase& database, const std::function<void(Process&)>& what) const {
        Process process(*this, database);
        what(process);
    }

    // A log that lived on after the moment that is restored.
    void live(const TestDatabase& database, const std::function<void(Process&)>& what) const {
        run(database, [&](Process& process) {
            what(process);
            ASSERT_TRUE(process.all_is_published());
        });
    }

    // Everything that is derived from the events, and the lanes themselves.
    static void expect_whole(const TestDatabase& database, std::size_t gaps = 0) {
        postgres::Session session({.url = database.service_url()});
        std::size_t found = 0;
        for (int lane = 0; lane < kLanes; ++lane) {
            const auto report = check_lane(session, "tailtest", {.lane = lane});
            for (const auto& problem : report.problems)
                ADD_FAILURE() << problem.kind << " " << problem.lane << "/" << problem.position
                              << " " << problem.subject << ": " << problem.detail;
            found += report.lost_tails.size();
        }
        EXPECT_EQ(found, gaps);
        for (const auto& problem : check_derived(session, "tailtest", kLanes, derive).problems)
            ADD_FAILURE() << problem.kind << " " << problem.subject << ": " << problem.detail;
    }
    static std::string table(const TestDatabase& database, const std::string& columns_and_from) {
        postgres::Session session({.url = database.admin_url()});
        const auto rows =
            session.query("select string_agg(r::text, ' ' order by r::text) from (select " +
                          columns_and_from + ") r");
        return rows.null(0, 0) ? "" : rows.text(0, 0);
    }

    // As PostgreSQL shows it after a restore or a failover.
    static void begin_a_timeline(const TestDatabase& database) {
        postgres::Session({.url = database.admin_url()}).run("update lanes set timeline = 0");
    }

    std::string topic;
};

TEST_F(LostTail, I24_ALogThatEndsBeforeTheBusRefusesToBeWrittenTo) {
    TestDatabase lived(kLanes);
    run(lived, [](Process& process) {
        process.append_many(0, 1, 10);
        process.append_many(1, 1, 5);
        ASSERT_TRUE(process.all_is_published());
    });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    run(lived, [](Process& process) {
        process.append_many(0, 11, 14);
        ASSERT_TRUE(process.all_is_published());
    });
    run(restored, [](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost == std::vector{0}; }));
        EXPECT_EQ(process.report().events_lost, 4);
        EXPECT_THROW(process.append(0, "again"), LaneRefuses);
        EXPECT_EQ(process.store.heads(), (std::vector<std::int64_t>{10, 5}));
        EXPECT_TRUE(process.append(1, "another lane has lost nothing").accepted());
    });
    // It stays so, whoever asks: the database knows it.
    Store other({.service = "tailtest", .database_url = restored.service_url(), .lanes = kLanes},
                [](const StreamName&, int, const NewEvent&, Derived&) {});
    Command command{.id = "by another process",
                    .meta = {.routing = {RoutingKind::lane, "0"}},
                    .tenant = "t1",
                    .parts = {{{"t1", "thing", "0"}, kAny, {{"test.v1.Happened", "x", kNow}}}}};
    EXPECT_THROW(other.append(command), LaneRefuses);
    EXPECT_EQ(other.heads(), (std::vector<std::int64_t>{10, 6}));
}

TEST_F(LostTail, I24_ARestoredLogIsNotWrittenToBeforeItIsComparedAndThenIs) {
    TestDatabase database(kLanes);
    run(database, [](Process& process) {
        process.append_many(0, 1, 10);
        ASSERT_TRUE(process.all_is_published());
    });
    begin_a_timeline(database);
    Store other({.service = "tailtest", .database_url = database.service_url(), .lanes = kLanes},
                [](const StreamName&, int, const NewEvent&, Derived&) {});
    Command command{.id = "at once",
                    .meta = {.routing = {RoutingKind::lane, "0"}},
                    .tenant = "t1",
                    .parts = {{{"t1", "thing", "0"}, kAny, {{"test.v1.Happened", "x", kNow}}}}};
    EXPECT_THROW(other.append(command), LaneRefuses);
    run(database, [](Process& process) {
        EXPECT_TRUE(wait_for([&] { return process.report().uncompared.empty(); }));
        process.append_many(0, 11, 12);
        process.append_many(1, 1, 2);
        EXPECT_TRUE(process.all_is_published());
    });
    EXPECT_TRUE(other.append(command).accepted());
}

TEST_F(LostTail, I24_AFailoverUnderARunningProcessIsComparedByIt) {
    TestDatabase database(kLanes);
    run(database, [&](Process& process) {
        process.append_many(0, 1, 3);
        ASSERT_TRUE(process.all_is_published());
        begin_a_timeline(database);
        EXPECT_THROW(process.append(0, "too early"), LaneRefuses);
        EXPECT_TRUE(wait_for([&] { return process.report().uncompared.empty(); }));
        process.append_many(0, 4, 6);
        EXPECT_TRUE(process.all_is_published());
    });
}

TEST_F(LostTail, I24_ARestoredLogAndABusThatForgotNobodyKnowsWhatIsLost) {
    TestDatabase database(kLanes);
    run(database, [](Process& process) {
        process.append_many(0, 1, 10);
        ASSERT_TRUE(process.all_is_published());
    });
    begin_a_timeline(database);
    make_topic();  // as after a wipe: without any record
    run(database, [&](Process& process) {
        // Lane 1 has never had an event, so nothing of it can be lost.
        EXPECT_TRUE(wait_for([&] { return process.report().uncompared == std::vector{0}; }));
        EXPECT_THROW(process.append(0, "at any time"), LaneRefuses);
        EXPECT_TRUE(process.append(1, "the first one").accepted());
    });
}

TEST_F(LostTail, I24_TheTailIsTakenBackFromTheBusWithAllThatFollowsFromIt) {
    TestDatabase lived(kLanes);
    live(lived, [](Process& process) {
        process.append_many(0, 1, 10);
        process.append(0, "todo:before");
        process.request(0, "asked before");
    });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    live(lived, [](Process& process) {
        process.append(0, "name:amina");
        process.append(0, "todo:a");
        process.append(0, "todo:b");
        process.append(0, "done:a");
        process.append(0, "done:before");
        process.append(0, "set:price");
        process.append(0, "private:raw bytes");
        process.request(0, "asked in the tail");
        process.append_many(1, 1, 1200);
    });
    run(restored, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost.size() == 2; }));
        const auto lanes = process.recover(*this);
        ASSERT_EQ(lanes.size(), 2U);
        EXPECT_EQ(lanes[0].from, 13);
        EXPECT_EQ(lanes[0].recovered, 8);
        EXPECT_EQ(lanes[0].payloads_lost, 1);
        EXPECT_EQ(lanes[1].recovered, 1200);
        for (const auto& lane : lanes) {
            EXPECT_EQ(lane.missing, 0);
            EXPECT_EQ(lane.refused, "");
        }
        EXPECT_TRUE(process.recover(*this).empty());  // a repeat finds nothing
    });
    expect_whole(restored);
    // Byte for byte, and behind it the note of who has done it.
    std::array<std::vector<std::string>, kLanes> before;
    run(lived, [&](Process& process) {
        for (int lane = 0; lane < kLanes; ++lane) before[lane] = process.bytes(lane);
    });
    for (const auto* what : {"lane, kind, key, due_at, priority, ref, held_due_at from work",
                             "scope, kind, key, value, holder, request_hash from claims "
                             "where not starts_with(key, 'tail-recovered/')",
                             "tenant, kind, key from settings_changes"})
        EXPECT_EQ(table(restored, what), table(lived, what)) << what;
    run(restored, [&](Process& process) {
        for (int lane = 0; lane < kLanes; ++lane) {
            auto now = process.bytes(lane);
            ASSERT_EQ(now.size(), before[lane].size() + 1);
            EXPECT_EQ(from_bus(now.back()).type, "flowstack.common.v1.TailRecovered");
            now.pop_back();
            EXPECT_EQ(now, before[lane]) << "lane " << lane;
        }
        // It goes on where the old one ended, and knows its requests again.
        EXPECT_EQ(process.request(0, "asked in the tail").outcome, Outcome::already_done);
        EXPECT_TRUE(process.append(0, "new").accepted());
        EXPECT_TRUE(process.all_is_published());
        EXPECT_EQ(process.mismatches(*this), 0);
    });
    expect_whole(restored);
}

TEST_F(LostTail, I24_ARecoveryThatIsInterruptedGoesOnWhereItWas) {
    TestDatabase lived(kLanes);
    live(lived, [](Process& process) { process.append_many(0, 1, 3); });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    live(lived, [](Process& process) {
        process.append_many(0, 4, 1700);
        process.append_many(1, 1, 900);
    });
    run(restored, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost.size() == 2; }));
        int calls = 0;
        for (; calls < 20; ++calls) {
            int asked = 0;
            std::int64_t missing = 0;
            // It is stopped after its first page.
            for (const auto& lane : process.recover(*this, [&] { return ++asked > 2; })) {
                EXPECT_EQ(lane.refused, "");
                missing += lane.missing;
            }
            if (missing == 0) break;
            EXPECT_THROW(process.append(0, "in between"), LaneRefuses);
            EXPECT_THROW(process.append(1, "in between"), LaneRefuses);
        }
        EXPECT_GT(calls, 1);
        EXPECT_LT(calls, 20);
        EXPECT_TRUE(process.append(0, "new").accepted());
    });
    expect_whole(restored);
}

TEST_F(LostTail, I24_APositionThatTheBusCannotGiveEndsTheRecoveryThere) {
    TestDatabase lived(kLanes);
    live(lived, [](Process& process) { process.append_many(0, 1, 5); });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    TestDatabase other(TestDatabase::AsOfNow{lived});
    std::vector<Recorded> tail;
    run(lived, [&](Process& process) {
        process.append_many(0, 6, 12);
        tail = process.store.read_lane(0, 6, 12, 100, Store::Personal::as_stored);
    });
    // Somebody's bus: position 9 is not on it.
    make_topic();
    messaging::Producer producer(brokers());
    const auto produce = [&](const Recorded& event) {
        ASSERT_TRUE(producer.produce(topic, 0, "t1/0", to_bus(event), {}, event.position));
    };
    for (const auto& event : tail)
        if (event.position != 9) produce(event);
    ASSERT_TRUE(wait_for([&] {
        producer.poll(std::chrono::milliseconds(10));
        const auto last = messaging::last_record(brokers(), topic, 0, std::chrono::seconds(5));
        return last && from_bus(last->value).position == 12;
    }));
    run(restored, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost == std::vector{0}; }));
        for (int again = 0; again < 2; ++again) {
            const auto lanes = process.recover(*this);
            ASSERT_EQ(lanes.size(), 1U);
            EXPECT_EQ(lanes[0].recovered, again == 0 ? 3 : 0);
            EXPECT_EQ(lanes[0].refused_at, 9);
            EXPECT_EQ(lanes[0].refused, "the bus does not have it");
            EXPECT_EQ(lanes[0].missing, 4);
        }
        EXPECT_THROW(process.append(0, "not yet"), LaneRefuses);
        // What is left of it can only be given up.
        const auto losses = process.lose(*this);
        ASSERT_EQ(losses.size(), 1U);
        EXPECT_EQ(losses[0].head, 8);
        EXPECT_EQ(losses[0].last, 12);
        EXPECT_EQ(process.append(0, "goes on").first_position, 15);  // behind two notes
    });
    expect_whole(restored, 1);

    // Another history than the one that was kept.
    make_topic();
    auto forged = tail;
    forged[0].payload = "something else";
    run(other, [&](Process& process) {
        process.append_many(0, 6, 6);
        ASSERT_TRUE(process.all_is_published());
    });
    for (const auto& event : forged) produce(event);
    run(other, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost == std::vector{0}; }));
        const auto lanes = process.recover(*this);
        ASSERT_EQ(lanes.size(), 1U);
        EXPECT_EQ(lanes[0].refused_at, 6);
        EXPECT_EQ(lanes[0].refused, "the bus has another event there than the kept log");
        EXPECT_EQ(lanes[0].recovered, 0);
    });
}

TEST_F(LostTail, I24_ALostTailIsGivenUpAndNoPositionIsUsedTwice) {
    TestDatabase lived(kLanes);
    live(lived, [](Process& process) {
        process.append_many(0, 1, 5);
        process.append(0, "todo:message");
        process.append_many(1, 1, 3);
    });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    live(lived, [](Process& process) { process.append_many(0, 6, 20); });
    run(restored, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost == std::vector{0}; }));
        const auto dry = process.lose(*this, {.dry_run = true});
        ASSERT_EQ(dry.size(), 1U);
        EXPECT_THROW(process.append(0, "not yet"), LaneRefuses);
        const auto losses = process.lose(*this, {.above = 30});
        ASSERT_EQ(losses.size(), 1U);
        EXPECT_EQ(losses[0].head, 6);
        EXPECT_EQ(losses[0].last, 30);  // the bus has 21, the person says 30
        EXPECT_EQ(process.append(0, "the first").first_position, 32);
        EXPECT_EQ(process.append(1, "a lane that has lost nothing").first_position, 4);
        ASSERT_TRUE(process.all_is_published());
        EXPECT_EQ(process.mismatches(*this), 0);
        const auto event = process.store.read_lane(0, 7, 31, 10).at(0);
        EXPECT_EQ(event.type, "flowstack.common.v1.TailLost");
        EXPECT_EQ(event.position, 31);
        EXPECT_EQ(event.epoch, 2);
        EXPECT_EQ(event.meta.actor, "user:test");
        EXPECT_EQ(gap_before(event)->first, 7);

        // Open work waits for a person.
        postgres::Session session({.url = restored.service_url()});
        const auto held = held_work(session, {}, std::nullopt, 10);
        ASSERT_EQ(held.size(), 1U);
        EXPECT_EQ(held[0].key, "message");
        EXPECT_EQ(held[0].due_at, kNow);
        EXPECT_TRUE(held_work(session, {}, held[0], 10).empty());
        EXPECT_TRUE(held_work(session, {.kind = "ask"}, std::nullopt, 10).empty());
        EXPECT_EQ(table(restored, "1 from work where due_at <= now()"), "");
        EXPECT_EQ(release_held_work(session, {.kind = "ask"}), 0);
        EXPECT_EQ(release_held_work(session, {.key = "message"}), 1);
        EXPECT_EQ(table(restored, "key from work where due_at <= now()"), "(message)");
        EXPECT_TRUE(process.lose(*this).empty());  // nothing refuses any more
    });
    expect_whole(restored, 1);
    // Whoever deletes events and puts a TailLost in their place is found out by what was kept
    // before.
    postgres::Session admin({.url = restored.admin_url()});
    admin.run(
        "set session_replication_role = replica; "
        "delete from events where lane = 0 and position = 6; "
        "reset session_replication_role");
    postgres::Session session({.url = restored.service_url()});
    EXPECT_FALSE(check_lane(session, "tailtest", {.lane = 0}).problems.empty());
}

TEST_F(LostTail, I24_WithoutAnyEvidenceAPersonMustSayAboveWhatALaneGoesOn) {
    TestDatabase database(kLanes);
    live(database, [](Process& process) { process.append_many(0, 1, 10); });
    begin_a_timeline(database);
    make_topic();
    run(database, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().uncompared == std::vector{0}; }));
        EXPECT_THROW(process.lose(*this), NothingKnown);
        EXPECT_THROW(process.append(0, "not yet"), LaneRefuses);
        const auto losses = process.lose(*this, {.above = 1'000'000});
        ASSERT_EQ(losses.size(), 1U);
        EXPECT_EQ(process.append(0, "the first").first_position, 1'000'002);
        ASSERT_TRUE(process.all_is_published());
        EXPECT_EQ(process.mismatches(*this), 0);
    });
    expect_whole(database, 1);
}

// A consumer of the lanes of a source, with a log of its own.
struct Consumer {
    Consumer(const TestDatabase& own, Store& read)
        : store({.service = "reader", .database_url = own.service_url(), .lanes = kLanes},
                [](const StreamName&, int, const NewEvent&, Derived&) {}),
          consumption(store, {{"tailtest", own_source(read)}},
                      {.consumer = "reader",
                       .head_compare_every = std::chrono::milliseconds(0),
                       .idle_cursor_after = std::chrono::milliseconds(0)}) {
        consumption.react([](const Recorded& event, Turn& turn) {
            Command command;
            command.tenant = "t1";
            command.meta.routing = event.meta.routing;
            command.parts.push_back({{"t1", "answer", event.meta.routing.key},
                                     kAny,
                                     {{"test.v1.Answered", event.payload, event.occurred_at}}});
            turn.append(std::move(command));
        });
        consumption.assign({0, 1});
    }
    // Heads are compared; what the source has is fetched.
    void catch_up() {
        for (int i = 0; i < 4; ++i) consumption.apply({});
    }
    std::vector<std::string> answers() {
        std::vector<std::string> all;
        for (const auto& event : store.read_lane(0, 1, 0, 1000)) all.push_back(event.payload);
        return all;
    }
    Store store;
    Consumption consumption;
};

TEST_F(LostTail, I14_I24_AConsumerStepsOverAGapOnlyWithTailLost) {
    TestDatabase lived(kLanes), reader(kLanes);
    live(lived, [](Process& process) { process.append_many(0, 1, 5); });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    live(lived, [](Process& process) { process.append_many(0, 6, 9); });
    run(restored, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost == std::vector{0}; }));
        {
            Consumer consumer(reader, process.store);
            consumer.catch_up();
            EXPECT_EQ(consumer.answers().size(), 5U);
        }
        process.lose(*this);
        process.append_many(0, 10, 11);
        Consumer consumer(reader, process.store);
        // A record behind the gap arrives first: it is no reason to step over it.
        const auto last = process.store.read_lane(0, 12, 12, 1, Store::Personal::as_stored).at(0);
        consumer.consumption.apply({{"tailtest", 0, "t1/0", to_bus(last)}});
        consumer.catch_up();
        const auto answers = consumer.answers();
        ASSERT_EQ(answers.size(), 7U);
        EXPECT_EQ(answers[5], "0/10");
        EXPECT_EQ(answers[6], "0/11");
        EXPECT_EQ(consumer.consumption.progress().at(0).applied, 12);
        EXPECT_EQ(consumer.consumption.progress().at(0).parked, 0);
    });
    EXPECT_EQ(table(reader, "epoch, position from cursors where lane = 0"), "(2,12)");
}

TEST_F(LostTail, I24_WhatWasInFlightAtARestoreIsParkedAndTheBusIsNotBelieved) {
    TestDatabase lived(kLanes), reader(kLanes);
    live(lived, [](Process& process) { process.append_many(0, 1, 5); });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    std::vector<Recorded> old_tail;
    live(lived, [&](Process& process) {
        process.append_many(0, 6, 7);
        old_tail = process.store.read_lane(0, 6, 7, 10, Store::Personal::as_stored);
    });
    // The reader was restored with it, when it had consumed nothing yet: events 1 to 5 were in
    // flight, and what they led to may have been done.
    postgres::Session({.url = reader.admin_url()})
        .query("update restored set before = clock_timestamp()");
    run(restored, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost == std::vector{0}; }));
        process.lose(*this);
        process.append_many(0, 20, 20);
        Consumer consumer(reader, process.store);
        for (const auto& event : old_tail)  // the bus still has them
            consumer.consumption.apply({{"tailtest", 0, "t1/0", to_bus(event)}});
        consumer.catch_up();
        EXPECT_TRUE(consumer.answers().empty());
        // The new one waits behind them, since it is about the same customer.
        EXPECT_EQ(consumer.consumption.progress().at(0).parked, 6);
        EXPECT_EQ(consumer.consumption.progress().at(0).applied, 9);
        // A person says that it was not done.
        const auto done = consumer.consumption.release("tailtest", 0, "t1/0");
        EXPECT_EQ(done.released, 6);
        EXPECT_EQ(done.left, 0);
        EXPECT_EQ(consumer.answers().size(), 6U);
    });
}

TEST_F(LostTail, I24_WhatARecoveredTailHasDecidedIsNotDecidedAgain) {
    // The reader's own log is the one that is restored; its source is further.
    TestDatabase source_db(kLanes), lived(kLanes);
    Store source({.service = "source", .database_url = source_db.service_url(), .lanes = kLanes},
                 derive);
    const auto happen = [&](int from, int to) {
        for (int i = from; i <= to; ++i) {
            Command command;
            command.id = "happens " + std::to_string(i);
            command.tenant = "t1";
            command.meta.routing = {RoutingKind::lane, "0"};
            command.parts.push_back(
                {{"t1", "fact", "0"}, kAny, {{"test.v1.Fact", std::to_string(i), kNow}}});
            ASSERT_TRUE(source.append(std::move(command)).accepted());
        }
    };
    // As a service has it: its log is published, and it consumes.
    const auto consume = [&](Process& process, int& projected) {
        Consumption consumption(process.store, {{"source", own_source(source)}},
                                {.consumer = "tailtest",
                                 .head_compare_every = std::chrono::milliseconds(0),
                                 .idle_cursor_after = std::chrono::milliseconds(0)});
        consumption.react([](const Recorded& event, Turn& turn) {
            Command command;
            command.tenant = "t1";
            command.meta.routing = event.meta.routing;
            command.parts.push_back({{"t1", "answer", "0"},
                                     kAny,
                                     {{"test.v1.Answered", event.payload, event.occurred_at}}});
            turn.append(std::move(command));
        });
        consumption.project([&](const Recorded&, Turn&) { ++projected; });
        consumption.assign({0, 1});
        for (int i = 0; i < 4; ++i) consumption.apply({});
        return consumption.progress().at(0).applied;
    };
    int projected = 0;
    happen(1, 3);
    live(lived, [&](Process& process) { EXPECT_EQ(consume(process, projected), 3); });
    TestDatabase restored(TestDatabase::AsOfNow{lived});
    happen(4, 6);
    live(lived, [&](Process& process) { EXPECT_EQ(consume(process, projected), 6); });
    happen(7, 7);
    projected = 0;
    run(restored, [&](Process& process) {
        ASSERT_TRUE(wait_for([&] { return process.report().tail_lost == std::vector{0}; }));
        const auto lanes = process.recover(*this);
        ASSERT_EQ(lanes.size(), 1U);
        EXPECT_EQ(lanes[0].recovered, 3);
        EXPECT_EQ(consume(process, projected), 7);
        std::vector<std::string> answers;
        for (const auto& event : process.store.read_lane(0, 1, 0, 100))
            if (event.type == "test.v1.Answered") answers.push_back(event.payload);
        EXPECT_EQ(answers, (std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7"}));
        EXPECT_EQ(projected, 4);  // 4 to 7: the read model is as far as the log
    });
}

}  // namespace
}  // namespace flowstack::eventlog
