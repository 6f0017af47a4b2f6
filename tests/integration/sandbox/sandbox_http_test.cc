// The sandbox through its real port: sockets that are cut, bytes that are signed, calls at once.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/http/client.h"
#include "common/http/server.h"
#include "services/sandbox/door.h"
#include "services/sandbox/json.h"
#include "services/sandbox/live_world.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr std::chrono::seconds kPatience{20};

// The product's door, as far as the sandbox can tell: keeps what it gets and answers 200.
class Receiver {
public:
    Receiver() { server_.start(); }
    ~Receiver() { server_.drain(std::chrono::milliseconds{0}); }

    std::string url(const std::string& path) const {
        return "http://127.0.0.1:" + std::to_string(server_.port()) + path;
    }
    // Everything that came, as soon as it is `count` or more.
    std::vector<http::Request> wait_for(std::size_t count) {
        std::unique_lock lock{mutex_};
        EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return got_.size() >= count; }))
            << "got " << got_.size() << " of " << count;
        return got_;
    }

private:
    void take(http::Request request, const http::Responder& responder) {
        {
            const std::lock_guard lock{mutex_};
            got_.push_back(std::move(request));
        }
        changed_.notify_all();
        responder.send(http::Response::text(200, ""));
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<http::Request> got_;
    http::Server server_{http::ServerOptions{},
                         [this](http::Request request, const http::Responder& responder) {
                             take(std::move(request), responder);
                         }};
};

class SandboxOverHttp : public testing::Test {
protected:
    SandboxOverHttp() {
        server_.start();
        control("PUT", "/control/numbers",
                json::object{{"phone_number_id", "1"},
                             {"token", "t"},
                             {"app_secret", "s"},
                             {"webhook_url", product.url("/webhooks/whatsapp")},
                             {"display_phone_number", "254700000001"},
                             {"pair_interval_ms", 0},
                             {"throughput_per_s_max", 0},
                             {"window", "off"}});
        control("PUT", "/control/shortcodes",
                json::object{{"shortcode", "174379"},
                             {"passkey", "pk"},
                             {"consumer_key", "ck"},
                             {"consumer_secret", "cs"},
                             {"callback_delay_ms", 0}});
    }
    ~SandboxOverHttp() override {
        world_.stop();
        server_.drain(std::chrono::milliseconds{0});
    }

    http::ClientRequest request(std::string method, const std::string& path, std::string body) {
        http::ClientRequest out;
        out.method = std::move(method);
        out.url = "http://127.0.0.1:" + std::to_string(server_.port()) + path;
        out.headers.add("Content-Type", "application/json");
        out.headers.add("Authorization", "Bearer t");
        out.body = std::move(body);
        return out;
    }
    json::value control(const std::string& method, const std::string& path,
                        const json::value& body) {
        const auto result =
            client_.call_and_wait(request(method, path, method == "GET" ? "" : compact(body)));
        EXPECT_LT(result.response.status, 300) << result.response.body << result.error;
        return parse(result.response.body).value_or(nullptr);
    }
    http::ClientResult send(const std::string& to) {
        return client_.call_and_wait(request(
            "POST", "/v25.0/1/messages",
            compact(json::object{
                {"messaging_product", "whatsapp"}, {"to", to}, {"text", {{"body", "Karibu"}}}})));
    }
    std::size_t recorded(const std::string& kind) {
        return array_at(control("GET", "/control/record?kind=" + kind, nullptr), "lines")->size();
    }

    Receiver product;
    http::Client client_;
    LiveWorld world_;
    Record record_{""};
    Sandbox sandbox_{world_, record_};
    http::Server server_{http::ServerOptions{}, door(sandbox_)};
};

TEST_F(SandboxOverHttp, DeliversSignedWebhooks) {
    const json::value answer =
        control("POST", "/control/customers/254712345678/say",
                json::object{{"phone_number_id", "1"}, {"text", "Niko na swali 🙏"}});
    EXPECT_EQ(int_or(answer, "http_status", 0), 200);
    const auto got = product.wait_for(1);
    EXPECT_EQ(got[0].path, "/webhooks/whatsapp");
    EXPECT_EQ(got[0].headers.get("X-Hub-Signature-256"), hub_signature("s", got[0].body));
    EXPECT_NE(got[0].body.find(R"(\ud83d\ude4f)"), std::string::npos);
}

TEST_F(SandboxOverHttp, FollowsASendWithItsStatuses) {
    EXPECT_EQ(send("+254712345678").response.status, 200);
    const auto got = product.wait_for(3);
    // Each on a connection of its own, so a slow machine may see them in another order.
    std::string all;
    for (const auto& webhook : got) all += webhook.body;
    for (const char* status : {"sent", "delivered", "read"}) {
        EXPECT_NE(all.find(std::string{R"("status":")"} + status + '"'), std::string::npos);
    }
}

TEST_F(SandboxOverHttp, CutsTheConnectionAfterAccepting) {
    control("POST", "/control/faults",
            json::object{{"provider", "meta"}, {"effect", {{"cut", "after"}}}});
    EXPECT_EQ(send("+254712345678").outcome, http::ClientResult::Outcome::unknown);
    EXPECT_EQ(recorded("send_accepted"), 1U);
    EXPECT_EQ(send("+254712345678").response.status, 200);
}

TEST_F(SandboxOverHttp, AcceptsManySendsAtOnce) {
    constexpr int kSends = 500;
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::string> wamids;
    int answered = 0;
    for (int i = 0; i < kSends; ++i) {
        client_.call(request("POST", "/v25.0/1/messages",
                             compact(json::object{{"messaging_product", "whatsapp"},
                                                  {"to", "+2547" + std::to_string(10'000'000 + i)},
                                                  {"text", {{"body", "Karibu"}}}})),
                     [&](const http::ClientResult& result) {
                         const std::lock_guard lock{mutex};
                         if (const auto body = parse(result.response.body)) {
                             if (const auto* list = array_at(*body, "messages")) {
                                 wamids.insert(text_or(list->front(), "id", ""));
                             }
                         }
                         ++answered;
                         changed.notify_all();
                     });
    }
    std::unique_lock lock{mutex};
    ASSERT_TRUE(changed.wait_for(lock, kPatience, [&] { return answered == kSends; }));
    EXPECT_EQ(wamids.size(), static_cast<std::size_t>(kSends));
    lock.unlock();
    product.wait_for(3 * kSends);
    EXPECT_EQ(recorded("send_accepted"), static_cast<std::size_t>(kSends));
}

TEST_F(SandboxOverHttp, CallsBackOverHttp) {
    http::ClientRequest oauth =
        request("GET", "/oauth/v1/generate?grant_type=client_credentials", "");
    oauth.headers.set("Authorization", "Basic " + base64("ck:cs"));
    const auto token = text_or(parse(client_.call_and_wait(oauth).response.body).value_or(nullptr),
                               "access_token", "");
    control("PUT", "/control/payers/254712345678",
            json::object{{"behaviour", "pay"}, {"delay_ms", 0}});
    http::ClientRequest push =
        request("POST", "/mpesa/stkpush/v1/processrequest",
                compact(json::object{{"BusinessShortCode", "174379"},
                                     {"Password", stk_password("174379", "pk", "20260102030405")},
                                     {"Timestamp", "20260102030405"},
                                     {"TransactionType", "CustomerPayBillOnline"},
                                     {"Amount", "20"},
                                     {"PartyA", "254712345678"},
                                     {"PartyB", "174379"},
                                     {"PhoneNumber", "254712345678"},
                                     {"CallBackURL", product.url("/hooks/pay/abc")},
                                     {"AccountReference", "ORD-1"},
                                     {"TransactionDesc", "Order"}}));
    push.headers.set("Authorization", "Bearer " + token);
    EXPECT_EQ(client_.call_and_wait(push).response.status, 200);
    const auto got = product.wait_for(1);
    EXPECT_EQ(got[0].path, "/hooks/pay/abc");
    EXPECT_NE(got[0].body.find(R"("Value":20.00)"), std::string::npos);
}

TEST_F(SandboxOverHttp, ServesThePhonePage) {
    const auto page = client_.call_and_wait(request("GET", "/", "")).response;
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.headers.get("Content-Type"), "text/html; charset=utf-8");
    EXPECT_NE(page.body.find("FlowStack"), std::string::npos);
    for (const char* path : {"/page/phone.css", "/page/phone.js", "/page/icon.svg", "/health"}) {
        EXPECT_EQ(client_.call_and_wait(request("GET", path, "")).response.status, 200) << path;
    }
    EXPECT_EQ(client_.call_and_wait(request("GET", "/elsewhere", "")).response.status, 404);
}

}  // namespace
}  // namespace flowstack::sandbox
