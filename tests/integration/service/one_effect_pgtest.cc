#include <gtest/gtest.h>

#include "common/core/clock.h"
#include "common/postgres/session.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/service/one_effect.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "tests/support/test_database.h"

namespace flowstack::service {
namespace {

using eventlog::Command;
using flowstack::testing::TestDatabase;

class OneEffectOfACall : public ::testing::Test {
protected:
    struct Outcome {
        std::string event_id;  // of what was written, now or before
        std::string made_id;   // what the call would name a new resource
        bool replayed = false;
        int reused = 0;
    };

    // A call that makes a thing with an id of its own.
    Outcome call(const std::string& request_id, const std::string& body = "body") {
        OneEffect effect(
            store, ids, {.method = "Make", .tenant = "t1", .request_id = request_id, .hash = body});
        const auto id = effect.derived_id("thing");
        const auto events = effect.run([&]() -> std::optional<Command> {
            Command command;
            command.meta.routing = {eventlog::RoutingKind::tenant, "t1"};
            command.parts.push_back({{"t1", "thing", id},
                                     eventlog::kCreate,
                                     {{.type = "test.v1.Made", .payload = "x"}}});
            return command;
        });
        EXPECT_EQ(events.size(), 1U);
        return {.event_id = events.at(0).event_id.text(),
                .made_id = id,
                .replayed = effect.replayed(),
                .reused = effect.reused()};
    }

    // As if all keys had been used this much earlier.
    void pass(std::chrono::hours time) {
        postgres::Session admin({.url = database.admin_url()});
        admin.run("update claims set made_at = made_at - interval '" +
                  std::to_string(time.count()) + " hours'");
    }

    TestDatabase database;
    eventlog::Store store{{.service = "effecttest", .database_url = database.service_url()},
                          [](const auto&...) {}};
    SystemClock clock;
    IdSource ids{clock};
    const rpc::CallerScope caller{{"key:7"}};
};

TEST_F(OneEffectOfACall, ARepeatGetsTheFirstAnswerFor30DaysAndIsThenANewCall) {
    const auto first = call("r1");
    EXPECT_FALSE(first.replayed);
    const auto repeat = call("r1");
    EXPECT_TRUE(repeat.replayed);
    EXPECT_EQ(repeat.event_id, first.event_id);
    EXPECT_EQ(repeat.made_id, first.made_id);

    pass(kRequestIdLifetime - std::chrono::hours(1));
    EXPECT_TRUE(call("r1").replayed);

    pass(std::chrono::hours(2));
    const auto anew = call("r1");
    EXPECT_FALSE(anew.replayed);
    EXPECT_NE(anew.event_id, first.event_id);
    EXPECT_NE(anew.made_id, first.made_id);
    EXPECT_EQ(anew.reused, 1);
    // From here on it is the new call that is repeated.
    const auto repeat_of_new = call("r1");
    EXPECT_TRUE(repeat_of_new.replayed);
    EXPECT_EQ(repeat_of_new.event_id, anew.event_id);

    pass(kRequestIdLifetime);
    EXPECT_EQ(call("r1").reused, 2);
}

TEST_F(OneEffectOfACall, AKeyMayCarryAnotherBodyOnlyAfterItsTime) {
    call("r1", "one");
    try {
        call("r1", "two");
        FAIL() << "another body was accepted";
    } catch (const rpc::Failure& failure) {
        EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED);
    }
    pass(kRequestIdLifetime);
    EXPECT_FALSE(call("r1", "two").replayed);
    // A key that looks like the second use of another one is a key of its own.
    EXPECT_FALSE(call("#1/r1").replayed);
}

TEST_F(OneEffectOfACall, ItsEventsNameWhoCalledInWhatRoleWhyAndFromWhere) {
    call("r1");
    const rpc::CallerScope operator_ann({.actor = "operator:ann",
                                         .role = "operator",
                                         .source_address = "192.0.2.7",
                                         .reason = "asked for by its owner"});
    call("r2");
    std::vector<eventlog::Meta> metas;
    for (int lane = 0; lane < store.options().lanes; ++lane)
        for (const auto& event : store.read_lane(lane, 1, 0, 100)) metas.push_back(event.meta);
    ASSERT_EQ(metas.size(), 2U);
    EXPECT_EQ(metas[0].actor, "key:7");
    EXPECT_EQ(metas[0].role + metas[0].reason + metas[0].source_address, "");
    EXPECT_EQ(metas[1].actor, "operator:ann");
    EXPECT_EQ(metas[1].role, "operator");
    EXPECT_EQ(metas[1].reason, "asked for by its owner");
    EXPECT_EQ(metas[1].source_address, "192.0.2.7");
}

}  // namespace
}  // namespace flowstack::service
