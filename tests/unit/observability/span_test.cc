#include "common/observability/span.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <thread>

namespace {

// What this thread has asked the heap for.
thread_local std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace flowstack::trace {
namespace {

class Kept final : public SpanSink {
public:
    explicit Kept(bool samples = true) : samples_(samples) { send_spans_to(this); }
    ~Kept() override { send_spans_to(nullptr); }
    bool samples(const std::array<std::uint8_t, 16>&) const override { return samples_; }
    void take(SpanData span) override { spans.push_back(std::move(span)); }
    std::vector<SpanData> spans;

private:
    bool samples_;
};

TEST(Span, IsABranchWhileNobodyTakesSpans) {
    const auto parent = start();
    const auto before = allocations;
    {
        auto span =
            Span::begin(SpanKind::client, "a name that is longer than a small text", parent);
        span.set("http.request.method", "a text that is longer than a small text has room for");
        span.set("http.response.status_code", 200);
        span.fail("no");
        EXPECT_FALSE(span);
        EXPECT_FALSE(span.context().valid());
    }
    EXPECT_EQ(allocations, before);
    EXPECT_TRUE(start().sampled) << "as before: whoever comes after us may record it";
}

TEST(Span, IsBelowItsParentAndOfItsTrace) {
    Kept kept;
    const auto parent = start();
    {
        auto span = Span::begin(SpanKind::server, "POST /x", parent);
        ASSERT_TRUE(span);
        EXPECT_EQ(span.context().trace_id, parent.trace_id);
        EXPECT_NE(span.context().span_id, parent.span_id);
        span.set("a", "b");
        span.set("n", 7);
    }
    ASSERT_EQ(kept.spans.size(), 1u);
    const auto& span = kept.spans.front();
    EXPECT_EQ(span.parent, parent.span_id);
    EXPECT_EQ(span.kind, SpanKind::server);
    EXPECT_EQ(span.name, "POST /x");
    EXPECT_GE(span.took.count(), 0);
    ASSERT_EQ(span.attributes.size(), 2u);
    EXPECT_EQ(std::get<std::int64_t>(span.attributes[1].value), 7);
    EXPECT_FALSE(span.failed);
}

TEST(Span, WithoutAParentBeginsATrace) {
    Kept kept;
    Span::begin(SpanKind::internal, "x", {}).end();
    ASSERT_EQ(kept.spans.size(), 1u);
    EXPECT_TRUE(kept.spans.front().context.valid());
    EXPECT_EQ(kept.spans.front().parent, (std::array<std::uint8_t, 8>{}));
}

TEST(Span, OfATraceThatIsNotSampledIsToldOnlyWhenItFailed) {
    Kept kept(false);
    auto parent = start();
    EXPECT_FALSE(parent.sampled) << "whoever takes spans decides";
    Span::begin(SpanKind::internal, "well", parent).end();
    EXPECT_TRUE(kept.spans.empty());
    {
        auto span = Span::begin(SpanKind::internal, "badly", parent);
        EXPECT_FALSE(span.context().sampled) << "the others are told the same";
        span.fail("timeout");
    }
    ASSERT_EQ(kept.spans.size(), 1u);
    EXPECT_EQ(std::get<std::string>(kept.spans.front().attributes.front().value), "timeout");

    // Whoever began the trace decides for all that comes after.
    parent.sampled = true;
    Span::begin(SpanKind::internal, "well", parent).end();
    EXPECT_EQ(kept.spans.size(), 2u);
}

TEST(Span, EndsOnceAlsoWhenItIsMoved) {
    Kept kept;
    auto first = Span::begin(SpanKind::internal, "first", {});
    auto second = std::move(first);
    second.end();
    second.end();
    EXPECT_EQ(kept.spans.size(), 1u);
    auto third = Span::begin(SpanKind::internal, "third", {});
    third = Span::begin(SpanKind::internal, "fourth", {});
    EXPECT_EQ(kept.spans.size(), 2u) << "what is replaced has ended";
    EXPECT_EQ(kept.spans.back().name, "third");
}

TEST(Span, HoldsSoManyAttributesOfSoManyBytes) {
    Kept kept;
    {
        auto span = Span::begin(SpanKind::internal, "x", {});
        span.set("long", std::string(kAttributeBytesMax + 1, 'x'));
        for (std::size_t i = 0; i < kAttributesMax + 1; ++i) span.set("n", 1);
    }
    const auto& attributes = kept.spans.front().attributes;
    EXPECT_EQ(attributes.size(), kAttributesMax);
    EXPECT_EQ(std::get<std::string>(attributes.front().value).size(), kAttributeBytesMax);
}

TEST(Trace, IsThatOfTheRequestThatThisThreadWorksOn) {
    const auto arrived = start();
    EXPECT_EQ(of_request(arrived.traceparent()).trace_id, arrived.trace_id);
    const auto spans_own = start();
    const Scope scope(spans_own);
    EXPECT_EQ(of_request(arrived.traceparent()), spans_own);
}

}  // namespace
}  // namespace flowstack::trace
