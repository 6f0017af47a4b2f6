#include "common/observability/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace flowstack::metrics {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, AreRenderedAsPrometheusText) {
    Registry registry;
    registry.counter("flowstack_sends_total", "messages sent", {{"channel", "c1"}}).add(2);
    registry.gauge("flowstack_queue_depth", "waiting").set(7);
    registry.histogram("flowstack_append_seconds", "append", {}, {0.1, 1}).observe(0.5);
    const auto text = registry.render();
    EXPECT_THAT(text, HasSubstr("# HELP flowstack_sends_total messages sent"));
    EXPECT_THAT(text, HasSubstr("# TYPE flowstack_sends_total counter"));
    EXPECT_THAT(text, HasSubstr("flowstack_sends_total{channel=\"c1\"} 2"));
    EXPECT_THAT(text, HasSubstr("flowstack_queue_depth 7"));
    EXPECT_THAT(text, HasSubstr("flowstack_append_seconds_bucket{le=\"0.1\"} 0"));
    EXPECT_THAT(text, HasSubstr("flowstack_append_seconds_bucket{le=\"1\"} 1"));
    EXPECT_THAT(text, HasSubstr("flowstack_append_seconds_count 1"));
}

TEST(Metrics, GiveTheSameNumberForTheSameNameAndLabels) {
    Registry registry;
    registry.counter("flowstack_a_total", "a", {{"state", "x"}}).add();
    const auto again = registry.counter("flowstack_a_total", "a", {{"state", "x"}});
    again.add();
    EXPECT_EQ(again.value(), 2);
    EXPECT_EQ(registry.counter("flowstack_a_total", "a", {{"state", "y"}}).value(), 0);
}

TEST(Metrics, AskForFreshNumbersAtEachScrape) {
    Registry registry;
    const auto depth = registry.gauge("flowstack_depth", "depth");
    int now = 0;
    registry.before_scrape([&] { depth.set(++now); });
    EXPECT_THAT(registry.render(), HasSubstr("flowstack_depth 1"));
    EXPECT_THAT(registry.render(), HasSubstr("flowstack_depth 2"));
}

TEST(Metrics, RefuseBadNamesAndAChangeOfKind) {
    Registry registry;
    registry.counter("flowstack_b_total", "b");
    EXPECT_THROW(registry.gauge("flowstack_b_total", "b"), std::invalid_argument);
    EXPECT_THROW(registry.counter("not a name", "b"), std::invalid_argument);
}

}  // namespace
}  // namespace flowstack::metrics
