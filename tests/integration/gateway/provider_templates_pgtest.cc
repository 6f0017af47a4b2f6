#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/payload.h"
#include "common/eventlog/read_model.h"
#include "common/http/client.h"
#include "common/http/server.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/gateway/v1/message_service.grpc.pb.h"
#include "flowstack/gateway/v1/notice_events.pb.h"
#include "flowstack/gateway/v1/provider_template_events.pb.h"
#include "flowstack/gateway/v1/provider_template_service.grpc.pb.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/reactor.h"
#include "services/gateway/providers/meta/cloud_api.h"
#include "services/gateway/templates/rpc_provider_templates.h"
#include "services/gateway/templates/template_sync.h"
#include "services/sandbox/door.h"
#include "services/sandbox/live_world.h"
#include "services/sandbox/record.h"
#include "services/sandbox/sandbox.h"
#include "tests/support/test_database.h"

// Templates at the provider: from the API over the log to Meta's stand-in and back, on a real
// database.
namespace flowstack::gateway {
namespace {

using namespace std::chrono_literals;

constexpr int kLanes = 4;
constexpr const char* kAccount = "102290129340398";
constexpr const char* kMasterKey =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

// Meta's stand-in behind a port of its own.
struct StandIn {
    StandIn() { server.start(); }
    ~StandIn() {
        server.drain(0ms);
        world.stop();
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server.port()); }

    sandbox::LiveWorld world;
    sandbox::Record record{""};
    sandbox::Sandbox stand_ins{world, record};
    http::Server server{{}, sandbox::door(stand_ins)};
};

class TemplatesAtTheProvider : public ::testing::Test {
protected:
    using Stub = v1::ProviderTemplateService::Stub;

    TemplatesAtTheProvider() {
        control("PUT", "/control/numbers",
                R"({"phone_number_id":"P1","waba_id":"102290129340398","token":"token",
                    "app_secret":"s","webhook_url":"http://127.0.0.1:1/w",
                    "display_phone_number":"254700000001"})");
        consumption.react([this](const eventlog::Recorded& e, eventlog::Turn& t) {
            reactor.react(e, t);
            template_reactor.react(e, t);
        });
        consumption.project(project);
        consumption.assign({0, 1, 2, 3});
        owners.assigned({0, 1, 2, 3});
        for (auto& service : message_services) rpc_door.add(*service.service, service.full_name);
        rpc_door.add(*template_service.service, template_service.full_name);
        rpc_door.start();
        const auto channel =
            rpc::make_channel("127.0.0.1:" + std::to_string(rpc_door.port()), {.attempts_max = 1});
        templates = v1::ProviderTemplateService::NewStub(channel);
        messages = v1::MessageService::NewStub(channel);
        connect("duka", "token");
    }
    ~TemplatesAtTheProvider() override { rpc_door.drain(0ms); }

    void append(const std::string& tenant, eventlog::Routing routing, eventlog::StreamName stream,
                std::int64_t expected, eventlog::NewEvent event) {
        eventlog::Command command;
        command.id = ids.next().text();
        command.tenant = tenant;
        command.meta.routing = std::move(routing);
        command.parts.push_back({std::move(stream), expected, {std::move(event)}});
        ASSERT_TRUE(store.append(std::move(command)).accepted());
    }
    void connect(const std::string& tenant, const std::string& token) {
        TenantSettings settings;
        settings.name = tenant;
        const ChannelId id("ch1");
        const ExternalChannelId number(tenant == "duka" ? "P1" : "P-" + tenant);
        append(
            tenant, by_tenant(tenant), tenant_stream(tenant), 0,
            encode(TenantEvent(TenantRegistered{.tenant = {.tenant_id = tenant,
                                                           .settings = with_defaults(settings, {}),
                                                           .channel_id = id,
                                                           .channel_kind = "META_CLOUD",
                                                           .channel_external_id = number}}),
                   clock.now()));
        append(tenant, by_channel(id), channel_stream(tenant, id), 0,
               encode(ChannelEvent(ChannelConnected{
                          .channel = {.channel_id = id,
                                      .kind = "META_CLOUD",
                                      .external_id = number,
                                      .business_account_id = kAccount,
                                      .app_id = "",
                                      .display_phone_number = "",
                                      .credentials = {.sealed = data_keys.of(tenant)->seal(
                                                          Secret(token), credential_purpose(id))},
                                      .limits = {}}}),
                      clock.now()));
        directory.apply({tenant, "tenant", tenant});
        directory.apply({tenant, "channel", id.text()});
    }

    void consume() {
        for (int i = 0; i < 3; ++i) consumption.apply({});
    }
    int rows_of(std::string_view kind) {
        return store.pool().with([&](postgres::Session& s) {
            return s
                .query("select count(*)::int from work where kind = $1",
                       postgres::Params().add(std::string(kind)))
                .int4(0, 0);
        });
    }
    template <class Handle>
    void work(std::string_view kind, Handle handle) {
        const auto rows = store.pool().with([&](postgres::Session& s) {
            return s.query("select lane, key, due_at, ref from work where kind = $1",
                           postgres::Params().add(std::string(kind)));
        });
        for (int n = 0; n < rows.rows(); ++n) {
            const eventlog::WorkRow row{rows.int4(n, 0), std::string(kind),
                                        rows.text(n, 1), rows.time(n, 2),
                                        rows.text(n, 3), *owners.guard(rows.int4(n, 0))};
            auto done = std::make_shared<std::promise<void>>();
            auto finished = done->get_future();
            handle(row, [done] { done->set_value(); });
            finished.get();
        }
        consume();
    }
    // Reads the lists that are asked for, whenever they are due.
    void sync() {
        consume();
        work(kTemplateListingKind, [this](const auto& row, auto done) { syncer.list(row, done); });
    }
    std::string control(const std::string& method, const std::string& path,
                        const std::string& body) {
        http::ClientRequest request;
        request.method = method;
        request.url = graph.url() + path;
        request.headers.add("Content-Type", "application/json");
        request.body = body;
        const auto result = client.call_and_wait(std::move(request));
        EXPECT_LT(result.response.status, 300) << result.response.body;
        return result.response.body;
    }
    // Meta judges, and tells nobody.
    void judge(const std::string& name, const std::string& status, const std::string& reason = "") {
        control("POST", "/control/templates",
                R"({"waba_id":"102290129340398","notify":false,"name":")" + name +
                    R"(","status":")" + status + R"(","reason":")" + reason + R"("})");
    }
    // What Meta tells, as the door writes it down.
    void told(const std::string& status, const std::string& tenant = "duka",
              const std::string& reason = "", Time at = {}) {
        v1::NoticeReceived notice;
        notice.set_kind(v1::NOTICE_KIND_TEMPLATE_STATUS);
        notice.set_business_account_id(kAccount);
        notice.set_event(status);
        notice.set_reason(reason);
        auto& about = *notice.mutable_template_();
        about.set_name("order_ready");
        about.set_language_code("en_US");
        about.set_status(status == "FLAGGED" ? "" : status);
        append(tenant, by_account(kAccount), {tenant, "notice", kAccount}, eventlog::kAny,
               eventlog::stored(notice, at == Time{} ? clock.now() + 2s : at));
        consume();
    }

    template <class Response, class Method, class Request>
    Response ask(Method method, Request request) {
        Response response;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        failure = rpc::failure_of(std::invoke(method, *templates, &context, request, &response));
        return response;
    }
    static v1::CreateProviderTemplateRequest creation(const std::string& name = "order_ready") {
        v1::CreateProviderTemplateRequest request;
        request.set_parent("tenants/duka");
        request.set_request_id("make-" + name);
        auto& draft = *request.mutable_template_();
        draft.set_name(name);
        draft.set_language_code("en_US");
        draft.set_category("UTILITY");
        draft.mutable_parts()->set_body("Hi {{1}}, come.");
        draft.mutable_parts()->add_body_examples()->set_value("Asha");
        return request;
    }
    v1::ProviderTemplate create(const v1::CreateProviderTemplateRequest& request) {
        return ask<v1::ProviderTemplate>(&Stub::CreateProviderTemplate, request);
    }
    v1::ProviderTemplate get(const std::string& name) {
        v1::GetProviderTemplateRequest request;
        request.set_name(name);
        return ask<v1::ProviderTemplate>(&Stub::GetProviderTemplate, request);
    }
    v1::ListProviderTemplatesResponse list(const std::string& tenant = "duka") {
        v1::ListProviderTemplatesRequest request;
        request.set_parent("tenants/" + tenant);
        return ask<v1::ListProviderTemplatesResponse>(&Stub::ListProviderTemplates, request);
    }
    // Why a message of the template is refused; empty when it is queued.
    std::string refusal(const std::string& name = "order_ready", int values = 1) {
        v1::SendMessageRequest request;
        request.set_parent("tenants/duka");
        request.set_to("+255712345678");
        request.set_request_id(ids.next().text());
        auto& content = *request.mutable_content()->mutable_template_();
        content.set_name(name);
        content.set_language_code("en_US");
        for (int n = 0; n < values; ++n) content.add_body_parameters("Asha");
        v1::Message message;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        const auto why = rpc::failure_of(messages->SendMessage(&context, request, &message));
        return why ? why->message : "";
    }
    int calls_of(const std::string& what) {
        const auto text = control("GET", "/control/record?kind=template_changed", "");
        int count = 0;
        for (auto at = text.find("\"what\":\"" + what); at != std::string::npos;
             at = text.find("\"what\":\"" + what, at + 1))
            ++count;
        return count;
    }

    testing::TestDatabase database{kLanes, "gateway"};
    SystemClock clock;
    IdSource ids{clock};
    crypto::MasterKey master{*crypto::MasterKey::from_hex(Secret(kMasterKey))};
    crypto::RootKey root_key{Secret(kMasterKey)};
    DerivedKeys keys{root_key};
    eventlog::Store store{
        {.service = "gateway", .database_url = database.service_url(), .lanes = kLanes},
        make_derive(kLanes, keys)};
    keys::DataKeys data_keys{store.pool(), master};
    eventlog::ReadModel read_model{store, "key"};
    eventlog::Owners owners{store, "r1"};
    Directory directory{store, data_keys};
    Contacts contacts{store, keys, ids, clock};
    metrics::Registry metrics;
    http::Client client;

    StandIn graph;
    meta::CloudApi cloud_api{
        client, {.base_url = graph.url() + "/v25.0", .apps = {}, .verify_token = Secret("verify")}};
    Providers providers{{&cloud_api}};
    TemplateBook book{store};
    Reactor reactor{store, directory, contacts, {}};
    TemplateReactor template_reactor{book, providers};
    TemplateSync syncer{book,  directory, providers,
                        clock, metrics,   {.every = 6h, .list_lag = 0ms, .timeout = 2'000ms}};
    eventlog::Consumption consumption{
        store,
        {{"gateway", eventlog::own_source(store)}},
        {.consumer = "gateway", .head_compare_every = 0ms, .idle_cursor_after = 0ms}};
    rpc::Server rpc_door{{.deadline_required = true}};
    Doors doors{.rpc = rpc_door,
                .store = store,
                .read_model = read_model,
                .directory = directory,
                .contacts = contacts,
                .data_keys = data_keys,
                .clock = clock,
                .ids = ids,
                .providers = providers,
                .templates = &book,
                .template_timeout = 2'000ms};
    std::vector<NamedService> message_services = make_message_services(doors);
    NamedService template_service = make_provider_template_service(doors);
    std::unique_ptr<Stub> templates;
    std::unique_ptr<v1::MessageService::Stub> messages;
    std::optional<rpc::Failure> failure;
};

TEST_F(TemplatesAtTheProvider, AreListedWhenAChannelIsConnectedAndNotAgainBeforeTheirTime) {
    sync();
    const auto listed = list();
    ASSERT_EQ(listed.provider_templates_size(), 1);
    EXPECT_EQ(listed.provider_templates(0).key().name(), "hello_world");
    EXPECT_EQ(listed.provider_templates(0).status(), "APPROVED");
    EXPECT_EQ(listed.provider_templates(0).parts().body(), "Hello World");
    ASSERT_EQ(listed.accounts_size(), 1);
    EXPECT_EQ(listed.accounts(0).templates(), 1);
    EXPECT_TRUE(listed.accounts(0).has_list_time());
    const auto head = store.heads();
    consume();
    EXPECT_EQ(store.heads(), head) << "nothing is written when nothing changed";
    EXPECT_EQ(rows_of(kTemplateListingKind), 1) << "for the next time";
}

TEST_F(TemplatesAtTheProvider, AreMadeOnceHoweverOftenTheyAreAskedFor) {
    const auto made = create(creation());
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_EQ(made.status(), "PENDING");
    EXPECT_FALSE(made.provider_template_id().empty());
    EXPECT_FALSE(made.has_open_request());
    EXPECT_EQ(create(creation()).name(), made.name());
    EXPECT_EQ(calls_of("created"), 1);
    auto other = creation();
    other.set_request_id("another");
    create(other);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_ALREADY_EXISTS);
}

TEST_F(TemplatesAtTheProvider, AreCheckedBeforeTheProviderIsAsked) {
    auto request = creation();
    request.mutable_template_()->mutable_parts()->set_body("{{1}} comes.");
    create(request);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(failure->fields.at(0).field, "template.parts.body");
    EXPECT_EQ(calls_of("created"), 0);
}

TEST_F(TemplatesAtTheProvider, WhatTheProviderRefusesIsSaidInItsWordsAtEveryRepeat) {
    control("PUT", "/control/numbers", R"({"phone_number_id":"P1","templates_max":1})");
    for (int n = 0; n < 2; ++n) {
        create(creation());
        ASSERT_TRUE(failure);
        EXPECT_EQ(failure->code, grpc::StatusCode::FAILED_PRECONDITION);
        EXPECT_EQ(failure->metadata.at("code"), "2388019");
        EXPECT_NE(failure->message.find("exceeded"), std::string::npos) << failure->message;
    }
}

TEST_F(TemplatesAtTheProvider, ALostAnswerIsSettledByTheListAndNotByAnotherCall) {
    control("POST", "/control/faults",
            R"({"provider":"meta","call":"templates","effect":{"cut":"after"}})");
    const auto made = create(creation());
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_TRUE(made.open_request().unknown());
    EXPECT_EQ(made.status(), "");
    create([] {
        auto again = creation();
        again.set_request_id("again");
        return again;
    }());
    ASSERT_TRUE(failure) << "it is not asked again blindly";
    sync();
    const auto settled = get(made.name());
    EXPECT_FALSE(settled.has_open_request());
    EXPECT_EQ(settled.status(), "PENDING");
    EXPECT_EQ(calls_of("created"), 1);
}

TEST_F(TemplatesAtTheProvider, ACallThatDidNotArriveIsFoundMissingByTheList) {
    control("POST", "/control/faults",
            R"({"provider":"meta","call":"templates","effect":{"cut":"before"}})");
    const auto made = create(creation());
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_TRUE(made.open_request().unknown());
    sync();
    const auto settled = get(made.name());
    EXPECT_FALSE(settled.has_open_request());
    EXPECT_EQ(settled.refused_request().operation(), v1::TEMPLATE_OPERATION_CREATE);
    auto again = creation();
    again.set_request_id("again");
    EXPECT_EQ(create(again).status(), "PENDING");
}

TEST_F(TemplatesAtTheProvider, ARequestWhoseProcessEndedBecomesUnknown) {
    const TemplateKey key{
        .business_account_id = kAccount, .name = "order_ready", .language_code = "en_US"};
    const TemplateEvent asked =
        TemplateRequested{.request = {.operation = TemplateOperation::create,
                                      .key = key,
                                      .channel_id = ChannelId("ch1"),
                                      .category = "UTILITY",
                                      .parts = {},
                                      .answer_until = clock.now()}};
    append("duka", by_account(kAccount), template_stream("duka", template_id("duka", key)), 0,
           encode(asked, clock.now()));
    EXPECT_EQ(rows_of(kTemplateCallKind), 1);
    work(kTemplateCallKind, [this](const auto& row, auto done) { syncer.overdue(row, done); });
    EXPECT_EQ(rows_of(kTemplateCallKind), 0);
    const auto name = "tenants/duka/providerTemplates/" + template_id("duka", key);
    EXPECT_TRUE(get(name).open_request().unknown());
    sync();
    EXPECT_FALSE(get(name).has_open_request());
}

TEST_F(TemplatesAtTheProvider, AreSentOnlyWhileTheProviderLetsThem) {
    EXPECT_EQ(refusal("nobody_knows_it", 0), "") << "before the first list the provider judges";
    sync();
    EXPECT_NE(refusal("nobody_knows_it", 0).find("has no template nobody_knows_it (en_US)"),
              std::string::npos);
    create(creation());
    EXPECT_NE(refusal().find("is PENDING"), std::string::npos);
    told("APPROVED");
    EXPECT_EQ(refusal(), "");
    EXPECT_NE(refusal("order_ready", 2).find("content.template.body_parameters"),
              std::string::npos);
    told("PAUSED", "duka", "LOW_QUALITY", clock.now() + 10s);
    EXPECT_NE(refusal().find("order_ready (en_US) is PAUSED: LOW_QUALITY"), std::string::npos);
    told("APPROVED", "duka", "", clock.now() + 5s);
    EXPECT_NE(refusal().find("is PAUSED"), std::string::npos) << "older news";
    told("APPROVED", "duka", "", clock.now() + 20s);
    EXPECT_EQ(refusal(), "");
}

TEST_F(TemplatesAtTheProvider, ABatchWhoseTemplateIsPausedIsRefusedWhole) {
    sync();
    create(creation());
    v1::SendMessagesRequest request;
    request.set_parent("tenants/duka");
    request.mutable_origin()->set_kind(v1::MESSAGE_ORIGIN_KIND_CAMPAIGN);
    request.mutable_origin()->set_id("camp1");
    request.set_purpose("utility");
    auto& content = *request.add_items()->mutable_content()->mutable_template_();
    content.set_name("order_ready");
    content.set_language_code("en_US");
    content.add_body_parameters("Asha");
    v1::SendMessagesResponse response;
    grpc::ClientContext context;
    rpc::set_timeout(context, 20s);
    const auto why = rpc::failure_of(messages->SendMessages(&context, request, &response));
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(why->metadata.at("status"), "PENDING");
}

TEST_F(TemplatesAtTheProvider, AWordThatIsNoStatusHasTheListRead) {
    sync();
    create(creation());
    judge("order_ready", "APPROVED");
    told("FLAGGED");
    EXPECT_NE(refusal().find("is PENDING"), std::string::npos);
    sync();
    EXPECT_EQ(refusal(), "");
}

TEST_F(TemplatesAtTheProvider, NewsChangesNothingForWhoeverCannotOpenTheAccount) {
    // Another tenant names the same account, and its token does not open it.
    connect("thief", "another token");
    sync();
    EXPECT_EQ(list("thief").provider_templates_size(), 0);
    EXPECT_NE(list("thief").accounts(0).reason(), "");
    told("APPROVED", "thief");
    sync();
    EXPECT_EQ(list("thief").provider_templates_size(), 0);
    EXPECT_EQ(list().provider_templates_size(), 1) << "its owner's are untouched";
}

TEST_F(TemplatesAtTheProvider, AreEditedAndDeletedAtTheProvider) {
    sync();
    const auto made = create(creation());
    judge("order_ready", "APPROVED");
    v1::EditProviderTemplateRequest edit;
    edit.set_name(made.name());
    edit.mutable_parts()->set_body("Come now.");
    const auto edited = ask<v1::ProviderTemplate>(&Stub::EditProviderTemplate, edit);
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_EQ(edited.parts().body(), "Come now.");
    sync();
    EXPECT_EQ(get(made.name()).status(), "PENDING") << "it is judged again";
    v1::DeleteProviderTemplateRequest gone;
    gone.set_name(made.name());
    EXPECT_EQ(ask<v1::ProviderTemplate>(&Stub::DeleteProviderTemplate, gone).status(), "GONE");
    EXPECT_EQ(calls_of("deleted"), 1);
    ask<v1::ProviderTemplate>(&Stub::DeleteProviderTemplate, gone);
    EXPECT_TRUE(failure);
}

TEST_F(TemplatesAtTheProvider, WhatIsDeletedElsewhereIsGoneAfterTheNextList) {
    const auto made = create(creation());
    control("PUT", "/control/numbers", R"({"phone_number_id":"P1","templates":[]})");
    sync();
    EXPECT_EQ(get(made.name()).status(), "GONE");
    EXPECT_NE(refusal().find("has no template"), std::string::npos);
}

}  // namespace
}  // namespace flowstack::gateway
