#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>
#include <tuple>

#include "common/core/clock.h"
#include "common/eventlog/store.h"
#include "flowstack/common/v1/recorded_event.pb.h"
#include "tests/support/test_database.h"

namespace flowstack::eventlog {
namespace {

using flowstack::testing::TestDatabase;

constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};

NewEvent event(const std::string& payload, const std::string& type = "test.v1.Happened") {
    return {.type = type, .payload = payload, .occurred_at = kNow};
}

// Side rows by the type's name, as a service would derive them from the payload.
void derive(const StreamName& stream, int lane, const NewEvent& event, Derived& out) {
    if (event.type == "test.v1.Named")
        out.claims.push_back(
            {stream.tenant, "name", event.payload, "value of " + stream.key, stream});
    if (event.type == "test.v1.Timed")
        out.work_put.push_back({lane, "timer", stream.key, event.occurred_at, 1, "ref"});
    if (event.type == "test.v1.Untimed") out.work_del.push_back({lane, "timer", stream.key});
    if (event.type == "test.v1.Asked")
        out.work_put.push_back({lane, "answer", stream.key, event.occurred_at, 0, "ref"});
    if (event.type == "test.v1.Settled")
        for (const auto* kind : {"timer", "answer", "never there"})
            out.work_del.push_back({lane, kind, stream.key});
    if (event.type == "test.v1.Set") out.settings.push_back({stream.tenant, "tenant", stream.key});
}

Command command(const std::string& id, const std::string& key, std::int64_t expected,
                std::vector<NewEvent> events, Dedupe dedupe = Dedupe::none) {
    Command c;
    c.id = id;
    c.tenant = "t1";
    c.meta.routing = {RoutingKind::customer, "customer-1"};
    c.dedupe = dedupe;
    c.parts.push_back({{"t1", "thing", key}, expected, std::move(events)});
    return c;
}

class Append : public ::testing::Test {
protected:
    void SetUp() override {
        database = std::make_unique<TestDatabase>(4);
        store = make_store();
    }
    std::unique_ptr<Store> make_store() {
        return std::make_unique<Store>(
            StoreOptions{.service = "test", .database_url = database->service_url(), .lanes = 4},
            derive);
    }
    std::int64_t count(const std::string& sql) {
        postgres::Session session({.url = database->admin_url()});
        return session.query(sql).int8(0, 0);
    }

    std::unique_ptr<TestDatabase> database;
    std::unique_ptr<Store> store;
};

TEST_F(Append, StoresAnEventWithItsWholeEnvelope) {
    auto c = command("c1", "a", kCreate, {event("hello")});
    c.meta.actor = "operator:1";
    c.meta.causation = Position{"gateway", 2, 7};
    c.meta.correlation_id = "corr";
    const auto verdict = store->append(c);
    ASSERT_EQ(verdict.outcome, Outcome::ok);
    EXPECT_EQ(verdict.first_position, 1);
    EXPECT_EQ(verdict.base_versions, std::vector<std::int64_t>{0});
    const auto events = store->read_stream({"t1", "thing", "a"});
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].payload, "hello");
    EXPECT_EQ(events[0].version, 1);
    EXPECT_EQ(events[0].meta.actor, "operator:1");
    EXPECT_EQ(events[0].meta.causation, (Position{"gateway", 2, 7}));
    EXPECT_EQ(events[0].occurred_at, kNow);
    EXPECT_EQ(from_bus(to_bus(events[0])).payload, "hello");
}

TEST_F(Append, TheEnvelopeOnTheBusIsProtobufToTheByte) {
    auto full = command("c1", "a", kCreate, {event("hello")});
    full.meta.actor = "operator:1";
    full.meta.request_hash = std::string("\0\x80\xff", 3);
    full.meta.causation = Position{"gateway", 2, 1'000'000'000'000};
    full.meta.settings_version = 300;
    full.meta.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    full.parts[0].events[0].is_private = true;
    auto large = command("c2", "a", 1, {event(std::string(kBusEventBytesMax + 1, 'x'))});
    for (auto& c : {full, large, command("c3", "a", 2, {event("")})})
        ASSERT_TRUE(store->append(c).accepted());
    for (const auto& stored : store->read_stream({"t1", "thing", "a"})) {
        const auto bytes = to_bus(stored);
        common::v1::RecordedEvent proto;
        ASSERT_TRUE(proto.ParseFromString(bytes));
        EXPECT_TRUE(proto.GetReflection()->GetUnknownFields(proto).empty());
        EXPECT_EQ(proto.SerializeAsString(), bytes);
        EXPECT_EQ(proto.position(), stored.position);
        EXPECT_EQ(proto.meta().SerializeAsString(), stored.meta_bytes);
        EXPECT_EQ(proto.payload_omitted(), stored.version <= 2);
        EXPECT_EQ(to_bus(from_bus(bytes)).size(), bytes.size());
    }
}

TEST_F(Append, SeveralStreamsAreReadByOneQuestion) {
    ASSERT_TRUE(store->append(command("c1", "a", kCreate, {event("a1"), event("a2")})).accepted());
    ASSERT_TRUE(store->append(command("c2", "b", kCreate, {event("b1")})).accepted());
    const Store::StreamTail asked[] = {
        {{"t1", "thing", "b"}}, {{"t1", "thing", "none"}}, {{"t1", "thing", "a"}, 2}};
    const auto read = store->read_streams(asked);
    ASSERT_EQ(read.size(), 3u);
    ASSERT_EQ(read[0].size(), 1u);
    EXPECT_EQ(read[0][0].payload, "b1");
    EXPECT_TRUE(read[1].empty());
    ASSERT_EQ(read[2].size(), 1u);
    EXPECT_EQ(read[2][0].payload, "a2");
    EXPECT_EQ(read[2][0].stream.key, "a");
    EXPECT_TRUE(store->read_streams({}).empty());
}

TEST_F(Append, WrongVersionSaysTheActualOne) {
    ASSERT_TRUE(store->append(command("c1", "a", kCreate, {event("1"), event("2")})).accepted());
    const auto verdict = store->append(command("c2", "a", 1, {event("3")}));
    EXPECT_EQ(verdict.outcome, Outcome::wrong_version);
    EXPECT_EQ(verdict.actual, 2);
    EXPECT_EQ(store->read_stream({"t1", "thing", "a"}).size(), 2u);
}

TEST_F(Append, I5_ARejectedCommandChangesNothing) {
    ASSERT_TRUE(
        store->append(command("c1", "a", kCreate, {event("x", "test.v1.Named")})).accepted());
    const auto position = store->heads();
    const auto verdict = store->append(command("c2", "b", kCreate, {event("x", "test.v1.Named")}));
    EXPECT_EQ(verdict.outcome, Outcome::claim_taken);
    EXPECT_EQ(verdict.claim_kind, "name");
    EXPECT_EQ(verdict.claim_value, "value of a");
    EXPECT_EQ(verdict.claim_holder, stream_id({"t1", "thing", "a"}));
    EXPECT_EQ(store->heads(), position);
    EXPECT_EQ(count("select count(*) from heads"), 1);
    EXPECT_EQ(count("select count(*) from claims"), 1);
}

TEST_F(Append, TheHolderOfAClaimMayTakeItAgain) {
    ASSERT_TRUE(
        store->append(command("c1", "a", kCreate, {event("x", "test.v1.Named")})).accepted());
    EXPECT_TRUE(store->append(command("c2", "a", 1, {event("x", "test.v1.Named")})).accepted());
}

TEST_F(Append, ARepeatedCommandIdGetsTheFirstAnswerAndAnotherBodyIsRefused) {
    auto c = command("key-1", "a", kAny, {event("1"), event("2")}, Dedupe::claim);
    c.meta.request_hash = "h1";
    const auto first = store->append(c);
    ASSERT_EQ(first.outcome, Outcome::ok);
    const auto again = store->append(c);
    EXPECT_EQ(again.outcome, Outcome::already_done);
    EXPECT_EQ(again.lane, first.lane);
    EXPECT_EQ(again.first_position, first.first_position);
    EXPECT_EQ(again.event_count, 2);
    c.meta.request_hash = "h2";
    EXPECT_EQ(store->append(c).outcome, Outcome::other_body);
    EXPECT_EQ(count("select count(*) from events"), 2);
}

TEST_F(Append, CreationAndVersionAreTheirOwnDedupe) {
    const auto create = command("create-1", "a", kCreate, {event("1")}, Dedupe::creation);
    ASSERT_EQ(store->append(create).outcome, Outcome::ok);
    EXPECT_EQ(store->append(create).outcome, Outcome::already_done);
    EXPECT_EQ(
        store->append(command("create-2", "a", kCreate, {event("1")}, Dedupe::creation)).outcome,
        Outcome::wrong_version);
    const auto next = command("next-1", "a", 1, {event("2"), event("3")}, Dedupe::version);
    ASSERT_EQ(store->append(next).outcome, Outcome::ok);
    const auto again = store->append(next);
    EXPECT_EQ(again.outcome, Outcome::already_done);
    EXPECT_EQ(again.first_position, 2);
    EXPECT_EQ(again.event_count, 2);
}

TEST_F(Append, CommandsOfOneStreamInOneBatchAreJudgedInOrderEachSeeingTheOneBefore) {
    const std::vector<Command> batch{command("c1", "a", kCreate, {event("1")}),
                                     command("c2", "a", 1, {event("2"), event("3")}),
                                     command("c3", "a", 1, {event("no")}),
                                     command("c4", "a", 3, {event("4")}),
                                     command("c5", "b", kCreate, {event("n", "test.v1.Named")}),
                                     command("c6", "c", kCreate, {event("n", "test.v1.Named")}),
                                     command("c1", "a", kCreate, {event("1")}, Dedupe::creation)};
    postgres::Session session({.url = database->service_url()});
    const auto call = append_call(batch, store->options(), derive, false);
    const auto verdicts =
        verdicts_from(call, session.query(call.statement.sql, call.statement.params));
    ASSERT_EQ(verdicts.size(), 7u);
    EXPECT_EQ(verdicts[0].outcome, Outcome::ok);
    EXPECT_EQ(verdicts[1].outcome, Outcome::ok);
    EXPECT_EQ(verdicts[2].outcome, Outcome::wrong_version);
    EXPECT_EQ(verdicts[2].actual, 3);
    EXPECT_EQ(verdicts[3].outcome, Outcome::ok);
    EXPECT_EQ(verdicts[4].outcome, Outcome::ok);
    EXPECT_EQ(verdicts[5].outcome, Outcome::claim_taken);
    EXPECT_EQ(verdicts[6].outcome, Outcome::already_done);
    EXPECT_EQ(verdicts[6].first_position, 1);
    std::string payloads;
    for (const auto& e : store->read_stream({"t1", "thing", "a"})) payloads += e.payload;
    EXPECT_EQ(payloads, "1234");
    EXPECT_EQ(count("select count(*) from heads"), 2);
}

TEST_F(Append, I5_APoisonousCommandFailsAloneAmongAHundred) {
    std::atomic<int> accepted{0}, refused{0}, left{100};
    std::promise<void> done;
    for (int i = 0; i < 100; ++i) {
        // A zero byte in text is what PostgreSQL cannot store.
        const std::string type = i == 42 ? std::string("bad\0type", 8) : "test.v1.Happened";
        store->append_async(
            command("c" + std::to_string(i), "k" + std::to_string(i), kCreate, {event("p", type)}),
            [&](const Verdict& verdict, const std::exception_ptr& error) {
                if (error)
                    ++refused;
                else if (verdict.accepted())
                    ++accepted;
                if (--left == 0) done.set_value();
            });
    }
    done.get_future().wait();
    EXPECT_EQ(accepted, 99);
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(count("select count(*) from events"), 99);
}

TEST_F(Append, I1_I2_I7_PositionsAndVersionsAreGaplessAndTimeClimbsUnderConcurrency) {
    auto other = make_store();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            auto& mine = t % 2 ? *store : *other;
            for (int i = 0; i < 100; ++i) {
                auto c = command("c" + std::to_string(t) + "-" + std::to_string(i),
                                 "k" + std::to_string(i % 7), kAny, {event("p"), event("q")});
                c.meta.routing.key = "customer-" + std::to_string(i % 7);
                ASSERT_TRUE(mine.append(c).accepted());
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(count("select count(*) from events"), 800);
    EXPECT_EQ(
        count("select count(*) from (select lane, position, row_number() over (partition by lane "
              "order by position) n from events) e where position <> n"),
        0);
    EXPECT_EQ(
        count(
            "select count(*) from (select stream, version, row_number() over (partition by stream "
            "order by position) n from events) e where version <> n"),
        0);
    EXPECT_EQ(
        count("select count(*) from (select recorded_at, lag(recorded_at) over (partition by lane "
              "order by position) before from events) e where recorded_at <= before"),
        0);
    EXPECT_EQ(
        count("select count(*) from lanes l where position <> (select coalesce(max(position), 0) "
              "from events e where e.lane = l.lane)"),
        0);
}

TEST_F(Append, I4_OneCommandIdOneEffectFromTwoWritersAThousandTimes) {
    auto other = make_store();
    std::atomic<int> effects{0}, repeats{0};
    std::vector<std::thread> threads;
    for (auto* mine : {store.get(), other.get()})
        threads.emplace_back([&, mine] {
            std::atomic<int> left{1000};
            std::promise<void> done;
            for (int i = 0; i < 1000; ++i)
                mine->append_async(command("cmd-" + std::to_string(i), "k" + std::to_string(i % 50),
                                           kAny, {event("p")}, Dedupe::claim),
                                   [&](const Verdict& verdict, const std::exception_ptr& error) {
                                       EXPECT_FALSE(error);
                                       if (verdict.outcome == Outcome::ok) ++effects;
                                       if (verdict.outcome == Outcome::already_done) ++repeats;
                                       if (--left == 0) done.set_value();
                                   });
            done.get_future().wait();
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(effects, 1000);
    EXPECT_EQ(repeats, 1000);
    EXPECT_EQ(count("select count(*) from events"), 1000);
}

TEST_F(Append, I6_NoRoleCanChangeHistory) {
    ASSERT_TRUE(store->append(command("c1", "a", kCreate, {event("1")})).accepted());
    for (const auto& url : {database->service_url(), database->admin_url()}) {
        postgres::Session session({.url = url});
        for (const auto* sql :
             {"update events set payload = 'x'", "delete from events", "truncate events"})
            EXPECT_THROW(session.run(sql), postgres::SqlError) << sql;
    }
    postgres::Session service({.url = database->service_url()});
    EXPECT_THROW(service.run("insert into events select * from events"), postgres::SqlError);
    EXPECT_THROW(service.run("update lanes set position = 0"), postgres::SqlError);
    EXPECT_THROW(service.run("delete from heads"), postgres::SqlError);
    EXPECT_THROW(service.run("delete from claims"), postgres::SqlError);
}

TEST_F(Append, I26_AClaimHasOneHolderHoweverManyLanesAskAtOnce) {
    auto other = make_store();
    std::atomic<int> won{0}, taken{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                auto c = command("c" + std::to_string(t) + "-" + std::to_string(i),
                                 "k" + std::to_string(t) + "-" + std::to_string(i), kCreate,
                                 {event("name-" + std::to_string(i), "test.v1.Named")});
                c.meta.routing.key = "customer-" + std::to_string(t);
                const auto verdict = (t % 2 ? *store : *other).append(c);
                if (verdict.outcome == Outcome::ok) ++won;
                if (verdict.outcome == Outcome::claim_taken) ++taken;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(won, 50);
    EXPECT_EQ(taken, 150);
    EXPECT_EQ(count("select count(*) from claims"), 50);
    EXPECT_EQ(
        count(
            "select count(*) from claims c where not exists (select from events e where e.stream = "
            "c.holder and convert_from(e.payload, 'UTF8') = c.key)"),
        0);
}

// What append() must answer, said the slow way: one command after the other, in memory.
class Model {
public:
    Verdict judge(const Command& c, int lane) {
        Verdict verdict;
        if (c.dedupe == Dedupe::claim) {
            if (const auto known = done.find(c.id); known != done.end()) {
                if (known->second.second == c.meta.request_hash) return known->second.first;
                verdict.outcome = Outcome::other_body;
                return verdict;
            }
        }
        const auto& first = c.parts.front();
        const bool names = first.events.front().type == "test.v1.Named";
        const auto name = first.events.front().payload;
        if (names && holders.contains(name) && holders[name] != first.stream.key) {
            verdict.outcome = Outcome::claim_taken;
            return verdict;
        }
        for (std::size_t p = 0; p < c.parts.size(); ++p) {
            const auto& part = c.parts[p];
            if (part.expected == kAny || part.expected == versions[part.stream.key]) continue;
            verdict.outcome = Outcome::wrong_version;
            verdict.part = static_cast<int>(p);
            verdict.actual = versions[part.stream.key];
            return verdict;
        }
        if (c.owner_guard && c.owner_guard->owner_epoch != 0) {
            verdict.outcome = Outcome::not_owner;
            return verdict;
        }
        verdict.lane = lane;
        verdict.first_position = positions[lane] + 1;
        for (const auto& part : c.parts) {
            verdict.base_versions.push_back(versions[part.stream.key]);
            versions[part.stream.key] += static_cast<std::int64_t>(part.events.size());
            verdict.event_count += static_cast<int>(part.events.size());
        }
        positions[lane] += verdict.event_count;
        if (names) holders[name] = first.stream.key;
        // As if the events came one by one, and of each what goes before what comes.
        for (const auto& part : c.parts)
            for (const auto& event : part.events) {
                Derived derived;
                derive(part.stream, lane, event, derived);
                for (const auto& del : derived.work_del) work.erase({del.lane, del.kind, del.key});
                for (const auto& put : derived.work_put) work.insert({put.lane, put.kind, put.key});
            }
        if (c.dedupe == Dedupe::claim) {
            auto again = verdict;
            again.outcome = Outcome::already_done;
            done[c.id] = {again, c.meta.request_hash};
        }
        return verdict;
    }

    std::map<std::string, std::int64_t> versions;
    std::map<std::string, std::string> holders;
    std::map<int, std::int64_t> positions;
    std::map<std::string, std::pair<Verdict, std::string>> done;
    std::set<std::tuple<int, std::string, std::string>> work;
};

// A batch in which all goes well is not judged at all: the answers must not show it.
TEST_F(Append, AnyMixOfCommandsInAnyBatchIsAnsweredAsIfTheyCameOneByOne) {
    std::mt19937 random(20'261'129);
    const auto up_to = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    Model model;
    postgres::Session session({.url = database->service_url()});
    int judged = 0, not_judged = 0, number = 0;
    std::size_t work_seen = 0;
    for (int b = 0; b < 400; ++b) {
        // Some batches are small and harmless, as most are in a shop.
        const bool harmless = b % 3 == 0;
        std::vector<Command> batch;
        auto planned = model.versions;
        const int size = 1 + up_to(harmless ? 3 : 7);
        for (int i = 0; i < size; ++i) {
            const int customer = up_to(3);
            const auto stream = [&] { return std::to_string(customer + 3 * up_to(4)); };
            const auto expected = [&](const std::string& key) -> std::int64_t {
                if (harmless) return up_to(4) == 0 ? kAny : planned[key];
                const int what = up_to(6);
                if (what == 0) return kAny;
                if (what == 1) return kCreate;
                if (what == 2) return planned[key] + 1 + up_to(2);
                return planned[key];
            };
            const auto key = stream();
            auto c = command("c" + std::to_string(++number), key, expected(key), {});
            c.meta.routing.key = "customer-" + std::to_string(customer);
            const std::string types[] = {"test.v1.Happened", "test.v1.Timed", "test.v1.Untimed",
                                         "test.v1.Asked", "test.v1.Settled"};
            for (int e = 0; e <= up_to(3); ++e)
                c.parts[0].events.push_back(event("e", types[up_to(5)]));
            if (!harmless && up_to(3) == 0)
                c.parts[0].events[0] = event("name-" + std::to_string(up_to(20)), "test.v1.Named");
            planned[key] += static_cast<std::int64_t>(c.parts[0].events.size());
            if (const auto other = stream(); other != key && up_to(3) == 0) {
                c.parts.push_back({{"t1", "thing", other}, expected(other), {}});
                if (up_to(2) == 0) c.parts[1].events.push_back(event("e"));
                planned[other] += static_cast<std::int64_t>(c.parts[1].events.size());
            }
            if (!harmless && up_to(4) == 0) {
                c.dedupe = Dedupe::claim;
                c.id = "once-" + std::to_string(up_to(30));
                c.meta.request_hash = up_to(4) == 0 ? "other" : "same";
            }
            if (up_to(4) == 0) c.owner_guard = OwnerGuard{up_to(4), harmless ? 0 : up_to(3) / 2};
            batch.push_back(std::move(c));
        }
        const auto call = append_call(batch, store->options(), derive, false);
        const auto result = session.query(call.statement.sql, call.statement.params);
        ++(result.int4(0, 0) == 0 ? not_judged : judged);
        const auto verdicts = verdicts_from(call, result);
        ASSERT_EQ(verdicts.size(), batch.size());
        for (std::size_t i = 0; i < batch.size(); ++i) {
            const auto& got = verdicts[i];
            const auto& c = batch[i];
            const auto want = model.judge(c, store->lane_of(c.meta.routing, c.tenant));
            ASSERT_EQ(got.outcome, want.outcome) << "batch " << b << " command " << i;
            if (want.accepted()) {
                EXPECT_EQ(got.lane, want.lane);
                EXPECT_EQ(got.first_position, want.first_position);
                EXPECT_EQ(got.event_count, want.event_count);
                EXPECT_GT(got.recorded_at, Time{});
            }
            if (want.outcome == Outcome::ok) {
                EXPECT_EQ(got.base_versions, want.base_versions);
            }
            EXPECT_EQ(got.part, want.part);
            EXPECT_EQ(got.actual, want.actual);
        }
        const auto rows = session.query("select lane, kind, key from work");
        decltype(model.work) work;
        for (int row = 0; row < rows.rows(); ++row)
            work.insert({rows.int4(row, 0), rows.text(row, 1), rows.text(row, 2)});
        ASSERT_EQ(work, model.work) << "batch " << b;
        work_seen += work.size();
    }
    EXPECT_GT(judged, 50);
    EXPECT_GT(not_judged, 50);
    EXPECT_GT(work_seen, 400u);

    // What was written as if all went well has been put right.
    const auto heads = session.query(
        R"sql(select coalesce(e.key, 'a head without events'), h.version, coalesce(e.last, 0)
                from heads h full join (select stream, key, max(version) as last, count(*) as events
                                          from events group by stream, key) e on e.stream = h.stream
               where h.version is distinct from e.last or e.last <> e.events)sql");
    for (int row = 0; row < heads.rows(); ++row)
        ADD_FAILURE() << heads.text(row, 0) << ": " << heads.int8(row, 1) << ", events to "
                      << heads.int8(row, 2);
    for (const auto& [key, version] : model.versions)
        EXPECT_EQ(store->read_stream({"t1", "thing", key}).size(),
                  static_cast<std::size_t>(version));
    for (const auto& [name, holder] : model.holders) {
        const auto claim = store->claim("t1", "name", name);
        ASSERT_TRUE(claim) << name;
        EXPECT_EQ(claim->holder, stream_id({"t1", "thing", holder}));
        EXPECT_EQ(claim->value, "value of " + holder);
    }
    EXPECT_EQ(count("select count(*) from claims"),
              static_cast<std::int64_t>(model.holders.size() + model.done.size()));
    EXPECT_EQ(count("select count(*) from lanes l where position <> (select coalesce(max(position),"
                    " 0) from events e where e.lane = l.lane)"),
              0);
}

TEST_F(Append, AStreamThatLivesInAnotherLaneIsRefusedAndKeepsItsVersion) {
    ASSERT_TRUE(store->append(command("c1", "a", kCreate, {event("1")})).accepted());
    auto moved = command("c2", "a", kAny, {event("2")});
    for (int i = 0; store->lane_of(moved.meta.routing, "t1") ==
                    store->lane_of({RoutingKind::customer, "customer-1"}, "t1");
         ++i)
        moved.meta.routing.key = "other-" + std::to_string(i);
    EXPECT_THROW(store->append(moved), CommandRefused);
    EXPECT_EQ(count("select version from heads"), 1);
    EXPECT_EQ(count("select count(*) from events"), 1);
}

// append() runs with its owner's rights: nothing of the caller may run in it.
TEST_F(Append, I6_WhatACallerMadeCannotTakeThePlaceOfATableOrAType) {
    postgres::Session session({.url = database->service_url()});
    session.run(
        "create function pg_temp.stolen() returns boolean language plpgsql as "
        "$$ begin raise exception 'ran with the rights of %', current_user; end $$");
    for (const std::string type : {"timestamptz", "uuid", "text", "bytea"})
        session.run("create domain pg_temp." + type + " as pg_catalog." + type +
                    " check (pg_temp.stolen())");
    session.run("set search_path = pg_temp, pg_catalog, public");
    for (const std::string table : {"events", "heads", "lanes", "claims", "work", "lane_owner",
                                    "settings_changes", "settings_counter"})
        session.run("create temporary table " + table + " (nothing int)");
    auto c = command("c1", "a", kCreate,
                     {event("1", "test.v1.Named"), event("2", "test.v1.Timed"),
                      event("3", "test.v1.Set"), event("4", "test.v1.Untimed")});
    c.owner_guard = OwnerGuard{0, 0};
    for (const auto outcome : {Outcome::ok, Outcome::wrong_version}) {
        const auto call = append_call({&c, 1}, store->options(), derive, false);
        const auto verdicts =
            verdicts_from(call, session.query(call.statement.sql, call.statement.params));
        ASSERT_EQ(verdicts.size(), 1u);
        EXPECT_EQ(verdicts[0].outcome, outcome);
        c.id = "c2";  // refused: the cleaning and the questions about history are met as well
        c.dedupe = Dedupe::creation;
        c.parts[0].events[0].payload = "another name";
    }
    EXPECT_EQ(count("select count(*) from public.events"), 4);
    EXPECT_EQ(count("select count(*) from public.claims"), 1);
    for (const auto* sql : {"create table public.mine (n int)", "create schema mine",
                            "create function public.f() returns int language sql as 'select 1'"})
        EXPECT_THROW(session.run(sql), postgres::SqlError) << sql;
}

// append() leaves these to its sessions, so that they are not set and reset in every call.
TEST_F(Append, SessionsPlanOnceAndNeverScanATable) {
    postgres::Session session({.url = database->service_url()});
    const auto row = session.query(
        "select current_setting('plan_cache_mode'), current_setting('enable_seqscan'), "
        "current_setting('synchronous_commit'), current_setting('fsync')");
    EXPECT_EQ(row.text(0, 0), "force_generic_plan");
    EXPECT_EQ(row.text(0, 1), "off");
    EXPECT_EQ(row.text(0, 2), "on");
    EXPECT_EQ(row.text(0, 3), "on");
    // What the function itself sets is set and taken back in every call.
    EXPECT_EQ(count("select count(*) from pg_proc where proname = 'append' and proconfig = "
                    "array['search_path=pg_catalog, pg_temp']"),
              1);
}

TEST_F(Append, GuardsAndOwnersAreChecked) {
    ASSERT_TRUE(store->append(command("c1", "a", kCreate, {event("1")})).accepted());
    auto guarded = command("c2", "b", kCreate, {event("1")});
    guarded.parts.push_back({{"t1", "thing", "a"}, 2, {}});
    const auto refused = store->append(guarded);
    EXPECT_EQ(refused.outcome, Outcome::wrong_version);
    EXPECT_EQ(refused.part, 1);
    guarded.parts[1].expected = 1;
    EXPECT_TRUE(store->append(guarded).accepted());

    auto owned = command("c3", "b", 1, {event("2")});
    owned.owner_guard = OwnerGuard{0, 7};
    EXPECT_EQ(store->append(owned).outcome, Outcome::not_owner);
    postgres::Session session({.url = database->service_url()});
    owned.owner_guard->owner_epoch = session.query("select take_lane(0, 'me')").int8(0, 0);
    EXPECT_TRUE(store->append(owned).accepted());
}

TEST_F(Append, WorkThatALaterCommandOfTheBatchTakesAwayIsGone) {
    const std::vector<Command> batch{
        command("c1", "a", kCreate, {event("1", "test.v1.Timed")}),
        command("c2", "a", 1, {event("2", "test.v1.Untimed")}),
        command("c3", "b", kCreate, {event("1", "test.v1.Timed")}),
        command("c4", "b", 1, {event("2", "test.v1.Untimed")}),
        command("c5", "b", 2, {event("3", "test.v1.Timed")}),
        command("c6", "b", 7, {event("4", "test.v1.Untimed")})};  // refused
    const std::vector statements{append_call(batch, store->options(), derive, false).statement};
    store->pool().with([&](postgres::Session& s) { return s.transaction(statements); });
    EXPECT_EQ(count("select count(*) from work where key = 'a'"), 0);
    EXPECT_EQ(count("select count(*) from work where key = 'b'"), 1);
}

TEST_F(Append, WorkThatALaterEventOfTheCommandTakesAwayIsNotPut) {
    ASSERT_TRUE(
        store->append(command("c0", "old", kCreate, {event("1", "test.v1.Timed")})).accepted());
    std::vector<WorkNews> news;
    store->on_commit([&](const Commit& commit) {
        news.insert(news.end(), commit.work.begin(), commit.work.end());
    });
    const auto put = event("1", "test.v1.Timed"), taken = event("2", "test.v1.Untimed");
    ASSERT_TRUE(store->append(command("c1", "a", kCreate, {put, taken})).accepted());
    EXPECT_TRUE(news.empty());
    ASSERT_TRUE(store->append(command("c2", "old", 1, {put, taken})).accepted());
    EXPECT_EQ(count("select count(*) from work"), 0);
    ASSERT_TRUE(store->append(command("c3", "b", kCreate, {put, taken, put})).accepted());
    EXPECT_EQ(count("select count(*) from work"), 1);
    ASSERT_EQ(news.size(), 1U);
    EXPECT_EQ(news[0].kind, "timer");
    EXPECT_EQ(news[0].due_at, kNow);
}

TEST_F(Append, AllWorkThatAnEventEndsGoesAtOnceAndNothingElse) {
    for (const auto* key : {"a", "b"})
        ASSERT_TRUE(
            store
                ->append(command(key, key, kCreate,
                                 {event("1", "test.v1.Timed"), event("2", "test.v1.Asked")}))
                .accepted());
    postgres::Session admin({.url = database->admin_url()});
    admin.query("insert into work select lane, 'audit', 'a', due_at, 0, '' from work limit 1");
    ASSERT_TRUE(store->append(command("c1", "a", 2, {event("3", "test.v1.Settled")})).accepted());
    EXPECT_EQ(count("select count(*) from work where key = 'a'"), 1);
    EXPECT_EQ(count("select count(*) from work where key = 'a' and kind = 'audit'"), 1);
    EXPECT_EQ(count("select count(*) from work where key = 'b'"), 2);
}

// A shop has a long queue in the lane, and nearly no event finds work that it ends: looking for it
// must not read the queue.
TEST_F(Append, WorkThatIsNotThereIsNotLookedForAmongTheRestOfItsLane) {
    const auto lane = std::to_string(store->lane_of({RoutingKind::customer, "customer-1"}, "t1"));
    postgres::Session admin({.url = database->admin_url()});
    admin.query("insert into work select " + lane +
                ", 'timer', 'queued-' || n, now(), 0, '' from generate_series(1, 20000) n");
    postgres::Session session({.url = database->service_url()});
    const auto rows_read = [&] {
        session.query("select pg_stat_force_next_flush()");
        return session
            .query(
                "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = "
                "'work'")
            .int8(0, 0);
    };
    const auto before = rows_read();
    for (int i = 0; i < 10; ++i) {
        const std::vector batch{
            command("c" + std::to_string(i), "a", kAny, {event("1", "test.v1.Settled")})};
        const auto call = append_call(batch, store->options(), derive, false);
        session.query(call.statement.sql, call.statement.params);
    }
    EXPECT_LT(rows_read() - before, 100);
}

// ---- Commands that may wait for others

class PatientAppend : public Append {
protected:
    void open(std::chrono::milliseconds company_wait, std::size_t batch_commands_max = 500) {
        StoreOptions options;
        options.service = "test";
        options.database_url = database->service_url();
        options.lanes = 4;
        options.append_connections = 1;
        options.company_wait = company_wait;
        options.batch_commands_max = batch_commands_max;
        patient = std::make_unique<Store>(options, derive);
        patient->on_commit([this](const Commit&) { ++commits; });
    }
    void may_wait(const std::string& name) {
        std::vector<Store::Asked> asked;
        asked.push_back({.command = command("c-" + name, name, kCreate, {event("p")}),
                         .answer =
                             [this](const Verdict& verdict, std::exception_ptr error) {
                                 EXPECT_TRUE(!error && verdict.accepted());
                                 ++answered;
                             },
                         .may_wait = true});
        patient->append_async(std::move(asked));
    }
    bool append(const std::string& name) {
        return patient->append(command("c-" + name, name, kCreate, {event("p")})).accepted();
    }

    std::atomic<int> commits{0}, answered{0};
    std::unique_ptr<Store> patient;
};
constexpr std::chrono::hours kLong{1};

TEST_F(PatientAppend, OneThatMayWaitGoesWithTheNextThatMayNot) {
    open(kLong);
    may_wait("a");
    may_wait("b");
    EXPECT_EQ(answered, 0);
    EXPECT_TRUE(append("c"));
    EXPECT_EQ(answered, 2);
    EXPECT_EQ(commits, 1);
    EXPECT_TRUE(append("d"));  // one that finds nobody waiting
    EXPECT_EQ(commits, 2);
}

TEST_F(PatientAppend, OneThatFindsNoCompanyGoesAfterItsWait) {
    open(std::chrono::milliseconds(20));
    may_wait("a");
    while (answered < 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    may_wait("b");
    while (answered < 2) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(commits, 2);
}

TEST_F(PatientAppend, AFullBatchDoesNotWait) {
    open(kLong, 3);
    for (const auto* name : {"a", "b", "c"}) may_wait(name);
    while (answered < 3) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    may_wait("d");
    EXPECT_TRUE(append("e"));
    EXPECT_EQ(answered, 4);
    EXPECT_EQ(commits, 2);
}

TEST_F(PatientAppend, NothingIsLeftWhenTheStoreCloses) {
    open(kLong);
    may_wait("a");
    patient->drain();
    EXPECT_EQ(answered, 1);
    EXPECT_EQ(count("select count(*) from events"), 1);
}

TEST_F(PatientAppend, ByItselfNothingWaits) {
    open(std::chrono::milliseconds(0));
    may_wait("a");
    while (answered < 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(commits, 1);
}

// ---- Commands that share one

// Adds what the second one writes to the payload of the first.
bool join_payloads(Command& into, const Command& more) {
    if (into.meta.actor != more.meta.actor) return false;
    into.parts[0].events[0].payload += more.parts[0].events[0].payload;
    return true;
}

class JoinedAppend : public Append {
protected:
    // All in one batch, and what each is answered: the position, or 0 when it was refused.
    std::vector<std::int64_t> append(StoreOptions options, std::vector<Command> commands,
                                     const DeriveFn& with = derive) {
        options.service = "test";
        options.database_url = database->service_url();
        options.lanes = 4;
        options.join = join_payloads;
        Store joining(options, with);
        std::vector<std::int64_t> answers(commands.size(), -1);
        std::vector<Store::Asked> asked;
        for (std::size_t i = 0; i < commands.size(); ++i)
            asked.push_back({std::move(commands[i]),
                             [&answers, i](const Verdict& verdict, std::exception_ptr error) {
                                 answers[i] = error ? 0 : verdict.first_position;
                             },
                             true});
        joining.append_async(std::move(asked));
        joining.drain();
        return answers;
    }
    std::vector<std::string> payloads() {
        std::vector<std::string> found;
        for (const auto& event : store->read_lane(lane, 1, 0, 100)) found.push_back(event.payload);
        return found;
    }
    static Command raw(const std::string& payload) {
        return command("raw-" + payload, "raw", kAny, {event(payload)});
    }

    int lane = 0;

    void SetUp() override {
        Append::SetUp();
        lane = store->lane_of({RoutingKind::customer, "customer-1"}, "t1");
    }
};

TEST_F(JoinedAppend, CommandsOfOneBatchAreOneEventAndEachIsAnswered) {
    auto other = raw("d");
    other.meta.actor = "somebody else";
    EXPECT_EQ(append({}, {raw("a"), raw("b"), raw("c"), other}),
              (std::vector<std::int64_t>{1, 1, 1, 2}));
    EXPECT_EQ(payloads(), (std::vector<std::string>{"abc", "d"}));
    EXPECT_EQ(count("select count(*) from events where command_id = 'raw-a'"), 1);
}

TEST_F(JoinedAppend, NoMoreCommandsAndBytesThanAllowedBecomeOne) {
    StoreOptions pairs;
    pairs.joined_commands_max = 2;
    append(pairs, {raw("a"), raw("b"), raw("c"), raw("d"), raw("e")});
    EXPECT_EQ(payloads(), (std::vector<std::string>{"ab", "cd", "e"}));
    const std::string large(3'000, 'x');
    StoreOptions small;
    small.joined_bytes_max = 4'000;
    append(small, {raw("f"), raw(large), raw("g")});
    auto found = payloads();
    ASSERT_EQ(found.size(), 6u);
    EXPECT_EQ(found[3], "f");
    EXPECT_EQ(found[4], large);
    EXPECT_EQ(found[5], "g");
}

TEST_F(JoinedAppend, OneThatIsRefusedRefusesNoneOfTheOthers) {
    const auto answers = append({}, {raw("a"), raw("b"), raw("!"), raw("c"), raw("d")},
                                [](const StreamName&, int, const NewEvent& event, Derived&) {
                                    if (event.payload.find('!') != std::string::npos)
                                        throw std::invalid_argument("cannot be read");
                                });
    EXPECT_EQ(answers[2], 0);
    for (const auto i : {0u, 1u, 3u, 4u}) EXPECT_GT(answers[i], 0) << i;
    std::string all;
    for (const auto& payload : payloads()) all += payload;
    EXPECT_EQ(all, "abcd");
}

TEST_F(Append, SideRowsFollowFromEvents) {
    ASSERT_TRUE(
        store->append(command("c1", "a", kCreate, {event("1", "test.v1.Timed")})).accepted());
    EXPECT_EQ(count("select count(*) from work"), 1);
    ASSERT_TRUE(store->append(command("c2", "a", 1, {event("1", "test.v1.Untimed")})).accepted());
    EXPECT_EQ(count("select count(*) from work"), 0);
    ASSERT_TRUE(store->append(command("c3", "a", 2, {event("1", "test.v1.Set")})).accepted());
    ASSERT_TRUE(store->append(command("c4", "b", 0, {event("1", "test.v1.Set")})).accepted());
    EXPECT_EQ(count("select max(seq) from settings_changes"), 2);
}

TEST_F(Append, I3_AnAppendGoesThroughWhenItsBackendIsKilledAndCountsOnce) {
    std::atomic<bool> stop{false};
    std::thread killer([&] {
        postgres::Session session({.url = database->admin_url()});
        for (int i = 0; i < 20 && !stop; ++i) {
            session.query(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where "
                "application_name like 'test-append%'");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    });
    int ok = 0;
    for (int i = 0; i < 200; ++i) {
        const auto id = std::to_string(i);
        const auto verdict =
            store->append(command("kill-" + id, "k" + id, kCreate, {event("p")}, Dedupe::creation));
        if (verdict.accepted()) ++ok;
    }
    stop = true;
    killer.join();
    EXPECT_EQ(ok, 200);
    EXPECT_EQ(count("select count(*) from events"), 200);
}

// The server refuses such a transaction at its end only, where the answer of the commit stands.
TEST_F(Append, ATransactionThatIsRefusedAtItsCommitThrowsAndChangesNothing) {
    postgres::Session session({.url = database->admin_url()});
    session.run("create table late (a int unique deferrable initially deferred)");
    const std::vector<postgres::Session::Statement> twice{{"insert into late values (1)", {}},
                                                          {"insert into late values (1)", {}}};
    EXPECT_THROW(session.transaction(twice), postgres::SqlError);
    EXPECT_EQ(session.query("select count(*) from late").int8(0, 0), 0);
    const std::vector<postgres::Session::Statement> once{{"insert into late values (1)", {}}};
    session.transaction(once);
    EXPECT_EQ(session.query("select count(*) from late").int8(0, 0), 1);
}

}  // namespace
}  // namespace flowstack::eventlog
