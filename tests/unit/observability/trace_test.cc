#include "common/observability/trace.h"

#include <gtest/gtest.h>

#include <thread>

namespace flowstack::trace {
namespace {

constexpr std::string_view kExample = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Trace, IsReadBackAsItWasWritten) {
    const auto context = parse(kExample);
    ASSERT_TRUE(context);
    EXPECT_TRUE(context->sampled);
    EXPECT_EQ(context->traceparent(), kExample);
    EXPECT_EQ(context->trace_id_text(), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(Trace, ReadsLaterVersionsByTheirBeginning) {
    EXPECT_TRUE(parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-follows"));
    EXPECT_TRUE(parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
}

TEST(Trace, RefusesWhatTheStandardRefuses) {
    for (const char* text : {"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                             "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                             "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                             "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
                             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"}) {
        EXPECT_EQ(parse(text), std::nullopt) << text;
    }
}

TEST(Trace, KeepsTheTraceAndChangesTheSpanInAChild) {
    const auto parent = *parse(kExample);
    const auto child = child_of(parent);
    EXPECT_EQ(child.trace_id, parent.trace_id);
    EXPECT_NE(child.span_id, parent.span_id);
    EXPECT_TRUE(child.sampled);
}

TEST(Trace, BeginsAnewWhereNothingUsableArrived) {
    EXPECT_TRUE(continue_from("nonsense").valid());
    EXPECT_NE(start().trace_id, start().trace_id);
    EXPECT_EQ(continue_from(kExample).trace_id, parse(kExample)->trace_id);
}

TEST(Trace, IsCurrentInItsThreadUntilTheScopeEnds) {
    EXPECT_FALSE(current().valid());
    const auto outer = start();
    {
        const Scope scope{outer};
        EXPECT_EQ(current(), outer);
        {
            const auto inner = child_of(outer);
            const Scope nested{inner};
            EXPECT_EQ(current(), inner);
        }
        EXPECT_EQ(current(), outer);
        std::jthread{[] { EXPECT_FALSE(current().valid()); }};
    }
    EXPECT_FALSE(current().valid());
}

}  // namespace
}  // namespace flowstack::trace
