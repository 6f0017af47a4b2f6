#include "tools/flowctl/doctor.h"

#include <gmock/gmock.h>

// What the doctor makes of what it sees. Each test shows an installation in good health first, or
// beside, so that a finding is one that only the fault brings.
namespace flowstack::flowctl {
namespace {

using State = Finding::State;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

auto is(State state, const std::string& what) {
    return AllOf(Field(&Finding::state, state), Field(&Finding::what, HasSubstr(what)));
}
// Whatever is not well says what to do.
MATCHER(SaysWhatToDo, "") { return (arg.state <= State::skipped) == arg.remedy.empty(); }

Replica replica(const std::string& service, int number, const std::string& metrics = "",
                const std::string& checks = "{}") {
    return {.service = service,
            .number = number,
            .address = "10.0.0.1:9100",
            .ready_status = 200,
            .readiness =
                boost::json::parse(R"({"ready":true,"degraded":false,"checks":)" + checks + "}"),
            .samples = parse_metrics(metrics),
            .clock_ahead = Micros(400'000)};
}

AllLanes two_lanes_each() {
    AllLanes all;
    for (const auto& service : stack::kServices) {
        auto& lanes = all[service];
        lanes.answered = true;
        for (int lane = 0; lane < 2; ++lane) {
            auto& state = *lanes.status.add_lanes();
            state.set_lane(lane);
            state.set_owner("0");
            state.set_position(20'000);
            state.set_published(19'990);
        }
    }
    auto& reading = *all["conversation"].status.add_consumers();
    reading.set_source("gateway");
    reading.set_lane(0);
    reading.set_applied(19'980);
    return all;
}

TEST(Doctor, ReplicasThatAreAwayOrComplainAreNamedWithWhatTheySay) {
    auto away = replica("payment", 0);
    away.ready_status = 0;
    auto failed = replica("gateway", 1, "",
                          R"({"postgres":{"state":"failed","detail":"no answer for 5 s"},
                              "kafka":{"state":"degraded","detail":""},
                              "lanes":{"state":"ok","detail":""}})");
    failed.ready_status = 503;
    auto draining = replica("followup", 0);
    draining.ready_status = 503;
    const auto found = look_at_replicas({replica("campaign", 0), away, failed, draining});
    EXPECT_THAT(found,
                UnorderedElementsAre(is(State::fault, "payment-0 does not answer at 10.0.0.1:9100"),
                                     is(State::fault, "gateway-1 postgres: no answer for 5 s"),
                                     is(State::warning, "gateway-1 kafka: degraded"),
                                     is(State::warning, "followup-0 is starting or going down")));
    EXPECT_THAT(found, Each(SaysWhatToDo()));
    EXPECT_THAT(look_at_replicas({replica("campaign", 0), replica("campaign", 1)}),
                ElementsAre(is(State::ok, "2 replicas answer")));
}

TEST(Doctor, TwoVersionsSideBySideAreAWarningThatNamesWhoRunsWhich) {
    const std::string one = "flowstack_build_info{version=\"1.4.0\"} 1\n",
                      two = "flowstack_build_info{version=\"1.5.0\"} 1\n";
    EXPECT_THAT(look_at_versions({replica("gateway", 0, one), replica("gateway", 1, one)}, "1.4.0"),
                ElementsAre(is(State::ok, "all run 1.4.0")));
    EXPECT_THAT(look_at_versions({replica("gateway", 0, one), replica("gateway", 1, two)}, "1.5.0"),
                ElementsAre(is(State::warning, "1.4.0: gateway-0; 1.5.0: flowctl, gateway-1")));
    EXPECT_THAT(look_at_versions({replica("gateway", 0)}, "1.5.0"),
                ElementsAre(is(State::skipped, "no replica says its version")));
}

TEST(Doctor, AClockThatIsOffIsNamed) {
    auto behind = replica("payment", 0);
    behind.clock_ahead = -Micros(61'000'000);
    EXPECT_THAT(look_at_clocks({replica("gateway", 0), behind}),
                ElementsAre(is(State::warning, "payment-0 is 61 s behind")));
    EXPECT_THAT(look_at_clocks({replica("gateway", 0)}), ElementsAre(is(State::ok, "within")));
}

TEST(Doctor, LanesInGoodHealthAreOneLine) {
    EXPECT_THAT(look_at_lanes(two_lanes_each(), {replica("gateway", 0)}),
                ElementsAre(is(State::ok, "2 lanes in each service")));
}

TEST(Doctor, WhatIsWrongWithLanesIsToldServiceByService) {
    auto all = two_lanes_each();
    all["payment"] = {.answered = false, .why_not = "connection refused"};
    all["campaign"].status.mutable_lanes(1)->clear_owner();
    all["followup"].status.add_lanes()->set_owner("0");
    all["gateway"].status.mutable_lanes(0)->set_published(10);
    all["conversation"].status.mutable_consumers(0)->set_applied(3);
    all["conversation"].status.mutable_consumers(0)->set_parked(4);
    all["followup"].status.mutable_lanes(0)->set_lost_to(20'005);
    all["gateway"].status.mutable_lanes(1)->set_not_compared(true);
    const auto found =
        look_at_lanes(all, {replica("gateway", 0, "flowstack_lanes_without_owner 2\n"),
                            replica("gateway", 1, "flowstack_lanes_without_owner 2\n")});
    EXPECT_THAT(
        found,
        UnorderedElementsAre(
            is(State::fault, "payment does not say how its lanes are: connection refused"),
            is(State::fault, "nobody has ever worked on campaign's lanes 1"),
            is(State::fault, "3 in followup"),
            is(State::warning, "gateway has 20000 events that Kafka does not have yet"),
            is(State::warning, "conversation is 19997 events behind gateway"),
            is(State::fault, "followup's lanes 0 refuse to be written to: their logs have lost"),
            is(State::fault, "gateway's lanes 1 refuse to be written to: the database was"),
            is(State::fault, "conversation could not apply 4 events of gateway"),
            is(State::fault, "gateway has 2 lanes without a living owner")));
    EXPECT_THAT(found, Each(SaysWhatToDo()));
}

TEST(Doctor, CountersThatShouldBeZeroAreFindings) {
    EXPECT_THAT(look_at_counters({replica("gateway", 0, "flowstack_relay_mismatches 0\n")}),
                ElementsAre(is(State::ok, "topics equal their logs")));
    EXPECT_THAT(
        look_at_counters({replica("payment", 0,
                                  "flowstack_relay_mismatches 1\n"
                                  "flowstack_payment_needs_person{waited=\"under_1h\"} 2\n"
                                  "flowstack_payment_needs_person{waited=\"over_24h\"} 1\n"),
                          replica("gateway", 0, "flowstack_gateway_breakers_open 1\n")}),
        ElementsAre(is(State::fault, "payment: 1 records on the bus differ from the log"),
                    is(State::warning, "gateway: 1 channels whose provider"),
                    is(State::warning, "payment: 3 payments that wait for a person")));
    EXPECT_THAT(look_at_counters({replica("gateway", 0)}),
                ElementsAre(is(State::skipped, "no replica shows metrics")));
}

TEST(Doctor, ASchemaThatLacksAMigrationNamesTheFirst) {
    EXPECT_FALSE(look_at_schema("payment", {}));
    MigrateResult pending;
    pending.applied = {"eventlog/0009_more.sql", "payment/0004_more.sql"};
    const auto found = look_at_schema("payment", pending);
    ASSERT_TRUE(found);
    EXPECT_THAT(*found, AllOf(is(State::fault,
                                 "payment lacks 2 migrations, the first is eventlog/0009_more.sql"),
                              SaysWhatToDo()));
}

TEST(Doctor, ADiskThatIsNearlyFullIsAWarningBeforeItIsFull) {
    constexpr std::uint64_t kGib = 1 << 30;
    EXPECT_THAT(look_at_disk("/srv", 20 * kGib, 100 * kGib),
                ElementsAre(is(State::ok, "20.0 GiB of 100.0 GiB free at /srv")));
    EXPECT_THAT(look_at_disk("/srv", 9 * kGib, 100 * kGib),
                ElementsAre(AllOf(is(State::warning, "9.0 GiB"), SaysWhatToDo())));
}

TEST(Doctor, SettingsThatAreMissingAreNamed) {
    stack::Environment environment;
    for (const auto& service : stack::kServices)
        environment.set(stack::upper(service) + "_GRPC", "localhost:1");
    environment.set("ADMIN_KEY", "k");
    environment.set("INTERNAL_KEY", "k");
    EXPECT_THAT(look_at_settings(environment), ElementsAre(is(State::ok, "every service")));
    environment.set("PAYMENT_GRPC", "");
    environment.set("INTERNAL_KEY", "");
    EXPECT_THAT(look_at_settings(environment),
                ElementsAre(is(State::fault, "PAYMENT_GRPC is not set"),
                            is(State::warning, "INTERNAL_KEY is not set")));
    environment.set("PAYMENT_GRPC", "localhost:1");
    environment.set("GRPC_TLS_CERT_FILE", "mine.pem");
    EXPECT_THAT(look_at_settings(environment), ElementsAre(is(State::ok, "every service")));
}

TEST(Doctor, SaysWhetherASecondMasterKeyIsNeeded) {
    const auto keys = [](std::int64_t old_keys, bool old_opens) {
        DataKeysOf of{.answered = true, .why_not = {}, .status = {}};
        of.status.set_wraps("local:new");
        of.status.set_left(old_keys);
        auto& now = *of.status.add_versions();
        now.set_version("local:new");
        now.set_data_keys(7);
        now.set_opens(true);
        auto& old = *of.status.add_versions();
        old.set_version("local:old");
        old.set_data_keys(old_keys);
        old.set_opens(old_opens);
        return of;
    };
    DataKeysOf one{.answered = true, .why_not = {}, .status = {}};
    one.status.set_wraps("local:new");
    EXPECT_THAT(look_at_data_keys({{"gateway", one}}),
                ElementsAre(is(State::ok, "wrapped under the key that wraps now")));

    const auto done = look_at_data_keys({{"gateway", keys(0, true)}, {"payment", one}});
    EXPECT_THAT(done, ElementsAre(is(State::ok, "gateway: nothing is wrapped under local:old"),
                                  is(State::ok, "wrapped under the key that wraps now")));
    const auto midway = look_at_data_keys({{"gateway", keys(3, true)}, {"payment", one}});
    EXPECT_THAT(midway, ElementsAre(is(State::warning, "3 data keys are still wrapped under")));
    EXPECT_THAT(midway.front().remedy, HasSubstr("flowctl data-keys rewrap"));
    const auto closed = look_at_data_keys({{"payment", keys(1, false)}});
    EXPECT_THAT(closed, ElementsAre(is(State::fault, "payment: 1 data key is wrapped under")));
    EXPECT_THAT(closed.front().remedy, HasSubstr("MASTER_KEY_OTHER"));
    const auto away = look_at_data_keys({{"payment", {.why_not = "it is away"}}});
    EXPECT_THAT(away, ElementsAre(is(State::skipped, "payment: it is away")));
    for (const auto& all : {done, midway, closed, away}) EXPECT_THAT(all, Each(SaysWhatToDo()));
}

}  // namespace
}  // namespace flowstack::flowctl
