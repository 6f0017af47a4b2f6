#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <mutex>
#include <thread>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/integrity.h"
#include "common/eventlog/payload.h"
#include "common/eventlog/read_model.h"
#include "common/http/client.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/notice_service.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_events.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.grpc.pb.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/reactor.h"
#include "services/gateway/endpoints/courier.h"
#include "services/gateway/endpoints/rpc_webhook_endpoints.h"
#include "services/gateway/endpoints/webhook_book.h"
#include "services/gateway/endpoints/webhook_reactor.h"
#include "services/gateway/endpoints/webhook_signature.h"
#include "services/gateway/providers/meta/cloud_api.h"
#include "tests/support/test_database.h"

// Webhooks to tenants' systems: from the API and an event over the log to a receiver, on a real
// database and a clock that is moved.
namespace flowstack::gateway {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr int kLanes = 4;
constexpr const char* kMasterKey =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

// What a shop's system would be: it answers by a rule, and keeps what it took.
class Receiver {
public:
    struct Taken {
        std::string url;
        std::string id;
        std::string timestamp;
        std::string signature;
        std::string body;
        json::object data() const { return json::parse(body).at("data").as_object(); }
        std::string type() const { return std::string(json::parse(body).at("type").as_string()); }
    };
    // Status by request; 0: no answer.
    std::function<int(const Taken&)> rule = [](const Taken&) { return 200; };

    void post(http::ClientRequest request, const std::function<void(http::ClientResult)>& done) {
        Taken got{.url = request.url,
                  .id = std::string(request.headers.get("webhook-id")),
                  .timestamp = std::string(request.headers.get("webhook-timestamp")),
                  .signature = std::string(request.headers.get("webhook-signature")),
                  .body = request.body};
        int status = 0;
        {
            const std::lock_guard lock(mutex_);
            ++attempts_;
            status = rule(got);
            if (status >= 200 && status < 300) taken_.push_back(std::move(got));
        }
        http::ClientResult result;
        if (status == 0) {
            result.error = "connection refused";
        } else {
            result.outcome = http::ClientResult::Outcome::answered;
            result.response = http::Response::text(status, "because");
        }
        done(std::move(result));
    }
    std::vector<Taken> taken() const {
        const std::lock_guard lock(mutex_);
        return taken_;
    }
    int attempts() const {
        const std::lock_guard lock(mutex_);
        return attempts_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<Taken> taken_;
    int attempts_ = 0;
};

class WebhooksOut : public ::testing::Test {
protected:
    using Stub = v1::WebhookEndpointService::Stub;

    WebhooksOut() {
        consumption.react([this](const eventlog::Recorded& e, eventlog::Turn& t) {
            reactor.react(e, t);
            webhook_reactor.react(e, t);
        });
        consumption.project(project);
        consumption.assign({0, 1, 2, 3});
        owners.assigned({0, 1, 2, 3});
        rpc_door.add(*service.service, service.full_name);
        rpc_door.start();
        stub = v1::WebhookEndpointService::NewStub(
            rpc::make_channel("127.0.0.1:" + std::to_string(rpc_door.port()), {.attempts_max = 1}));
        register_tenant("duka");
    }
    ~WebhooksOut() override {
        courier.stop();
        rpc_door.drain(0ms);
    }

    void append(const std::string& tenant, eventlog::Routing routing, eventlog::StreamName stream,
                std::int64_t expected, eventlog::NewEvent event) {
        eventlog::Command command;
        command.id = ids.next().text();
        command.tenant = tenant;
        command.meta.routing = std::move(routing);
        command.parts.push_back({std::move(stream), expected, {std::move(event)}});
        ASSERT_TRUE(store.append(std::move(command)).accepted());
    }
    void register_tenant(const std::string& tenant) {
        TenantSettings settings;
        settings.name = tenant;
        append(tenant, by_tenant(tenant), tenant_stream(tenant), 0,
               encode(TenantEvent(TenantRegistered{
                          .tenant = {.tenant_id = tenant,
                                     .settings = with_defaults(settings, {}),
                                     .channel_id = ChannelId("ch1"),
                                     .channel_kind = "META_CLOUD",
                                     .channel_external_id = ExternalChannelId("P-" + tenant)}}),
                      clock.now()));
        directory.apply({tenant, "tenant", tenant});
    }
    // A customer writes.
    void said(const std::string& customer, const std::string& text,
              const std::string& tenant = "duka") {
        v1::MessageReceived message;
        message.set_provider_message_id("w" + std::to_string(++messages));
        message.set_customer_id(customer);
        message.set_channel_id("ch1");
        message.set_kind(v1::INBOUND_KIND_TEXT);
        message.mutable_personal()->set_text(text);
        append(tenant, by_customer(CustomerId(customer)),
               inbound_stream(tenant, ProviderMessageId(message.provider_message_id())), 0,
               eventlog::stored(message, clock.now()));
    }
    void consume() {
        for (int i = 0; i < 3; ++i) consumption.apply({});
    }
    // All that may be posted now is.
    void deliver() {
        // Rows are due by the database's clock.
        if (clock.now() < machine.now() + 1s) clock.set(machine.now() + 1s);
        consume();
        for (int quiet = 0; quiet < 2;) {
            const int before = receiver.attempts();
            courier.look();
            while (courier.is_busy()) std::this_thread::sleep_for(1ms);
            quiet = receiver.attempts() == before ? quiet + 1 : 0;
        }
        consume();
    }
    std::string texts(const std::string& customer) {
        std::string all;
        for (const auto& webhook : receiver.taken())
            if (webhook.data().at("customerId").as_string() == customer)
                all += webhook.data().at("text").as_string();
        return all;
    }
    std::int64_t rows() {
        return store.pool().with([](postgres::Session& s) {
            return s.query("select count(*) from work where kind like 'webhook/%'").int8(0, 0);
        });
    }

    template <class Response, class Method, class Request>
    Response ask(Method method, Request request) {
        Response response;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        failure = rpc::failure_of(std::invoke(method, *stub, &context, request, &response));
        return response;
    }
    v1::WebhookEndpoint create(const std::string& url = "https://shop.example/h",
                               const std::vector<std::string>& types = {},
                               const std::string& tenant = "duka",
                               v1::WebhookSignature signature = {}) {
        v1::CreateWebhookEndpointRequest request;
        request.set_parent("tenants/" + tenant);
        request.mutable_webhook_endpoint()->set_url(url);
        request.mutable_webhook_endpoint()->set_signature(signature);
        for (const auto& type : types) request.mutable_webhook_endpoint()->add_event_types(type);
        return ask<v1::WebhookEndpoint>(&Stub::CreateWebhookEndpoint, request);
    }
    v1::WebhookEndpoint get(const v1::WebhookEndpoint& endpoint) {
        v1::GetWebhookEndpointRequest request;
        request.set_name(endpoint.name());
        return ask<v1::WebhookEndpoint>(&Stub::GetWebhookEndpoint, request);
    }
    std::vector<v1::WebhookDelivery> deliveries(const std::string& state = "",
                                                const std::string& tenant = "duka") {
        v1::ListWebhookDeliveriesRequest request;
        request.set_parent("tenants/" + tenant);
        request.set_state(state);
        const auto answer =
            ask<v1::ListWebhookDeliveriesResponse>(&Stub::ListWebhookDeliveries, request);
        return {answer.webhook_deliveries().begin(), answer.webhook_deliveries().end()};
    }
    v1::WebhookDelivery delivery(const std::string& name) {
        v1::GetWebhookDeliveryRequest request;
        request.set_name(name);
        return ask<v1::WebhookDelivery>(&Stub::GetWebhookDelivery, request);
    }
    v1::WebhookEndpoint rotate(const v1::WebhookEndpoint& endpoint, std::int64_t valid_for) {
        v1::RotateWebhookSecretRequest request;
        request.set_name(endpoint.name());
        request.set_previous_valid_for_s(valid_for);
        return ask<v1::WebhookEndpoint>(&Stub::RotateWebhookSecret, request);
    }
    static bool right(const Receiver::Taken& webhook, const std::string& key) {
        return verify_webhook(key, webhook.id, webhook.timestamp, webhook.body, webhook.signature);
    }

    testing::TestDatabase database{kLanes, "gateway"};
    SystemClock machine;
    ManualClock clock{machine.now() + 1s};  // not behind the database's
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
    meta::CloudApi cloud_api{
        client,
        {.base_url = "http://127.0.0.1:1/v25.0", .apps = {}, .verify_token = Secret("verify")}};
    Providers providers{{&cloud_api}};
    WebhookBook book{store, data_keys};
    Reactor reactor{store, directory, contacts, {}};
    WebhookReactor webhook_reactor{book};
    Receiver receiver;
    Courier courier{
        store,
        owners,
        book,
        clock,
        metrics,
        [this](http::ClientRequest request, const std::function<void(http::ClientResult)>& done) {
            receiver.post(std::move(request), done);
        },
        {}};
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
                .webhooks = &book};
    NamedService service = make_webhook_endpoint_service(doors);
    std::unique_ptr<Stub> stub;
    std::optional<rpc::Failure> failure;
    int messages = 0;
};

TEST_F(WebhooksOut, TellWhatHappensSignedAndOnce) {
    const auto endpoint = create();
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_TRUE(endpoint.secret().starts_with("whsec_"));
    EXPECT_EQ(get(endpoint).secret(), "");
    EXPECT_EQ(get(endpoint).state(), "ACTIVE");
    said("c1", "a");
    said("c1", "b");
    said("c2", "c");
    deliver();
    ASSERT_EQ(receiver.taken().size(), 3U);
    EXPECT_EQ(texts("c1"), "ab");
    EXPECT_EQ(texts("c2"), "c");
    for (const auto& webhook : receiver.taken()) {
        EXPECT_TRUE(right(webhook, endpoint.secret())) << webhook.signature;
        EXPECT_EQ(webhook.url, "https://shop.example/h");
        EXPECT_EQ(webhook.type(), "message.received");
    }
    EXPECT_EQ(rows(), 0);
    const auto done = deliveries("DELIVERED");
    ASSERT_EQ(done.size(), 3U);
    EXPECT_EQ(done[0].attempts(), 1);
    EXPECT_EQ(done[0].status(), 200);
    const auto shown = delivery(done[0].name());
    EXPECT_EQ(json::parse(shown.body()).at("data").at("customerId").as_string(),
              shown.customer_id());
    ASSERT_EQ(shown.attempt_log_size(), 1);
    EXPECT_EQ(shown.attempt_log(0).status(), 200);
    // The secret is in the log under the tenant's key only.
    for (const auto& event : store.read_stream(webhook_endpoints_stream("duka")))
        EXPECT_EQ(event.payload.find(endpoint.secret().substr(6, 20)), std::string::npos);
}

TEST_F(WebhooksOut, AreForThoseWhoWantThemAndForNobodyElsesCustomers) {
    register_tenant("soko");
    create("https://shop.example/all");
    create("https://shop.example/orders", {"order.paid"});
    const auto theirs = create("https://soko.example/h", {}, "soko");
    said("c1", "of duka");
    said("c1", "of soko", "soko");
    deliver();
    std::map<std::string, std::string> by_url;
    for (const auto& webhook : receiver.taken())
        by_url[webhook.url] += webhook.data().at("text").as_string();
    EXPECT_EQ(by_url, (std::map<std::string, std::string>{{"https://shop.example/all", "of duka"},
                                                          {"https://soko.example/h", "of soko"}}));
    ASSERT_EQ(deliveries("", "soko").size(), 1U);
    // Another tenant's names lead nowhere.
    auto id = theirs.name().substr(theirs.name().rfind('/') + 1);
    v1::GetWebhookEndpointRequest foreign;
    foreign.set_name("tenants/duka/webhookEndpoints/" + id);
    ask<v1::WebhookEndpoint>(&Stub::GetWebhookEndpoint, foreign);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_NOT_FOUND);
    v1::ReplayWebhookDeliveryRequest replay;
    id = deliveries("", "soko")[0].name();
    replay.set_name("tenants/duka/webhookDeliveries/" + id.substr(id.rfind('/') + 1));
    ask<v1::WebhookDelivery>(&Stub::ReplayWebhookDelivery, replay);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(WebhooksOut, OfTenantsWithoutEndpointsCostNothing) {
    said("c1", "a");
    const auto before = store.heads();
    deliver();
    EXPECT_EQ(store.heads(), before);
    EXPECT_EQ(receiver.attempts(), 0);
}

TEST_F(WebhooksOut, JoinWhatElseAnEventLeadsTo) {
    create();
    append("duka", by_customer(CustomerId("c1")), contact_stream("duka", CustomerId("c1")), 0,
           encode(ContactEvent(ContactSeen{.customer_id = CustomerId("c1"),
                                           .channel_id = ChannelId("ch1"),
                                           .identities = {},
                                           .profile_name = ""}),
                  clock.now()));
    v1::MessageSuppressed suppressed;
    suppressed.set_reason(v1::SUPPRESSION_REASON_OPTED_OUT);
    suppressed.set_customer_id("c1");
    suppressed.mutable_origin()->set_kind(v1::MESSAGE_ORIGIN_KIND_REPLY);
    suppressed.mutable_error()->set_error_class(v1::SEND_ERROR_CLASS_OPTED_OUT);
    append("duka", by_customer(CustomerId("c1")), message_stream("duka", MessageId("m1")),
           eventlog::kAny, eventlog::stored(suppressed, clock.now()));
    deliver();
    std::vector<std::string> types;
    for (const auto& webhook : receiver.taken()) types.push_back(webhook.type());
    EXPECT_EQ(types, (std::vector<std::string>{"message.status", "contact.consent_changed"}));
}

TEST_F(WebhooksOut, ThatWaitForAReceiverThatIsDownForADayComeInOrderWhenItIsBack) {
    create();
    receiver.rule = [](const auto&) { return 0; };
    std::map<std::string, std::string> expected;
    const auto customers = {"c1", "c2", "c3", "c4", "c5", "c6"};
    for (int hour = 0; hour < 24; ++hour) {
        for (const auto* customer : customers) {
            const auto text = std::string(1, static_cast<char>('a' + hour));
            said(customer, text);
            expected[customer] += text;
        }
        for (int n = 0; n < 6; ++n) {
            clock.advance(10min);
            deliver();
        }
    }
    EXPECT_TRUE(receiver.taken().empty());
    EXPECT_LT(receiver.attempts(), 200) << "an endpoint that is down costs little";
    EXPECT_TRUE(deliveries("DEAD").empty());
    const auto failing = book.load("duka").state.all.front();
    EXPECT_NE(failing.failing_since, Time{});

    receiver.rule = [](const auto&) { return 200; };
    for (int n = 0; n < 7 * 6 && rows() > 0; ++n) {
        clock.advance(10min);
        deliver();
    }
    for (const auto* customer : customers) EXPECT_EQ(texts(customer), expected[customer]);
    EXPECT_EQ(receiver.taken().size(), 24U * 6U);
    EXPECT_EQ(book.load("duka").state.all.front().failing_since, Time{});
    EXPECT_EQ(rows(), 0);
}

TEST_F(WebhooksOut, ThatNobodyTakesForThreeDaysAreGivenUpAndReplayed) {
    create();
    receiver.rule = [](const auto& webhook) {
        return webhook.data().at("text").as_string() == "bad" ? 400 : 200;
    };
    said("c1", "bad");
    said("c1", "good");
    said("c2", "other");
    deliver();
    EXPECT_EQ(texts("c2"), "other") << "other lines go on";
    EXPECT_EQ(texts("c1"), "");
    ASSERT_EQ(deliveries("QUEUED").size(), 2U);
    for (int hour = 0; hour < 75 && deliveries("DEAD").empty(); ++hour) {
        clock.advance(1h);
        deliver();
    }
    ASSERT_EQ(deliveries("DEAD").size(), 1U);
    clock.advance(2h);
    deliver();
    EXPECT_EQ(texts("c1"), "good") << "the line goes on behind a dead letter";
    const auto dead = delivery(deliveries("DEAD")[0].name());
    EXPECT_GT(dead.attempts(), 3);
    EXPECT_EQ(dead.attempt_log_size(), dead.attempts());
    EXPECT_EQ(dead.attempt_log(0).reason(), "it answered 400: because");
    EXPECT_EQ(rows(), 0);

    receiver.rule = [](const auto&) { return 200; };
    v1::ReplayWebhookDeliveryRequest replay;
    replay.set_name(dead.name());
    replay.set_request_id("again");
    const auto again = ask<v1::WebhookDelivery>(&Stub::ReplayWebhookDelivery, replay);
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_EQ(again.replay_of(), dead.name().substr(dead.name().rfind('/') + 1));
    const auto repeated = ask<v1::WebhookDelivery>(&Stub::ReplayWebhookDelivery, replay);
    EXPECT_EQ(repeated.name(), again.name());
    deliver();
    EXPECT_EQ(texts("c1"), "goodbad");
    EXPECT_EQ(receiver.taken().back().id, dead.webhook_id());
    EXPECT_EQ(receiver.taken().back().body, dead.body());
}

TEST_F(WebhooksOut, OfAStretchOfTimeAreReplayedInOrderAndOnce) {
    const auto endpoint = create();
    for (const char letter : std::string("abcde")) said("c1", std::string(1, letter));
    said("c2", "x");
    deliver();
    ASSERT_EQ(receiver.taken().size(), 6U);
    v1::ReplayWebhookDeliveriesRequest request;
    request.set_name(endpoint.name());
    ask<v1::ReplayWebhookDeliveriesResponse>(&Stub::ReplayWebhookDeliveries, request);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->fields[0].field, "start_time");
    rpc::set_time(*request.mutable_start_time(), clock.now() - 1h);
    rpc::set_time(*request.mutable_end_time(), clock.now() + 1h);
    request.set_state("DELIVERED");
    request.set_request_id("all-of-it");
    for (int n = 0; n < 2; ++n) {
        const auto answer =
            ask<v1::ReplayWebhookDeliveriesResponse>(&Stub::ReplayWebhookDeliveries, request);
        ASSERT_FALSE(failure) << failure->message;
        EXPECT_EQ(answer.replayed(), 6);
        EXPECT_EQ(answer.next_page_token(), "");
    }
    deliver();
    EXPECT_EQ(texts("c1"), "abcdeabcde");
    EXPECT_EQ(texts("c2"), "xx");
}

TEST_F(WebhooksOut, CarryBothSignaturesWhileTheSecretIsRotated) {
    const auto endpoint = create();
    const auto rotated = rotate(endpoint, 3600);
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_NE(rotated.secret(), endpoint.secret());
    said("c1", "a");
    deliver();
    clock.advance(2h);
    said("c1", "b");
    deliver();
    ASSERT_EQ(receiver.taken().size(), 2U);
    EXPECT_TRUE(right(receiver.taken()[0], endpoint.secret()));
    EXPECT_TRUE(right(receiver.taken()[0], rotated.secret()));
    EXPECT_FALSE(right(receiver.taken()[1], endpoint.secret()));
    EXPECT_TRUE(right(receiver.taken()[1], rotated.secret()));
    rotate(endpoint, -2);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->fields[0].field, "previous_valid_for_s");

    const auto pair =
        create("https://shop.example/pair", {}, "duka", v1::WEBHOOK_SIGNATURE_ED25519);
    EXPECT_EQ(pair.secret(), "");
    said("c1", "c");
    deliver();
    for (const auto& webhook : receiver.taken())
        EXPECT_EQ(right(webhook, pair.public_key()), webhook.url == "https://shop.example/pair");
    EXPECT_EQ(receiver.taken().size(), 4U);
}

TEST_F(WebhooksOut, WaitWhileTheirEndpointIsPausedAndGoToItsNewAddress) {
    const auto endpoint = create();
    v1::PauseWebhookEndpointRequest pause;
    pause.set_name(endpoint.name());
    pause.set_reason("moves");
    EXPECT_EQ(ask<v1::WebhookEndpoint>(&Stub::PauseWebhookEndpoint, pause).state(), "PAUSED");
    said("c1", "a");
    deliver();
    EXPECT_EQ(receiver.attempts(), 0);
    EXPECT_EQ(deliveries("QUEUED").size(), 1U);
    v1::UpdateWebhookEndpointRequest update;
    update.set_name(endpoint.name());
    update.set_etag(endpoint.etag());
    update.mutable_webhook_endpoint()->set_url("https://new.example/h");
    ask<v1::WebhookEndpoint>(&Stub::UpdateWebhookEndpoint, update);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_VERSION_MISMATCH);
    update.set_etag("");
    EXPECT_EQ(ask<v1::WebhookEndpoint>(&Stub::UpdateWebhookEndpoint, update).url(),
              "https://new.example/h");
    v1::ResumeWebhookEndpointRequest resume;
    resume.set_name(endpoint.name());
    EXPECT_EQ(ask<v1::WebhookEndpoint>(&Stub::ResumeWebhookEndpoint, resume).state(), "ACTIVE");
    deliver();
    ASSERT_EQ(receiver.taken().size(), 1U);
    EXPECT_EQ(receiver.taken()[0].url, "https://new.example/h");
}

TEST_F(WebhooksOut, AreDroppedWithTheirEndpoint) {
    const auto endpoint = create();
    receiver.rule = [](const auto&) { return 500; };
    said("c1", "a");
    said("c1", "b");
    deliver();
    v1::DeleteWebhookEndpointRequest gone;
    gone.set_name(endpoint.name());
    EXPECT_EQ(ask<v1::WebhookEndpoint>(&Stub::DeleteWebhookEndpoint, gone).name(), endpoint.name());
    get(endpoint);
    EXPECT_TRUE(failure);
    clock.advance(2h);
    deliver();
    EXPECT_EQ(rows(), 0);
    EXPECT_EQ(deliveries("DROPPED").size(), 2U);
    said("c1", "c");
    deliver();
    EXPECT_EQ(deliveries().size(), 2U);
}

TEST_F(WebhooksOut, SwitchOffAnEndpointThatFailsForDaysAndTellItsTenant) {
    const auto endpoint = create();
    receiver.rule = [](const auto&) { return 500; };
    for (int hour = 0; hour < 24 * 6; ++hour) {
        if (hour % 12 == 0)
            for (int n = 0; n < 9; ++n) said("c" + std::to_string(n), "a");
        deliver();
        clock.advance(1h);
    }
    EXPECT_EQ(get(endpoint).state(), "SWITCHED_OFF");
    EXPECT_TRUE(get(endpoint).has_failing_since());
    const auto notices = read_model.list(
        {.tenant = "duka", .kind = kNoticeDocument, .state = "NOTICE_KIND_WEBHOOK_ENDPOINT"});
    ASSERT_EQ(notices.bodies.size(), 1U);
    const auto attempts = receiver.attempts();
    const auto queued = deliveries("QUEUED").size();
    EXPECT_GT(queued, 0U) << "what waits is kept";
    said("c1", "not kept");
    clock.advance(24h);
    deliver();
    EXPECT_EQ(receiver.attempts(), attempts);
    EXPECT_EQ(deliveries("QUEUED").size(), queued);
    v1::SendTestWebhookRequest test;
    test.set_name(endpoint.name());
    ask<v1::WebhookDelivery>(&Stub::SendTestWebhook, test);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_WRONG_STATE);

    receiver.rule = [](const auto&) { return 200; };
    v1::ResumeWebhookEndpointRequest resume;
    resume.set_name(endpoint.name());
    ask<v1::WebhookEndpoint>(&Stub::ResumeWebhookEndpoint, resume);
    clock.advance(2h);
    deliver();
    EXPECT_TRUE(deliveries("QUEUED").empty());
    // 410 says so at once.
    receiver.rule = [](const auto&) { return 410; };
    said("c1", "b");
    deliver();
    EXPECT_EQ(get(endpoint).state(), "SWITCHED_OFF");
}

TEST_F(WebhooksOut, AreTestedAndRefusedWhereTheyCannotGo) {
    const auto endpoint = create("https://shop.example/h", {"order.paid"});
    v1::SendTestWebhookRequest test;
    test.set_name(endpoint.name());
    const auto queued = ask<v1::WebhookDelivery>(&Stub::SendTestWebhook, test);
    ASSERT_FALSE(failure) << failure->message;
    EXPECT_EQ(queued.type(), "webhook.test");
    deliver();
    ASSERT_EQ(receiver.taken().size(), 1U);
    EXPECT_EQ(receiver.taken()[0].id, queued.webhook_id());
    EXPECT_TRUE(right(receiver.taken()[0], endpoint.secret()));
    EXPECT_EQ(delivery(queued.name()).state(), "DELIVERED");
    for (const auto* url :
         {"http://shop.example/h", "https://127.0.0.1/h", "https://169.254.169.254/latest",
          "https://[::1]:8443/", "https://[::ffff:10.0.0.1]/", "https://localhost/", "nonsense"}) {
        create(url);
        ASSERT_TRUE(failure) << url;
        EXPECT_EQ(failure->fields.at(0).field, "webhook_endpoint.url");
    }
    create("https://shop.example/h", {"order.lost"});
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->fields.at(0).field, "webhook_endpoint.event_types[0]");
    for (std::size_t n = 1; n < kWebhookEndpointsMax; ++n) create();
    EXPECT_FALSE(failure);
    create();
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_WRONG_STATE);
}

TEST_F(WebhooksOut, WaitInRowsThatFollowFromTheLog) {
    create();
    receiver.rule = [](const auto&) { return 500; };
    for (const auto* customer : {"c1", "c2", "c3"}) said(customer, "a");
    deliver();
    said("c1", "b");
    consume();
    EXPECT_EQ(rows(), 3);
    postgres::Session admin({.url = database.admin_url()});
    for (const auto& problem :
         eventlog::check_derived(admin, "gateway", kLanes, make_derive(kLanes, keys)).problems)
        ADD_FAILURE() << problem.subject << ": " << problem.detail;
}

}  // namespace
}  // namespace flowstack::gateway
