#include <gmock/gmock.h>

#include "common/eventlog/integrity.h"
#include "common/eventlog/store.h"
#include "tests/support/test_database.h"

// What a superuser with the triggers off does to a log, and where the check says it was done.
namespace flowstack::eventlog {

void PrintTo(const Problem& problem, std::ostream* out) {
    *out << problem.kind << " " << problem.lane << "/" << problem.position << " " << problem.subject
         << ": " << problem.detail;
}

namespace {

using flowstack::testing::TestDatabase;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Time kNow{std::chrono::microseconds{1'700'000'000'000'000}};
constexpr int kLanes = 2;

// "named:x", "timed", "untimed", "set": side rows by what the payload says.
void derive(const StreamName& stream, int lane, const NewEvent& event, Derived& out) {
    if (event.payload == "unreadable") throw std::invalid_argument("no such message");
    if (event.payload.starts_with("named:"))
        out.claims.push_back({stream.tenant, "name", event.payload.substr(6), stream.key, stream});
    if (event.payload == "timed")
        out.work_put.push_back({lane, "timer", stream.key, event.occurred_at, 1, "ref"});
    if (event.payload == "untimed") out.work_del.push_back({lane, "timer", stream.key});
    // A campaign: its home lane gives every lane work, and each lane takes its own away.
    if (event.payload == "started")
        for (int n = 0; n < kLanes; ++n)
            out.work_put.push_back({n, "freeze", "campaign", event.occurred_at, 0, ""});
    if (event.payload == "frozen") out.work_del.push_back({lane, "freeze", "campaign"});
    if (event.payload == "set") out.settings.push_back({stream.tenant, "tenant", stream.key});
}

class Integrity : public ::testing::Test {
protected:
    void SetUp() override {
        const StoreOptions options{
            .service = "test", .database_url = database_.service_url(), .lanes = kLanes};
        Store store(options, derive);
        lane_ = store.lane_of({RoutingKind::customer, "c"}, "t1");
        // Positions 1..10 of one lane.
        append(store, "order-1", kCreate, {"named:ORD-1", "timed"});
        append(store, "order-2", kCreate, {"named:ORD-2", "timed", "plain"});
        append(store, "order-1", 2, {"untimed", "plain"});
        append(store, "order-2", 3, {"named:ORD-2", "plain"});
        append(store, "shop", kCreate, {"set"}, Dedupe::claim);
        marks_ = remembered();
        ASSERT_EQ(marks_.size(), 10u);
        ASSERT_THAT(problems(), IsEmpty());
    }

    void append(Store& store, const std::string& key, std::int64_t expected,
                const std::vector<std::string>& payloads, Dedupe dedupe = Dedupe::none) {
        Command command;
        command.id = "command-" + std::to_string(++commands_);
        command.tenant = "t1";
        command.meta.routing = {RoutingKind::customer, "c"};
        command.meta.request_hash = "hash of it";
        command.dedupe = dedupe;
        Part part{{"t1", "thing", key}, expected, {}};
        for (const auto& payload : payloads)
            part.events.push_back(
                {.type = "test.v1.Happened", .payload = payload, .occurred_at = kNow});
        command.parts.push_back(std::move(part));
        ASSERT_TRUE(store.append(command).accepted());
    }

    // As the superuser, who is not stopped by the walls around history.
    void tamper(const std::string& sql) {
        postgres::Session superuser({.url = database_.admin_url()});
        superuser.run("set session_replication_role = replica; " + sql);
    }
    std::string here(std::int64_t position) const {
        return "lane = " + std::to_string(lane_) + " and position = " + std::to_string(position);
    }

    // A mark at every event, as an auditor with much room would keep.
    std::vector<Mark> remembered() {
        Store store({.service = "test", .database_url = database_.service_url(), .lanes = kLanes},
                    derive);
        std::vector<Mark> marks;
        Chain chain("test", lane_, 1);
        for (const auto& event : store.read_lane(lane_, 1, 0, 1000)) {
            chain.add(event);
            marks.push_back({lane_, event.position, chain.digest()});
        }
        return marks;
    }

    std::vector<Problem> problems() {
        postgres::Session session({.url = database_.service_url()});
        std::vector<Problem> all;
        for (int lane = 0; lane < kLanes; ++lane) {
            LaneCheck what{.lane = lane};
            if (lane == lane_) what.known = marks_;
            const auto report = check_lane(session, "test", what);
            all.insert(all.end(), report.problems.begin(), report.problems.end());
        }
        const auto report = check_derived(session, "test", kLanes, derive);
        all.insert(all.end(), report.problems.begin(), report.problems.end());
        return all;
    }

    TestDatabase database_{kLanes};
    int lane_ = 0;
    int commands_ = 0;
    std::vector<Mark> marks_;
};

auto is(const std::string& kind, std::int64_t position, const std::string& words) {
    return AllOf(Field(&Problem::kind, kind), Field(&Problem::position, position),
                 Field(&Problem::detail, HasSubstr(words)));
}

TEST_F(Integrity, AnUntouchedLogHasNoProblemsAndOneDigestHoweverItIsRead) {
    postgres::Session session({.url = database_.service_url()});
    const auto report = check_lane(session, "test", {.lane = lane_});
    EXPECT_EQ(report.events, 10);
    EXPECT_EQ(report.to, 10);
    EXPECT_EQ(report.digest, marks_.back().digest);
    const auto part = check_lane(session, "test", {.lane = lane_, .from = 3, .to = 7});
    EXPECT_EQ(part.events, 5);
    EXPECT_EQ(part.to, 7);
    EXPECT_THAT(part.problems, IsEmpty());
    const auto derived = check_derived(session, "test", kLanes, derive);
    EXPECT_EQ(derived.events, 10);
    EXPECT_EQ(derived.claims, 3);  // two names and a command id
    EXPECT_EQ(derived.work, 1);
    EXPECT_EQ(derived.settings, 1);
}

TEST_F(Integrity, AChangedPayloadIsLocatedByWhoRemembers) {
    tamper("update events set payload = 'plaim' where " + here(7));
    EXPECT_THAT(problems(), ElementsAre(is("changed", 7, "not what it was")));
}

TEST_F(Integrity, AChangeBetweenTwoMarksIsLocatedBetweenThem) {
    marks_ = {marks_[3], marks_[9]};
    tamper("update events set payload = 'plaim' where " + here(7));
    EXPECT_THAT(problems(), ElementsAre(is("changed", 10, "something in 5..10")));
}

TEST_F(Integrity, AChangedPayloadThatClaimsAnotherNameIsSeenWithoutMemory) {
    marks_.clear();
    tamper("update events set payload = 'named:ORD-9' where " + here(1));
    EXPECT_THAT(problems(), ElementsAre(is("claim", 0, "no event makes this claim"),
                                        is("claim", 1, "is not there")));
}

TEST_F(Integrity, APayloadThatNoLongerDecodesIsSeenWithoutMemory) {
    marks_.clear();
    tamper("update events set payload = 'unreadable' where " + here(5));
    EXPECT_THAT(problems(), ElementsAre(is("payload", 5, "no such message")));
}

TEST_F(Integrity, AChangedEnvelopeIsLocated) {
    tamper("update events set occurred_at = occurred_at - interval '1 day' where " + here(7));
    EXPECT_THAT(problems(), ElementsAre(is("changed", 7, "not what it was")));
}

TEST_F(Integrity, AnEnvelopeThatNoLongerDecodesIsLocated) {
    tamper("update events set meta = '\\xff' where " + here(7));
    EXPECT_THAT(problems(), ElementsAre(is("changed", 7, ""), is("envelope", 7, ""),
                                        is("stream_head", 6, "its events end at 3")));
}

TEST_F(Integrity, AnEventMovedToAnotherStreamIsLocated) {
    marks_.clear();
    tamper("update events set key = 'order-3' where " + here(9));
    EXPECT_THAT(problems(), ElementsAre(is("envelope", 9, "is not that of its name"),
                                        is("version", 9, "version 5 where 1"),
                                        is("stream_head", 8, "its events end at 4"),
                                        is("stream_head", 9, "its head is not there")));
}

TEST_F(Integrity, ADeletedRowIsAGap) {
    marks_.clear();
    tamper("delete from events where " + here(7));
    EXPECT_THAT(problems(), ElementsAre(is("gap", 7, "it is missing"),
                                        is("stream_head", 6, "its events end at 3")));
}

TEST_F(Integrity, AGapIsLocatedAndSoIsTheBrokenStreamAfterIt) {
    marks_.clear();
    tamper("delete from events where " + here(4) + " or " + here(5));
    EXPECT_THAT(problems(), ElementsAre(is("gap", 4, "up to 5 are missing"),
                                        is("version", 8, "version 4 where 2"),
                                        is("work", 0, "no event leaves this work")));
}

TEST_F(Integrity, ATailCutOffBesideItsHeadIsKnownByWhoRemembers) {
    tamper("delete from events where " + here(10) +
           "; update lanes set position = 9 where lane = " + std::to_string(lane_) +
           "; delete from heads where not exists (select from events e where e.stream = "
           "heads.stream); delete from claims where kind = 'command'; delete from "
           "settings_changes");
    EXPECT_THAT(problems(), ElementsAre(is("changed", 10, "now ends at 9")));
}

TEST_F(Integrity, SwappedVersionsAreLocated) {
    marks_.clear();
    tamper("update events set version = 99 where " + here(4) +
           "; update events set version = 2 where " + here(5) +
           "; update events set version = 3 where " + here(4));
    EXPECT_THAT(problems(), ElementsAre(is("version", 4, "version 3 where 2 was to come"),
                                        is("version", 5, "version 2 where 4 was to come")));
}

TEST_F(Integrity, SwappedPositionsAreLocated) {
    marks_.clear();
    tamper("update events set position = 99 where " + here(6) +
           "; update events set position = 6 where " + here(7) +
           "; update events set position = 7 where position = 99");
    const auto found = problems();
    ASSERT_FALSE(found.empty());
    EXPECT_THAT(found.front(), is("version", 6, "version 4 where 3 was to come"));
}

TEST_F(Integrity, AMovedLaneHeadIsSeen) {
    tamper("update lanes set position = 12 where lane = " + std::to_string(lane_));
    EXPECT_THAT(problems(), ElementsAre(is("head", 10, "the lane's head is 12")));
    tamper("update lanes set position = 8 where lane = " + std::to_string(lane_));
    EXPECT_THAT(problems(), ElementsAre(is("head", 10, "there are events up to 10")));
}

TEST_F(Integrity, AMovedStreamHeadIsLocated) {
    tamper("update heads set version = 7 where version = 5");
    EXPECT_THAT(problems(),
                ElementsAre(is("stream_head", 9, "the head says version 7, its events end at 5")));
}

TEST_F(Integrity, ADeletedStreamHeadIsLocated) {
    tamper("delete from heads where version = 5");
    EXPECT_THAT(problems(), ElementsAre(is("stream_head", 9, "its head is not there")));
}

TEST_F(Integrity, TimesThatDoNotClimbAreLocated) {
    marks_.clear();
    tamper("update events set recorded_at = recorded_at - interval '1 hour' where " + here(6));
    EXPECT_THAT(problems(), ElementsAre(is("time", 6, "not after the event before")));
}

TEST_F(Integrity, AClaimGivenToAnotherStreamIsLocated) {
    tamper("update claims set holder = gen_random_uuid() where key = 'ORD-2'");
    EXPECT_THAT(problems(), ElementsAre(is("claim", 3, "the event gives it to t1/thing/order-2")));
}

TEST_F(Integrity, AClaimWithAnotherValueIsLocated) {
    tamper("update claims set value = 'order-1' where key = 'ORD-2'");
    EXPECT_THAT(problems(), ElementsAre(is("claim", 3, "its value is")));
}

TEST_F(Integrity, ADeletedClaimIsLocated) {
    tamper("delete from claims where key = 'ORD-1'");
    EXPECT_THAT(problems(), ElementsAre(is("claim", 1, "is not there")));
}

TEST_F(Integrity, AnInventedClaimIsNamed) {
    tamper(
        "insert into claims (id, scope, kind, key, value, holder, request_hash, made_at) select "
        "gen_random_uuid(), scope, kind, 'ORD-7', value, holder, request_hash, made_at from claims "
        "where key = 'ORD-1'");
    EXPECT_THAT(problems(), ElementsAre(is("claim", 0, "its id is not that of its name")));
}

TEST_F(Integrity, ACommandIdThatNoEventHasIsNamed) {
    tamper("update claims set request_hash = 'another' where kind = 'command'");
    EXPECT_THAT(problems(), ElementsAre(is("claim", 0, "no event has this command id")));
}

TEST_F(Integrity, WorkThatWasTakenAwayMovedOrInventedIsNamed) {
    tamper("delete from work");
    EXPECT_THAT(problems(), ElementsAre(is("work", 4, "is not there")));
    tamper("insert into work values (" + std::to_string(lane_) +
           ", 'timer', 'order-2', now(), 1, 'ref'), (0, 'timer', 'order-1', now(), 1, 'ref')");
    EXPECT_THAT(problems(),
                ::testing::UnorderedElementsAre(is("work", 0, "no event leaves this work"),
                                                is("work", 4, "due at")));
}

// Work that one lane's events put and another lane's take away, as a campaign's shards do.
class SharedWork : public Integrity {
protected:
    void happen(int lane, const std::string& payload) {
        Store store({.service = "test", .database_url = database_.service_url(), .lanes = kLanes},
                    derive);
        Command command;
        command.id = "command-" + std::to_string(++commands_);
        command.tenant = "t1";
        command.meta.routing = {RoutingKind::lane, std::to_string(lane)};
        command.parts.push_back(
            {{"t1", "campaign", "lane-" + std::to_string(lane)},
             kAny,
             {{.type = "test.v1.Happened", .payload = payload, .occurred_at = kNow}}});
        ASSERT_TRUE(store.append(command).accepted());
        if (lane == lane_) marks_ = remembered();
    }
    // As if this lane's last event had come a minute after all others.
    void last_event_came_late(int lane) {
        tamper("update events set recorded_at = recorded_at + interval '1 minute' where lane = " +
               std::to_string(lane) +
               " and position = (select max(position) from events where lane = " +
               std::to_string(lane) +
               "); update lanes set last_recorded_at = last_recorded_at + "
               "interval '1 minute' where lane = " +
               std::to_string(lane));
        marks_.clear();
    }
};

TEST_F(SharedWork, IsRightWhicheverLaneIsTheHome) {
    for (const int home : {1, 0}) {
        happen(home, "started");
        EXPECT_THAT(problems(), IsEmpty()) << "started from lane " << home;
        for (int lane = 0; lane < kLanes; ++lane) {
            happen(lane, "frozen");
            EXPECT_THAT(problems(), IsEmpty()) << "home " << home << ", frozen " << lane;
        }
    }
}

TEST_F(SharedWork, ARowThatIsReallyMissingIsStillFound) {
    happen(1, "started");
    tamper("delete from work where kind = 'freeze' and lane = 0");
    EXPECT_THAT(problems(),
                ElementsAre(AllOf(Field(&Problem::kind, "work"), Field(&Problem::lane, 1),
                                  Field(&Problem::detail, HasSubstr("is not there")))));
}

TEST_F(SharedWork, ARowThatIsStillThereLongAfterItWasTakenAwayIsFound) {
    happen(1, "started");
    happen(0, "frozen");
    last_event_came_late(0);
    ASSERT_THAT(problems(), IsEmpty());
    tamper("insert into work values (0, 'freeze', 'campaign', '" + to_rfc3339(kNow) + "', 0, '')");
    EXPECT_THAT(problems(),
                ElementsAre(AllOf(Field(&Problem::kind, "work"), Field(&Problem::lane, 0),
                                  Field(&Problem::detail, HasSubstr("takes the work away")))));
}

TEST_F(SharedWork, ARowWithAnotherTimeThanItsEventGaveItIsFound) {
    happen(1, "started");
    tamper("update work set due_at = now() where kind = 'freeze' and lane = 0");
    EXPECT_THAT(problems(),
                ElementsAre(AllOf(Field(&Problem::kind, "work"), Field(&Problem::lane, 1),
                                  Field(&Problem::detail, HasSubstr("due at")))));
}

TEST_F(Integrity, ARelayAheadOfItsLaneIsSeen) {
    tamper("update lane_relay set published = 11 where lane = " + std::to_string(lane_));
    EXPECT_THAT(problems(), ElementsAre(is("relay", 11, "further than the lane goes")));
}

TEST_F(Integrity, SettingsChangesThatNoEventMadeAreNamed) {
    tamper("insert into settings_changes values (2, 't1', 'tenant', 'other')");
    EXPECT_THAT(problems(), ElementsAre(is("settings", 0, "1 changes, the events make 0")));
}

}  // namespace
}  // namespace flowstack::eventlog
