#include <gtest/gtest.h>

#include <future>
#include <map>
#include <mutex>

#include "common/http/client.h"
#include "common/http/router.h"
#include "common/http/server.h"
#include "common/observability/span.h"

// The spans of the HTTP door and of calls to the outside.
namespace flowstack::http {
namespace {

class Spans : public ::testing::Test, public trace::SpanSink {
protected:
    Spans() { trace::send_spans_to(this); }
    ~Spans() override { trace::send_spans_to(nullptr); }
    bool samples(const std::array<std::uint8_t, 16>&) const override { return true; }
    void take(trace::SpanData span) override {
        const std::lock_guard lock(mutex_);
        spans_.push_back(std::move(span));
    }
    std::vector<trace::SpanData> spans() {
        const std::lock_guard lock(mutex_);
        return spans_;
    }
    static std::map<std::string, std::string> attributes_of(const trace::SpanData& span) {
        std::map<std::string, std::string> read;
        for (const auto& [key, value] : span.attributes) {
            const auto* number = std::get_if<std::int64_t>(&value);
            read[std::string(key)] =
                number != nullptr ? std::to_string(*number) : std::get<std::string>(value);
        }
        return read;
    }
    static Request request_for(const std::string& method, const std::string& path) {
        Request request;
        request.method = method;
        request.target = request.path = path;
        return request;
    }

private:
    std::mutex mutex_;
    std::vector<trace::SpanData> spans_;
};

TEST_F(Spans, OfARequestIsBelowWhatCameAndEndsWithTheAnswer) {
    Router router;
    std::optional<Responder> waiting;
    trace::Context inside;
    router.add("POST", "/customers/{phone}", [&](const Request&, Responder responder) {
        inside = trace::current();
        waiting = std::move(responder);
    });
    auto request = request_for("POST", "/customers/+254712345678");
    const auto caller = trace::start();
    request.headers.set("traceparent", caller.traceparent());
    int answered = 0;
    router.handler()(request, Responder([&](const Response& answer) { answered = answer.status; }));
    EXPECT_TRUE(spans().empty()) << "it is not answered yet";
    waiting->send(Response::text(202, ""));
    EXPECT_EQ(answered, 202);
    ASSERT_EQ(spans().size(), 1U);
    const auto span = spans().front();
    EXPECT_EQ(span.kind, trace::SpanKind::server);
    EXPECT_EQ(span.name, "POST /customers/{phone}") << "a pattern, no telephone number";
    EXPECT_EQ(span.parent, caller.span_id);
    EXPECT_EQ(span.context, inside);
    const auto attributes = attributes_of(span);
    EXPECT_EQ(attributes.at("http.request.method"), "POST");
    EXPECT_EQ(attributes.at("http.route"), "/customers/{phone}");
    EXPECT_EQ(attributes.at("http.response.status_code"), "202");
    EXPECT_EQ(attributes.size(), 3U);
    EXPECT_FALSE(span.failed);
    EXPECT_FALSE(trace::current().valid()) << "the thread does something else now";
}

TEST_F(Spans, OfARequestThatNobodyAnsweredHasFailed) {
    Router router;
    router.add("GET", "/x", [](const Request&, const Responder&) {});
    router.handler()(request_for("GET", "/x"), Responder([](const Response&) {}));
    ASSERT_EQ(spans().size(), 1U);
    EXPECT_TRUE(spans().front().failed);
    EXPECT_EQ(attributes_of(spans().front()).at("error.type"), "500");
}

TEST_F(Spans, AreNotMadeForProbesAndUnknownPaths) {
    Router router;
    router.add("GET", "/health", [](const Request&, const Responder& responder) {
        responder.send(Response::text(200, ""));
    });
    router.handler()(request_for("GET", "/health"), Responder([](const Response&) {}));
    router.handler()(request_for("GET", "/+254712345678"), Responder([](const Response&) {}));
    EXPECT_TRUE(spans().empty());
}

TEST_F(Spans, OfACallHoldHostAndStatusAndNothingElseOfTheAddress) {
    Server server({}, [](const Request& request, const Responder& responder) {
        EXPECT_FALSE(request.headers.has("traceparent")) << "the other side is told nothing";
        responder.send(Response::text(request.path == "/no" ? 503 : 200, ""));
    });
    server.start();
    Client client;
    const auto port = std::to_string(server.port());
    const auto call = [&](const std::string& url) {
        return client.call_and_wait({.method = "POST", .url = url});
    };
    call("http://127.0.0.1:" + port + "/yes");
    EXPECT_TRUE(spans().empty()) << "it is a part of nothing";

    const auto work = trace::start();
    const trace::Scope scope(work);
    call("http://127.0.0.1:" + port + "/secret?key=secret");
    call("http://127.0.0.1:" + port + "/no");
    call("http://user:secret@127.0.0.1:1/");
    const auto made = spans();
    ASSERT_EQ(made.size(), 3U);
    for (const auto& span : made) {
        EXPECT_EQ(span.kind, trace::SpanKind::client);
        EXPECT_EQ(span.name, "POST");
        EXPECT_EQ(span.parent, work.span_id);
        EXPECT_EQ(attributes_of(span).at("server.address"), "127.0.0.1");
        for (const auto& [key, value] : attributes_of(span))
            EXPECT_EQ(value.find("secret"), std::string::npos) << key;
    }
    EXPECT_EQ(attributes_of(made[0]).at("server.port"), port);
    EXPECT_EQ(attributes_of(made[0]).at("http.response.status_code"), "200");
    EXPECT_FALSE(made[0].failed);
    EXPECT_EQ(attributes_of(made[1]).at("error.type"), "503");
    EXPECT_EQ(attributes_of(made[2]).at("error.type"), "not_sent");
    EXPECT_TRUE(made[2].failed);
}

TEST_F(Spans, OfACallThatFollowsFromAnAnswerAreOfTheSameWork) {
    Server server({}, [](const Request&, const Responder& responder) {
        responder.send(Response::text(200, ""));
    });
    server.start();
    Client client;
    const auto url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
    const auto work = trace::start();
    std::promise<void> done;
    {
        const trace::Scope scope(work);
        client.call({.url = url}, [&](const ClientResult&) {
            client.call({.url = url}, [&](const ClientResult&) { done.set_value(); });
        });
    }
    done.get_future().get();
    ASSERT_EQ(spans().size(), 2U);
    for (const auto& span : spans()) EXPECT_EQ(span.parent, work.span_id);
}

}  // namespace
}  // namespace flowstack::http
