#include "services/gateway/rest/rest.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <future>
#include <map>
#include <mutex>
#include <sstream>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/router.h"
#include "common/rpc/caller.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/read_position.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/method.pb.h"
#include "flowstack/conversation/v1/conversation_service.grpc.pb.h"
#include "flowstack/gateway/v1/media_service.grpc.pb.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"
#include "services/gateway/rest/rest_calls.h"
#include "services/gateway/rest/wrong_secrets.h"

// The REST door without a store: HTTP requests in, gRPC calls out, to services that the test plays.
namespace flowstack::gateway {
namespace {

namespace json = boost::json;
namespace chat = conversation::v1;

constexpr const char* kAdminKey = "admin-key";
constexpr const char* kPassword = "correct horse";
constexpr const char* kTenantKey = "fsk_duka";

class OneTenant final : public Keys {
public:
    std::optional<KeyOwner> owner_of(std::string_view key_sha256) const override {
        const auto known = crypto::sha256(kTenantKey);
        if (key_sha256 != crypto::bytes_of(known)) return std::nullopt;
        return KeyOwner{"duka", "key-1"};
    }
    std::optional<TenantInRest> tenant(std::string_view id) const override {
        if (id != "duka") return std::nullopt;
        return TenantInRest{"sw", "KES"};
    }
};

// Remembers who called what.
struct Heard {
    void note(const std::string& method) {
        const std::lock_guard lock(mutex);
        actors[method] = rpc::caller().actor;
        roles[method] = rpc::caller().role;
        sources[method] = rpc::caller().source_address;
    }
    std::string actor(const std::string& method) {
        const std::lock_guard lock(mutex);
        return actors[method];
    }
    std::mutex mutex;
    std::map<std::string, std::string> actors, roles, sources;
    v1::RegisterTenantRequest registered;
    chat::PlaceOrderRequest placed;
};

class Tenants final : public v1::TenantService::CallbackService {
public:
    Tenants(rpc::Server& door, Heard& heard) : door_(door), heard_(heard) {}
    grpc::ServerUnaryReactor* RegisterTenant(grpc::CallbackServerContext* context,
                                             const v1::RegisterTenantRequest* request,
                                             v1::Tenant* answer) override {
        return door_.unary(context, *request, [=, this](rpc::Call&) {
            heard_.note("RegisterTenant");
            heard_.registered = *request;
            answer->set_tenant_id("duka");
            *answer->mutable_settings() = request->settings();
        });
    }
    grpc::ServerUnaryReactor* GetTenant(grpc::CallbackServerContext* context,
                                        const v1::GetTenantRequest* request,
                                        v1::Tenant* answer) override {
        return door_.unary(context, *request, [=, this](rpc::Call&) {
            heard_.note("GetTenant");
            if (request->name() != "tenants/duka") throw rpc::not_found(request->name());
            answer->set_name(request->name());
            answer->set_tenant_id("duka");
            answer->mutable_settings()->set_display_name("Duka la Asha");
            answer->mutable_settings()->add_languages("sw");
        });
    }
    grpc::ServerUnaryReactor* ListTenants(grpc::CallbackServerContext* context,
                                          const v1::ListTenantsRequest* request,
                                          v1::ListTenantsResponse*) override {
        return door_.unary(context, *request, [=, this](rpc::Call&) {
            heard_.note("ListTenants");
            rpc::answer_read_position("gateway=0:120,1:33");
            rpc::answer_read_position("gateway=0:121,1:33");
        });
    }
    grpc::ServerUnaryReactor* UpdateTenantSettings(grpc::CallbackServerContext* context,
                                                   const v1::UpdateTenantSettingsRequest* request,
                                                   v1::Tenant*) override {
        return door_.unary(context, *request, [=, this](rpc::Call&) {
            heard_.note("UpdateTenantSettings");
            throw rpc::invalid_field("settings.time_zone", "must be an IANA name");
        });
    }

private:
    rpc::Server& door_;
    Heard& heard_;
};

class Conversations final : public chat::ConversationService::CallbackService {
public:
    Conversations(rpc::Server& door, Heard& heard) : door_(door), heard_(heard) {}
    grpc::ServerUnaryReactor* PlaceOrder(grpc::CallbackServerContext* context,
                                         const chat::PlaceOrderRequest* request,
                                         chat::PlacedOrder* answer) override {
        return door_.unary(context, *request, [=, this](rpc::Call&) {
            heard_.placed = *request;
            answer->set_order_id("o1");
            answer->add_lines()->set_product_name("Coffee");
        });
    }

private:
    rpc::Server& door_;
    Heard& heard_;
};

class MediaFiles final : public v1::MediaService::CallbackService {
public:
    explicit MediaFiles(rpc::Server& door) : door_(door) {}
    grpc::ServerUnaryReactor* GetMedia(grpc::CallbackServerContext* context,
                                       const v1::GetMediaRequest* request,
                                       v1::Media* answer) override {
        return door_.unary(context, *request, [=](rpc::Call&) {
            if (request->name() != "tenants/duka/media/abc" &&
                request->name() != "tenants/duka/media/gone")
                throw rpc::not_found(request->name());
            answer->set_name(request->name());
            answer->set_media_id(request->name().substr(request->name().rfind('/') + 1));
        });
    }

private:
    rpc::Server& door_;
};

class RestDoor : public ::testing::Test {
protected:
    RestDoor() {
        server.add(tenants, v1::TenantService::service_full_name());
        server.add(conversations, chat::ConversationService::service_full_name());
        server.add(media, v1::MediaService::service_full_name());
        server.start();
        channel = rpc::make_channel("127.0.0.1:" + std::to_string(server.port()),
                                    {.internal_key = Secret("internal")});
        open({});
    }
    // Another door with these limits.
    void open(const rpc::RateLimits::Options& rate_limits) {
        limits = std::make_unique<rpc::RateLimits>(rate_limits);
        rest = std::make_unique<Rest>(
            keys,
            RestOptions{.admin_key = Secret(kAdminKey),
                        .admin_password = Secret(kPassword),
                        .rate_limits = limits.get(),
                        .channel = [this](const std::string&) { return channel; },
                        .holder_of = [](std::string_view token) { return holder_of(token); },
                        .media = [](const std::string& tenant,
                                    const std::string& media_id) -> std::optional<MediaBytes> {
                            if (tenant != "duka" || media_id != "abc") return std::nullopt;
                            return MediaBytes{"jpeg bytes", "image/jpeg"};
                        }});
        http::Router router;
        rest->add_routes(router);
        handler = router.handler();
    }
    ~RestDoor() override { server.drain(std::chrono::seconds(1)); }

    http::Response ask(const std::string& method, const std::string& path,
                       const std::string& authorization, const std::string& body = "",
                       const std::string& query = "") {
        http::Request request;
        request.method = method;
        request.path = path;
        request.query = query;
        request.body = body;
        request.remote_address = address;
        if (!authorization.empty()) request.headers.set("Authorization", authorization);
        const auto answered = std::make_shared<std::promise<http::Response>>();
        auto answer = answered->get_future();
        handler(std::move(request), http::Responder([answered](const http::Response& response) {
                    answered->set_value(response);
                }));
        return answer.get();
    }
    // Stands in for the issuer: "ann.<grants>.good", grants being texts between commas. That a
    // token is good is tested beside identity::read_token.
    static rpc::Caller holder_of(std::string_view token) {
        if (token.ends_with(".new"))
            throw rpc::unavailable("the token's key is not known yet", std::chrono::seconds(1));
        if (!token.ends_with(".good")) throw rpc::unauthenticated("the token has expired");
        std::vector<std::string> grants;
        std::istringstream list{std::string(token.substr(4, token.size() - 9))};
        for (std::string each; std::getline(list, each, ',');) grants.push_back(each);
        return {"user:" + std::string(token.substr(0, 3)), identity::parse_grants(grants)};
    }
    static std::string bearer(const std::string& key) { return "Bearer " + key; }
    static std::string basic(const std::string& user, const std::string& password) {
        return "Basic " + crypto::base64_encode(user + ":" + password);
    }
    static std::string reason_of(const http::Response& response) {
        return std::string(json::parse(response.body).at("reason").as_string());
    }

    std::string address = "192.0.2.1";  // where the requests come from
    Heard heard;
    OneTenant keys;
    rpc::Server server{{.admission = {.internal_key = Secret("internal")}}};
    Tenants tenants{server, heard};
    Conversations conversations{server, heard};
    MediaFiles media{server};
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<rpc::RateLimits> limits;
    std::unique_ptr<Rest> rest;
    http::Handler handler;
};

TEST_F(RestDoor, GivesTheBytesOfMediaToWhoeverMayReadThem) {
    const std::string path = "/v1/tenants/duka/media/abc:content";
    const auto file = ask("GET", path, bearer(kTenantKey));
    EXPECT_EQ(file.status, 200);
    EXPECT_EQ(file.body, "jpeg bytes");
    EXPECT_EQ(file.headers.get("Content-Type"), "image/jpeg");
    EXPECT_EQ(file.headers.get("Content-Disposition"), "attachment");
    EXPECT_EQ(file.headers.get("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(ask("GET", path, bearer("Ann.duka:viewer.good")).status, 200);
    EXPECT_EQ(ask("GET", path, "").status, 401);
    EXPECT_EQ(ask("GET", path, bearer("Ann.soko:viewer.good")).status, 404);
    EXPECT_EQ(ask("GET", "/v1/tenants/soko/media/abc:content", bearer(kTenantKey)).status, 404);
    EXPECT_EQ(ask("GET", "/v1/tenants/duka/media/other:content", bearer(kTenantKey)).status, 404);
    // Known, and its bytes are not here.
    EXPECT_EQ(ask("GET", "/v1/tenants/duka/media/gone:content", bearer(kTenantKey)).status, 404);
}

TEST_F(RestDoor, TheCallersKeyIsTheActorOfTheCall) {
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", bearer(kTenantKey)).status, 200);
    EXPECT_EQ(heard.actor("GetTenant"), "key:key-1");
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", bearer(kAdminKey)).status, 200);
    EXPECT_EQ(heard.actor("GetTenant"), "operator");
}

TEST_F(RestDoor, ServicesHearInWhatRoleAndFromWhereTheCallerCame) {
    const auto role_of = [&](const std::string& authorization) {
        EXPECT_EQ(ask("GET", "/v1/tenants/duka", authorization).status, 200) << authorization;
        EXPECT_EQ(heard.sources["GetTenant"], address);
        return heard.roles["GetTenant"];
    };
    EXPECT_EQ(role_of(bearer(kTenantKey)), "api_key");
    EXPECT_EQ(role_of(bearer(kAdminKey)), "operator");
    address = "2001:db8::7";
    EXPECT_EQ(role_of(bearer("ann.duka:viewer,duka:agent,soko:admin.good")), "agent");
    EXPECT_EQ(role_of(bearer("ann.platform_admin.good")), "operator");
}

TEST_F(RestDoor, WhatIsForOperatorsIsClosedToATenantsKey) {
    EXPECT_EQ(reason_of(ask("GET", "/v1/tenants", bearer(kTenantKey))), "PERMISSION_DENIED");
    EXPECT_EQ(reason_of(ask("POST", "/v1/tenants/duka:suspend", bearer(kTenantKey), "{}")),
              "PERMISSION_DENIED");
    EXPECT_EQ(reason_of(ask("GET", "/v1/tenants/other", bearer(kTenantKey))), "NOT_FOUND");
    EXPECT_EQ(ask("GET", "/v1/tenants", bearer(kAdminKey)).status, 200);
}

TEST_F(RestDoor, TheStatusOfASuccessIsSaidByTheMethodItself) {
    const auto made = ask("POST", "/v1/tenants", bearer(kAdminKey), R"({"settings":{"name":"a"}})");
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", bearer(kAdminKey)).status, 200);
}

TEST_F(RestDoor, APasswordOpensTheAdminPathsForAnyUser) {
    for (const auto* password : {kPassword, kAdminKey}) {
        EXPECT_EQ(ask("GET", "/admin/tenants", basic("ann", password)).status, 200) << password;
        EXPECT_EQ(heard.actor("ListTenants"), "operator:ann");
    }
    EXPECT_EQ(ask("GET", "/admin/tenants", basic("", kPassword)).status, 200);
    EXPECT_EQ(heard.actor("ListTenants"), "operator");
    EXPECT_EQ(ask("GET", "/admin/tenants/duka", basic("ann", kPassword)).status, 200);
    EXPECT_EQ(reason_of(ask("GET", "/api/admin/stats", basic("ann", kPassword))),
              "FIELD_INVALID");  // let in, and asked for businessId
}

TEST_F(RestDoor, APasswordOpensNothingElseAndAWrongOneNothing) {
    for (const auto& header : {basic("ann", "wrong"), basic("ann", ""), basic("ann", kTenantKey),
                               "Basic " + crypto::base64_encode(kPassword), std::string("Basic !!"),
                               std::string("Basic "), bearer(kPassword), std::string()}) {
        const auto refused = ask("GET", "/admin/tenants", header);
        EXPECT_EQ(refused.status, 401) << header;
        EXPECT_EQ(reason_of(refused), "UNAUTHENTICATED");
        EXPECT_EQ(refused.headers.get("WWW-Authenticate"), "Basic realm=\"FlowStack\", Bearer");
    }
    for (const auto* path : {"/v1/tenants", "/api/orders", "/tenants/duka/templates"}) {
        const auto refused = ask("GET", path, basic("ann", kPassword));
        EXPECT_EQ(refused.status, 401) << path;
        EXPECT_EQ(refused.headers.get("WWW-Authenticate"), "Bearer") << path;
    }
}

TEST_F(RestDoor, AnAddressThatGuessesPasswordsMustWait) {
    const auto guess = [&] { return ask("GET", "/admin/tenants", basic("ann", "wrong")); };
    for (int i = 0; i < WrongSecrets::Options{}.at_once_max; ++i)
        EXPECT_EQ(guess().status, 401) << i;
    const auto refused = guess();
    EXPECT_EQ(refused.status, 429);
    const auto wait = std::stoi(std::string(refused.headers.get("Retry-After")));
    EXPECT_GT(wait, 0);
    EXPECT_LE(wait, WrongSecrets::Options{}.every / std::chrono::seconds(1));
    // Not even the right one is looked at now, or else the refusal would tell which one is right.
    EXPECT_EQ(ask("GET", "/admin/tenants", basic("ann", kPassword)).status, 429);
    // A key is no password, and other people are not held up.
    EXPECT_EQ(ask("GET", "/admin/tenants", bearer(kAdminKey)).status, 200);
    address = "192.0.2.2";
    EXPECT_EQ(ask("GET", "/admin/tenants", basic("ann", kPassword)).status, 200);
    EXPECT_EQ(guess().status, 401);
}

TEST_F(RestDoor, AnAddressThatGuessesKeysMustWait) {
    const auto guess = [&](int i) {
        return ask("GET", "/v1/tenants", bearer("wrong" + std::to_string(i)));
    };
    for (int i = 0; i < RestOptions{}.wrong_keys_max; ++i) EXPECT_EQ(guess(i).status, 401) << i;
    const auto refused = guess(0);
    EXPECT_EQ(refused.status, 429);
    const auto wait = std::stoi(std::string(refused.headers.get("Retry-After")));
    EXPECT_GT(wait, 0);
    EXPECT_LE(wait, RestOptions{}.wrong_key_every / std::chrono::seconds(1));
    // ADMIN_KEY is not looked at either, or else a guesser would learn that it is the right one.
    EXPECT_EQ(ask("GET", "/v1/tenants", bearer(kAdminKey)).status, 429);
    // Who asks without a key guesses nothing.
    EXPECT_EQ(ask("GET", "/v1/tenants", "").status, 401);
}

TEST_F(RestDoor, NobodysGuessesLockOutARightKey) {
    for (int i = 0; i < 2 * RestOptions{}.wrong_keys_max; ++i)
        ask("GET", "/v1/tenants", bearer("wrong" + std::to_string(i)));
    // A shop may share the guesser's address: a proxy's, a mobile network's.
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", bearer(kTenantKey)).status, 200);
    address = "192.0.2.2";
    EXPECT_EQ(ask("GET", "/v1/tenants", bearer(kAdminKey)).status, 200);
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", bearer(kTenantKey)).status, 200);
}

TEST_F(RestDoor, AListSaysUpToWhichEventsItIsComplete) {
    // The first of several reads of a call counts: all of them are as far as that.
    EXPECT_EQ(ask("GET", "/v1/tenants", bearer(kAdminKey)).headers.get("X-Read-Position"),
              "gateway=0:120,1:33");
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", bearer(kAdminKey)).headers.get("X-Read-Position"), "");
}

TEST_F(RestDoor, ATokensHolderMayDoWhatItGrants) {
    const auto admin = bearer("ann.duka:admin,x:viewer.good");
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", admin).status, 200);
    EXPECT_EQ(heard.actor("GetTenant"), "user:ann");
    EXPECT_EQ(ask("GET", "/admin/tenants/duka", admin).status, 200);
    EXPECT_EQ(reason_of(ask("GET", "/v1/tenants", admin)), "PERMISSION_DENIED");
    EXPECT_EQ(reason_of(ask("POST", "/v1/tenants/duka:suspend", admin, "{}")), "PERMISSION_DENIED");
    const auto operates = bearer("bob.platform_admin.good");
    EXPECT_EQ(ask("GET", "/v1/tenants", operates).status, 200);
    EXPECT_EQ(heard.actor("ListTenants"), "user:bob");
    EXPECT_EQ(ask("GET", "/v1/tenants/duka", operates).status, 200);
}

TEST_F(RestDoor, ARoleOpensWhatTheMethodSays) {
    const auto reason = [&](const std::string& role, const char* method, const char* path) {
        const auto response = ask(method, path, bearer("ann.duka:" + role + ".good"),
                                  std::string_view(method) == "GET" ? "" : "{}");
        return response.status < 300 ? "" : reason_of(response);
    };
    for (const auto* role : {"viewer", "auditor", "agent", "admin"}) {
        EXPECT_EQ(reason(role, "GET", "/v1/tenants/duka"), "") << role;
        EXPECT_EQ(reason(role, "POST", "/v1/tenants/other/orders"), "NOT_FOUND") << role;
        EXPECT_EQ(reason(role, "POST", "/v1/tenants/duka:suspend"), "PERMISSION_DENIED") << role;
    }
    for (const auto* role : {"agent", "admin"})
        EXPECT_EQ(reason(role, "POST", "/v1/tenants/duka/orders"), "") << role;
    // By the paths of /v1, and by those of older systems that call the same methods.
    for (const auto* role : {"viewer", "auditor"})
        for (const auto* path : {"/v1/tenants/duka/orders", "/v1/tenants/duka/apiKeys"})
            EXPECT_EQ(reason(role, "POST", path), "PERMISSION_DENIED") << role << path;
    EXPECT_EQ(reason("agent", "POST", "/v1/tenants/duka/apiKeys"), "PERMISSION_DENIED");
    EXPECT_EQ(reason("viewer", "GET", "/admin/tenants/duka/logs"), "PERMISSION_DENIED");
}

// The same tokens at a service's own door.
TEST_F(RestDoor, ARoleOpensTheSameByGrpc) {
    rpc::Server door(
        {.admission = {.internal_key = Secret("internal"),
                       .holder_of = [](std::string_view token) { return holder_of(token); }}});
    Tenants at_tenants(door, heard);
    Conversations at_conversations(door, heard);
    door.add(at_tenants, v1::TenantService::service_full_name());
    door.add(at_conversations, chat::ConversationService::service_full_name());
    door.start();
    const auto to_door =
        rpc::make_channel("127.0.0.1:" + std::to_string(door.port()), {.attempts_max = 1});
    const auto tenants_stub = v1::TenantService::NewStub(to_door);
    const auto chat_stub = chat::ConversationService::NewStub(to_door);
    const auto reason = [](const grpc::Status& status) {
        const auto failure = rpc::failure_of(status);
        return failure ? rpc::reason_text(failure->reason) : "";
    };
    const auto get = [&](const std::string& role, const std::string& tenant) {
        grpc::ClientContext context;
        context.AddMetadata("authorization", bearer("ann.duka:" + role + ".good"));
        v1::GetTenantRequest request;
        request.set_name("tenants/" + tenant);
        v1::Tenant answer;
        return reason(tenants_stub->GetTenant(&context, request, &answer));
    };
    const auto place = [&](const std::string& role, const std::string& tenant) {
        grpc::ClientContext context;
        context.AddMetadata("authorization", bearer("ann.duka:" + role + ".good"));
        chat::PlaceOrderRequest request;
        request.set_parent("tenants/" + tenant);
        chat::PlacedOrder answer;
        return reason(chat_stub->PlaceOrder(&context, request, &answer));
    };
    for (const auto* role : {"viewer", "auditor", "agent", "admin"}) {
        EXPECT_EQ(get(role, "duka"), "") << role;
        EXPECT_EQ(heard.actor("GetTenant"), "user:ann");
        EXPECT_EQ(get(role, "other"), "NOT_FOUND") << role;
        EXPECT_EQ(place(role, "other"), "NOT_FOUND") << role;
    }
    for (const auto* role : {"viewer", "auditor"})
        EXPECT_EQ(place(role, "duka"), "PERMISSION_DENIED") << role;
    for (const auto* role : {"agent", "admin"}) EXPECT_EQ(place(role, "duka"), "") << role;
    door.drain(std::chrono::seconds(1));
}

TEST_F(RestDoor, AForeignTenantIsNotFoundWhateverATokenGrantsElsewhere) {
    for (const auto* token : {"ann.other:admin.good", "ann.duka2:admin,duk:admin.good", "ann..good",
                              "ann.admin,duka,:admin.good"}) {
        EXPECT_EQ(reason_of(ask("GET", "/v1/tenants/duka", bearer(token))), "NOT_FOUND") << token;
        EXPECT_EQ(reason_of(ask("GET", "/admin/tenants/duka", bearer(token))), "NOT_FOUND");
        EXPECT_EQ(reason_of(ask("POST", "/v1/tenants/duka:suspend", bearer(token), "{}")),
                  "NOT_FOUND");
    }
}

TEST_F(RestDoor, ATokenForSeveralTenantsMustNameOne) {
    EXPECT_EQ(reason_of(ask("GET", "/api/orders", bearer("ann.duka:admin,x:admin.good"))),
              "FIELD_INVALID");
    EXPECT_EQ(reason_of(ask("GET", "/api/orders", bearer("ann..good"))), "PERMISSION_DENIED");
}

TEST_F(RestDoor, ATokenThatIsNotGoodSaysWhyAndCountsAsAWrongKey) {
    const auto refused = ask("GET", "/v1/tenants", bearer("ann.platform_admin.old"));
    EXPECT_EQ(reason_of(refused), "UNAUTHENTICATED");
    EXPECT_NE(refused.body.find("has expired"), std::string::npos);
    const auto later = ask("GET", "/v1/tenants", bearer("ann.platform_admin.new"));
    EXPECT_EQ(later.status, 503);
    EXPECT_EQ(later.headers.get("Retry-After"), "1");
    for (int i = 1; i < RestOptions{}.wrong_keys_max; ++i)
        EXPECT_EQ(ask("GET", "/v1/tenants", bearer("a.b.c")).status, 401) << i;
    EXPECT_EQ(ask("GET", "/v1/tenants", bearer("a.b.c")).status, 429);
    EXPECT_EQ(ask("GET", "/v1/tenants", bearer("wrong")).status, 429);
    EXPECT_EQ(ask("GET", "/v1/tenants", bearer("bob.platform_admin.good")).status, 200);
}

// --- Limits on calls.

TEST_F(RestDoor, AKeyThatCallsTooOftenGets429AndOperatorsAreNotCounted) {
    metrics::Registry registry;
    open({.key_calls_per_second = 1, .key_calls_at_once_max = 3, .metrics = &registry});
    const auto get = [&](const char* key) { return ask("GET", "/v1/tenants/duka", bearer(key)); };
    EXPECT_EQ(get(kTenantKey).status, 200);
    EXPECT_EQ(get(kTenantKey).status, 200);
    // The short paths count too.
    EXPECT_NE(ask("GET", "/tenants/duka/templates", bearer(kTenantKey)).status, 429);
    const auto refused = get(kTenantKey);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(reason_of(refused), "RATE_LIMITED");
    EXPECT_EQ(refused.headers.get("Retry-After"), "1");
    EXPECT_EQ(refused.headers.get("Content-Type"), "application/problem+json");
    EXPECT_NE(refused.body.find("1 calls a second, 3 at once"), std::string::npos);
    EXPECT_NE(refused.body.find("key:key-1"), std::string::npos);
    EXPECT_EQ(refused.body.find(kTenantKey), std::string::npos);
    EXPECT_NE(registry.render().find(R"(flowstack_client_rate_limited_total{limit="key"} 1)"),
              std::string::npos);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(get(kAdminKey).status, 200);
    // A wrong key is refused for what it is, and costs nobody's share.
    EXPECT_EQ(get("wrong").status, 401);
}

TEST(WrongSecrets, LetAnAddressTryAgainAfterAWhile) {
    WrongSecrets wrong;
    resilience::Instant now{std::chrono::hours(1)};
    for (int i = 0; i < WrongSecrets::Options{}.at_once_max; ++i) {
        EXPECT_FALSE(wrong.wait_of("a", now));
        wrong.count("a", now);
    }
    const auto wait = wrong.wait_of("a", now);
    ASSERT_TRUE(wait);
    EXPECT_FALSE(wrong.wait_of("b", now));
    now += *wait;
    EXPECT_FALSE(wrong.wait_of("a", now));
    wrong.count("a", now);
    EXPECT_TRUE(wrong.wait_of("a", now));
}

TEST(WrongSecrets, AreLimitedTogetherWhenTheyComeFromMoreAddressesThanAreRemembered) {
    WrongSecrets wrong;
    const resilience::Instant now{std::chrono::hours(1)};
    for (std::size_t i = 0; i < WrongSecrets::kAddressesMax; ++i)
        wrong.count(std::to_string(i), now);
    for (int i = 0; i < WrongSecrets::Options{}.at_once_max; ++i) {
        EXPECT_FALSE(wrong.wait_of("new", now));
        wrong.count("new " + std::to_string(i), now);
    }
    EXPECT_TRUE(wrong.wait_of("new", now));
    EXPECT_FALSE(wrong.wait_of("7", now)) << "an address that is remembered has its own limit";
    // Those that rested are forgotten, and there is room again.
    const auto later = now + std::chrono::hours(1);
    wrong.count("new", later);
    EXPECT_FALSE(wrong.wait_of("another", later));
}

TEST(WrongSecrets, HoldUpNobodyAnewWhenTheyAreAskedToShareNoLimit) {
    WrongSecrets wrong({.at_once_max = 1, .share_when_full = false});
    const resilience::Instant now{std::chrono::hours(1)};
    for (std::size_t i = 0; i < 2 * WrongSecrets::kAddressesMax; ++i)
        wrong.count(std::to_string(i), now);
    EXPECT_TRUE(wrong.wait_of("7", now));
    EXPECT_FALSE(wrong.wait_of("new", now));
}

TEST(WrongSecrets, TakeANetworkOfIpv6ForOneGuesser) {
    WrongSecrets wrong({.at_once_max = 1});
    const resilience::Instant now{std::chrono::hours(1)};
    wrong.count("2001:db8:1:2::1", now);
    EXPECT_TRUE(wrong.wait_of("2001:db8:1:2:ffff::7", now));
    EXPECT_FALSE(wrong.wait_of("2001:db8:1:3::1", now));
}

TEST_F(RestDoor, AnEmptyPasswordSettingOpensNothing) {
    Rest without(keys, RestOptions{.admin_key = Secret(kAdminKey),
                                   .channel = [this](const std::string&) { return channel; }});
    http::Router router;
    without.add_routes(router);
    handler = router.handler();
    EXPECT_EQ(ask("GET", "/admin/tenants", basic("ann", "")).status, 401);
    EXPECT_EQ(ask("GET", "/admin/tenants", basic("ann", kPassword)).status, 401);
    EXPECT_EQ(ask("GET", "/admin/tenants", basic("ann", kAdminKey)).status, 200);
}

TEST_F(RestDoor, OneTenantIsShownByTheOlderPath) {
    const auto shown = ask("GET", "/admin/tenants/duka", bearer(kAdminKey));
    ASSERT_EQ(shown.status, 200);
    const auto tenant = json::parse(shown.body);
    EXPECT_EQ(tenant.at("id").as_string(), "duka");
    EXPECT_EQ(tenant.at("displayName").as_string(), "Duka la Asha");
    EXPECT_EQ(tenant.at("language").as_string(), "sw");
    EXPECT_EQ(ask("GET", "/admin/tenants/nobody", bearer(kAdminKey)).status, 404);
    EXPECT_EQ(ask("GET", "/admin/tenants/nobody", bearer(kTenantKey)).status, 404);
    EXPECT_EQ(ask("GET", "/admin/tenants/duka", bearer(kTenantKey)).status, 200);
}

TEST_F(RestDoor, TheFormOfATenantIsTakenWhole) {
    const auto made = ask("POST", "/admin/tenants", bearer(kAdminKey),
                          R"({"name":"duka","displayName":"Duka la Asha","templateType":"ECOMMERCE",
                              "language":"sw","phoneNumber":"+254 700 000 001",
                              "phoneNumberId":"106","accessToken":"mock_t"})");
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(heard.registered.settings().display_name(), "Duka la Asha");
    EXPECT_EQ(heard.registered.settings().pack(), "ECOMMERCE");
    ASSERT_EQ(heard.registered.settings().languages_size(), 1);
    EXPECT_EQ(heard.registered.settings().languages(0), "sw");
    EXPECT_EQ(heard.registered.channel().display_phone_number(), "+254 700 000 001");
    EXPECT_EQ(json::parse(made.body).at("templateType").as_string(), "ECOMMERCE");
}

TEST_F(RestDoor, AnOrderNeedsNoAddressAndNoName) {
    const auto placed = ask("POST", "/api/orders", bearer(kTenantKey),
                            R"({"phoneNumber":"+254712345678","productId":"coffee","quantity":2})");
    EXPECT_EQ(placed.status, 201) << placed.body;
    EXPECT_EQ(heard.placed.phone(), "+254712345678");
    EXPECT_EQ(heard.placed.quantity(), 2);
    EXPECT_EQ(heard.placed.delivery_address(), "");
    EXPECT_EQ(heard.placed.customer_name(), "");
}

TEST_F(RestDoor, ARefusalNamesTheFieldAsJsonWritesIt) {
    const auto refused = ask("PATCH", "/v1/tenants/duka/settings", bearer(kTenantKey),
                             R"({"settings":{"timeZone":"EAT"},"updateMask":"timeZone"})");
    EXPECT_EQ(refused.status, 422);
    EXPECT_EQ(json::parse(refused.body).at("violations").at(0).at("field").as_string(),
              "settings.timeZone");
}

// A query is no JSON: what stands in it is one value of its member and nothing more.
TEST_F(RestDoor, AQueryParameterIsOneValueOfItsKind) {
    const auto refused = [&](const std::string& query) {
        const auto answer = ask("GET", "/v1/tenants/duka/orders", bearer(kTenantKey), "", query);
        EXPECT_EQ(answer.status, 422) << query << ": " << answer.body;
        return std::string(json::parse(answer.body).at("violations").at(0).at("field").as_string());
    };
    EXPECT_EQ(refused("countAll=null"), "countAll");
    EXPECT_EQ(refused("countAll=1"), "countAll");
    EXPECT_EQ(refused("countAll=true,%22pageSize%22:7"), "countAll");
    EXPECT_EQ(refused("paymentState=0"), "paymentState");
    EXPECT_EQ(refused("paymentState=PAID"), "paymentState");
    EXPECT_EQ(refused("pageSize=many"), "pageSize");
    EXPECT_EQ(refused("nothing=1"), "nothing");
    // Taken: nobody serves orders here.
    EXPECT_EQ(ask("GET", "/v1/tenants/duka/orders", bearer(kTenantKey), "",
                  "countAll=true&paymentState=ORDER_PAYMENT_STATE_PAID&pageSize=7")
                  .status,
              500);
}

// What is no text cannot be carried to a service: the caller's mistake, and not a fault of ours.
TEST_F(RestDoor, ABodyThatIsNoTextIsMalformed) {
    for (const auto* path : {"/tenants/duka/flows", "/v1/tenants/duka/flows",
                             "/v1/tenants/duka/orders", "/tenants/duka/send", "/api/orders"}) {
        const auto answer = ask("POST", path, bearer(kTenantKey), "{\"flowKey\":\"\xff\xfe\"}");
        EXPECT_EQ(answer.status, 400) << path << ": " << answer.body;
        EXPECT_EQ(reason_of(answer), "MALFORMED") << path;
    }
}

// Also where a method would not look at the key, as when it only checks what it is given.
TEST_F(RestDoor, AnIdempotencyKeyOfAnyMethodHasALimit) {
    const auto ask_with_key = [&](const std::string& key) {
        http::Request request;
        request.method = "POST";
        request.path = "/v1/tenants/duka/flows";
        request.body = R"({"validateOnly":true})";
        request.headers.set("Authorization", bearer(kTenantKey));
        request.headers.set("Idempotency-Key", key);
        std::promise<http::Response> answered;
        auto answer = answered.get_future();
        handler(std::move(request), http::Responder([&](const http::Response& response) {
                    answered.set_value(response);
                }));
        return answer.get();
    };
    const auto refused = ask_with_key(std::string(201, 'k'));
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(json::parse(refused.body).at("violations").at(0).at("field").as_string(),
              "requestId");
    EXPECT_EQ(ask_with_key(std::string(200, 'k')).status, 500);  // taken; nobody serves flows here
}

}  // namespace
}  // namespace flowstack::gateway
