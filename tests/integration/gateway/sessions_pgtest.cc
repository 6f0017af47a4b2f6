#include <gtest/gtest.h>

#include "common/core/clock.h"
#include "common/crypto/hash.h"
#include "common/eventlog/payload.h"
#include "common/eventlog/store.h"
#include "flowstack/gateway/v1/session_events.pb.h"
#include "services/gateway/adapters/sessions.h"
#include "tests/support/test_database.h"

// People's sessions in a real database, as two replicas see them.
namespace flowstack::gateway {
namespace {

using eventlog::Recorded;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kSessionLanes = 4;

class StoredSession : public ::testing::Test {
protected:
    eventlog::StoreOptions options() const {
        return {
            .service = "gateway", .database_url = database.service_url(), .lanes = kSessionLanes};
    }
    static eventlog::DeriveFn nothing() {
        return [](const auto&, int, const auto&, auto&) {};
    }
    BrowserSession ann() const {
        return {.session_id = "session-1",
                .subject = "ann",
                .grants = {"platform_admin", "duka:viewer"},
                .began_at = clock.now(),
                .seen_at = clock.now(),
                .expires_at = clock.now() + hours(8)};
    }
    std::vector<Recorded> facts() {
        std::vector<Recorded> found;
        for (int lane = 0; lane < kSessionLanes; ++lane)
            for (auto& event : first_store.read_lane(lane, 1, 0, 1000))
                found.push_back(std::move(event));
        return found;
    }
    static std::string digest_of(const std::string& id) {
        const auto digest = crypto::sha256(id);
        return std::string(crypto::bytes_of(digest));
    }

    testing::TestDatabase database{kSessionLanes, "gateway"};
    ManualClock clock;
    eventlog::Store first_store{options(), nothing()}, second_store{options(), nothing()};
    StoredSessions first{first_store, clock, minutes(30)}, second{second_store, clock, minutes(30)};
    const rpc::Caller by{.actor = "user:ann", .role = "operator", .source_address = "192.0.2.7"};
    const std::string id = digest_of("what the browser has");
};

TEST_F(StoredSession, IsFoundByEveryReplicaUntilItEndsAndByNoneAfterwards) {
    first.begin(id, ann(), by);
    const auto found = second.find(id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->subject, "ann");
    EXPECT_EQ(found->grants, (std::vector<std::string>{"platform_admin", "duka:viewer"}));
    EXPECT_EQ(found->expires_at, clock.now() + hours(8));
    EXPECT_FALSE(second.find(digest_of("a guess")));
    second.end(id, *found, by);
    EXPECT_FALSE(first.find(id));
    EXPECT_FALSE(second.find(id));
    // Whoever ends it at the same moment changes nothing more.
    first.end(id, *found, by);
    const auto told = facts();
    ASSERT_EQ(told.size(), 2U);
    for (const auto& fact : told) {
        EXPECT_EQ(fact.stream.tenant, "platform");
        EXPECT_EQ(fact.meta.actor, "user:ann");
        EXPECT_EQ(fact.meta.role, "operator");
        EXPECT_EQ(fact.meta.source_address, "192.0.2.7");
        EXPECT_EQ(fact.payload.find("what the browser has"), std::string::npos);
    }
    EXPECT_TRUE(eventlog::is<v1::SessionBegan>(told[0]));
    EXPECT_EQ(eventlog::parsed<v1::SessionBegan>(told[0]).grants_size(), 2);
    EXPECT_TRUE(eventlog::is<v1::SessionEnded>(told[1]));
}

TEST_F(StoredSession, EndsWhenItIsNotUsedAndAfterItsLifeInAnyCase) {
    first.begin(id, ann(), by);
    for (int i = 0; i < 15; ++i) {  // used every 29 minutes, here and there
        clock.advance(minutes(29));
        ASSERT_TRUE((i % 2 == 0 ? first : second).find(id)) << i;
    }
    clock.advance(minutes(30));
    EXPECT_FALSE(first.find(id));
    auto again = ann();
    again.session_id = "session-2";
    const auto other = digest_of("another");
    first.begin(other, again, by);
    for (int i = 0; i < 32; ++i) {
        clock.advance(minutes(15));
        if (i < 31) {
            ASSERT_TRUE(second.find(other)) << i;
        }
    }
    EXPECT_FALSE(second.find(other));  // 8 hours
    EXPECT_FALSE(first.find(other));
}

TEST_F(StoredSession, ThatHasExpiredLeavesTheTableWithTheNextLogin) {
    first.begin(id, ann(), by);
    clock.advance(hours(9));
    auto next = ann();
    next.session_id = "session-2";
    first.begin(digest_of("another"), next, by);
    const auto rows = first_store.pool().with([](postgres::Session& session) {
        return session.query("select session_id from browser_sessions");
    });
    ASSERT_EQ(rows.rows(), 1);
    EXPECT_EQ(rows.text(0, 0), "session-2");
}

}  // namespace
}  // namespace flowstack::gateway
