#include "services/gateway/rest/login.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "common/core/clock.h"
#include "common/core/thread_pool.h"
#include "common/crypto/hash.h"
#include "common/rpc/caller.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"
#include "services/gateway/rest/rest.h"
#include "tests/support/test_issuer.h"

// People who log in with a browser, at two replicas of the REST door, with a provider that is as
// strict as the RFCs. Sessions are in memory here; that a store keeps them is tested beside it
// (tests/integration/gateway).
namespace flowstack::gateway {
namespace {

namespace json = boost::json;
using flowstack::testing::TestIssuer;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kShop = "https://shop.example";
constexpr const char* kSession = "__Host-flowstack_session";
constexpr std::chrono::seconds kDiscoveryPatience{60};

class NoKeys final : public Keys {
public:
    std::optional<KeyOwner> owner_of(std::string_view) const override { return std::nullopt; }
    std::optional<TenantInRest> tenant(std::string_view) const override { return std::nullopt; }
};

class SessionsInMemory final : public Sessions {
public:
    explicit SessionsInMemory(const Clock& clock) : clock_(clock) {}
    void begin(std::string_view id_sha256, const BrowserSession& session,
               const rpc::Caller& by) override {
        const std::lock_guard lock(mutex_);
        all_[std::string(id_sha256)] = session;
        told_.push_back("began " + by.actor + " " + by.role + " " + by.source_address);
    }
    std::optional<BrowserSession> find(std::string_view id_sha256) override {
        const std::lock_guard lock(mutex_);
        const auto found = all_.find(std::string(id_sha256));
        if (found == all_.end() || found->second.expires_at <= clock_.now()) return std::nullopt;
        return found->second;
    }
    void end(std::string_view id_sha256, const BrowserSession&, const rpc::Caller& by) override {
        const std::lock_guard lock(mutex_);
        all_.erase(std::string(id_sha256));
        told_.push_back("ended " + by.actor + " " + by.role + " " + by.source_address);
    }
    std::vector<std::string> told() {
        const std::lock_guard lock(mutex_);
        return told_;
    }
    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return all_.size();
    }
    // Whether what a browser has stands anywhere here.
    bool knows_the_id(const std::string& id) {
        const std::lock_guard lock(mutex_);
        for (const auto& [key, session] : all_)
            if (key == id || session.session_id == id) return true;
        return false;
    }

private:
    const Clock& clock_;
    std::mutex mutex_;
    std::map<std::string, BrowserSession> all_;
    std::vector<std::string> told_;
};

// Remembers in whose name it was called.
class HeardTenants final : public v1::TenantService::CallbackService {
public:
    explicit HeardTenants(rpc::Server& door) : door_(door) {}
    grpc::ServerUnaryReactor* GetTenant(grpc::CallbackServerContext* context,
                                        const v1::GetTenantRequest* request,
                                        v1::Tenant* answer) override {
        return door_.unary(context, *request,
                           [=, this](rpc::Call&) { note(request->name(), *answer); });
    }
    grpc::ServerUnaryReactor* SuspendTenant(grpc::CallbackServerContext* context,
                                            const v1::SuspendTenantRequest* request,
                                            v1::Tenant* answer) override {
        return door_.unary(context, *request,
                           [=, this](rpc::Call&) { note(request->name(), *answer); });
    }
    grpc::ServerUnaryReactor* UpdateTenantSettings(grpc::CallbackServerContext* context,
                                                   const v1::UpdateTenantSettingsRequest* request,
                                                   v1::Tenant* answer) override {
        return door_.unary(context, *request,
                           [=, this](rpc::Call&) { note(request->name(), *answer); });
    }
    grpc::ServerUnaryReactor* CloseTenant(grpc::CallbackServerContext* context,
                                          const v1::CloseTenantRequest* request,
                                          v1::Tenant* answer) override {
        return door_.unary(context, *request,
                           [=, this](rpc::Call&) { note(request->name(), *answer); });
    }
    grpc::ServerUnaryReactor* ListApiKeys(grpc::CallbackServerContext* context,
                                          const v1::ListApiKeysRequest* request,
                                          v1::ListApiKeysResponse*) override {
        return door_.unary(context, *request, [](rpc::Call&) {});
    }
    grpc::ServerUnaryReactor* GetApiKey(grpc::CallbackServerContext* context,
                                        const v1::GetApiKeyRequest* request,
                                        v1::ApiKey* answer) override {
        return door_.unary(context, *request,
                           [=](rpc::Call&) { answer->set_name(request->name()); });
    }
    std::string heard() {
        const std::lock_guard lock(mutex_);
        return heard_;
    }

private:
    void note(const std::string& name, v1::Tenant& answer) {
        answer.set_name(name);
        const std::lock_guard lock(mutex_);
        heard_ =
            rpc::caller().actor + " " + rpc::caller().role + " " + rpc::caller().source_address;
    }
    rpc::Server& door_;
    std::mutex mutex_;
    std::string heard_;
};

using HeaderLines = std::vector<http::Header>;

class Login : public ::testing::Test {
protected:
    Login() {
        server.add(tenants, v1::TenantService::service_full_name());
        server.start();
        channel = rpc::make_channel("127.0.0.1:" + std::to_string(server.port()),
                                    {.internal_key = Secret("internal")});
        provider.sits_here({"ann", {"duka:admin", "elsewhere"}});
        const auto until = std::chrono::steady_clock::now() + kDiscoveryPatience;
        while (!issuer->endpoints() && std::chrono::steady_clock::now() < until)
            std::this_thread::yield();
        for (auto* door : {&first, &second}) *door = opened(kShop);
    }
    ~Login() override {
        threads.stop(ThreadPool::Waiting::run);
        server.drain(std::chrono::seconds(1));
    }

    struct Replica {
        std::unique_ptr<Rest> rest;
        http::Handler handler;
    };
    Replica opened(const std::string& base_url, bool with_login = true) {
        RestOptions options{.admin_key = Secret("admin-key"),
                            .wrong_keys_max = 4,
                            .wrong_key_every = std::chrono::hours(1),
                            .channel = [this](const std::string&) { return channel; }};
        if (with_login)
            options.login = LoginOptions{
                .client = {.id = "shop", .secret = Secret("secret")},
                .base_url = base_url,
                .lifetime = std::chrono::hours(8),
                .idle = std::chrono::minutes(30),
                .issuer = issuer,
                .sessions = &sessions,
                .clock = &clock,
                .seal_key = [this] { return key; },
                .send =
                    [this](http::ClientRequest request) {
                        return web.call_and_wait(std::move(request));
                    },
                .on_worker =
                    [this](std::function<void()> job) { return threads.post(std::move(job)); }};
        Replica made;
        made.rest = std::make_unique<Rest>(keys, std::move(options));
        http::Router router;
        made.rest->add_routes(router);
        made.handler = made.rest->with_sessions(router.handler());
        return made;
    }

    http::Response ask(const Replica& door, const std::string& method, const std::string& target,
                       const HeaderLines& headers = {}) {
        http::Request request;
        request.method = method;
        const auto mark = target.find('?');
        request.path = target.substr(0, mark);
        if (mark != std::string::npos) request.query = target.substr(mark + 1);
        request.remote_address = address;
        for (const auto& line : headers) request.headers.add(line.name, line.value);
        const auto answered = std::make_shared<std::promise<http::Response>>();
        auto answer = answered->get_future();
        door.handler(std::move(request),
                     http::Responder([answered](const http::Response& response) {
                         answered->set_value(response);
                     }));
        return answer.get();
    }
    static std::string reason_of(const http::Response& response) {
        if (response.status < 400) return "";
        return std::string(json::parse(response.body).at("reason").as_string());
    }
    // The value that an answer sets; "" when it does not.
    static std::string set_by(const http::Response& response, const std::string& name) {
        for (const auto& line : response.headers)
            if (line.name == "Set-Cookie" && line.value.starts_with(name + "="))
                return line.value.substr(name.size() + 1, line.value.find(';') - name.size() - 1);
        return "";
    }
    static std::string attributes_of(const http::Response& response, const std::string& name) {
        for (const auto& line : response.headers)
            if (line.name == "Set-Cookie" && line.value.starts_with(name + "="))
                return line.value.substr(line.value.find(';'));
        return "";
    }
    static HeaderLines with_cookie(const std::string& id, HeaderLines more = {}) {
        more.push_back({"Cookie", "theme=dark; " + std::string(kSession) + "=" + id});
        return more;
    }
    // From a page of ours.
    static HeaderLines own_page(const std::string& id) {
        return with_cookie(id, {{"Origin", kShop}, {"Sec-Fetch-Site", "same-origin"}});
    }

    struct Begun {
        std::string cookie;  // name=value
        std::string back;    // the target at our door that the issuer sends the browser to
    };
    Begun begun(const Replica& door, const std::string& target = "/auth/login") {
        const auto answer = ask(door, "GET", target);
        EXPECT_EQ(answer.status, 302) << answer.body;
        const auto back = provider.visit(std::string(answer.headers.get("Location")));
        EXPECT_THAT(back, StartsWith(std::string(kShop) + "/auth/callback?"));
        return {"__Host-flowstack_login=" + set_by(answer, "__Host-flowstack_login"),
                back.substr(std::string(kShop).size())};
    }
    http::Response finished(const Replica& door, const Begun& begun) {
        return ask(door, "GET", begun.back, {{"Cookie", begun.cookie}});
    }
    std::string logged_in() {
        const auto answer = finished(second, begun(first));
        EXPECT_EQ(answer.status, 303) << answer.body;
        return set_by(answer, kSession);
    }
    std::string why_not(const Replica& door, const Begun& begun) {
        const auto answer = finished(door, begun);
        if (answer.status == 303) return "";
        EXPECT_EQ(set_by(answer, kSession), "");
        return reason_of(answer) + ": " + answer.body;
    }

    ManualClock clock{SystemClock().now()};
    TestIssuer provider{
        {{"shop", {.secret = "secret", .redirect_uri = std::string(kShop) + "/auth/callback"}}}};
    const SystemClock wall;
    std::shared_ptr<identity::Issuer> issuer = std::make_shared<identity::Issuer>(
        identity::IssuerOptions{.expected = {.issuer = provider.url(), .audience = "flowstack"}},
        wall);
    SessionsInMemory sessions{clock};
    const Secret key{crypto::random_bytes(32)};
    http::Client web;
    NoKeys keys;
    rpc::Server server{{.admission = {.internal_key = Secret("internal")}}};
    HeardTenants tenants{server};
    std::shared_ptr<grpc::Channel> channel;
    ThreadPool threads{{.name = "sessions", .threads = 2, .waiting_max = 100}};
    std::string address = "192.0.2.7";
    Replica first, second;  // last: they use all of these
};

TEST_F(Login, ABrowserGetsACookieThatIsAPrincipalAtEveryReplica) {
    const auto answer =
        finished(second, begun(first, "/auth/login?return_to=/orders%3Fstate%3Dopen"));
    ASSERT_EQ(answer.status, 303) << answer.body;
    EXPECT_EQ(answer.headers.get("Location"), "/orders?state=open");
    EXPECT_EQ(answer.headers.get("Cache-Control"), "no-store");
    const auto id = set_by(answer, kSession);
    EXPECT_EQ(id.size(), 43U);
    EXPECT_EQ(attributes_of(answer, kSession),
              "; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax; Secure");
    EXPECT_THAT(attributes_of(answer, "__Host-flowstack_login"), HasSubstr("Max-Age=0"));
    // Nothing here is what the browser has.
    EXPECT_FALSE(sessions.knows_the_id(id));
    for (const auto* door : {&first, &second}) {
        EXPECT_EQ(ask(*door, "GET", "/v1/tenants/duka", with_cookie(id)).status, 200);
        EXPECT_EQ(tenants.heard(), "user:ann admin 192.0.2.7");
    }
    EXPECT_EQ(reason_of(ask(first, "GET", "/v1/tenants/other", with_cookie(id))), "NOT_FOUND");
    EXPECT_EQ(reason_of(ask(first, "POST", "/v1/tenants/duka:suspend", own_page(id))),
              "PERMISSION_DENIED");
    EXPECT_EQ(sessions.told(), std::vector<std::string>{"began user:ann admin 192.0.2.7"});
    const auto who = json::parse(ask(first, "GET", "/auth/session", with_cookie(id)).body);
    EXPECT_EQ(who.at("actor").as_string(), "user:ann");
    EXPECT_EQ(json::serialize(who.at("grants")), R"(["duka:admin"])");
    EXPECT_EQ(std::string(who.at("session").at("expireTime").as_string()),
              to_rfc3339(clock.now() + std::chrono::hours(8)));
}

TEST_F(Login, ASessionThatIsEndedOpensNothingAnywhere) {
    const auto id = logged_in();
    const auto other = logged_in();
    const auto gone = ask(first, "POST", "/auth/logout", own_page(id));
    ASSERT_EQ(gone.status, 200) << gone.body;
    EXPECT_THAT(attributes_of(gone, kSession), HasSubstr("Max-Age=0"));
    EXPECT_EQ(std::string(json::parse(gone.body).at("endSessionUrl").as_string()),
              provider.url() + "/logout?client_id=shop");
    // A cookie that somebody kept.
    for (const auto* door : {&first, &second}) {
        EXPECT_EQ(reason_of(ask(*door, "GET", "/v1/tenants/duka", with_cookie(id))),
                  "UNAUTHENTICATED");
        EXPECT_EQ(reason_of(ask(*door, "POST", "/auth/logout", own_page(id))), "UNAUTHENTICATED");
        EXPECT_EQ(ask(*door, "GET", "/v1/tenants/duka", with_cookie(other)).status, 200);
    }
    EXPECT_EQ(sessions.told().back(), "ended user:ann admin 192.0.2.7");
    EXPECT_EQ(reason_of(ask(first, "POST", "/auth/logout", {{"Origin", kShop}})),
              "UNAUTHENTICATED");
    clock.advance(std::chrono::hours(8));
    EXPECT_EQ(reason_of(ask(second, "GET", "/v1/tenants/duka", with_cookie(other))),
              "UNAUTHENTICATED");
}

TEST_F(Login, WhoLogsInAnewLeavesWhatTheyWere) {
    const auto id = logged_in();
    provider.sits_here({"bob", {"platform_admin"}});
    auto again = begun(first);
    again.cookie += "; " + std::string(kSession) + "=" + id;
    const auto answer = finished(first, again);
    ASSERT_EQ(answer.status, 303) << answer.body;
    EXPECT_NE(set_by(answer, kSession), id);
    EXPECT_EQ(reason_of(ask(first, "GET", "/v1/tenants/duka", with_cookie(id))), "UNAUTHENTICATED");
    EXPECT_EQ(sessions.told(), (std::vector<std::string>{"began user:ann admin 192.0.2.7",
                                                         "ended user:ann admin 192.0.2.7",
                                                         "began user:bob operator 192.0.2.7"}));
}

// Role by method, with a cookie: as a token has it (tests/unit/rpc/access_test.cc has every
// method).
TEST_F(Login, ARoleOpensWithACookieWhatItOpensWithAToken) {
    struct Row {
        const char* method;
        const char* path;
        std::vector<std::string> open_to;
    };
    const std::vector<Row> rows{
        {"GET", "/v1/tenants/duka", {"viewer", "auditor", "agent", "admin", "operator"}},
        {"GET", "/v1/tenants/duka/apiKeys", {"admin", "operator"}},
        {"GET", "/v1/tenants/duka/apiKeys/1", {"admin", "operator"}},
        {"PATCH", "/v1/tenants/duka/settings", {"admin", "operator"}},
        {"POST", "/v1/tenants/duka:suspend", {"operator"}},
        {"POST", "/v1/tenants/duka:close", {"operator"}}};
    for (const std::string role : {"viewer", "auditor", "agent", "admin", "operator"}) {
        provider.sits_here({"ann", {role == "operator" ? "platform_admin" : "duka:" + role}});
        const auto id = logged_in();
        for (const auto& row : rows) {
            const auto answer = ask(second, row.method, row.path, own_page(id));
            const bool open = std::ranges::find(row.open_to, role) != row.open_to.end();
            EXPECT_EQ(answer.status == 200 ? "" : reason_of(answer),
                      open ? "" : "PERMISSION_DENIED")
                << role << " " << row.method << " " << row.path;
            auto elsewhere = std::string(row.path);
            elsewhere.replace(elsewhere.find("duka"), 4, "other");
            if (role != "operator") {
                EXPECT_EQ(reason_of(ask(second, row.method, elsewhere, own_page(id))), "NOT_FOUND")
                    << role << " " << elsewhere;
            }
        }
    }
}

TEST_F(Login, AnotherSiteCannotMakeABrowserChangeAnything) {
    const auto id = logged_in();
    const auto changed = [&](HeaderLines lines) {
        const auto answer =
            ask(first, "PATCH", "/v1/tenants/duka/settings", with_cookie(id, std::move(lines)));
        return answer.status == 200 ? "" : reason_of(answer);
    };
    EXPECT_EQ(changed({{"Sec-Fetch-Site", "same-origin"}}), "");
    EXPECT_EQ(changed({{"Sec-Fetch-Site", "same-origin"}, {"Origin", "null"}}), "");
    EXPECT_EQ(changed({{"Origin", kShop}}), "");
    for (const auto& elsewhere :
         {HeaderLines{}, HeaderLines{{"Origin", "https://evil.example"}},
          HeaderLines{{"Origin", "http://shop.example"}},
          HeaderLines{{"Origin", "https://shop.example.evil"}},
          HeaderLines{{"Origin", "https://shop.example:8443"}}, HeaderLines{{"Origin", "null"}},
          HeaderLines{{"Sec-Fetch-Site", "same-site"}, {"Origin", kShop}},
          HeaderLines{{"Sec-Fetch-Site", "cross-site"}, {"Origin", kShop}},
          HeaderLines{{"Sec-Fetch-Site", "none"}},
          HeaderLines{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "https://evil.example"}}})
        EXPECT_EQ(changed(elsewhere), "PERMISSION_DENIED");
    // Nor can it log anybody out. What only reads, its page cannot see: there is no CORS here.
    EXPECT_EQ(reason_of(ask(first, "POST", "/auth/logout",
                            with_cookie(id, {{"Origin", "https://evil.example"}}))),
              "PERMISSION_DENIED");
    EXPECT_EQ(
        ask(first, "GET", "/v1/tenants/duka", with_cookie(id, {{"Sec-Fetch-Site", "cross-site"}}))
            .status,
        200);
    // A key says by itself who calls, and no browser sends it along.
    EXPECT_EQ(ask(first, "PATCH", "/v1/tenants/duka/settings",
                  with_cookie(id, {{"Authorization", "Bearer admin-key"}}))
                  .status,
              200);
}

TEST_F(Login, ACallbackIsForTheBrowserThatBegan) {
    const auto mine = begun(first), other = begun(second);
    EXPECT_THAT(why_not(first, {"", mine.back}), HasSubstr("has begun no login"));
    EXPECT_THAT(why_not(first, {other.cookie, mine.back}), HasSubstr("(state)"));
    EXPECT_THAT(why_not(first, {mine.cookie + "A", mine.back}), HasSubstr("has begun no login"));
    EXPECT_EQ(why_not(second, mine), "");
    address = "192.0.2.8";
    EXPECT_THAT(why_not(second, mine), HasSubstr("invalid_grant"));  // its code was used
    const auto late = begun(first);
    clock.advance(std::chrono::seconds(601));
    EXPECT_THAT(why_not(first, late), HasSubstr("has begun no login"));
}

TEST_F(Login, WhatTheIssuerSaysIsChecked) {
    const auto with = [&](TestIssuer::Faults faults) {
        address += "1";  // so that nobody has to wait
        provider.fault(std::move(faults));
        return why_not(first, begun(first));
    };
    EXPECT_THAT(with({.deny = true}), HasSubstr("access_denied"));
    EXPECT_THAT(with({.answers_as = "https://evil.example"}), HasSubstr("(iss)"));
    EXPECT_THAT(with({.answers_as = ""}), HasSubstr("(iss)"));
    EXPECT_THAT(with({.nonce = "of another login"}), HasSubstr("nonce"));
    EXPECT_THAT(with({.audience = "another"}), HasSubstr("audience"));
    EXPECT_THAT(with({.strange_key = true}), HasSubstr("signature"));
    EXPECT_THAT(with({.no_id_token = true}), HasSubstr("id_token"));
    EXPECT_EQ(sessions.size(), 0U);
    provider.sits_here({"eve", {"nothing of ours"}});
    EXPECT_THAT(with({}), StartsWith("PERMISSION_DENIED"));
    EXPECT_EQ(sessions.size(), 0U);
}

TEST_F(Login, ReturnsToPathsOfThisAddressAlone) {
    for (const auto* elsewhere :
         {"https://evil.example/", "//evil.example", "/%5Cevil.example", "%2F%2Fevil.example",
          "orders", "", "/a%0d%0aSet-Cookie:x", "/%09/evil.example", "/a%zz"})
        EXPECT_EQ(reason_of(ask(first, "GET", std::string("/auth/login?return_to=") + elsewhere)),
                  "FIELD_INVALID")
            << elsewhere;
    EXPECT_EQ(reason_of(ask(first, "GET", "/auth/login?return_to=/" + std::string(1024, 'a'))),
              "FIELD_INVALID");
    EXPECT_EQ(finished(first, begun(first)).headers.get("Location"), "/auth/session");
}

TEST_F(Login, AnAddressThatFailsTooOftenMustWait) {
    const auto good = begun(first);
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(reason_of(ask(first, "GET", "/auth/callback?state=x&code=y")), "UNAUTHENTICATED");
    const int before = provider.exchanges();
    EXPECT_EQ(finished(first, good).status, 429);
    EXPECT_EQ(ask(first, "GET", "/auth/login").status, 429);
    EXPECT_EQ(provider.exchanges(), before);
    // Cookies that open nothing count together with them, and a good one opens all the same.
    address = "192.0.2.9";
    const auto id = logged_in();
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(reason_of(ask(first, "GET", "/v1/tenants/duka", with_cookie("guess"))),
                  "UNAUTHENTICATED");
    EXPECT_EQ(ask(first, "GET", "/v1/tenants/duka", with_cookie("guess")).status, 429);
    EXPECT_EQ(ask(first, "GET", "/v1/tenants/duka", with_cookie(id)).status, 200);
}

TEST_F(Login, WithoutSettingsThePathsSayThatThereIsNone) {
    const auto door = opened(kShop, false);
    for (const auto& [method, path] :
         {std::pair{"GET", "/auth/login"}, std::pair{"GET", "/auth/callback"},
          std::pair{"GET", "/auth/session"}, std::pair{"POST", "/auth/logout"}}) {
        const auto answer = ask(door, method, path);
        EXPECT_EQ(answer.status, 404);
        EXPECT_EQ(reason_of(answer), "UNIMPLEMENTED");
    }
    // A cookie of another time is nobody.
    EXPECT_EQ(reason_of(ask(door, "GET", "/v1/tenants/duka", with_cookie("x"))), "UNAUTHENTICATED");
}

TEST_F(Login, OnThisMachineWithoutHttpsTheCookieIsAPlainOne) {
    const std::string base = "http://localhost:8080";
    provider.know("shop", {.secret = "secret", .redirect_uri = base + "/auth/callback"});
    const auto door = opened(base);
    const auto begun = ask(door, "GET", "/auth/login");
    const auto back = provider.visit(std::string(begun.headers.get("Location")));
    const auto answer = ask(door, "GET", back.substr(base.size()),
                            {{"Cookie", "flowstack_login=" + set_by(begun, "flowstack_login")}});
    ASSERT_EQ(answer.status, 303) << answer.body;
    EXPECT_THAT(attributes_of(answer, "flowstack_session"), Not(HasSubstr("Secure")));
    EXPECT_EQ(ask(door, "POST", "/auth/logout",
                  {{"Cookie", "flowstack_session=" + set_by(answer, "flowstack_session")},
                   {"Origin", base}})
                  .status,
              200);
}

TEST(Origin, IsThatOfABrowser) {
    EXPECT_EQ(origin_of("https://Shop.Example:443/flowstack"), "https://shop.example");
    EXPECT_EQ(origin_of("http://localhost:8080"), "http://localhost:8080");
    EXPECT_EQ(origin_of("http://shop.example:80/"), "http://shop.example");
    EXPECT_EQ(origin_of("https://shop.example:80"), "https://shop.example:80");
}

}  // namespace
}  // namespace flowstack::gateway
