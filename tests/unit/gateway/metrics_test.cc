#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flowstack/gateway/v1/message_events.pb.h"
#include "services/gateway/adapters/dead_letters.h"
#include "services/gateway/adapters/door_metrics.h"

// What deploy/observability asks gateway for.
namespace flowstack::gateway {
namespace {

using ::testing::HasSubstr;

template <class Event>
eventlog::Recorded recorded(const Event& event, const std::string& service = "gateway") {
    eventlog::Recorded made;
    made.service = service;
    made.type = Event::descriptor()->full_name();
    made.payload = event.SerializeAsString();
    return made;
}

TEST(DeadLetters, AreMessagesThatNobodyTriesAgain) {
    metrics::Registry metrics;
    const DeadLetters letters(metrics);
    v1::SendFailed tried_again, last;
    tried_again.set_retry_at_us(1);
    letters.count(recorded(tried_again));
    letters.count(recorded(last));
    letters.count(recorded(last, "campaign"));
    letters.count(recorded(v1::SendUnknown()));
    letters.count(recorded(v1::SendUnknown()));
    letters.count(recorded(v1::SendAccepted()));
    const auto text = metrics.render();
    EXPECT_THAT(text, HasSubstr(R"(flowstack_gateway_dead_letters_total{kind="failed"} 1)"));
    EXPECT_THAT(text, HasSubstr(R"(flowstack_gateway_dead_letters_total{kind="unknown"} 2)"));
}

TEST(DoorMetrics, CountEachAnswerOnceByTheClassOfItsStatus) {
    metrics::Registry metrics;
    int status = 200;
    const auto door = counted(
        [&](const http::Request&, const http::Responder& responder) {
            responder.send(http::Response::text(status, "said"));
            responder.send(http::Response::text(500, "said twice"));
        },
        metrics);
    int answered = 0;
    for (const int each : {200, 202, 404, 503}) {
        status = each;
        door({}, http::Responder([&](const http::Response& answer) {
                 EXPECT_EQ(answer.status, each);
                 ++answered;
             }));
    }
    // A handler that forgets to answer has answered 500.
    counted([](const http::Request&, const http::Responder&) {}, metrics)(
        {}, http::Responder([&](const http::Response& answer) {
            EXPECT_EQ(answer.status, 500);
            ++answered;
        }));
    EXPECT_EQ(answered, 5);
    const auto text = metrics.render();
    const auto requests = [](const char* status_class, int count) {
        return HasSubstr("flowstack_gateway_http_requests_total{status=\"" +
                         std::string(status_class) + "\"} " + std::to_string(count));
    };
    EXPECT_THAT(text, requests("2xx", 2));
    EXPECT_THAT(text, requests("3xx", 0));
    EXPECT_THAT(text, requests("4xx", 1));
    EXPECT_THAT(text, requests("5xx", 2));
    EXPECT_THAT(text, HasSubstr("flowstack_gateway_http_seconds_count 5"));
}

}  // namespace
}  // namespace flowstack::gateway
