#include "common/observability/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "common/http/client.h"

namespace flowstack::observability {
namespace {

using ::testing::HasSubstr;

class Admin : public ::testing::Test {
protected:
    Admin() { server_.start(); }

    http::Response ask(const std::string& path, const std::string& method = "GET") {
        http::Client client;
        const auto result = client.call_and_wait(
            {.method = method, .url = "http://127.0.0.1:" + std::to_string(server_.port()) + path});
        EXPECT_EQ(result.outcome, http::ClientResult::Outcome::answered) << result.error;
        return result.response;
    }

    metrics::Registry registry_;
    Health health_;
    AdminServer server_{{}, health_, registry_};
};

TEST_F(Admin, ServesTheMetrics) {
    registry_.counter("flowstack_sends_total", "messages sent").add(3);
    const auto answer = ask("/metrics");
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.headers.get("Content-Type"), HasSubstr("text/plain; version=0.0.4"));
    EXPECT_THAT(answer.body, HasSubstr("flowstack_sends_total 3"));
}

TEST_F(Admin, IsAliveBeforeItIsReady) {
    EXPECT_EQ(ask("/livez").status, 200);
    EXPECT_EQ(ask("/health").body, R"({"ok":true})");
    EXPECT_EQ(ask("/readyz").status, 503);
    health_.open();
    EXPECT_EQ(ask("/readyz").status, 200);
    health_.close();
    EXPECT_EQ(ask("/readyz").status, 503);
    EXPECT_EQ(ask("/livez").status, 200);
}

TEST_F(Admin, SaysInReadinessWhatIsAway) {
    health_.open();
    health_.add("kafka", [] { return Check{State::degraded, "no broker answers"}; });
    const auto answer = ask("/readyz");
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, HasSubstr(R"("degraded":true)"));
    EXPECT_THAT(answer.body,
                HasSubstr(R"("kafka":{"state":"degraded","detail":"no broker answers"})"));
}

TEST_F(Admin, RefusesOtherPathsAndMethods) {
    EXPECT_EQ(ask("/").status, 404);
    EXPECT_EQ(ask("/metrics/").status, 404);
    const auto answer = ask("/metrics", "POST");
    EXPECT_EQ(answer.status, 405);
    EXPECT_EQ(answer.headers.get("Allow"), "GET, HEAD");
}

TEST_F(Admin, NamesThePortThatIsTaken) {
    AdminServer second{{.port = server_.port()}, health_, registry_};
    EXPECT_THROW(second.start(), std::runtime_error);
}

}  // namespace
}  // namespace flowstack::observability
