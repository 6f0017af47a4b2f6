#include <gtest/gtest.h>

#include <thread>

#include "common/observability/otlp_exporter.h"
#include "common/observability/otlp_json.h"
#include "common/observability/otlp_settings.h"
#include "tests/support/otlp_collector.h"

namespace flowstack::trace {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using testing::OtlpCollector;

template <class Holds>
bool eventually(const Holds& holds) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

SpanData some_span() {
    SpanData span;
    span.context = *parse("00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-01");
    const auto parent = parse("00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b173-01")->span_id;
    span.parent = parent;
    span.kind = SpanKind::server;
    span.name = "I'm a server span";
    span.begun_at = std::chrono::system_clock::time_point(1544712660'000000000ns);
    span.took = 1s;
    span.attributes = {{"my.span.attr", "some value"}, {"n", std::int64_t{-3}}};
    return span;
}

// As https://github.com/open-telemetry/opentelemetry-proto/blob/main/examples/trace.json writes it.
TEST(OtlpJson, IsWhatTheSpecificationShows) {
    auto failed = some_span();
    failed.parent = {};
    failed.failed = true;
    failed.context.sampled = false;
    failed.attributes.clear();
    const std::vector<SpanData> spans{some_span(), failed};
    EXPECT_EQ(boost::json::parse(
                  otlp_json({.service = "my.service", .replica = "r-0", .version = "1"}, spans)),
              boost::json::parse(R"({
          "resourceSpans": [{
            "resource": {"attributes": [
              {"key": "service.name", "value": {"stringValue": "my.service"}},
              {"key": "service.instance.id", "value": {"stringValue": "r-0"}},
              {"key": "service.version", "value": {"stringValue": "1"}}]},
            "scopeSpans": [{
              "scope": {"name": "flowstack"},
              "spans": [
                {"traceId": "5b8efff798038103d269b633813fc60c",
                 "spanId": "eee19b7ec3c1b174",
                 "parentSpanId": "eee19b7ec3c1b173",
                 "flags": 1,
                 "name": "I'm a server span",
                 "kind": 2,
                 "startTimeUnixNano": "1544712660000000000",
                 "endTimeUnixNano": "1544712661000000000",
                 "attributes": [
                   {"key": "my.span.attr", "value": {"stringValue": "some value"}},
                   {"key": "n", "value": {"intValue": "-3"}}],
                 "status": {}},
                {"traceId": "5b8efff798038103d269b633813fc60c",
                 "spanId": "eee19b7ec3c1b174",
                 "flags": 0,
                 "name": "I'm a server span",
                 "kind": 2,
                 "startTimeUnixNano": "1544712660000000000",
                 "endTimeUnixNano": "1544712661000000000",
                 "attributes": [],
                 "status": {"code": 2}}]}]}]})"));
}

TEST(OtlpJson, IsValidWhateverATextHolds) {
    auto span = some_span();
    span.attributes = {{"text", std::string("\"\\\n\xff\0 end", 9)}};
    const std::vector<SpanData> spans{span};
    EXPECT_NO_THROW(boost::json::parse(otlp_json({}, spans)));
}

class Exporter : public ::testing::Test {
protected:
    OtlpOptions options() const {
        return {.resource = {.service = "gateway", .replica = "0", .version = "1"},
                .url = collector.endpoint() + "/v1/traces",
                .batch_wait = 10ms,
                .retry_after = 10ms,
                .retry_after_max = 50ms};
    }
    SpanData span() { return with_trace(start()); }
    static SpanData with_trace(const Context& context) {
        SpanData span;
        span.context = context;
        span.name = "x";
        span.begun_at = std::chrono::system_clock::now();
        return span;
    }
    double value(const std::string& name, const metrics::Labels& labels = {}) {
        return registry.counter(name, "", labels).value();
    }
    double exported() { return value("flowstack_trace_spans_exported_total"); }
    double failures() { return value("flowstack_trace_export_failures_total"); }
    double dropped(const std::string& reason) {
        return value("flowstack_trace_spans_dropped_total", {{"reason", reason}});
    }

    OtlpCollector collector;
    metrics::Registry registry;
};

TEST_F(Exporter, SendsWhatItTakes) {
    auto with = options();
    with.headers = {{"Api-Key", "secret"}};
    OtlpExporter exporter(with, registry);
    exporter.start();
    exporter.take(span());
    exporter.take(span());
    ASSERT_TRUE(eventually([&] { return collector.spans().size() == 2; }));
    EXPECT_TRUE(collector.faults().empty()) << collector.faults().front();
    EXPECT_EQ(collector.spans().front().service, "gateway");
    EXPECT_EQ(collector.requests().front().headers.get("api-key"), "secret");
    EXPECT_TRUE(eventually([&] { return exported() == 2; }));
}

TEST_F(Exporter, SendsAFullBatchAtOnceAndTheRestAfterAMoment) {
    auto with = options();
    with.batch_spans_max = 3;
    with.batch_wait = 1h;
    OtlpExporter exporter(with, registry);
    exporter.start();
    for (int i = 0; i < 4; ++i) exporter.take(span());
    ASSERT_TRUE(eventually([&] { return collector.spans().size() == 3; }));
    // The fourth waits for company, or for the end.
    exporter.stop(5s);
    EXPECT_EQ(collector.spans().size(), 4u);
    EXPECT_EQ(collector.requests().size(), 2u);
}

TEST_F(Exporter, DropsAndCountsWhatDoesNotFitIntoTheQueue) {
    auto with = options();
    with.queue_spans_max = 5;
    OtlpExporter exporter(with, registry);  // not started: as if the collector took for ever
    for (int i = 0; i < 7; ++i) exporter.take(span());
    EXPECT_EQ(dropped("queue_full"), 2);
}

TEST_F(Exporter, DropsAndCountsWhatIsAboveTheLimits) {
    auto with = options();
    with.spans_per_second_max = 4;
    with.spans_per_trace_max = 2;
    OtlpExporter exporter(with, registry);
    const auto one = start();
    for (int i = 0; i < 3; ++i) exporter.take(with_trace(one));
    EXPECT_EQ(dropped("trace_limit"), 1);
    for (int i = 0; i < 10; ++i) exporter.take(span());
    EXPECT_GE(dropped("rate_limit"), 7);
}

TEST_F(Exporter, TakesTheShareOfTracesThatItIsTold) {
    const auto count_sampled = [&](double ratio) {
        auto with = options();
        with.sample_ratio = ratio;
        const OtlpExporter exporter(with, registry);
        int sampled = 0;
        for (int i = 0; i < 2'000; ++i) sampled += exporter.samples(start().trace_id);
        return sampled;
    };
    EXPECT_EQ(count_sampled(0), 0);
    EXPECT_EQ(count_sampled(1), 2'000);
    EXPECT_NEAR(count_sampled(0.25), 500, 150);
    // Whoever is asked of a trace answers the same.
    auto with = options();
    with.sample_ratio = 0.5;
    const OtlpExporter a(with, registry), b(with, registry);
    for (int i = 0; i < 100; ++i) {
        const auto id = start().trace_id;
        EXPECT_EQ(a.samples(id), b.samples(id));
    }
}

TEST_F(Exporter, TriesAgainWhatTheCollectorCannotTakeNow) {
    http::Response later{.status = 503};
    later.headers.set("Retry-After", "0");
    collector.answer_next({http::Response{.status = 429}, later, http::Response{.status = 502},
                           http::Response{.status = 504}});
    OtlpExporter exporter(options(), registry);
    exporter.start();
    exporter.take(span());
    ASSERT_TRUE(eventually([&] { return exported() == 1; }));
    EXPECT_EQ(failures(), 4);
    EXPECT_EQ(collector.requests().size(), 5u);
    EXPECT_EQ(collector.requests().front().body, collector.requests().back().body);
}

TEST_F(Exporter, WaitsAsLongAsTheCollectorSays) {
    auto with = options();
    with.retry_after_max = 30s;
    http::Response later{.status = 429};
    later.headers.set("Retry-After", "1");
    collector.answer_next({later});
    OtlpExporter exporter(with, registry);
    exporter.start();
    const auto since = std::chrono::steady_clock::now();
    exporter.take(span());
    ASSERT_TRUE(eventually([&] { return exported() == 1; }));
    EXPECT_GE(std::chrono::steady_clock::now() - since, 1s);
}

TEST_F(Exporter, DoesNotRepeatWhatWasRefused) {
    collector.answer_next({http::Response{.status = 400}, http::Response{.status = 401}});
    OtlpExporter exporter(options(), registry);
    exporter.start();
    exporter.take(span());
    ASSERT_TRUE(eventually([&] { return dropped("refused") == 1; }));
    exporter.take(span());
    ASSERT_TRUE(eventually([&] { return dropped("refused") == 2; }));
    EXPECT_EQ(collector.requests().size(), 2u);
    EXPECT_EQ(exported(), 0);
}

TEST_F(Exporter, GivesUpABatchThatNobodyTakes) {
    auto with = options();
    with.url = "http://127.0.0.1:1/v1/traces";  // nobody listens there
    with.give_up_after = 100ms;
    OtlpExporter exporter(with, registry);
    exporter.start();
    exporter.take(span());
    ASSERT_TRUE(eventually([&] { return dropped("collector_away") == 1; }));
    EXPECT_GE(failures(), 2);
}

TEST_F(Exporter, NeverHoldsUpWhoeverHasASpan) {
    collector.hang();
    auto with = options();
    with.queue_spans_max = 10;
    with.timeout = 1h;
    OtlpExporter exporter(with, registry);
    exporter.start();
    exporter.take(span());
    ASSERT_TRUE(eventually([&] { return collector.requests().size() == 1; }));
    const auto since = std::chrono::steady_clock::now();
    for (int i = 0; i < 50; ++i) exporter.take(span());
    EXPECT_LT(std::chrono::steady_clock::now() - since, 5s);
    EXPECT_EQ(dropped("queue_full"), 40);

    // The end is held up no longer than it allows.
    const auto stopped = std::chrono::steady_clock::now();
    exporter.stop(50ms);
    EXPECT_LT(std::chrono::steady_clock::now() - stopped, 5s);
    EXPECT_EQ(dropped("collector_away"), 11);
    exporter.take(span());
    EXPECT_EQ(dropped("collector_away"), 12) << "too late";
}

TEST_F(Exporter, SendsAtTheEndWhatWaits) {
    auto with = options();
    with.batch_wait = 1h;
    OtlpExporter exporter(with, registry);
    exporter.start();
    for (int i = 0; i < 5; ++i) exporter.take(span());
    exporter.stop(10s);
    EXPECT_EQ(collector.spans().size(), 5u);
    EXPECT_EQ(exported(), 5);
}

class OtlpSettings : public ::testing::Test {
protected:
    std::optional<OtlpOptions> read(std::vector<std::string> environment) {
        std::vector<const char*> env;
        for (const auto& entry : environment) env.push_back(entry.c_str());
        env.push_back(nullptr);
        config::Reader reader(0, nullptr, env.data());
        auto options = otlp_options(reader, {.service = "gateway"});
        mistakes = reader.mistakes();
        return options;
    }
    std::vector<std::string> mistakes;
};

TEST_F(OtlpSettings, AreOffWithoutAnEndpoint) {
    EXPECT_FALSE(read({}));
    EXPECT_FALSE(read({"OTEL_TRACES_SAMPLER_ARG=0.5"}));
    EXPECT_TRUE(mistakes.empty());
}

TEST_F(OtlpSettings, AreThoseOfOpenTelemetry) {
    const auto options = read({"OTEL_EXPORTER_OTLP_ENDPOINT=https://otel.example:4318/",
                               "OTEL_EXPORTER_OTLP_HEADERS=api-key=a%2Cb, x-team = shop ",
                               "OTEL_EXPORTER_OTLP_CERTIFICATE=/etc/ca.pem",
                               "OTEL_TRACES_SAMPLER_ARG=0.25", "TRACE_SPANS_PER_SECOND=7"});
    ASSERT_TRUE(options);
    EXPECT_TRUE(mistakes.empty());
    EXPECT_EQ(options->url, "https://otel.example:4318/v1/traces");
    EXPECT_EQ(options->headers.get("api-key"), "a,b");
    EXPECT_EQ(options->headers.get("x-team"), "shop");
    EXPECT_EQ(options->ca_file, "/etc/ca.pem");
    EXPECT_EQ(options->sample_ratio, 0.25);
    EXPECT_EQ(options->spans_per_second_max, 7);
    EXPECT_EQ(options->resource.service, "gateway");
}

TEST_F(OtlpSettings, NameWhatIsWrongAndNoSecret) {
    for (const std::string wrong : {"1.5", "-0.1", "nan", "half", "0.5x"}) {
        read({"OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "OTEL_TRACES_SAMPLER_ARG=" + wrong});
        ASSERT_EQ(mistakes.size(), 1u) << wrong;
        EXPECT_NE(mistakes.front().find("OTEL_TRACES_SAMPLER_ARG"), std::string::npos);
    }
    read({"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318"});
    EXPECT_EQ(mistakes.size(), 1u);
    for (const std::string wrong :
         {"hunter2", "=hunter2", "a b=hunter2", "k=%zz-hunter2", "k=hunter2%0d%0aX:1"}) {
        read({"OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "OTEL_EXPORTER_OTLP_HEADERS=" + wrong});
        ASSERT_EQ(mistakes.size(), 1u) << wrong;
        EXPECT_EQ(mistakes.front().find("hunter2"), std::string::npos);
    }
}

}  // namespace
}  // namespace flowstack::trace
