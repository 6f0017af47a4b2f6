#include "common/observability/health.h"

#include <gtest/gtest.h>

namespace flowstack::observability {
namespace {

TEST(Health, IsNotReadyUntilOpened) {
    Health health;
    EXPECT_FALSE(health.report().ready);
    health.open();
    EXPECT_TRUE(health.report().ready);
    EXPECT_FALSE(health.report().degraded);
}

TEST(Health, IsNotReadyAgainWhileItDrains) {
    Health health;
    health.open();
    health.close();
    EXPECT_FALSE(health.report().ready);
    EXPECT_EQ(health.report().checks.at(0).second.detail, "shutting down");
}

TEST(Health, IsReadyAndDegradedWithoutKafka) {
    Health health;
    health.open();
    health.add("postgres", [] { return Check{}; });
    health.add("kafka", [] { return Check{State::degraded, "no broker answers at a:1"}; });
    const auto report = health.report();
    EXPECT_TRUE(report.ready);
    EXPECT_TRUE(report.degraded);
    EXPECT_EQ(Health::to_json(report),
              R"({"ready":true,"degraded":true,"checks":{)"
              R"("process":{"state":"ok","detail":""},)"
              R"("postgres":{"state":"ok","detail":""},)"
              R"("kafka":{"state":"degraded","detail":"no broker answers at a:1"}}})");
}

TEST(Health, IsNotReadyWithoutPostgres) {
    Health health;
    health.open();
    health.add("postgres", [] { return Check{State::failed, "waiting for the database"}; });
    EXPECT_FALSE(health.report().ready);
}

}  // namespace
}  // namespace flowstack::observability
