#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/integrity.h"
#include "common/eventlog/payload.h"
#include "common/eventlog/read_model.h"
#include "common/http/client.h"
#include "common/http/server.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/channel_service.grpc.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/media_events.pb.h"
#include "flowstack/gateway/v1/media_service.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/message_log_service.pb.h"
#include "flowstack/gateway/v1/message_service.grpc.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/notice_events.pb.h"
#include "flowstack/gateway/v1/notice_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"
#include "flowstack/gateway/v1/webhook_service.grpc.pb.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/reactor.h"
#include "services/gateway/dispatch/dispatcher.h"
#include "services/gateway/domain/media.h"
#include "services/gateway/inbound/raw_webhooks.h"
#include "services/gateway/inbound/rpc_webhooks.h"
#include "services/gateway/inbound/webhook_door.h"
#include "services/gateway/inbound/webhook_event.h"
#include "services/gateway/media/media_fetcher.h"
#include "services/gateway/media/media_store.h"
#include "services/gateway/providers/meta/cloud_api.h"
#include "tests/support/echo_phone.h"
#include "tests/support/echo_provider.h"
#include "tests/support/scripted_log.h"
#include "tests/support/test_database.h"

// gateway from a webhook's bytes to the call of the provider and back, on a real database. The bus
// is read from the tables, the provider is a small HTTP server.
namespace flowstack::gateway {
namespace {

using namespace std::chrono_literals;
using eventlog::Recorded;
using std::chrono::milliseconds;

constexpr int kLanes = 4;
constexpr const char* kSecret = "flowstack_test_app_secret_0123456789";
constexpr const char* kMasterKey =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
constexpr milliseconds kPatience{10'000};
const ChannelId kChannel("ch1");  // of the tenant duka

// Answers as Meta does, or as it was told to.
class Provider {
public:
    struct Call {
        std::string path;
        std::string body;
        std::string authorization;
    };
    Provider() : server_({}, [this](http::Request r, http::Responder to) { answer(r, to); }) {
        server_.start();
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
    // The next answers; an empty body with status 0 never answers.
    void script(int status, std::string body) {
        const std::lock_guard lock(mutex_);
        scripted_.push_back({status, std::move(body)});
    }
    void refuse(int code) {
        script(400, R"({"error":{"message":"refused","code":)" + std::to_string(code) + "}}");
    }
    std::vector<Call> calls() const {
        const std::lock_guard lock(mutex_);
        return calls_;
    }

private:
    void answer(const http::Request& request, const http::Responder& responder) {
        const std::lock_guard lock(mutex_);
        calls_.push_back(
            {request.path, request.body, std::string(request.headers.get("Authorization"))});
        if (scripted_.empty()) {
            responder.send(http::Response::json(
                200,
                R"({"messages":[{"id":"wamid.out)" + std::to_string(calls_.size()) + R"("}]})"));
            return;
        }
        const auto [status, body] = scripted_.front();
        scripted_.pop_front();
        if (status == 0)
            silent_.push_back(responder);
        else
            responder.send(http::Response::json(status, body));
    }

    mutable std::mutex mutex_;
    std::vector<Call> calls_;
    std::deque<std::pair<int, std::string>> scripted_;
    std::vector<http::Responder> silent_;
    http::Server server_;
};

class Gateway : public ::testing::Test {
protected:
    Gateway() : Gateway({}) {}
    // Of `how` the gathering of appends counts.
    explicit Gateway(const eventlog::StoreOptions& how)
        : store({.service = "gateway",
                 .database_url = database.service_url(),
                 .lanes = kLanes,
                 .append_connections = how.append_connections,
                 .company_wait = how.company_wait,
                 .join = join_raw_webhooks},
                make_derive(kLanes, keys)) {
        store.on_commit([this](const eventlog::Commit& commit) {
            if (auto* running = woken.load())
                for (const auto& news : commit.work) running->wake(news);
        });
        consumption.prepare([this](auto batch, auto& pending) {
            reactor.prepare(batch, pending);
            if (after_preparing) after_preparing();
        });
        consumption.react([this](const Recorded& e, eventlog::Turn& t) { reactor.react(e, t); });
        consumption.project(project);
        consumption.assign({0, 1, 2, 3});
        owners.assigned({0, 1, 2, 3});
        connect("duka", "ch1", "P1", "app1");
    }
    ~Gateway() override { end_dispatcher(1s); }

    void connect(const std::string& tenant, const std::string& channel,
                 const std::string& external_id, const std::string& app,
                 const std::string& kind = "META_CLOUD") {
        connect_elsewhere(tenant, channel, external_id, app, kind);
        read_settings();
    }
    // As another replica does it: ours has not polled its settings since.
    void connect_elsewhere(const std::string& tenant, const std::string& channel,
                           const std::string& external_id, const std::string& app,
                           const std::string& kind = "META_CLOUD") {
        TenantSettings settings;
        settings.name = tenant;
        settings = with_defaults(settings, {});
        append(tenant, by_tenant(tenant), tenant_stream(tenant), 0,
               encode(TenantEvent(TenantRegistered{
                          .tenant = {.tenant_id = tenant,
                                     .settings = settings,
                                     .channel_id = ChannelId(channel),
                                     .channel_kind = kind,
                                     .channel_external_id = ExternalChannelId(external_id)}}),
                      clock.now()));
        const ConnectChannel c{.channel_id = ChannelId(channel),
                               .kind = kind,
                               .external_id = ExternalChannelId(external_id),
                               .business_account_id = "W-" + tenant,
                               .app_id = app,
                               .display_phone_number = "",
                               .credentials = sealed(tenant, ChannelId(channel), "token"),
                               .limits = {}};
        append(tenant, by_channel(c.channel_id), channel_stream(tenant, c.channel_id), 0,
               encode(ChannelEvent(ChannelConnected{.channel = c}), clock.now()));
    }
    SealedCredentials sealed(const std::string& tenant, const ChannelId& channel,
                             const std::string& token) {
        return {.sealed = data_keys.of(tenant)->seal(Secret(token), credential_purpose(channel))};
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
    void read_settings() {
        const auto rows = store.pool().with([&](postgres::Session& s) {
            return s.query(
                "select seq, tenant, kind, key from settings_changes where seq > $1 order by seq",
                postgres::Params().add(settings_seq));
        });
        for (int row = 0; row < rows.rows(); ++row) {
            directory.apply({rows.text(row, 1), rows.text(row, 2), rows.text(row, 3)});
            settings_seq = rows.int8(row, 0);
        }
    }

    static std::string signature(const std::string& body, const std::string& secret = kSecret) {
        return "sha256=" + crypto::hex_encode(crypto::bytes_of(crypto::hmac_sha256(secret, body)));
    }
    std::future<http::Response> post_async(std::string body, std::string header) {
        http::Request request;
        request.method = "POST";
        request.path = "/webhooks/whatsapp";
        request.headers.add("X-Hub-Signature-256", std::move(header));
        request.body = std::move(body);
        auto promise = std::make_shared<std::promise<http::Response>>();
        auto future = promise->get_future();
        door.webhook({&cloud_api}, std::move(request),
                     http::Responder([promise](http::Response response) {
                         promise->set_value(std::move(response));
                     }));
        return future;
    }
    int post(const std::string& body) { return post_async(body, signature(body)).get().status; }

    std::string change(const std::string& lists, const std::string& phone_number_id = "P1") {
        return R"({"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":")" +
               phone_number_id + R"("},)" + lists + "}}]}]}";
    }
    std::string text_json(const std::string& wamid, const std::string& who,
                          const std::string& text) {
        return R"({"id":")" + wamid + R"(","timestamp":")" +
               std::to_string(unix_seconds(clock.now())) + R"(",)" + who +
               R"(,"type":"text","text":{"body":")" + text + R"("}})";
    }
    std::string text_message(const std::string& wamid, const std::string& text,
                             const std::string& who = R"("from":"255712345678")",
                             const std::string& phone_number_id = "P1") {
        return change(R"("messages":[)" + text_json(wamid, who, text) + "]", phone_number_id);
    }

    // Everything that is there is consumed, our own events too.
    void consume() {
        for (int i = 0; i < 3; ++i) consumption.apply({});
        read_settings();
    }
    std::vector<Recorded> events(const std::string& type) {
        std::vector<Recorded> found;
        for (int lane = 0; lane < kLanes; ++lane)
            for (auto& event : store.read_lane(lane, 1, 0, 10'000))
                if (event.type.ends_with("." + type)) found.push_back(std::move(event));
        return found;
    }
    // The webhooks of every event that holds some.
    std::vector<v1::RawWebhook> raw_webhooks() {
        std::vector<v1::RawWebhook> found;
        for (const auto& event : events("WebhooksReceived")) {
            const auto received = eventlog::parsed<v1::WebhooksReceived>(event);
            found.insert(found.end(), received.webhooks().begin(), received.webhooks().end());
        }
        return found;
    }
    // Consumes until it is so.
    template <class Condition>
    void until(Condition condition, const char* what) {
        const auto end = std::chrono::steady_clock::now() + kPatience;
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), end) << what;
            consume();
            std::this_thread::yield();
        }
    }
    void until_events(const std::string& type, std::size_t count) {
        until([&] { return events(type).size() >= count; }, type.c_str());
    }

    CustomerId only_customer() {
        const auto seen = events("ContactSeen");
        EXPECT_EQ(seen.size(), 1U);
        return seen.empty() ? CustomerId() : CustomerId(seen.front().stream.key);
    }
    MessageId reply(const CustomerId& customer, const std::string& text,
                    conversation::v1::ReplyKind kind = conversation::v1::REPLY_KIND_REPLY,
                    std::optional<eventlog::Position> causation = {}) {
        conversation::v1::ReplyRequested m;
        const MessageId id(ids.next().text());
        m.set_message_id(id);
        m.set_conversation_id("conv1");
        m.set_customer_id(customer);
        m.set_channel_id("ch1");
        m.set_idempotency_key("auto-reply:" + id + ":0");
        m.set_kind(kind);
        m.set_purpose(conversation::v1::REPLY_PURPOSE_SERVICE);
        m.set_window_evidence_us(unix_micros(clock.now()));
        m.mutable_personal()->mutable_content()->mutable_text()->set_body(text);
        conversation->happened({"duka", "conversation", "conv1"}, by_customer(customer), m,
                               clock.now(), std::move(causation));
        return id;
    }
    // Without conversation: a message that may leave inside the customer's window.
    void queue(const std::string& tenant, const ChannelId& channel, const CustomerId& customer) {
        QueueMessage message;
        message.message_id = MessageId(ids.next().text());
        message.channel_id = channel;
        message.customer_id = customer;
        message.idempotency_key = message.message_id;
        message.preconditions = {.purpose = Purpose::service, .needs_open_window = true};
        message.to = "+255712345678";
        common::v1::MessageContent content;
        content.mutable_text()->set_body("Hello");
        message.content = content.SerializeAsString();
        append(tenant, by_customer(customer), message_stream(tenant, message.message_id), 0,
               encode(MessageEvent(MessageQueued{.message = message}), clock.now()));
    }
    void start_dispatcher(DispatcherOptions options = {}) {
        options.replica = "r1";
        options.poll_interval = 2ms;
        if (options.attempt_start_max == 2'000ms) options.attempt_start_max = 500ms;
        if (options.send_timeout == 10'000ms) options.send_timeout = 2'000ms;
        options.held_retry_after = 20ms;
        options.policy.backoff_base = 5ms;
        dispatcher = std::make_unique<Dispatcher>(store, owners, directory, contacts, keys,
                                                  providers, clock, metrics, options);
        reactor.ask_departures_of([this](const auto& tenant, const auto& message,
                                         const auto& contact, OtherWriters others) {
            return dispatcher->ask(tenant, message, contact, others);
        });
        woken = dispatcher.get();
        dispatcher->start();
    }
    void end_dispatcher(milliseconds grace) {
        if (!dispatcher) return;
        dispatcher->stop(grace);
        reactor.ask_departures_of({});
        woken = nullptr;
        dispatcher.reset();
    }
    // Until messages may leave at once: the lane is open and its queues were searched.
    void until_open() {
        QueueMessage probe;
        probe.channel_id = kChannel;
        probe.customer_id = CustomerId(events("ContactSeen").front().stream.key);
        probe.to = "+255712345678";
        const auto known = contacts.folds().load(contact_stream("duka", probe.customer_id));
        until(
            [&] {
                probe.message_id = MessageId(ids.next().text());
                const auto departure = dispatcher->ask("duka", probe, known, OtherWriters::none);
                return departure && departure->at_once();
            },
            "messages may leave at once");
    }
    // A reply as it is queued, and the answer whether it may leave at once.
    struct Queueing {
        QueueMessage message;
        DeparturePtr departure;
        eventlog::Command command;
    };
    Queueing queueing(const CustomerId& customer) {
        Queueing q;
        q.message.message_id = MessageId(ids.next().text());
        q.message.channel_id = kChannel;
        q.message.customer_id = customer;
        q.message.priority = kPriorityReply;
        q.message.to = "+255712345678";
        common::v1::MessageContent content;
        content.mutable_text()->set_body("Hello");
        q.message.content = content.SerializeAsString();
        q.command.id = ids.next().text();
        q.command.tenant = "duka";
        q.command.meta.routing = by_customer(customer);
        q.command.parts.push_back(
            {message_stream("duka", q.message.message_id), eventlog::kCreate,
             encode_all(std::vector<MessageEvent>{MessageQueued{.message = q.message}},
                        clock.now())});
        q.departure = dispatcher->ask("duka", q.message,
                                      contacts.folds().load(contact_stream("duka", customer)),
                                      OtherWriters::none);
        if (q.departure) q.departure->join(q.command);
        return q;
    }
    int rows_of(const std::string& kind) {
        return store.pool().with([&](postgres::Session& s) {
            return s
                .query("select count(*)::int from work where starts_with(kind, $1)",
                       postgres::Params().add(kind))
                .int4(0, 0);
        });
    }
    // A campaign's message.
    void queue_marketing(const CustomerId& customer) {
        QueueMessage queue;
        queue.message_id = MessageId(ids.next().text());
        queue.channel_id = kChannel;
        queue.customer_id = customer;
        queue.origin = {
            .kind = OriginKind::campaign, .id = OriginId("camp1"), .recipient = customer};
        queue.priority = kPriorityCampaign;
        queue.preconditions.purpose = Purpose::marketing;
        common::v1::MessageContent content;
        content.mutable_text()->set_body("Offer");
        queue.content = content.SerializeAsString();
        append("duka", by_customer(customer), message_stream("duka", queue.message_id), 0,
               encode(MessageEvent(MessageQueued{.message = queue}), clock.now()));
    }
    // Of the message with this provider's id.
    CustomerId customer_of(const std::string& wamid) {
        for (const auto& received : events("MessageReceived"))
            if (received.stream.key == wamid) return CustomerId(received.meta.routing.key);
        return {};
    }
    // What was received, by its provider's id.
    v1::MessageReceived received(const std::string& wamid) {
        v1::MessageReceived m;
        for (const auto& event : events("MessageReceived"))
            if (event.stream.key == wamid) m.ParseFromString(event.payload);
        return m;
    }
    OpenContact contact(const CustomerId& customer) {
        const auto found = contacts.follow("duka", customer);
        return std::get<OpenContact>(found.contact.state);
    }
    std::string one_message(const std::string& wamid, const std::string& members,
                            const std::string& who = R"("from":"255712345678")") {
        return change(R"("messages":[{"id":")" + wamid + R"(","timestamp":")" +
                      std::to_string(unix_seconds(clock.now())) + R"(",)" + who + "," + members +
                      "}]");
    }
    v1::Message message(const MessageId& id) {
        v1::Message resource;
        if (const auto body = read_model.get("duka", "message", id))
            resource.ParseFromString(*body);
        return resource;
    }
    WebhookFrame meta_frame() {
        return {.provider = "meta",
                .actor = "provider:meta",
                .app_id = "app1",
                .webhook_id = ids.next(),
                .received_at = clock.now(),
                .traceparent = ""};
    }
    static std::string member(const std::string& json, const std::string& name) {
        const auto at = json.find("\"" + name + "\":\"") + name.size() + 4;
        return json.substr(at, json.find('"', at) - at);
    }

    testing::TestDatabase database{kLanes, "gateway"};
    SystemClock clock;
    IdSource ids{clock};
    crypto::MasterKey master{*crypto::MasterKey::from_hex(Secret(kMasterKey))};
    crypto::RootKey root_key{Secret(kMasterKey)};
    DerivedKeys keys{root_key};
    eventlog::Store store;
    keys::DataKeys data_keys{store.pool(), master};
    eventlog::ReadModel read_model{store, "key"};
    eventlog::Owners owners{store, "r1"};
    Directory directory{store, data_keys};
    Contacts contacts{store, keys, ids, clock};
    metrics::Registry metrics;
    Provider provider;
    http::Client client;
    meta::CloudApi cloud_api{
        client,
        {.base_url = provider.url() + "/v25.0",
         .apps = parse_meta_apps({std::string("app1:") + kSecret, "app2:another_secret"}),
         .verify_token = Secret("verify")}};
    testing::EchoPhone phone{Secret("echo secret")};
    testing::EchoProvider echo{client, phone.url(), phone.secret()};
    Providers providers{{&cloud_api, &echo}};
    std::int64_t settings_seq = 0;
    Reactor reactor{store, directory, contacts, RetryPolicy{}};
    std::shared_ptr<testing::ScriptedLog> conversation =
        std::make_shared<testing::ScriptedLog>("conversation", kLanes);
    eventlog::Consumption consumption{
        store,
        {{"conversation", conversation}, {"gateway", eventlog::own_source(store)}},
        {.consumer = "gateway", .head_compare_every = 0ms, .idle_cursor_after = 0ms}};
    WebhookDoor door{providers, store, directory, contacts, keys, ids, clock, metrics, {}};
    std::function<void()> after_preparing;  // between reading and writing a batch
    std::unique_ptr<Dispatcher> dispatcher;
    std::atomic<Dispatcher*> woken{nullptr};
};

TEST_F(Gateway, AWebhookIsStoredRawAndByElementBeforeItsAnswer) {
    const auto body = text_message("wamid.1", "Hi");
    EXPECT_EQ(post(body), 200);
    EXPECT_EQ(raw_webhooks().size(), 1U);
    ASSERT_EQ(events("MessageReceived").size(), 1U);
    const auto received = events("MessageReceived").front();
    EXPECT_EQ(received.stream.key, "wamid.1");
    EXPECT_EQ(received.meta.routing.key, only_customer());
    v1::MessageReceived m;
    ASSERT_TRUE(m.ParseFromString(received.payload));
    EXPECT_EQ(m.personal().text(), "Hi");
    EXPECT_EQ(m.personal().phone(), "+255712345678");
    EXPECT_NE(body.find(m.personal().element_json()), std::string::npos);
}

TEST_F(Gateway, TheSameWebhookSixteenTimesAtOnceIsOneMessage) {
    const auto body = text_message("wamid.1", "Hi");
    std::vector<std::future<http::Response>> answers;
    for (int i = 0; i < 16; ++i) answers.push_back(post_async(body, signature(body)));
    for (auto& answer : answers) EXPECT_EQ(answer.get().status, 200);
    EXPECT_EQ(events("MessageReceived").size(), 1U);
    EXPECT_EQ(events("ContactSeen").size(), 1U);
}

TEST_F(Gateway, MessagesOfOneCustomerKeepTheirOrderInABatch) {
    std::string messages;
    for (int i = 0; i < 50; ++i)
        messages += (i ? "," : "") +
                    text_json("wamid." + std::to_string(i), R"("from":"255712345678")", "x");
    EXPECT_EQ(post(change(R"("messages":[)" + messages + "]")), 200);
    const auto received = events("MessageReceived");
    ASSERT_EQ(received.size(), 50U);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(received[static_cast<std::size_t>(i)].stream.key, "wamid." + std::to_string(i));
}

// ---------------------------------------------------------------- what a message may be

TEST_F(Gateway, EveryKindOfMessageIsATypedFactWithItsElement) {
    using Kind = v1::InboundKind;
    const std::pair<std::string, Kind> kinds[] = {
        {R"("type":"text","text":{"body":"Hi"})", v1::INBOUND_KIND_TEXT},
        {R"("type":"image","image":{"id":"1","mime_type":"image/jpeg"})", v1::INBOUND_KIND_MEDIA},
        {R"("type":"audio","audio":{"id":"2","voice":true})", v1::INBOUND_KIND_MEDIA},
        {R"("type":"location","location":{"latitude":-1.2,"longitude":36.8,"url":"https://a"})",
         v1::INBOUND_KIND_LOCATION},
        {R"("type":"contacts","contacts":[{"name":{"formatted_name":"Juma"}}])",
         v1::INBOUND_KIND_CONTACTS},
        {R"("type":"reaction","reaction":{"message_id":"wamid.T","emoji":"👍"})",
         v1::INBOUND_KIND_REACTION},
        {R"("type":"button","button":{"payload":"p","text":"Yes"})", v1::INBOUND_KIND_BUTTON},
        {R"("type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"m:1","title":"Coffee"}})",
         v1::INBOUND_KIND_LIST_ROW},
        {R"("type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"response_json":"{}","body":"Sent","name":"flow"}})",
         v1::INBOUND_KIND_FORM},
        {R"("type":"order","order":{"catalog_id":"19","text":"","product_items":[{"product_retailer_id":"coffee","quantity":2,"item_price":30.5,"currency":"KES"}]})",
         v1::INBOUND_KIND_ORDER},
        {R"("type":"edit","edit":{"original_message_id":"wamid.T","message":{"type":"text","text":{"body":"3"}}})",
         v1::INBOUND_KIND_EDIT},
        {R"("type":"revoke","revoke":{"original_message_id":"wamid.T"})", v1::INBOUND_KIND_REVOKE},
        {R"("type":"request_welcome")", v1::INBOUND_KIND_WELCOME_REQUEST},
        {R"("type":"unsupported","errors":[{"code":131051}])", v1::INBOUND_KIND_UNSUPPORTED},
    };
    int n = 0;
    for (const auto& [members, kind] : kinds) {
        const auto wamid = "wamid." + std::to_string(++n);
        ASSERT_EQ(post(one_message(wamid, members)), 200);
        const auto m = received(wamid);
        EXPECT_EQ(m.kind(), kind) << members;
        EXPECT_NE(m.personal().element_json().find(members), std::string::npos) << members;
    }
    EXPECT_EQ(received("wamid.3").media().kind(), v1::MEDIA_KIND_VOICE);
    EXPECT_EQ(received("wamid.4").personal().location().url(), "https://a");
    EXPECT_EQ(received("wamid.5").personal().contact_cards(0).formatted_name(), "Juma");
    EXPECT_EQ(received("wamid.9").personal().form().response_json(), "{}");
    const auto cart = received("wamid.10").personal().cart();
    ASSERT_EQ(cart.items_size(), 1);
    EXPECT_EQ(cart.items(0).retailer_id(), "coffee");
    EXPECT_EQ(cart.items(0).item_price(), "30.5");
    // Only the two files are work.
    EXPECT_EQ(rows_of("media"), 2);
}

TEST_F(Gateway, WhatTheShopWritesOnItsOwnPhoneIsKeptOnce) {
    const auto body = change(
        R"("message_echoes":[{"from":"15550783881","to":"255712345678","id":"wamid.E","timestamp":")" +
        std::to_string(unix_seconds(clock.now())) +
        R"(","type":"text","text":{"body":"I will look myself"}}])");
    EXPECT_EQ(post(body), 200);
    EXPECT_EQ(post(body), 200);
    ASSERT_EQ(events("MessageEchoed").size(), 1U);
    const auto event = events("MessageEchoed").front();
    const auto echoed = eventlog::parsed<v1::MessageEchoed>(event);
    EXPECT_EQ(event.meta.routing.key, only_customer());
    EXPECT_EQ(echoed.customer_id(), only_customer());
    EXPECT_EQ(echoed.personal().text(), "I will look myself");
    EXPECT_EQ(echoed.personal().phone(), "+255712345678");
    consume();
    v1::LoggedMessage logged;
    ASSERT_TRUE(
        logged.ParseFromString(read_model.get("duka", kEchoedDocument, "wamid.E").value_or("")));
    EXPECT_EQ(logged.direction(), v1::MESSAGE_DIRECTION_OUTBOUND);
    EXPECT_TRUE(logged.from_phone());
    // It is no word of the customer's: it opens no window.
    v1::Contact known;
    ASSERT_TRUE(known.ParseFromString(read_model.get("duka", "contact", only_customer()).value()));
    EXPECT_FALSE(known.has_last_inbound_time());
}

TEST_F(Gateway, NewsOfAnAccountGoesToWhoeverHasAChannelOfIt) {
    connect("soko", "ch2", "P2", "app2");
    const auto news = [](const std::string& account, const std::string& time) {
        return R"({"object":"whatsapp_business_account","entry":[{"id":")" + account +
               R"(","time":)" + time +
               R"(,"changes":[{"field":"message_template_status_update","value":{"event":"PAUSED","message_template_id":7,"message_template_name":"order_ready","message_template_language":"en","reason":"NONE"}}]}]})";
    };
    EXPECT_EQ(post(news("W-duka", "1739321024")), 200);
    EXPECT_EQ(post(news("W-duka", "1739321024")), 200);
    ASSERT_EQ(events("NoticeReceived").size(), 1U);
    const auto event = events("NoticeReceived").front();
    EXPECT_EQ(event.stream.tenant, "duka");
    const auto notice = eventlog::parsed<v1::NoticeReceived>(event);
    EXPECT_EQ(notice.kind(), v1::NOTICE_KIND_TEMPLATE_STATUS);
    EXPECT_EQ(notice.event(), "PAUSED");
    EXPECT_EQ(notice.template_().name(), "order_ready");
    EXPECT_EQ(notice.business_account_id(), "W-duka");
    EXPECT_EQ(notice.channel_id(), "");
    // The same words a day later are other news.
    EXPECT_EQ(post(news("W-duka", "1739407424")), 200);
    EXPECT_EQ(events("NoticeReceived").size(), 2U);
    // An account that nobody has, and one whose channel belongs to another app.
    EXPECT_EQ(post(news("W-nobody", "1739321024")), 200);
    EXPECT_EQ(post(news("W-soko", "1739321024")), 200);
    EXPECT_EQ(events("NoticeReceived").size(), 2U);
    std::set<v1::QuarantineReason> reasons;
    for (const auto& quarantined : events("ElementQuarantined"))
        reasons.insert(eventlog::parsed<v1::ElementQuarantined>(quarantined).reason());
    EXPECT_EQ(reasons,
              (std::set{v1::QUARANTINE_REASON_UNKNOWN_CHANNEL, v1::QUARANTINE_REASON_FOREIGN_APP}));
    consume();
    const auto listed = read_model.list(
        {.tenant = "duka", .kind = kNoticeDocument, .state = "NOTICE_KIND_TEMPLATE_STATUS"});
    ASSERT_EQ(listed.bodies.size(), 2U);
    v1::Notice shown;
    ASSERT_TRUE(shown.ParseFromString(listed.bodies.front()));
    EXPECT_EQ(shown.event(), "PAUSED");
    EXPECT_NE(shown.element_json().find("order_ready"), std::string::npos);
}

TEST_F(Gateway, NewsOfANumberGoesToItsChannel) {
    const auto body =
        R"({"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"history","value":{"metadata":{"phone_number_id":"P1"},"history":[{"threads":[]}]}}]}]})";
    EXPECT_EQ(post(body), 200);
    ASSERT_EQ(events("NoticeReceived").size(), 1U);
    const auto notice = eventlog::parsed<v1::NoticeReceived>(events("NoticeReceived").front());
    EXPECT_EQ(notice.kind(), v1::NOTICE_KIND_HISTORY);
    EXPECT_EQ(notice.channel_id(), "ch1");
}

// ---------------------------------------------------------------- files

class Files : public Gateway {
protected:
    Files() { std::filesystem::remove_all(directory_path); }
    ~Files() override { std::filesystem::remove_all(directory_path); }

    // A picture of a customer, with the hash of these bytes.
    void picture(const std::string& wamid, const std::string& bytes) {
        const auto hash = crypto::sha256(bytes);
        ASSERT_EQ(
            post(one_message(
                wamid, R"("type":"image","image":{"id":"M1","mime_type":"image/jpeg","sha256":")" +
                           crypto::base64_encode(crypto::bytes_of(hash)) + R"("})")),
            200);
    }
    // Works on every file that is due or will be, as the host would.
    void fetch_all() {
        const auto rows = store.pool().with([&](postgres::Session& s) {
            return s.query("select lane::int, key, ref from work where kind = 'media'");
        });
        for (int row = 0; row < rows.rows(); ++row) {
            eventlog::WorkRow work;
            work.lane = rows.int4(row, 0);
            work.kind = kMediaKind;
            work.key = rows.text(row, 1);
            work.ref = rows.text(row, 2);
            work.guard = *owners.guard(work.lane);
            auto promise = std::make_shared<std::promise<void>>();
            auto finished = promise->get_future();
            fetcher.fetch(work, [promise] { promise->set_value(); });
            ASSERT_EQ(finished.wait_for(kPatience), std::future_status::ready);
        }
    }
    void info() {
        provider.script(200, R"({"url":")" + provider.url() +
                                 R"(/bytes","mime_type":"image/jpeg","file_size":"5","id":"M1"})");
    }
    v1::MediaFetchFailed failure() {
        return eventlog::parsed<v1::MediaFetchFailed>(events("MediaFetchFailed").back());
    }
    v1::Media media(const std::string& id) {
        consume();
        v1::Media shown;
        shown.ParseFromString(read_model.get("duka", kMediaDocument, id).value_or(""));
        return shown;
    }

    const std::string directory_path =
        ::testing::TempDir() + "gateway_media_" + std::to_string(::getpid());
    MediaDirectory kept{directory_path};
    MediaFetcher fetcher{
        store, directory, providers, kept, clock, metrics, {.bytes_max = 1000, .timeout = 2'000ms}};
};

TEST_F(Files, OfAMessageAreFetchedAndServedByTheirHash) {
    picture("wamid.1", "bytes");
    EXPECT_EQ(rows_of("media"), 1);
    const auto id = media_id_of("bytes");
    EXPECT_EQ(media(id).state(), "FETCHING");
    info();
    provider.script(200, "bytes");
    fetch_all();
    EXPECT_EQ(rows_of("media"), 0);
    const auto calls = provider.calls();
    ASSERT_EQ(calls.size(), 2U);
    EXPECT_EQ(calls[0].path, "/v25.0/M1");
    EXPECT_EQ(calls[1].path, "/bytes");
    EXPECT_EQ(calls[1].authorization, "Bearer token");
    const auto file = kept.read("duka", id);
    ASSERT_TRUE(file);
    EXPECT_EQ(file->bytes, "bytes");
    EXPECT_EQ(file->mime_type, "image/jpeg");
    EXPECT_FALSE(kept.read("soko", id));
    EXPECT_EQ(media(id).state(), "STORED");
    EXPECT_EQ(media(id).size_bytes(), 5);
    EXPECT_EQ(media(id).provider_message_id(), "wamid.1");
}

TEST_F(Files, WithOtherBytesThanPromisedAreAskedForAgain) {
    picture("wamid.1", "bytes");
    info();
    provider.script(200, "bytez");
    fetch_all();
    ASSERT_EQ(events("MediaFetchFailed").size(), 1U);
    EXPECT_EQ(failure().attempt(), 1);
    EXPECT_GT(failure().retry_at_us(), unix_micros(clock.now()));
    EXPECT_EQ(rows_of("media"), 1);
    EXPECT_FALSE(kept.has("duka", media_id_of("bytez")));
    info();
    provider.script(200, "bytes");
    fetch_all();
    EXPECT_EQ(eventlog::parsed<v1::MediaFetched>(events("MediaFetched").front()).attempt(), 2);
    EXPECT_EQ(rows_of("media"), 0);
}

TEST_F(Files, ThatTheirProviderDoesNotHaveAreGivenUp) {
    picture("wamid.1", "bytes");
    provider.script(404, "{}");
    fetch_all();
    EXPECT_EQ(failure().retry_at_us(), 0);
    EXPECT_EQ(rows_of("media"), 0);
    EXPECT_EQ(media(media_id_of("bytes")).state(), "MISSING");
    EXPECT_NE(media(media_id_of("bytes")).reason(), "");
}

TEST_F(Files, AboveTheLimitAreNotFetched) {
    picture("wamid.1", "bytes");
    provider.script(200, R"({"url":")" + provider.url() +
                             R"(/bytes","mime_type":"image/jpeg","file_size":"1001","id":"M1"})");
    fetch_all();
    EXPECT_EQ(failure().retry_at_us(), 0);
    EXPECT_EQ(provider.calls().size(), 1U);
}

TEST_F(Files, AreGivenUpAfterTheLastAttempt) {
    picture("wamid.1", "bytes");
    for (std::size_t n = 0; n <= kMediaWaits.size(); ++n) {
        EXPECT_EQ(rows_of("media"), 1);
        provider.script(500, "{}");
        fetch_all();
    }
    EXPECT_EQ(rows_of("media"), 0);
    EXPECT_EQ(events("MediaFetchFailed").size(), kMediaWaits.size() + 1);
}

TEST_F(Files, ThatAMessageNamesAreUploadedOnceAndAgainWhenTheyAreGone) {
    ASSERT_EQ(post(text_message("wamid.1", "Hi")), 200);
    consume();
    const auto id = kept.keep("duka", {.bytes = "jpeg bytes", .mime_type = "image/jpeg"});
    start_dispatcher({.files = &kept});
    const auto send = [&] {
        QueueMessage queue;
        queue.message_id = MessageId(ids.next().text());
        queue.channel_id = kChannel;
        queue.customer_id = only_customer();
        queue.idempotency_key = queue.message_id;
        queue.preconditions = {.purpose = Purpose::service, .needs_open_window = true};
        queue.to = "+255712345678";
        common::v1::MessageContent content;
        content.mutable_media()->set_kind("image");
        content.mutable_media()->set_media_id(id);
        queue.content = content.SerializeAsString();
        append("duka", by_customer(queue.customer_id), message_stream("duka", queue.message_id), 0,
               encode(MessageEvent(MessageQueued{.message = queue}), clock.now()));
    };
    const auto paths = [&] {
        std::vector<std::string> found;
        for (const auto& call : provider.calls()) found.push_back(call.path);
        return found;
    };
    const std::string upload = "/v25.0/P1/media";
    const std::string message = "/v25.0/P1/messages";
    provider.script(200, R"({"id":"42"})");
    send();
    until_events("SendAccepted", 1);
    ASSERT_EQ(paths(), (std::vector{upload, message}));
    EXPECT_NE(provider.calls()[0].body.find("jpeg bytes"), std::string::npos);
    EXPECT_NE(provider.calls()[1].body.find(R"("image":{"id":"42"})"), std::string::npos);
    // The same file again: Meta still has it.
    send();
    until_events("SendAccepted", 2);
    ASSERT_EQ(paths(), (std::vector{upload, message, message}));
    // Meta has forgotten it.
    provider.refuse(131053);
    provider.script(200, R"({"id":"43"})");
    send();
    until_events("SendAccepted", 3);
    ASSERT_EQ(paths(), (std::vector{upload, message, message, message, upload, message}));
    EXPECT_NE(provider.calls().back().body.find(R"("id":"43")"), std::string::npos);
    EXPECT_TRUE(events("SendFailed").empty());
}

TEST_F(Gateway, BadSignaturesLeaveNothingBehind) {
    const auto body = text_message("wamid.1", "Hi");
    EXPECT_EQ(post_async(body, "").get().status, 401);
    const auto wrong = post_async(body, signature(body, "wrong")).get();
    EXPECT_EQ(wrong.status, 401);
    EXPECT_EQ(wrong.body, "");
    EXPECT_TRUE(raw_webhooks().empty());
    // One event a source and minute says that there was something.
    door.stop();
    until_events("SignatureRejected", 1);
}

TEST_F(Gateway, AnAppThatDoesNotOwnTheChannelIsQuarantined) {
    const auto body = text_message("wamid.1", "Hi");
    EXPECT_EQ(post_async(body, signature(body, "another_secret")).get().status, 200);
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255712345678")", "P9")), 200);
    EXPECT_TRUE(events("MessageReceived").empty());
    std::multiset<v1::QuarantineReason> reasons;
    for (const auto& event : events("ElementQuarantined")) {
        v1::ElementQuarantined m;
        ASSERT_TRUE(m.ParseFromString(event.payload));
        reasons.insert(m.reason());
    }
    EXPECT_EQ(reasons, (std::multiset{v1::QUARANTINE_REASON_UNKNOWN_CHANNEL,
                                      v1::QUARANTINE_REASON_FOREIGN_APP}));
    EXPECT_EQ(raw_webhooks().size(), 2U);
}

TEST_F(Gateway, AChannelThatAnotherReplicaHasJustConnectedIsKnownAtTheDoor) {
    connect_elsewhere("mpya", "ch9", "P9", "app1");
    EXPECT_EQ(post(text_message("wamid.1", "Hi", R"("from":"255712345678")", "P9")), 200);
    ASSERT_EQ(events("MessageReceived").size(), 1U);
    EXPECT_EQ(events("MessageReceived").front().stream.tenant, "mpya");
    EXPECT_TRUE(events("ElementQuarantined").empty());
    // What nobody has connected is still nobody's.
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255712345678")", "P8")), 200);
    EXPECT_EQ(events("ElementQuarantined").size(), 1U);
}

// ---- Webhooks that came together

// While appends wait, what comes to the door gathers.
class TogetherAtTheDoor : public Gateway {
protected:
    TogetherAtTheDoor() {
        // Who is known costs no look-up, so that the order is that of the calls.
        EXPECT_EQ(post(text_message("wamid.0", "Hi")), 200);
        lane = events("MessageReceived").front().lane;
    }
    // No append gets through until this goes away.
    class Hold {
    public:
        explicit Hold(const std::string& url) : session_({.url = url}) {
            session_.run("begin; select * from lanes for update");
        }
        ~Hold() { session_.run("rollback"); }

    private:
        postgres::Session session_;
    };
    std::int64_t appends_that_wait() {
        return admin
            .query(
                "select count(*) from pg_stat_activity where application_name like "
                "'gateway-append-%' and wait_event_type = 'Lock' and datname = current_database()")
            .int8(0, 0);
    }
    // Posts the first one, which an append takes and waits with, then the others, which gather.
    std::vector<std::future<http::Response>> post_together(const std::vector<std::string>& bodies) {
        std::vector<std::future<http::Response>> answers;
        for (const auto& body : bodies) {
            answers.push_back(post_async(body, signature(body)));
            if (answers.size() > 1) continue;
            const auto end = std::chrono::steady_clock::now() + kPatience;
            while (appends_that_wait() == 0 && std::chrono::steady_clock::now() < end)
                std::this_thread::sleep_for(2ms);
        }
        return answers;
    }
    static void expect_stored(std::vector<std::future<http::Response>>& answers) {
        for (auto& answer : answers) EXPECT_EQ(answer.get().status, 200);
    }
    std::vector<std::string> greetings(int count) {
        std::vector<std::string> bodies;
        for (int i = 1; i <= count; ++i)
            bodies.push_back(text_message("wamid." + std::to_string(i), "Hi"));
        return bodies;
    }
    static bool is_ready(const std::future<http::Response>& answer) {
        return answer.wait_for(0s) == std::future_status::ready;
    }

    postgres::Session admin{{.url = database.admin_url()}};
    RawWebhooks webhooks{store, directory, contacts, keys, providers};
    int lane = 0;
};

TEST_F(TogetherAtTheDoor, AreOneEventAndOneCommitAndEachIsFoundByItself) {
    const auto bodies = greetings(6);
    std::vector<std::future<http::Response>> answers;
    {
        const Hold hold(database.admin_url());
        answers = post_together(bodies);
        for (const auto& answer : answers)
            EXPECT_FALSE(is_ready(answer)) << "acknowledged before its commit";
    }
    expect_stored(answers);
    // The newcomer's, the first one's, and that of the five which gathered.
    ASSERT_EQ(events("WebhooksReceived").size(), 3U);
    EXPECT_EQ(events("MessageReceived").size(), 7U);
    const auto raw = raw_webhooks();
    ASSERT_EQ(raw.size(), 7U);

    // Pages of two go through the events and their webhooks one by one.
    WebhookQuery query;
    query.page_size = 2;
    std::vector<RawWebhook> listed;
    for (int pages = 0; pages < 10; ++pages) {
        auto page = webhooks.list(query);
        EXPECT_LE(page.webhooks.size(), 2U);
        for (auto& webhook : page.webhooks) listed.push_back(std::move(webhook));
        if (!page.next) break;
        query.at = *page.next;
    }
    ASSERT_EQ(listed.size(), raw.size());
    std::set<Uuid> ids_seen;
    std::set<std::string> bodies_seen;
    for (const auto& webhook : listed) {
        ids_seen.insert(webhook.id);
        bodies_seen.insert(webhook.raw.body());
        const auto got = webhooks.get(webhook.place);
        ASSERT_TRUE(got);
        EXPECT_EQ(got->id, webhook.id);
        EXPECT_EQ(got->raw.body(), webhook.raw.body());
        const auto read = webhooks.read(*got, false, "operator:asha");
        ASSERT_EQ(read.size(), 1U);
        EXPECT_EQ(read[0].state, ElementState::stored);
        // The fact names the webhook that brought it, not the event's first one.
        EXPECT_EQ(received(read[0].provider_message_id).webhook_id(), webhook.id.raw());
    }
    EXPECT_EQ(ids_seen.size(), raw.size());
    for (const auto& body : bodies) EXPECT_TRUE(bodies_seen.contains(body));
    auto beyond = listed.back().place;
    ++beyond.index;
    EXPECT_FALSE(webhooks.get(beyond));
}

TEST_F(TogetherAtTheDoor, AreStoredOnceAndAcknowledgedThenWhenTheConnectionBreaks) {
    std::vector<std::future<http::Response>> answers;
    {
        const Hold hold(database.admin_url());
        answers = post_together(greetings(4));
        EXPECT_GT(admin
                      .query("select count(pg_terminate_backend(pid)) from pg_stat_activity where "
                             "application_name like 'gateway-append-%' and datname = "
                             "current_database()")
                      .int8(0, 0),
                  0);
        for (const auto& answer : answers) EXPECT_FALSE(is_ready(answer));
    }
    expect_stored(answers);
    EXPECT_EQ(events("MessageReceived").size(), 5U);
    EXPECT_EQ(raw_webhooks().size(), 5U);
}

TEST_F(TogetherAtTheDoor, DoNotShareAnEventThatWouldBecomeTooLarge) {
    const auto large = [&](int number) {
        return text_message("wamid." + std::to_string(number), std::string(200'000, 'x'));
    };
    std::vector<std::future<http::Response>> answers;
    {
        const Hold hold(database.admin_url());
        answers = post_together({large(1), large(2), large(3), large(4)});
    }
    expect_stored(answers);
    // Two of the three that gathered fit into one event.
    EXPECT_EQ(events("WebhooksReceived").size(), 4U);
    EXPECT_EQ(raw_webhooks().size(), 5U);
    for (const auto& event : events("WebhooksReceived"))
        EXPECT_LE(event.payload.size(), store.options().joined_bytes_max);
}

TEST_F(TogetherAtTheDoor, OneWhoseFactIsRefusedRefusesNoneOfTheOthers) {
    http::Request request;
    request.path = "/webhooks/whatsapp";
    const auto fact = [&](const std::string& wamid) {
        v1::GroupMessageReceived received;
        received.set_provider_message_id("x");
        eventlog::Command command;
        command.id = "inbound/" + ids.next().text();
        command.tenant = "duka";
        command.meta.routing = {eventlog::RoutingKind::lane, std::to_string(lane)};
        command.parts.push_back({inbound_stream("duka", ProviderMessageId(wamid)),
                                 eventlog::kCreate,
                                 {eventlog::stored(received, clock.now())}});
        return command;
    };
    std::map<std::string, int> stored;
    std::vector<eventlog::Store::Asked> asked;
    const auto ask = [&](const std::string& what, eventlog::Command command, bool raw) {
        asked.push_back({std::move(command),
                         [&stored, what](const eventlog::Verdict&, std::exception_ptr error) {
                             stored[what] = error ? -1 : 1;
                         },
                         raw});
    };
    // A name that is no text cannot be stored.
    for (const std::string wamid : {"wamid.1", "wamid.\xff", "wamid.3"}) {
        request.body = wamid;
        ask("raw " + wamid,
            raw_webhook_command(meta_frame(), request, ParsedWebhook::Shape::well_formed, lane),
            true);
        ask(wamid, fact(wamid), false);
    }
    store.append_async(std::move(asked));
    store.drain();
    EXPECT_EQ(stored["wamid.1"], 1);
    EXPECT_EQ(stored["wamid.\xff"], -1);
    EXPECT_EQ(stored["wamid.3"], 1);
    for (const std::string wamid : {"wamid.1", "wamid.\xff", "wamid.3"})
        EXPECT_EQ(stored["raw " + wamid], 1) << wamid;
    EXPECT_EQ(raw_webhooks().size(), 4U);
}

TEST_F(TogetherAtTheDoor, ASecondOneOfAnEventIsFoundByItsOwnTimeAndReadAgainAlone) {
    // As a door stored them that could read nothing of them; they waited for a commit together.
    const Time first_came = clock.now() - 2h;
    std::vector<eventlog::Store::Asked> asked;
    std::vector<Uuid> came;
    for (int i = 1; i <= 3; ++i) {
        auto frame = meta_frame();
        frame.received_at = first_came + i * 10s;
        came.push_back(frame.webhook_id);
        http::Request request;
        request.path = "/webhooks/whatsapp";
        request.body = text_message("wamid." + std::to_string(i), "Hi");
        asked.push_back(
            {raw_webhook_command(frame, request, ParsedWebhook::Shape::malformed_json, lane),
             [](const eventlog::Verdict&, std::exception_ptr) {}, true});
    }
    store.append_async(std::move(asked));
    until([&] { return raw_webhooks().size() == 4; }, "the raw webhooks");
    ASSERT_EQ(events("WebhooksReceived").size(), 2U);

    WebhookQuery query;
    query.parse = ParsedWebhook::Shape::malformed_json;
    ASSERT_EQ(webhooks.list(query).webhooks.size(), 3U);
    // The lane's clock says now: what counts is when each of them came to the door.
    query.from = first_came + 15s;
    EXPECT_EQ(webhooks.list(query).webhooks.size(), 2U);
    const auto second = webhooks.list(query).webhooks.front();
    EXPECT_EQ(second.id, came[1]);
    EXPECT_EQ(second.place.index, 1);

    const auto read = webhooks.read(second, true, "operator:asha");
    ASSERT_EQ(read.size(), 1U);
    EXPECT_EQ(read[0].state, ElementState::appended);
    EXPECT_EQ(read[0].provider_message_id, "wamid.2");
    EXPECT_EQ(events("MessageReceived").size(), 2U);
    EXPECT_EQ(received("wamid.2").webhook_id(), came[1].raw());
    for (const auto& webhook : webhooks.list(query).webhooks)
        EXPECT_EQ(webhooks.read(webhook, false, "operator:asha")[0].state,
                  webhook.id == came[1] ? ElementState::stored : ElementState::missing);
}

// Headers are no part of what is signed: whoever repeats a webhook may write anything there.
TEST_F(TogetherAtTheDoor, AHeaderThatIsNoTextSpoilsNoWebhookOfItsEvent) {
    std::vector<eventlog::Store::Asked> asked;
    for (const std::string header : {"\xff\xfe", "text"}) {
        http::Request request;
        request.headers.add("X-Odd", header);
        request.body = header;
        asked.push_back(
            {raw_webhook_command(meta_frame(), request, ParsedWebhook::Shape::malformed_json, lane),
             [](const eventlog::Verdict&, std::exception_ptr) {}, true});
    }
    store.append_async(std::move(asked));
    until([&] { return raw_webhooks().size() == 3; }, "the raw webhooks");
    const auto page = webhooks.list({});
    ASSERT_EQ(page.webhooks.size(), 3U);
    std::set<std::string> headers;
    for (const auto& webhook : page.webhooks)
        for (const auto& header : webhook.raw.headers())
            if (header.name() == "X-Odd") headers.insert(header.value());
    EXPECT_EQ(headers, (std::set<std::string>{"\xff\xfe", "text"}));
}

TEST_F(Gateway, ANewcomersWebhookAndMessageAreOneCommit) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto raw = events("WebhooksReceived");
    const auto message = events("MessageReceived");
    ASSERT_EQ(raw.size(), 1U);
    ASSERT_EQ(message.size(), 1U);
    EXPECT_EQ(raw[0].lane, message[0].lane);
    EXPECT_EQ(raw[0].position + 1, message[0].position);
    // Events of one commit follow each other by a microsecond.
    EXPECT_EQ(message[0].recorded_at - raw[0].recorded_at, 1us);
}

class StatusesAtTheDoor : public Gateway {
protected:
    StatusesAtTheDoor() : Gateway({.append_connections = 1, .company_wait = 1h}) {}

    static constexpr const char* kStatus =
        R"("statuses":[{"id":"wamid.S","status":"read","timestamp":"1749416390"}])";
};

TEST_F(StatusesAtTheDoor, AreStoredWithTheNextMessageAndAnsweredThen) {
    const auto status = change(kStatus);
    auto answer = post_async(status, signature(status));
    EXPECT_EQ(answer.wait_for(20ms), std::future_status::timeout);
    EXPECT_TRUE(raw_webhooks().empty());
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    EXPECT_EQ(answer.get().status, 200);
    // Both webhooks came into one commit, so they are one event.
    EXPECT_EQ(raw_webhooks().size(), 2U);
    EXPECT_EQ(events("WebhooksReceived").size(), 1U);
}

TEST_F(StatusesAtTheDoor, WaitForNothingBesideAMessage) {
    EXPECT_EQ(post(change(R"("messages":[)" +
                          text_json("wamid.1", R"("from":"255712345678")", "Hi") + "]," + kStatus)),
              200);
    EXPECT_EQ(events("MessageReceived").size(), 1U);
}

TEST_F(Gateway, SignedNonsenseIsKeptRaw) {
    EXPECT_EQ(post("{not json"), 200);
    EXPECT_EQ(post("{}"), 200);
    EXPECT_EQ(raw_webhooks().size(), 2U);
}

TEST_F(Gateway, ABsuidOnlyCustomerWhoShowsAPhoneStaysOneCustomer) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi", R"("from_user_id":"TZ.134")")), 200);
    EXPECT_EQ(
        post(text_message("wamid.2", "Hi", R"("from_user_id":"TZ.134","from":"255712345678")")),
        200);
    EXPECT_EQ(post(text_message("wamid.3", "Hi", R"("from":"255712345678")")), 200);
    EXPECT_EQ(events("ContactSeen").size(), 1U);
    EXPECT_EQ(events("IdentityAdded").size(), 1U);
    const auto customer = only_customer();
    for (const auto& received : events("MessageReceived"))
        EXPECT_EQ(received.meta.routing.key, customer);
}

TEST_F(Gateway, TwoCustomersThatAreOnePersonAreLinkedToTheOlder) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi", R"("from_user_id":"TZ.134")")), 200);
    const auto older = only_customer();
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255712345678")")), 200);
    EXPECT_EQ(
        post(text_message("wamid.3", "Hi", R"("from_user_id":"TZ.134","from":"255712345678")")),
        200);
    until_events("ContactsLinked", 1);
    EXPECT_EQ(events("ContactMerged").size(), 1U);
    EXPECT_EQ(events("ContactsLinked").front().stream.key, older);
    consume();
    EXPECT_EQ(post(text_message("wamid.4", "Hi", R"("from":"255712345678")")), 200);
    for (const auto& received : events("MessageReceived")) {
        if (received.stream.key == "wamid.2") continue;
        EXPECT_EQ(received.meta.routing.key, older) << received.stream.key;
    }
}

// ---- One bad element

TEST_F(Gateway, OneBadElementNeverLosesAWholeWebhook) {
    const auto good = text_json("wamid.1", R"("from":"255712345678")", "one");
    const auto half = text_json("wamid.2", R"("from":"255712345678")", R"(caf\ud83d)");
    const auto last = text_json("wamid.3", R"("from":"255754000001")", "three");
    EXPECT_EQ(post(change(R"("messages":[)" + good + "," + half + R"(,{"id":nul},)" + last + "]")),
              200);
    EXPECT_EQ(events("MessageReceived").size(), 3U);
    EXPECT_EQ(received("wamid.1").personal().text(), "one");
    EXPECT_FALSE(received("wamid.1").repaired());
    EXPECT_EQ(received("wamid.2").personal().text(), "caf\uFFFD");
    EXPECT_TRUE(received("wamid.2").repaired());
    EXPECT_EQ(received("wamid.3").personal().text(), "three");
    const auto raw = raw_webhooks().front();
    EXPECT_EQ(raw.parse(), v1::WEBHOOK_PARSE_REPAIRED);
    EXPECT_NE(raw.body().find(R"(caf\ud83d)"), std::string::npos);  // as it came
    EXPECT_NE(metrics.render().find("flowstack_gateway_damaged_elements_total 2"),
              std::string::npos);
}

TEST_F(Gateway, ARawWebhookIsReadAgainAndAppendsOnlyWhatIsMissing) {
    // As it was stored by a door that could read nothing of it.
    const auto body =
        change(R"("messages":[)" + text_json("wamid.1", R"("from":"255712345678")", "one") + "," +
               text_json("wamid.2", R"("from":"255712345678")", "STOP") + "," +
               text_json("wamid.3", R"("group_id":"G1","from":"255712345678")", "all") +
               R"(],"statuses":[{"id":"wamid.S","status":"read","timestamp":"1749416390"}])");
    const auto frame = meta_frame();
    http::Request request;
    request.path = "/webhooks/whatsapp";
    request.body = body;
    ASSERT_TRUE(
        store.append(raw_webhook_command(frame, request, ParsedWebhook::Shape::malformed_json, 2))
            .accepted());
    EXPECT_EQ(post(text_message("wamid.1", "one")), 200);  // the provider sent this one again

    RawWebhooks webhooks{store, directory, contacts, keys, providers};
    WebhookQuery query;
    query.parse = ParsedWebhook::Shape::malformed_json;
    const auto page = webhooks.list(query);
    ASSERT_EQ(page.webhooks.size(), 1U);
    EXPECT_EQ(page.webhooks.front().raw.body(), body);
    EXPECT_FALSE(page.next);
    query.parse.reset();
    EXPECT_EQ(webhooks.list(query).webhooks.size(), 2U);
    query.from = clock.now() + 1h;
    EXPECT_TRUE(webhooks.list(query).webhooks.empty());

    const auto states = [&](bool append) {
        std::vector<ElementState> found;
        for (const auto& element : webhooks.read(page.webhooks.front(), append, "operator:asha"))
            found.push_back(element.state);
        return found;
    };
    using enum ElementState;
    const std::vector<ElementState> before{stored, missing, missing, missing};
    const std::vector<ElementState> now{stored, appended, appended, appended};
    const std::vector<ElementState> after{stored, stored, stored, stored};
    EXPECT_EQ(states(false), before);
    EXPECT_EQ(events("MessageReceived").size(), 1U);  // a look changes nothing
    EXPECT_EQ(states(true), now);
    EXPECT_EQ(states(true), after);
    EXPECT_EQ(events("MessageReceived").size(), 2U);
    EXPECT_EQ(events("GroupMessageReceived").size(), 1U);
    EXPECT_EQ(events("StatusParked").size(), 1U);
    EXPECT_EQ(events("ConsentChanged").size(), 2U);
    EXPECT_EQ(events("GroupMessageReceived").front().meta.actor, "operator:asha");
}

TEST_F(Gateway, ReadingThePastAgainGivesNoConsentBack) {
    EXPECT_EQ(post(text_message("wamid.1", "STOP")), 200);
    const auto customer = only_customer();
    const auto frame = meta_frame();
    http::Request request;
    request.body = text_message("wamid.0", "START");
    ASSERT_TRUE(
        store.append(raw_webhook_command(frame, request, ParsedWebhook::Shape::unknown_shape, 1))
            .accepted());
    RawWebhooks webhooks{store, directory, contacts, keys, providers};
    WebhookQuery query;
    query.parse = ParsedWebhook::Shape::unknown_shape;
    const auto page = webhooks.list(query);
    ASSERT_EQ(page.webhooks.size(), 1U);
    const auto elements = webhooks.read(page.webhooks.front(), true, "operator");
    ASSERT_EQ(elements.size(), 1U);
    EXPECT_EQ(elements.front().state, ElementState::appended);
    EXPECT_EQ(contact(customer).marketing, Consent::refused);
}

// ---- A refusal follows the person

TEST_F(Gateway, ARefusalFollowsWhoeverChangesTheirNumber) {
    for (const std::string field : {"wa_id", "new_wa_id"}) {
        const auto n = field == "wa_id" ? std::string("1") : std::string("2");
        const auto old_number = R"("from":"25571234567)" + n + R"(")";
        const auto new_number = R"("from":"25575400000)" + n + R"(")";
        EXPECT_EQ(post(text_message("wamid.a" + n, "Hi", old_number)), 200);
        EXPECT_EQ(post(text_message("wamid.b" + n, "STOP", old_number)), 200);
        EXPECT_EQ(post(one_message("wamid.c" + n,
                                   R"("type":"system","system":{"type":"user_changed_number",")" +
                                       field + R"(":"25575400000)" + n + R"(","body":"changed"})",
                                   old_number)),
                  200);
        EXPECT_EQ(post(text_message("wamid.d" + n, "Hi", new_number)), 200);
        const auto customer = customer_of("wamid.a" + n);
        EXPECT_EQ(customer_of("wamid.d" + n), customer) << field;
        EXPECT_EQ(contact(customer).marketing, Consent::refused) << field;
        EXPECT_EQ(address_of(contact(customer)), "+25575400000" + n) << field;
        EXPECT_EQ(received("wamid.c" + n).kind(), v1::INBOUND_KIND_SYSTEM);
        EXPECT_EQ(received("wamid.c" + n).personal().phone(), "+25575400000" + n);
        queue_marketing(customer);
    }
    start_dispatcher();
    until_events("MessageSuppressed", 2);
    EXPECT_TRUE(events("SendAttempted").empty());
    EXPECT_EQ(events("ContactSeen").size(), 2U);
}

TEST_F(Gateway, ARefusalFollowsWhoeverWroteFromTheNewNumberFirst) {
    EXPECT_EQ(post(text_message("wamid.1", "STOP")), 200);
    const auto older = only_customer();
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255754000001")")), 200);
    const auto younger = customer_of("wamid.2");
    ASSERT_NE(younger, older);
    EXPECT_EQ(
        post(one_message(
            "wamid.3",
            R"("type":"system","system":{"type":"user_changed_number","wa_id":"255754000001"})")),
        200);
    // At once, and not only when our own consumer comes to it.
    ASSERT_EQ(events("ContactsLinked").size(), 1U);
    v1::ContactsLinked linked;
    ASSERT_TRUE(linked.ParseFromString(events("ContactsLinked").front().payload));
    EXPECT_EQ(linked.customer_id(), older);
    EXPECT_EQ(linked.merged_customer_id(), younger);
    EXPECT_EQ(linked.marketing_consent(), v1::CONSENT_STATE_REFUSED);
    EXPECT_EQ(address_of(contact(older)), "+255754000001");
    start_dispatcher();
    queue_marketing(younger);  // a campaign that was made before
    queue_marketing(older);
    until_events("MessageSuppressed", 2);
    EXPECT_TRUE(events("SendAttempted").empty());
    EXPECT_EQ(events("ContactsLinked").size(), 1U);
}

TEST_F(Gateway, TheYoungerContactsRefusalHoldsAfterTheLink) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi", R"("from_user_id":"TZ.134")")), 200);
    const auto older = only_customer();
    EXPECT_EQ(post(text_message("wamid.2", "STOP", R"("from":"255712345678")")), 200);
    EXPECT_EQ(
        post(text_message("wamid.3", "Hi", R"("from_user_id":"TZ.134","from":"255712345678")")),
        200);
    EXPECT_EQ(customer_of("wamid.3"), older);
    EXPECT_EQ(contact(older).marketing, Consent::refused);
    EXPECT_EQ(contact(older).utility, Consent::refused);
    consume();
    v1::Contact resource;
    const auto document = read_model.get("duka", "contact", older);
    ASSERT_TRUE(document && resource.ParseFromString(*document));
    EXPECT_EQ(resource.marketing_consent(), "REFUSED");
}

TEST_F(Gateway, StopInEveryFormOfTheProviderIsARefusal) {
    const std::pair<const char*, ConsentSource> kForms[] = {
        {R"("type":"text","text":{"body":"\u200eStop\u00a0"})", ConsentSource::keyword},
        {R"("type":"button","button":{"payload":"p","text":"Stop promotions"})",
         ConsentSource::template_button},
        {R"("type":"button","button":{"payload":"UNSUBSCRIBE","text":"No more of this"})",
         ConsentSource::template_button},
        {R"("type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"x","title":"STOP"}})",
         ConsentSource::button},
        {R"("type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"x","title":"Unsubscribe"}})",
         ConsentSource::list_row},
        {R"("type":"edit","edit":{"original_message_id":"wamid.0","message":{"type":"text","text":{"body":"STOP"}}})",
         ConsentSource::keyword},
    };
    int n = 0;
    for (const auto& [members, source] : kForms) {
        const auto wamid = "wamid." + std::to_string(++n);
        EXPECT_EQ(post(one_message(wamid, members,
                                   R"("from":"25571234500)" + std::to_string(n) + R"(")")),
                  200);
        EXPECT_EQ(contact(customer_of(wamid)).marketing, Consent::refused) << members;
        EXPECT_EQ(received(wamid).consent_change(), v1::CONSENT_CHANGE_UNSUBSCRIBED) << members;
        bool said = false;
        for (const auto& event : events("ConsentChanged")) {
            const auto fact = std::get<ConsentChanged>(decode_contact(event.type, event.payload));
            said = said || (fact.customer_id == customer_of(wamid) && fact.source == source);
        }
        EXPECT_TRUE(said) << members;
    }
}

TEST_F(Gateway, RegionalSpellingsOfOneNumberAreOnePerson) {
    const std::pair<const char*, const char*> kSpellings[] = {
        {"5215512345678", "525512345678"},
        {"551187654321", "5511987654321"},
        {"541123456789", "5491123456789"},
    };
    int n = 0;
    for (const auto& [one, other] : kSpellings) {
        const auto first = "wamid." + std::to_string(++n), second = "wamid." + std::to_string(++n);
        EXPECT_EQ(post(text_message(first, "STOP", R"("from":")" + std::string(one) + R"(")")),
                  200);
        EXPECT_EQ(post(text_message(second, "Hi", R"("from":")" + std::string(other) + R"(")")),
                  200);
        EXPECT_EQ(customer_of(first), customer_of(second)) << one;
        // What an API send looks up by.
        const auto found =
            contacts.find("duka", {.kind = IdentityKind::phone, .value = "+" + std::string(other)});
        ASSERT_TRUE(found) << one;
        EXPECT_EQ(std::get<OpenContact>(found->contact.state).marketing, Consent::refused);
    }
    EXPECT_EQ(events("ContactSeen").size(), 3U);
}

TEST_F(Gateway, AMessageInAGroupIsKeptAndNobodyIsAnswered) {
    EXPECT_EQ(post(text_message("wamid.1", "STOP", R"("group_id":"G1","from":"255712345678")")),
              200);
    EXPECT_EQ(events("GroupMessageReceived").size(), 1U);
    EXPECT_TRUE(events("MessageReceived").empty());
    EXPECT_TRUE(events("ContactSeen").empty());
    EXPECT_TRUE(events("ConsentChanged").empty());
    v1::GroupMessageReceived m;
    ASSERT_TRUE(m.ParseFromString(events("GroupMessageReceived").front().payload));
    EXPECT_EQ(m.group_id(), "G1");
    EXPECT_EQ(m.personal().text(), "STOP");
    EXPECT_EQ(m.personal().phone(), "+255712345678");
    EXPECT_EQ(post(text_message("wamid.1", "STOP", R"("group_id":"G1","from":"255712345678")")),
              200);
    EXPECT_EQ(events("GroupMessageReceived").size(), 1U);
}

TEST_F(Gateway, APinCarriesItsPlaceAndTypesOfNextYearAreNoWords) {
    EXPECT_EQ(
        post(one_message(
            "wamid.1",
            R"("type":"location","location":{"latitude":-1.25,"longitude":36.5,"name":"Home","address":"Ngong Rd"})")),
        200);
    EXPECT_EQ(post(one_message("wamid.2", R"("type":"hologram","hologram":{"body":"hi"})")), 200);
    const auto pin = received("wamid.1");
    EXPECT_EQ(pin.kind(), v1::INBOUND_KIND_LOCATION);
    EXPECT_EQ(pin.personal().location().latitude(), -1.25);
    EXPECT_EQ(pin.personal().location().address(), "Ngong Rd");
    EXPECT_EQ(received("wamid.2").kind(), v1::INBOUND_KIND_UNSUPPORTED);
    EXPECT_EQ(received("wamid.2").provider_type(), "hologram");
}

TEST_F(Gateway, AReplyLeavesAndItsStatusesClimb) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    const auto id = reply(only_customer(), "Hello");
    until_events("SendAccepted", 1);
    ASSERT_EQ(provider.calls().size(), 1U);
    const auto call = provider.calls().front();
    EXPECT_EQ(call.path, "/v25.0/P1/messages");
    const auto queued = events("MessageQueued").front(),
               attempted = events("SendAttempted").front(),
               accepted = events("SendAccepted").front();
    // Queued alone, or together with its attempt.
    if (attempted.command_id == queued.command_id)
        EXPECT_EQ(attempted.meta.causation, queued.meta.causation);
    else
        EXPECT_EQ(attempted.meta.causation, queued.where());
    EXPECT_EQ(accepted.meta.causation, attempted.where());
    EXPECT_EQ(attempted.meta.correlation_id, queued.meta.correlation_id);
    EXPECT_EQ(accepted.meta.correlation_id, queued.meta.correlation_id);
    EXPECT_FALSE(queued.meta.correlation_id.empty());
    EXPECT_EQ(member(call.body, "to"), "+255712345678");
    const auto callback = member(call.body, "biz_opaque_callback_data");
    for (const auto* status : {"read", "sent", "delivered", "read"})
        EXPECT_EQ(post(change(R"("statuses":[{"id":"wamid.out1","status":")" + std::string(status) +
                              R"(","timestamp":"1749416393","biz_opaque_callback_data":")" +
                              callback + R"("}])")),
                  200);
    EXPECT_EQ(events("StatusReported").size(), 3U);
    until([&] { return message(id).state() == "READ"; }, "READ");
    EXPECT_EQ(message(id).provider_message_id(), "wamid.out1");
}

TEST_F(Gateway, TheTimeFromAMessageToItsReplyIsCountedAndThatOfNothingElse) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    const auto customer = only_customer();
    const auto before = clock.now();
    const eventlog::Position the_message{"gateway", 0, 1};
    reply(customer, "An answer", conversation::v1::REPLY_KIND_REPLY, the_message);
    until_events("SendAccepted", 1);
    reply(customer, "Thank you for the payment", conversation::v1::REPLY_KIND_REPLY,
          eventlog::Position{"payment", 0, 1});
    reply(customer, "Are you still there?", conversation::v1::REPLY_KIND_FOLLOW_UP, the_message);
    until_events("SendAccepted", 3);
    const auto stored_at = [&](std::size_t number) {
        return eventlog::parsed<v1::MessageQueued>(events("MessageQueued")[number])
            .inbound_stored_at_us();
    };
    EXPECT_GE(stored_at(0), unix_micros(before));
    EXPECT_LE(stored_at(0), unix_micros(clock.now()));
    EXPECT_EQ(stored_at(1) + stored_at(2), 0) << "nobody waits in front of their telephone";
    EXPECT_NE(metrics.render().find("flowstack_gateway_reply_seconds_count 1"), std::string::npos);
}

TEST_F(Gateway, AWindowIsJudgedByWhatIsCommittedNotByWhatTheReadModelShows) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    queue("duka", kChannel, only_customer());
    start_dispatcher();
    // Nothing is consumed yet: the read model knows of no word of this customer.
    std::this_thread::sleep_for(150ms);
    EXPECT_EQ(provider.calls().size(), 0U);
    EXPECT_EQ(events("MessageSuppressed").size(), 0U);
    until_events("SendAccepted", 1);
    EXPECT_EQ(events("MessageSuppressed").size(), 0U);
}

TEST_F(Gateway, AStatusWithoutOurDataFindsItsMessageAlsoWhenItComesFirst) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    EXPECT_EQ(post(change(
                  R"("statuses":[{"id":"wamid.out1","status":"sent","timestamp":"1749416393"}])")),
              200);
    EXPECT_EQ(events("StatusParked").size(), 1U);
    start_dispatcher();
    const auto id = reply(only_customer(), "Hello");
    until([&] { return message(id).state() == "SENT"; }, "SENT");
    EXPECT_EQ(post(change(
                  R"("statuses":[{"id":"wamid.out1","status":"read","timestamp":"1749416393"}])")),
              200);
    until([&] { return message(id).state() == "READ"; }, "READ");
}

// A platform has thousands of channels, and few of them have something to send at a moment.
TEST_F(Gateway, ChannelsThatHaveNothingToSendAreNotAskedFor) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    reply(only_customer(), "Hello");
    until_events("SendAccepted", 1);
    postgres::Session admin({.url = database.admin_url()});
    const auto asked_in_a_while = [&] {
        const auto asked = [&] {
            return admin.query("select idx_scan from pg_stat_user_tables where relname = 'work'")
                .int8(0, 0);
        };
        const auto before = asked();
        std::this_thread::sleep_for(2500ms);  // a session hands in what it counted once a second
        return asked() - before;
    };
    const auto one = asked_in_a_while();
    EXPECT_GT(one, 0);
    for (int n = 0; n < 100; ++n)
        connect("shop-" + std::to_string(n), "ch-" + std::to_string(n), "Q" + std::to_string(n),
                "app1");
    EXPECT_LT(asked_in_a_while(), 5 * one);
    // And one of them that has something is found.
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255712345678")", "Q7")), 200);
    CustomerId customer;
    for (const auto& seen : events("ContactSeen"))
        if (seen.stream.tenant == "shop-7") customer = CustomerId(seen.stream.key);
    queue("shop-7", ChannelId("ch-7"), customer);
    until_events("SendAccepted", 2);
}

TEST_F(Gateway, RepliesOfOneChatLeaveInOrder) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    // The first one is tried again; the others wait for it.
    provider.refuse(131016);
    for (int i = 0; i < 5; ++i) reply(only_customer(), "reply " + std::to_string(i));
    until_events("SendAccepted", 5);
    std::vector<std::string> bodies;
    for (const auto& call : provider.calls()) bodies.push_back(member(call.body, "body"));
    EXPECT_EQ(bodies, (std::vector<std::string>{"reply 0", "reply 0", "reply 1", "reply 2",
                                                "reply 3", "reply 4"}));
}

// What the one before has tried and will try again comes first also with the next owner, whether
// its time has come by then or not.
TEST_F(Gateway, RepliesOfOneChatLeaveInOrderWithTheNextOwnerToo) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255712345679")")), 200);
    const auto customers = events("ContactSeen");
    ASSERT_EQ(customers.size(), 2U);
    std::size_t queued = 0;
    for (const auto& [customer, retry_in] : {std::pair{CustomerId(customers[0].stream.key), 100ms},
                                             {CustomerId(customers[1].stream.key), 1500ms}}) {
        const auto first = reply(customer, "first of " + customer);
        reply(customer, "second of " + customer);
        until_events("MessageQueued", queued += 2);
        const Route route{.channel_id = kChannel, .customer_id = customer, .origin = {}};
        append("duka", by_customer(customer), message_stream("duka", first), 1,
               encode(MessageEvent(SendAttempted{.attempt = 1, .replica = "dead", .route = route}),
                      clock.now()));
        SendFailed failed;
        failed.attempt = 1;
        failed.retry_at = clock.now() + retry_in;
        failed.route = route;
        append("duka", by_customer(customer), message_stream("duka", first), 2,
               encode(MessageEvent(failed), clock.now()));
    }
    start_dispatcher();
    until_events("SendAccepted", 4);
    std::map<std::string, std::vector<std::string>> chats;
    for (const auto& call : provider.calls())
        chats[member(call.body, "to")].push_back(member(call.body, "body"));
    ASSERT_EQ(chats.size(), 2U);
    for (const auto& [to, bodies] : chats) {
        ASSERT_EQ(bodies.size(), 2U) << to;
        EXPECT_TRUE(bodies[0].starts_with("first")) << bodies[0];
        EXPECT_TRUE(bodies[1].starts_with("second")) << bodies[1];
    }
}

TEST_F(Gateway, ALostAnswerIsUnknownUntilAStatusTells) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    DispatcherOptions options;
    options.send_timeout = 100ms;
    start_dispatcher(options);
    provider.script(0, "");
    const auto id = reply(only_customer(), "Hello");
    until_events("SendUnknown", 1);
    until([&] { return message(id).state() == "UNKNOWN"; }, "UNKNOWN");
    EXPECT_TRUE(message(id).dead());
    const auto callback = member(provider.calls().front().body, "biz_opaque_callback_data");
    EXPECT_EQ(
        post(change(
            R"("statuses":[{"id":"wamid.x","status":"delivered","timestamp":"1749416393","biz_opaque_callback_data":")" +
            callback + R"("}])")),
        200);
    until([&] { return message(id).state() == "DELIVERED"; }, "DELIVERED");
    EXPECT_FALSE(message(id).dead());
    EXPECT_EQ(provider.calls().size(), 1U);
}

TEST_F(Gateway, AFinalRefusalIsADeadLetter) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    provider.refuse(131026);
    const auto id = reply(only_customer(), "Hello");
    until([&] { return message(id).dead(); }, "dead");
    EXPECT_EQ(message(id).state(), "FAILED");
    EXPECT_EQ(message(id).error().code(), "131026");
    EXPECT_TRUE(read_model.get("duka", "dead_letter", id));
}

TEST_F(Gateway, AFailureReportedAfterSentIsADeadLetterWithItsCodeTitleAndDetails) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    const auto id = reply(only_customer(), "Hello");
    until_events("SendAccepted", 1);
    const auto callback = member(provider.calls().front().body, "biz_opaque_callback_data");
    const auto report = [&](const std::string& status, const std::string& errors) {
        EXPECT_EQ(post(change(R"("statuses":[{"id":"wamid.out1","status":")" + status +
                              R"(","timestamp":"1749416393","biz_opaque_callback_data":")" +
                              callback + R"(")" + errors + "}]")),
                  200);
    };
    report("sent", "");
    until([&] { return message(id).state() == "SENT"; }, "SENT");
    report(
        "failed",
        R"(,"errors":[{"code":131026,"title":"Message undeliverable","error_data":{"details":"Unable to deliver."}}])");
    until([&] { return message(id).state() == "FAILED"; }, "FAILED");
    EXPECT_TRUE(message(id).dead());
    EXPECT_EQ(message(id).error().error_class(), v1::SEND_ERROR_CLASS_REJECTED);
    EXPECT_EQ(message(id).error().code(), "131026");
    EXPECT_EQ(message(id).error().title(), "Message undeliverable");
    EXPECT_EQ(message(id).error().details(), "Unable to deliver.");
    EXPECT_EQ(events("SendFailed").size(), 1U);
    EXPECT_TRUE(read_model.get("duka", "dead_letter", id));
    // It arrived after all.
    report("delivered", "");
    until([&] { return message(id).state() == "DELIVERED"; }, "DELIVERED");
    EXPECT_FALSE(message(id).dead());
    EXPECT_FALSE(message(id).has_error());
    EXPECT_FALSE(read_model.get("duka", "dead_letter", id));
}

TEST_F(Gateway, ARotationStopsNothingWhileTheProviderRefusesTheNewCredentials) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto rotate = [&](std::int64_t version, const std::string& token) {
        append(
            "duka", by_channel(kChannel), channel_stream("duka", kChannel), version,
            encode(ChannelEvent(CredentialsRotated{.credentials = sealed("duka", kChannel, token)}),
                   clock.now()));
        read_settings();
    };
    rotate(1, "new token");
    start_dispatcher();
    provider.refuse(190);
    const auto id = reply(only_customer(), "Hello");
    until_events("SendAccepted", 1);
    ASSERT_EQ(provider.calls().size(), 2U);
    EXPECT_EQ(provider.calls()[0].authorization, "Bearer new token");
    EXPECT_EQ(provider.calls()[1].authorization, "Bearer token");
    EXPECT_EQ(provider.calls()[0].body, provider.calls()[1].body);
    EXPECT_EQ(events("SendAttempted").size(), 1U);
    EXPECT_TRUE(events("ChannelPaused").empty());
    // When both are refused, the channel waits for a person.
    provider.refuse(190);
    provider.refuse(190);
    reply(only_customer(), "Hello again");
    until_events("ChannelPaused", 1);
    EXPECT_EQ(provider.calls().size(), 4U);
}

// ---- Webhooks that were kept, over gRPC

class WebhookService : public Gateway {
protected:
    using Stub = v1::WebhookService::Stub;

    WebhookService() {
        rpc_door.add(*service.service, service.full_name);
        rpc_door.start();
        stub = v1::WebhookService::NewStub(
            rpc::make_channel("127.0.0.1:" + std::to_string(rpc_door.port()), {.attempts_max = 1}));
    }

    ~WebhookService() override { rpc_door.drain(0ms); }

    template <class Response, class Method, class Request>
    Response ask(Method method, const Request& request) {
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        Response response;
        const auto status = ((*stub).*method)(&context, request, &response);
        failure = rpc::failure_of(status);
        return response;
    }
    v1::ListWebhooksResponse list(const std::string& parse, int page_size = 0,
                                  const std::string& page_token = "") {
        v1::ListWebhooksRequest request;
        request.set_parse(parse);
        request.set_page_size(page_size);
        request.set_page_token(page_token);
        return ask<v1::ListWebhooksResponse>(&Stub::ListWebhooks, request);
    }
    v1::Webhook get(const std::string& name) {
        v1::GetWebhookRequest request;
        request.set_name(name);
        return ask<v1::Webhook>(&Stub::GetWebhook, request);
    }
    v1::RereadWebhooksResponse reread(const std::string& name, bool validate_only) {
        v1::RereadWebhooksRequest request;
        request.add_names(name);
        request.set_validate_only(validate_only);
        return ask<v1::RereadWebhooksResponse>(&Stub::RereadWebhooks, request);
    }

    RawWebhooks webhooks{store, directory, contacts, keys, providers};
    rpc::Server rpc_door{{.deadline_required = true}};
    NamedService service = make_webhook_service(
        Doors{rpc_door, store, read_model, directory, contacts, data_keys, clock, ids, providers},
        webhooks);
    std::unique_ptr<Stub> stub;
    std::optional<rpc::Failure> failure;
};

TEST_F(WebhookService, ListsGetsAndRereadsWhatCameForANumberThatNobodyHad) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto early = text_message("wamid.2", "Habari", R"("from":"255754000001")", "P2");
    EXPECT_EQ(post(early), 200);
    EXPECT_EQ(events("MessageReceived").size(), 1U);

    const auto listed = list("");
    ASSERT_FALSE(failure) << failure->message;
    ASSERT_EQ(listed.webhooks_size(), 2);
    std::string name;
    for (const auto& webhook : listed.webhooks()) {
        EXPECT_EQ(webhook.provider(), "meta");
        EXPECT_EQ(webhook.app_id(), "app1");
        EXPECT_EQ(webhook.parse(), "well_formed");
        EXPECT_TRUE(webhook.body().empty()) << "a list shows no bodies";
        if (get(webhook.name()).body() == early) name = webhook.name();
    }
    ASSERT_FALSE(name.empty());
    EXPECT_EQ(list("malformed_json").webhooks_size(), 0);

    // A page at a time.
    const auto first = list("", 1);
    ASSERT_EQ(first.webhooks_size(), 1);
    const auto second = list("", 1, first.next_page_token());
    ASSERT_EQ(second.webhooks_size(), 1);
    EXPECT_NE(first.webhooks(0).name(), second.webhooks(0).name());
    // A token is ours, and goes on with the list that it came from.
    list("well_formed", 1, first.next_page_token());
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_PAGE_TOKEN_INVALID);
    list("", 1, second.webhooks(0).name().substr(std::string("webhooks/").size()));
    ASSERT_TRUE(failure) << "the place alone is no token";
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_PAGE_TOKEN_INVALID);

    ASSERT_EQ(get(name).elements_size(), 1);
    EXPECT_EQ(get(name).elements(0).state(), v1::ELEMENT_STATE_QUARANTINED);
    connect("mpya", "ch2", "P2", "app1");
    EXPECT_EQ(get(name).elements(0).state(), v1::ELEMENT_STATE_MISSING);
    EXPECT_EQ(get(name).elements(0).tenant_id(), "mpya");
    EXPECT_EQ(reread(name, true).missing(), 1);
    EXPECT_EQ(events("MessageReceived").size(), 1U);
    const auto appended = reread(name, false);
    EXPECT_EQ(appended.appended(), 1);
    ASSERT_EQ(appended.webhooks_size(), 1);
    EXPECT_EQ(appended.webhooks(0).elements(0).provider_message_id(), "wamid.2");
    EXPECT_EQ(events("MessageReceived").size(), 2U);
    const auto again = reread(name, false);
    EXPECT_EQ(again.appended(), 0);
    EXPECT_EQ(again.elements_read(), 1);
    EXPECT_EQ(get(name).elements(0).state(), v1::ELEMENT_STATE_STORED);
}

TEST_F(WebhookService, RefusesNamesAndRangesThatCannotBe) {
    using common::v1::ERROR_REASON_FIELD_INVALID;
    for (const auto* name : {"webhooks/", "0-1", ""}) {
        get(name);
        ASSERT_TRUE(failure) << name;
        EXPECT_EQ(failure->reason, ERROR_REASON_FIELD_INVALID) << name;
        EXPECT_EQ(failure->fields.at(0).field, "name") << name;
    }
    for (const auto* name : {"webhooks/0", "webhooks/0-1", "webhooks/9-1-0", "webhooks/0-99-0",
                             "webhooks/0-1-0-0", "webhooks/0-1--1", "webhooks/0-1-0x"}) {
        get(name);
        ASSERT_TRUE(failure) << name;
        EXPECT_EQ(failure->code, grpc::StatusCode::NOT_FOUND) << name;
    }
    v1::ListWebhooksRequest request;
    request.set_lane(kLanes);
    ask<v1::ListWebhooksResponse>(&Stub::ListWebhooks, request);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason, ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(failure->fields.at(0).field, "lane");
    list("", 501);
    EXPECT_EQ(failure->fields.at(0).field, "page_size");
    list("", 1, "nonsense");
    EXPECT_EQ(failure->reason, common::v1::ERROR_REASON_PAGE_TOKEN_INVALID);
    v1::RereadWebhooksRequest both;
    both.add_names("webhooks/0-1-0");
    both.set_parse("repaired");
    ask<v1::RereadWebhooksResponse>(&Stub::RereadWebhooks, both);
    EXPECT_EQ(failure->fields.at(0).field, "names");
}

// ---- Channels over gRPC: what the provider says of them

class ChannelsRpc : public Gateway {
protected:
    ChannelsRpc() {
        for (auto& service : services) rpc_door.add(*service.service, service.full_name);
        for (auto& service : message_services) rpc_door.add(*service.service, service.full_name);
        rpc_door.start();
        const auto channel =
            rpc::make_channel("127.0.0.1:" + std::to_string(rpc_door.port()),
                              {.internal_key = Secret("internal"), .attempts_max = 1});
        tenants = v1::TenantService::NewStub(channel);
        channels = v1::ChannelService::NewStub(channel);
        messages = v1::MessageService::NewStub(channel);
    }
    ~ChannelsRpc() override { rpc_door.drain(0ms); }

    static v1::SendMessageRequest template_request(const std::string& request_id) {
        v1::SendMessageRequest request;
        request.set_parent("tenants/duka");
        request.set_to("+255712345678");
        request.set_request_id(request_id);
        auto& content = *request.mutable_content()->mutable_template_();
        content.set_name("greeting");
        content.set_language_code("en");
        return request;
    }
    v1::Message sent(const v1::SendMessageRequest& request) {
        v1::Message message;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        failure = rpc::failure_of(messages->SendMessage(&context, request, &message));
        EXPECT_FALSE(failure) << failure->message;
        return message;
    }

    // Registers a tenant with this channel; its channel, or why not.
    std::optional<v1::Channel> registered(const std::string& tenant, v1::ChannelSpec spec) {
        v1::RegisterTenantRequest request;
        request.set_tenant_id(tenant);
        request.set_request_id(ids.next().text());
        auto& settings = *request.mutable_settings();
        settings.set_name(tenant);
        settings.set_country_code("KE");
        settings.set_time_zone("Africa/Nairobi");
        settings.set_currency_code("KES");
        spec.set_channel_id("ch1");
        spec.mutable_credentials()->set_access_token("token");
        *request.mutable_channel() = std::move(spec);
        v1::Tenant made;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        failure = rpc::failure_of(tenants->RegisterTenant(&context, request, &made));
        if (failure) return std::nullopt;
        v1::GetChannelRequest get;
        get.set_name("tenants/" + tenant + "/channels/ch1");
        v1::Channel channel;
        grpc::ClientContext again;
        rpc::set_timeout(again, 20s);
        EXPECT_TRUE(channels->GetChannel(&again, get, &channel).ok());
        return channel;
    }
    static v1::ChannelSpec spec(const std::string& kind, const std::string& external_id,
                                const std::string& app = "") {
        v1::ChannelSpec spec;
        spec.set_kind(kind);
        spec.set_external_id(external_id);
        spec.set_app_id(app);
        return spec;
    }
    std::string refused_field() const {
        return failure && !failure->fields.empty() ? failure->fields.front().field : "";
    }

    // A call of TenantService: its answer, or why not in `failure`.
    template <class Answer, class Method, class Request>
    Answer asked(Method method, const Request& request) {
        Answer answer;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        failure = rpc::failure_of(std::invoke(method, *tenants, &context, request, &answer));
        return answer;
    }
    std::string refusal() const { return failure ? rpc::reason_text(failure->reason) : ""; }
    v1::ApiKey made_key(const std::string& called) {
        v1::CreateApiKeyRequest request;
        request.set_parent("tenants/duka");
        request.set_display_name(called);
        request.set_request_id(ids.next().text());
        return asked<v1::ApiKey>(&v1::TenantService::Stub::CreateApiKey, request);
    }
    v1::ApiKey got_key(const std::string& name) {
        v1::GetApiKeyRequest request;
        request.set_name(name);
        return asked<v1::ApiKey>(&v1::TenantService::Stub::GetApiKey, request);
    }
    v1::Tenant closed(const std::string& reason) {
        v1::CloseTenantRequest request;
        request.set_name("tenants/duka");
        request.set_reason(reason);
        return asked<v1::Tenant>(&v1::TenantService::Stub::CloseTenant, request);
    }

    rpc::Server rpc_door{{.admission = {.internal_key = Secret("internal")},
                          .deadline_required = true,
                          .tenant_closed = [this](const std::string& tenant) {
                              const auto entry = directory.tenant(tenant);
                              return entry && entry->tenant.status == TenantStatus::closed;
                          }}};
    KeyUses key_uses{store, clock};
    Doors doors{.rpc = rpc_door,
                .store = store,
                .read_model = read_model,
                .directory = directory,
                .contacts = contacts,
                .data_keys = data_keys,
                .clock = clock,
                .ids = ids,
                .providers = providers,
                .installation = {.packs = {"ECOMMERCE"},
                                 .languages = {"en"},
                                 .payment_providers = {{"mpesa", {"KES"}}},
                                 .time_zones = {{"Africa/Nairobi", {"KE"}}}},
                .ask_departure =
                    [this](const auto& tenant, const auto& message, const auto& contact,
                           OtherWriters others) {
                        return dispatcher ? dispatcher->ask(tenant, message, contact, others)
                                          : nullptr;
                    },
                .key_uses = &key_uses};
    std::vector<NamedService> services = make_tenant_services(doors);
    std::vector<NamedService> message_services = make_message_services(doors);
    std::unique_ptr<v1::TenantService::Stub> tenants;
    std::unique_ptr<v1::ChannelService::Stub> channels;
    std::unique_ptr<v1::MessageService::Stub> messages;
    std::optional<rpc::Failure> failure;
};

TEST_F(ChannelsRpc, WhatDeliveredMessagesCostIsSummedUpByDayPriceAndCampaign) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    const auto customer = only_customer();
    const auto costs = [](const std::string& category) {
        return R"(,"pricing":{"billable":true,"pricing_model":"PMP","type":"regular","category":")" +
               category + R"("})";
    };
    // The n-th message that was sent, with its statuses.
    int sent = 0;
    std::int64_t at_s = 1749416393;
    const auto send = [&](const std::vector<std::pair<std::string, std::string>>& statuses,
                          const Origin& origin = {}) {
        QueueMessage queue;
        queue.message_id = MessageId(ids.next().text());
        queue.channel_id = kChannel;
        queue.customer_id = customer;
        queue.idempotency_key = queue.message_id;
        queue.preconditions = {.purpose = Purpose::service, .needs_open_window = true};
        queue.origin = origin;
        common::v1::MessageContent content;
        content.mutable_text()->set_body("Hello");
        queue.content = content.SerializeAsString();
        append("duka", by_customer(customer), message_stream("duka", queue.message_id), 0,
               encode(MessageEvent(MessageQueued{.message = queue}), clock.now()));
        until_events("SendAccepted", ++sent);
        const auto callback = member(provider.calls().back().body, "biz_opaque_callback_data");
        for (const auto& [status, pricing] : statuses)
            EXPECT_EQ(post(change(R"("statuses":[{"id":"wamid.out)" + std::to_string(sent) +
                                  R"(","status":")" + status + R"(","timestamp":")" +
                                  std::to_string(at_s) + R"(","recipient_id":"255712345678",)" +
                                  R"("biz_opaque_callback_data":")" + callback + R"(")" + pricing +
                                  "}]")),
                      200);
        consume();
        return queue.message_id;
    };
    const auto summary = [&](bool by_campaign, std::int64_t from_s = 1'749'400'000) {
        v1::SummarizeChargesRequest request;
        request.set_parent("tenants/duka");
        request.mutable_start_time()->set_seconds(from_s);
        request.mutable_end_time()->set_seconds(1'749'500'000);
        request.set_by_campaign(by_campaign);
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        v1::SummarizeChargesResponse response;
        failure = rpc::failure_of(messages->SummarizeCharges(&context, request, &response));
        std::vector<std::string> lines;
        for (const auto& c : response.charges())
            lines.push_back(c.day() + " " + c.category() + " " + c.type() + " " + c.calling_code() +
                            " " + c.campaign_id() + " " + std::to_string(c.messages()));
        return lines;
    };
    // Once, although two statuses say the price; SENT alone is not paid for; free is free.
    const auto paid = send(
        {{"sent", costs("utility")}, {"delivered", costs("utility")}, {"read", costs("utility")}});
    send({{"sent", costs("utility")}});
    send({{"delivered", ""}});
    // READ may come without DELIVERED.
    send({{"read", costs("utility")}});
    send({{"delivered", costs("marketing")}},
         {.kind = OriginKind::campaign, .id = OriginId("c1"), .recipient = customer});
    EXPECT_EQ(message(paid).price().category(), "utility");
    EXPECT_EQ(summary(false), (std::vector<std::string>{"2025-06-08 marketing regular 255  1",
                                                        "2025-06-08 utility regular 255  2"}));
    EXPECT_EQ(summary(true), (std::vector<std::string>{"2025-06-08 marketing regular 255 c1 1",
                                                       "2025-06-08 utility regular 255  2"}));
    EXPECT_TRUE(summary(false, 1'749'450'000).empty());

    // A budget that is used up refuses more marketing, and nothing else.
    at_s = unix_seconds(clock.now());
    send({{"delivered", costs("marketing")}});
    const auto limit = [&](std::int64_t budget) {
        auto settings = directory.tenant("duka")->tenant.settings;
        settings.marketing_messages_per_month = budget;
        append("duka", by_tenant("duka"), tenant_stream("duka"), eventlog::kAny,
               encode(TenantEvent(TenantSettingsChanged{.settings = settings}), clock.now()));
        read_settings();
        EXPECT_EQ(directory.tenant("duka")->tenant.settings.marketing_messages_per_month, budget);
    };
    const auto asked = [&](const std::string& purpose) {
        auto request = template_request(ids.next().text());
        request.set_purpose(purpose);
        v1::Message answer;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        failure = rpc::failure_of(messages->SendMessage(&context, request, &answer));
        return failure ? failure->reason : common::v1::ERROR_REASON_UNSPECIFIED;
    };
    limit(1);
    EXPECT_EQ(asked("marketing"), common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_EQ(asked("utility"), common::v1::ERROR_REASON_UNSPECIFIED);
    limit(2);
    EXPECT_EQ(asked("marketing"), common::v1::ERROR_REASON_UNSPECIFIED);
    limit(0);
    EXPECT_EQ(asked("marketing"), common::v1::ERROR_REASON_UNSPECIFIED);

    EXPECT_TRUE(summary(false, 1'600'000'000).empty());
    EXPECT_EQ(refused_field(), "end_time");
}

TEST_F(ChannelsRpc, AreOfTheFirstProviderWhenNobodyNamesOne) {
    const auto channel = registered("one", spec("", "106540352242922"));
    ASSERT_TRUE(channel) << failure->message;
    EXPECT_EQ(channel->kind(), providers.first().kind());
    EXPECT_EQ(channel->limits().per_second(), cloud_api.default_limits().per_second);
}

TEST_F(ChannelsRpc, AreKnownToTheDispatcherAsTheyAreWhenTheCallerReadsTheAnswer) {
    ASSERT_TRUE(registered("one", spec("ECHO", "echo-7")));
    const auto known = [&] { return directory.channel("one", kChannel); };
    const auto called = [&](auto method, auto request) {
        request.set_name("tenants/one/channels/ch1");
        v1::Channel channel;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        return std::invoke(method, *channels, &context, request, &channel).ok();
    };
    v1::PauseChannelRequest pause;
    pause.set_reason("stocktaking");
    ASSERT_TRUE(called(&v1::ChannelService::Stub::PauseChannel, pause));
    EXPECT_TRUE(known()->paused);
    ASSERT_TRUE(called(&v1::ChannelService::Stub::ResumeChannel, v1::ResumeChannelRequest()));
    EXPECT_FALSE(known()->paused);
    v1::UpdateLimitsRequest update;
    update.mutable_limits()->set_per_second(20);
    ASSERT_TRUE(called(&v1::ChannelService::Stub::UpdateLimits, update));
    EXPECT_EQ(known()->channel.limits.per_second, 20);
}

// Free text needs to know when the customer wrote last, which the log is asked for; a template does
// not.
TEST_F(ChannelsRpc, SendATemplateAtOnceAndOnceHoweverOftenItIsAskedFor) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    until_open();
    auto request = template_request("r-1");
    const auto send = [&] { return sent(request); };
    const auto first = send();
    const auto queued = events("MessageQueued"), attempted = events("SendAttempted");
    ASSERT_EQ(queued.size(), 1U);
    ASSERT_EQ(attempted.size(), 1U);
    EXPECT_EQ(attempted[0].command_id, queued[0].command_id);
    EXPECT_EQ(send().name(), first.name());
    until_events("SendAccepted", 1);
    EXPECT_EQ(send().name(), first.name());
    EXPECT_EQ(events("SendAttempted").size(), 1U);
    EXPECT_EQ(provider.calls().size(), 1U);
    until([&] { return dispatcher->look("duka", kChannel)->in_flight == 0; }, "nothing in flight");

    request.set_request_id("r-2");
    request.mutable_content()->mutable_text()->set_body("free text");
    send();
    until_events("SendAccepted", 2);
    EXPECT_NE(events("MessageQueued").back().command_id, events("SendAttempted").back().command_id);
}

TEST_F(ChannelsRpc, TakeAKeyThatWasUsed30DaysAgoForANewMessageAndANewTenant) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    auto request = template_request("r-1");
    const auto send = [&] { return sent(request); };
    v1::RegisterTenantRequest tenant;
    tenant.set_request_id("t-1");
    auto& settings = *tenant.mutable_settings();
    settings.set_name("Duka");
    settings.set_country_code("KE");
    settings.set_time_zone("Africa/Nairobi");
    settings.set_currency_code("KES");
    const auto register_with = [&](const std::string& external_id) {
        *tenant.mutable_channel() = spec("ECHO", external_id);
        tenant.mutable_channel()->mutable_credentials()->set_access_token("token");
        v1::Tenant made;
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        failure = rpc::failure_of(tenants->RegisterTenant(&context, tenant, &made));
        EXPECT_FALSE(failure) << failure->message;
        return made.tenant_id();
    };
    const auto first = send();
    const auto first_tenant = register_with("echo-1");
    postgres::Session admin({.url = database.admin_url()});
    admin.run("update claims set made_at = made_at - interval '30 days'");

    const auto second = send();
    EXPECT_NE(second.name(), first.name());
    EXPECT_EQ(second.idempotency_key(), "r-1") << "as the caller wrote it";
    EXPECT_EQ(send().name(), second.name());
    const auto queued = events("MessageQueued");
    EXPECT_EQ(queued.size(), 2U);

    const auto second_tenant = register_with("echo-2");
    EXPECT_NE(second_tenant, first_tenant);
    EXPECT_EQ(register_with("echo-2"), second_tenant);
    // The claims are still what the events make.
    const auto report =
        eventlog::check_derived(admin, "gateway", kLanes, make_derive(kLanes, keys));
    EXPECT_GT(report.claims, 0);
    for (const auto& problem : report.problems)
        ADD_FAILURE() << problem.subject << ": " << problem.detail;
}

TEST_F(ChannelsRpc, HaveTheLimitsOfTheirProviderWhereNobodySaysAny) {
    auto wanted = spec("ECHO", "echo-7");
    wanted.mutable_limits()->set_pair_burst(3);
    const auto channel = registered("one", wanted);
    ASSERT_TRUE(channel) << failure->message;
    EXPECT_EQ(channel->limits().per_second(), 50);
    EXPECT_EQ(channel->limits().pair_interval_seconds(), 1);
    EXPECT_EQ(channel->limits().pair_burst(), 3);

    v1::UpdateLimitsRequest update;
    update.set_name("tenants/one/channels/ch1");
    v1::Channel updated;
    {
        grpc::ClientContext without;
        rpc::set_timeout(without, 20s);
        failure = rpc::failure_of(channels->UpdateLimits(&without, update, &updated));
        EXPECT_EQ(refused_field(), "limits");
    }
    update.mutable_limits()->set_per_second(20);
    grpc::ClientContext context;
    rpc::set_timeout(context, 20s);
    ASSERT_TRUE(channels->UpdateLimits(&context, update, &updated).ok());
    EXPECT_EQ(updated.limits().per_second(), 20);
    EXPECT_EQ(updated.limits().pair_burst(), 100);
}

TEST_F(ChannelsRpc, AreRefusedByTheFieldThatTheirProviderCannotUse) {
    EXPECT_FALSE(registered("one", spec("FAX", "1")));
    EXPECT_EQ(refused_field(), "channel.kind");
    EXPECT_FALSE(registered("one", spec("ECHO", "106540352242922")));
    EXPECT_EQ(refused_field(), "channel.external_id");
    EXPECT_FALSE(registered("one", spec("META_CLOUD", "106540352242922", "no such app")));
    EXPECT_EQ(refused_field(), "channel.app_id");
    EXPECT_TRUE(registered("one", spec("META_CLOUD", "106540352242922", "app1")));
}

// A name that is no name at all is a fault of the request; only what has the form of a name can be
// unknown.
TEST_F(ChannelsRpc, AndTenantsAreAskedForByNamesOfTheirForm) {
    const auto asked = [&](const auto& stub, auto method, auto request, const std::string& name) {
        request.set_name(name);
        grpc::ClientContext context;
        rpc::set_timeout(context, 20s);
        if constexpr (std::is_same_v<decltype(request), v1::GetTenantRequest>) {
            v1::Tenant tenant;
            failure = rpc::failure_of(std::invoke(method, *stub, &context, request, &tenant));
        } else {
            v1::Channel channel;
            failure = rpc::failure_of(std::invoke(method, *stub, &context, request, &channel));
        }
        return failure ? failure->reason : common::v1::ERROR_REASON_UNSPECIFIED;
    };
    const auto channel = [&](const std::string& name) {
        return asked(channels, &v1::ChannelService::Stub::GetChannel, v1::GetChannelRequest(),
                     name);
    };
    const auto tenant = [&](const std::string& name) {
        return asked(tenants, &v1::TenantService::Stub::GetTenant, v1::GetTenantRequest(), name);
    };
    for (const auto* name : {"", "duka", "tenants/duka", "tenants/duka/channels/",
                             "tenants/duka/channel/ch1", "tenants/duka/channels/ch1/more"}) {
        EXPECT_EQ(channel(name), common::v1::ERROR_REASON_FIELD_INVALID) << name;
        EXPECT_EQ(refused_field(), "name") << name;
    }
    for (const auto* name : {"", "duka", "tenants/", "tenants/duka/channels/ch1"}) {
        EXPECT_EQ(tenant(name), common::v1::ERROR_REASON_FIELD_INVALID) << name;
        EXPECT_EQ(refused_field(), "name") << name;
    }
    EXPECT_EQ(channel("tenants/duka/channels/none"), common::v1::ERROR_REASON_NOT_FOUND);
    EXPECT_EQ(tenant("tenants/nobody"), common::v1::ERROR_REASON_NOT_FOUND);
    EXPECT_EQ(channel("tenants/duka/channels/ch1"), common::v1::ERROR_REASON_UNSPECIFIED);
    EXPECT_EQ(tenant("tenants/duka"), common::v1::ERROR_REASON_UNSPECIFIED);
}

// A provider of 200 lines with a wire and a signature of its own, in both directions.
TEST_F(ChannelsRpc, ListATenantsKeysWithoutTheKeysThemselves) {
    const auto shop = made_key("shop"), till = made_key("till");
    ASSERT_EQ(refusal(), "");
    EXPECT_EQ(shop.hint(), shop.key().substr(0, 8));
    EXPECT_TRUE(shop.hint().starts_with("fsk_"));
    consume();
    v1::ListApiKeysRequest list;
    list.set_parent("tenants/duka");
    list.set_page_size(1);
    const auto listed = [&] {
        return asked<v1::ListApiKeysResponse>(&v1::TenantService::Stub::ListApiKeys, list);
    };
    auto page = listed();
    ASSERT_EQ(page.api_keys_size(), 1);
    EXPECT_EQ(page.api_keys(0).display_name(), "till");  // the newest
    list.set_page_token(page.next_page_token());
    page = listed();
    ASSERT_EQ(page.api_keys_size(), 1);
    EXPECT_EQ(page.api_keys(0).name(), shop.name());
    EXPECT_EQ(page.api_keys(0).hint(), shop.hint());
    EXPECT_EQ(page.api_keys(0).key(), "");
    EXPECT_FALSE(page.api_keys(0).has_last_used_time());
    EXPECT_EQ(page.next_page_token(), "");
    list.set_page_token("of nobody");
    listed();
    EXPECT_EQ(refusal(), "PAGE_TOKEN_INVALID");

    // It is used, and revoked: both are told by the one and by the list.
    const auto id = shop.name().substr(shop.name().rfind('/') + 1);
    const auto before = clock.now();
    key_uses.note("duka", id);
    key_uses.note("duka", id);
    key_uses.store_noted();
    v1::RevokeApiKeyRequest revoke;
    revoke.set_name(shop.name());
    revoke.set_reason("it was in a public repository");
    asked<v1::ApiKey>(&v1::TenantService::Stub::RevokeApiKey, revoke);
    ASSERT_EQ(refusal(), "");
    consume();
    list.set_page_token("");
    list.set_page_size(10);
    page = listed();
    ASSERT_EQ(page.api_keys_size(), 2);
    for (const auto& key : {got_key(shop.name()), page.api_keys(1)}) {
        EXPECT_EQ(key.name(), shop.name());
        EXPECT_TRUE(key.revoked());
        EXPECT_GE(rpc::time_of(key.last_used_time()), before);
        EXPECT_GE(rpc::time_of(key.revoke_time()), rpc::time_of(key.create_time()));
    }
    EXPECT_FALSE(got_key(till.name()).has_last_used_time());
    got_key("tenants/duka/apiKeys/nobody");
    EXPECT_EQ(refusal(), "NOT_FOUND");
    got_key("tenants/other/apiKeys/" + id);
    EXPECT_EQ(refusal(), "NOT_FOUND");
}

TEST_F(ChannelsRpc, OfAClosedTenantSendNothingAndKeepWhatComes) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto key = made_key("shop");
    consume();
    const auto customer = only_customer();
    // Its channel is paused, and something is queued.
    v1::PauseChannelRequest pause;
    pause.set_name("tenants/duka/channels/ch1");
    pause.set_reason("stocktaking");
    v1::Channel paused;
    grpc::ClientContext context;
    rpc::set_timeout(context, 20s);
    ASSERT_TRUE(channels->PauseChannel(&context, pause, &paused).ok());
    queue("duka", kChannel, customer);
    closed("");
    EXPECT_EQ(refusal(), "FIELD_INVALID");
    EXPECT_EQ(closed("the business has ended").status(), "CLOSED");
    ASSERT_EQ(refusal(), "");
    EXPECT_EQ(closed("again").status(), "CLOSED");
    ASSERT_EQ(refusal(), "");
    EXPECT_EQ(events("TenantClosed").size(), 1U);

    start_dispatcher();
    until_events("MessageCancelled", 1);
    EXPECT_EQ(eventlog::parsed<v1::MessageCancelled>(events("MessageCancelled").front()).reason(),
              "tenant_closed");
    // A reply that conversation had begun before it heard of the end.
    reply(customer, "Hello");
    until_events("MessageCancelled", 2);
    EXPECT_TRUE(provider.calls().empty());

    v1::ResumeTenantRequest resume;
    resume.set_name("tenants/duka");
    asked<v1::Tenant>(&v1::TenantService::Stub::ResumeTenant, resume);
    EXPECT_EQ(refusal(), "TENANT_CLOSED");
    made_key("till");
    EXPECT_EQ(refusal(), "TENANT_CLOSED");
    v1::Message message;
    grpc::ClientContext sending;
    rpc::set_timeout(sending, 20s);
    failure = rpc::failure_of(messages->SendMessage(&sending, template_request("r1"), &message));
    EXPECT_EQ(refusal(), "TENANT_CLOSED");

    // What comes in is kept, and all of it can be read.
    EXPECT_EQ(post(text_message("wamid.2", "Anybody there?")), 200);
    EXPECT_EQ(events("MessageReceived").size(), 2U);
    v1::GetTenantRequest get;
    get.set_name("tenants/duka");
    EXPECT_EQ(asked<v1::Tenant>(&v1::TenantService::Stub::GetTenant, get).status(), "CLOSED");
    EXPECT_EQ(got_key(key.name()).display_name(), "shop");
    // A key is revoked all the same.
    v1::RevokeApiKeyRequest revoke;
    revoke.set_name(key.name());
    EXPECT_TRUE(asked<v1::ApiKey>(&v1::TenantService::Stub::RevokeApiKey, revoke).revoked());
    postgres::Session admin({.url = database.admin_url()});
    const auto report =
        eventlog::check_derived(admin, "gateway", kLanes, make_derive(kLanes, keys));
    for (const auto& problem : report.problems)
        ADD_FAILURE() << problem.subject << ": " << problem.detail;
}

class SecondProvider : public Gateway {
protected:
    SecondProvider() { connect("echoes", "ch9", "echo-1", "", "ECHO"); }

    int report(const std::string& body, const std::string& seal) {
        http::Request request;
        request.path = "/webhooks/echo";
        request.headers.add("Echo-Seal", seal);
        request.body = body;
        std::promise<int> status;
        door.webhook({&echo}, std::move(request),
                     http::Responder(
                         [&](const http::Response& answer) { status.set_value(answer.status); }));
        return status.get_future().get();
    }
    int report(const std::string& body) { return report(body, phone.seal(body)); }

    // Queued as a reply; its id.
    MessageId write(const CustomerId& customer, const common::v1::MessageContent& content) {
        QueueMessage message;
        message.message_id = MessageId(ids.next().text());
        message.channel_id = ChannelId("ch9");
        message.customer_id = customer;
        message.priority = kPriorityReply;
        message.preconditions.purpose = Purpose::service;
        message.to = kPhone;
        message.content = content.SerializeAsString();
        append("echoes", by_customer(customer), message_stream("echoes", message.message_id), 0,
               encode(MessageEvent(MessageQueued{.message = message}), clock.now()));
        return message.message_id;
    }
    MessageId write(const CustomerId& customer, const std::string& text) {
        common::v1::MessageContent content;
        content.mutable_text()->set_body(text);
        return write(customer, content);
    }
    std::string state(const MessageId& id) {
        v1::Message resource;
        if (const auto body = read_model.get("echoes", "message", id))
            resource.ParseFromString(*body);
        return resource.state();
    }

    static constexpr const char* kPhone = "+255712345678";
};

TEST_F(SecondProvider, BringsWhatACustomerSaysAndTaps) {
    const auto hello = phone.say("echo-1", kPhone, "Habari\tyako?\n\\o/");
    EXPECT_EQ(report(hello), 200);
    EXPECT_EQ(report(hello), 200);  // twice is once
    ASSERT_EQ(events("MessageReceived").size(), 1U);
    const auto event = events("MessageReceived").front();
    EXPECT_EQ(event.stream.tenant, "echoes");
    EXPECT_EQ(event.meta.actor, "provider:echo");
    v1::MessageReceived message;
    ASSERT_TRUE(message.ParseFromString(event.payload));
    EXPECT_EQ(message.kind(), v1::INBOUND_KIND_TEXT);
    EXPECT_EQ(message.personal().text(), "Habari\tyako?\n\\o/");
    EXPECT_EQ(message.personal().phone(), kPhone);

    start_dispatcher();
    common::v1::MessageContent question;
    question.mutable_buttons()->set_body("Chai?");
    question.mutable_buttons()->add_titles("Ndiyo");
    question.mutable_buttons()->add_titles("Hapana");
    const auto asked = write(only_customer(), question);
    until_events("SendAccepted", 1);
    const auto shown = phone.received().at(0);
    EXPECT_EQ(shown.text, "Chai?");
    ASSERT_EQ(shown.buttons.size(), 2U);
    EXPECT_EQ(report(phone.tap("echo-1", kPhone, shown.buttons[1])), 200);
    bool tapped = false;
    for (const auto& received : events("MessageReceived")) {
        ASSERT_TRUE(message.ParseFromString(received.payload));
        tapped |= message.tap_id() == asked + ":1" && message.personal().text() == "Hapana" &&
                  message.kind() == v1::INBOUND_KIND_BUTTON;
    }
    EXPECT_TRUE(tapped);
}

TEST_F(SecondProvider, IsNotBelievedWithoutItsSeal) {
    const auto hello = phone.say("echo-1", kPhone, "Habari");
    EXPECT_EQ(report(hello, ""), 401);
    EXPECT_EQ(report(hello, signature(hello)), 401) << "another provider's signature";
    EXPECT_EQ(report(hello, testing::echo::seal(Secret("another"), hello)), 401);
    EXPECT_TRUE(raw_webhooks().empty());
    EXPECT_TRUE(events("MessageReceived").empty());
}

TEST_F(SecondProvider, OwnsItsNumbersAloneEvenWhereAnotherProviderHasTheSame) {
    connect("shop-of-meta", "ch8", "echo-2", "app1");
    EXPECT_EQ(report(phone.say("echo-2", kPhone, "Habari")), 200);
    EXPECT_TRUE(events("MessageReceived").empty());
    EXPECT_EQ(events("ElementQuarantined").size(), 1U);
}

TEST_F(SecondProvider, IsWrittenToAndSaysWhatBecameOfIt) {
    EXPECT_EQ(report(phone.say("echo-1", kPhone, "Habari")), 200);
    start_dispatcher();
    const auto id = write(only_customer(), "Karibu");
    until_events("SendAccepted", 1);
    ASSERT_EQ(phone.received().size(), 1U);
    const auto shown = phone.received().front();
    EXPECT_EQ(shown.number, "echo-1");
    EXPECT_EQ(shown.to, kPhone);
    EXPECT_EQ(shown.text, "Karibu");
    EXPECT_EQ(shown.pass, "token");
    EXPECT_TRUE(keys.read_callback("echoes", shown.ticket));
    EXPECT_EQ(report(testing::EchoPhone::fate(shown, "delivered")), 200);
    until([&] { return state(id) == "DELIVERED"; }, "DELIVERED");
    EXPECT_TRUE(provider.calls().empty());
}

TEST_F(SecondProvider, RefusesInItsOwnWords) {
    EXPECT_EQ(report(phone.say("echo-1", kPhone, "Habari")), 200);
    start_dispatcher();
    phone.refuse("blocked");
    const auto id = write(only_customer(), "Upo?");
    until_events("SendFailed", 1);
    const auto events_of_it = events("SendFailed");
    const auto failed = std::get<SendFailed>(
        decode_message(events_of_it.front().type, events_of_it.front().payload));
    EXPECT_EQ(events_of_it.front().stream.key, id);
    EXPECT_EQ(failed.error.error_class, ErrorClass::rejected);
    EXPECT_EQ(failed.error.code, "blocked");
    EXPECT_EQ(failed.error.title, "The phone is switched off");
    EXPECT_EQ(failed.retry_at, Time{});
    // Its credentials are refused: the channel waits for a person.
    phone.refuse("pass");
    write(only_customer(), "Upo?");
    until_events("ChannelPaused", 1);
    EXPECT_EQ(events("ChannelPaused").front().stream.key, "ch9");
}

TEST_F(SecondProvider, ItsPastIsReadAgainToo) {
    // Its channel was not there yet.
    const auto body = phone.say("echo-3", kPhone, "Habari");
    EXPECT_EQ(report(body), 200);
    EXPECT_TRUE(events("MessageReceived").empty());
    connect("late", "ch7", "echo-3", "", "ECHO");
    RawWebhooks webhooks{store, directory, contacts, keys, providers};
    const auto page = webhooks.list({});
    ASSERT_EQ(page.webhooks.size(), 1U);
    EXPECT_EQ(page.webhooks.front().raw.provider(), "echo");
    const auto elements = webhooks.read(page.webhooks.front(), true, "operator:asha");
    ASSERT_EQ(elements.size(), 1U);
    EXPECT_EQ(elements.front().state, ElementState::appended);
    EXPECT_EQ(events("MessageReceived").size(), 1U);
}

TEST_F(Gateway, TheBreakerIsToldByTheReplicaThatSendsAndByNoOther) {
    post(text_message("wamid.1", "Hi"));
    DispatcherOptions options;
    options.breaker_failures = 1;
    options.breaker_open_for = 60'000ms;
    start_dispatcher(options);
    until([&] { return dispatcher->look("duka", kChannel).has_value(); }, "the lane is open");
    const auto well = dispatcher->look("duka", kChannel);
    EXPECT_EQ(well->breaker, resilience::CircuitBreaker::State::closed);
    EXPECT_EQ(well->failures_in_a_row, 0);
    provider.refuse(131016);
    const auto before = clock.now();
    reply(only_customer(), "one");
    until([&] { return dispatcher->look("duka", kChannel)->failures_in_a_row == 1; }, "a failure");
    const auto ill = dispatcher->look("duka", kChannel);
    EXPECT_EQ(ill->breaker, resilience::CircuitBreaker::State::open);
    EXPECT_GE(ill->breaker_since, before);
    EXPECT_GT(ill->retry_after, 30s);
    EXPECT_FALSE(dispatcher->look("duka", ChannelId("no such channel")));
    owners.revoked({0, 1, 2, 3});
    EXPECT_FALSE(dispatcher->look("duka", kChannel));
}

TEST_F(Gateway, NothingBeginsAfterStopsCommit) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto customer = only_customer();
    start_dispatcher();
    EXPECT_EQ(post(text_message("wamid.2", "STOP")), 200);
    EXPECT_EQ(events("ConsentChanged").size(), 2U);
    queue_marketing(customer);
    until_events("MessageSuppressed", 1);
    EXPECT_TRUE(events("SendAttempted").empty());
    v1::MessageSuppressed suppressed;
    ASSERT_TRUE(suppressed.ParseFromString(events("MessageSuppressed").front().payload));
    EXPECT_EQ(suppressed.reason(), v1::SUPPRESSION_REASON_OPTED_OUT);
    // A reply is no marketing.
    reply(customer, "You will hear no more from us.");
    until_events("SendAccepted", 1);
}

TEST_F(Gateway, ANewOwnerTurnsWhatWasLeftOpenIntoUnknown) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto customer = only_customer();
    const auto id = reply(customer, "Hello");
    until_events("MessageQueued", 1);
    append("duka", by_customer(customer), message_stream("duka", id), 1,
           encode(MessageEvent(SendAttempted{
                      .attempt = 1,
                      .replica = "dead",
                      .route = {.channel_id = kChannel, .customer_id = customer, .origin = {}}}),
                  clock.now()));
    start_dispatcher();
    until_events("SendUnknown", 1);
    until([&] { return message(id).state() == "UNKNOWN"; }, "UNKNOWN");
    EXPECT_TRUE(provider.calls().empty());
}

TEST_F(Gateway, ASuspendedTenantsQueueIsHeldAndGoesOn) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    append("duka", by_tenant("duka"), tenant_stream("duka"), 1,
           encode(TenantEvent(TenantSuspended{.reason = "unpaid"}), clock.now()));
    read_settings();
    start_dispatcher();
    reply(only_customer(), "Hello");
    until_events("MessageQueued", 1);
    append("duka", by_tenant("duka"), tenant_stream("duka"), 2,
           encode(TenantEvent(TenantResumed{.reason = "paid"}), clock.now()));
    EXPECT_TRUE(provider.calls().empty());
    until_events("SendAccepted", 1);
}

// ---- Messages that leave at once

TEST_F(Gateway, AReplyThatMayLeaveAtOnceIsQueuedAndAttemptedInOneAppend) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    until_open();
    const auto id = reply(only_customer(), "Hello");
    consume();
    const auto queued = events("MessageQueued"), attempted = events("SendAttempted");
    ASSERT_EQ(queued.size(), 1U);
    ASSERT_EQ(attempted.size(), 1U);
    EXPECT_EQ(attempted[0].command_id, queued[0].command_id);
    EXPECT_EQ(attempted[0].position, queued[0].position + 1);
    EXPECT_EQ(attempted[0].version, 2);
    EXPECT_EQ(rows_of(std::string(kDispatchPrefix)), 0);
    until_events("SendAccepted", 1);
    const auto accepted = events("SendAccepted").front();
    EXPECT_EQ(accepted.meta.causation, attempted[0].where());
    EXPECT_EQ(accepted.meta.correlation_id, queued[0].meta.correlation_id);
    EXPECT_FALSE(accepted.meta.correlation_id.empty());
    until([&] { return message(id).state() == "SENDING"; }, "SENDING");
    EXPECT_EQ(rows_of(std::string(kAttemptKind)), 0);
    EXPECT_EQ(provider.calls().size(), 1U);
    until([&] { return dispatcher->look("duka", kChannel)->in_flight == 0; }, "nothing in flight");
}

TEST_F(Gateway, OfTwoRepliesToOneChatInOneBatchTheSecondWaits) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255712345679")")), 200);
    const auto customers = events("ContactSeen");
    ASSERT_EQ(customers.size(), 2U);
    start_dispatcher();
    until_open();
    for (const auto* text : {"one", "two", "three"})
        for (const auto& customer : customers) reply(CustomerId(customer.stream.key), text);
    consume();
    EXPECT_EQ(events("MessageQueued").size(), 6U);
    std::map<std::string, std::string> first_of_chat;  // customer → its first message's command
    for (const auto& queued : events("MessageQueued"))
        first_of_chat.try_emplace(queued.meta.routing.key, queued.command_id);
    until_events("SendAccepted", 6);
    int together = 0;
    for (const auto& attempted : events("SendAttempted")) {
        if (attempted.version != 2) continue;
        const auto queued = store.read_stream(attempted.stream).front();
        if (attempted.command_id != queued.command_id) continue;
        ++together;
        EXPECT_EQ(attempted.command_id, first_of_chat.at(attempted.meta.routing.key));
    }
    EXPECT_GE(together, 1);
    std::map<std::string, std::vector<std::string>> chats;
    for (const auto& call : provider.calls())
        chats[member(call.body, "to")].push_back(member(call.body, "body"));
    EXPECT_EQ(chats.size(), 2U);
    for (const auto& [to, bodies] : chats)
        EXPECT_EQ(bodies, (std::vector<std::string>{"one", "two", "three"})) << to;
}

// STOP is committed between the look at the contact and the append.
TEST_F(Gateway, NothingLeavesAtOnceAfterStopsCommit) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto customer = only_customer();
    start_dispatcher();
    until_open();
    bool stopped = false;
    after_preparing = [&] {
        if (std::exchange(stopped, true)) return;
        EXPECT_EQ(post(text_message("wamid.2", "STOP")), 200);
    };
    conversation::v1::ReplyRequested m;
    m.set_message_id(ids.next().text());
    m.set_customer_id(customer);
    m.set_channel_id("ch1");
    m.set_purpose(conversation::v1::REPLY_PURPOSE_UTILITY);
    m.set_window_evidence_us(unix_micros(clock.now()));
    m.mutable_personal()->mutable_content()->mutable_text()->set_body("Your order");
    conversation->happened({"duka", "conversation", "conv1"}, by_customer(customer), m,
                           clock.now());
    until_events("MessageSuppressed", 1);
    EXPECT_EQ(events("ConsentChanged").size(), 2U);
    EXPECT_EQ(events("MessageQueued").size(), 1U);
    EXPECT_TRUE(events("SendAttempted").empty());
    EXPECT_TRUE(provider.calls().empty());
}

TEST_F(Gateway, NothingLeavesAtOnceWhileTheChannelIsPaused) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    until_open();
    append("duka", by_channel(kChannel), channel_stream("duka", kChannel), 1,
           encode(ChannelEvent(ChannelPaused{.reason = "stocktaking"}), clock.now()));
    read_settings();
    reply(only_customer(), "Hello");
    until_events("MessageQueued", 1);
    std::this_thread::sleep_for(100ms);
    EXPECT_TRUE(events("SendAttempted").empty());
    append("duka", by_channel(kChannel), channel_stream("duka", kChannel), 2,
           encode(ChannelEvent(ChannelResumed{.reason = "counted"}), clock.now()));
    read_settings();
    dispatcher->settings_changed();
    until_events("SendAccepted", 1);
    EXPECT_EQ(provider.calls().size(), 1U);
}

TEST_F(Gateway, AReplicaThatHasLostTheLaneWithoutKnowingItAttemptsNothing) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto customer = only_customer();
    start_dispatcher();
    until_open();
    eventlog::Owners other(store, "r2");
    other.assigned({0, 1, 2, 3});
    reply(customer, "Hello");
    until_events("MessageQueued", 1);
    std::this_thread::sleep_for(100ms);
    EXPECT_TRUE(events("SendAttempted").empty());
    EXPECT_TRUE(provider.calls().empty());
    // It becomes the owner again: what waits is sent, once.
    owners.assigned({0, 1, 2, 3});
    until_events("SendAccepted", 1);
    EXPECT_EQ(provider.calls().size(), 1U);
}

TEST_F(Gateway, ABatchThatFailsAndIsAppliedAgainSendsEachReplyOnce) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    EXPECT_EQ(post(text_message("wamid.2", "Hi", R"("from":"255712345679")")), 200);
    const auto customers = events("ContactSeen");
    ASSERT_EQ(customers.size(), 2U);
    start_dispatcher();
    until_open();
    consume();
    // The last event of the batch fails a few times, after the replies have asked for their way.
    int failures = 3;
    consumption.project([&](const Recorded& event, eventlog::Turn& turn) {
        if (event.service == "conversation" && event.position == 1 && failures-- > 0)
            throw std::runtime_error("not yet");
        project(event, turn);
    });
    for (int i = 0; i < 6; ++i)
        reply(CustomerId(customers[static_cast<std::size_t>(i % 2)].stream.key),
              "reply " + std::to_string(i / 2));
    until_events("SendAccepted", 6);
    EXPECT_LT(failures, 3);
    std::map<std::string, std::vector<std::string>> chats;
    for (const auto& call : provider.calls())
        chats[member(call.body, "to")].push_back(member(call.body, "body"));
    for (const auto& [to, bodies] : chats)
        EXPECT_EQ(bodies, (std::vector<std::string>{"reply 0", "reply 1", "reply 2"})) << to;
    until([&] { return dispatcher->look("duka", kChannel)->in_flight == 0; }, "nothing in flight");
}

TEST_F(Gateway, AnAttemptWhoseCommitsAnswerWasLostIsFoundInTheLogAndCalledOnce) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher({.send_timeout = 1'000ms});
    until_open();
    auto q = queueing(only_customer());
    ASSERT_TRUE(q.departure && q.departure->at_once());
    ASSERT_TRUE(store.append(q.command).accepted());
    q.departure->unknown();
    q.departure.reset();
    until_events("SendAccepted", 1);
    EXPECT_EQ(provider.calls().size(), 1U);
    EXPECT_EQ(events("SendAttempted").size(), 1U);
}

TEST_F(Gateway, AnAttemptWhoseCommitWasLostLeavesTheWayToTheNextTry) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    until_open();
    auto lost = queueing(only_customer());
    ASSERT_TRUE(lost.departure && lost.departure->at_once());
    lost.departure->unknown();
    lost.departure.reset();
    // The next try queues the same message, without its attempt.
    auto command = lost.command;
    command.id = ids.next().text();
    command.owner_guard.reset();
    command.parts.resize(1);
    command.parts[0].events.resize(1);
    ASSERT_TRUE(store.append(command).accepted());
    until_events("SendAccepted", 1);
    EXPECT_EQ(provider.calls().size(), 1U);
    until([&] { return dispatcher->look("duka", kChannel)->in_flight == 0; }, "nothing in flight");
    // Nobody waits behind it.
    auto next = queueing(only_customer());
    EXPECT_TRUE(next.departure && next.departure->at_once());
}

TEST_F(Gateway, ALaneThatNobodyHasOwnedBeforeIsOpenAtOnce) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher({.attempt_start_max = 1h});
    until_open();
}

TEST_F(Gateway, ALaneThatAnotherReplicaHasOwnedIsOpenWhenNoCallOfItsCanBeginAnyMore) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    owners.assigned({0, 1, 2, 3});  // by the epoch an owner after the first
    start_dispatcher({.attempt_start_max = 1h});
    std::this_thread::sleep_for(300ms);
    EXPECT_FALSE(dispatcher->look("duka", kChannel));
    end_dispatcher(1s);
    start_dispatcher();
    until_open();
}

// The process stood still between the append and the call: the next owner may have judged the call
// by then.
TEST_F(Gateway, AnAttemptThatIsFoundTooLateIsNotCalledButTriedAgain) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    until_open();
    auto q = queueing(only_customer());
    ASSERT_TRUE(q.departure && q.departure->at_once());
    ASSERT_TRUE(store.append(q.command).accepted());
    std::this_thread::sleep_for(600ms);  // longer than attempt_start_max
    const auto queued = events("MessageQueued").front();
    q.departure->written(queued.where(), queued.meta.correlation_id);
    until_events("SendAccepted", 1);
    ASSERT_EQ(events("SendFailed").size(), 1U);
    v1::SendFailed failed;
    ASSERT_TRUE(failed.ParseFromString(events("SendFailed").front().payload));
    EXPECT_TRUE(failed.reason().starts_with("not sent")) << failed.reason();
    EXPECT_EQ(events("SendAttempted").size(), 2U);
    EXPECT_EQ(provider.calls().size(), 1U);
}

TEST_F(Gateway, AnAttemptThatASenderLeftOpenWithItsMessageBecomesUnknown) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    until_open();
    auto q = queueing(only_customer());
    ASSERT_TRUE(q.departure && q.departure->at_once());
    ASSERT_TRUE(store.append(q.command).accepted());
    end_dispatcher(0ms);  // nobody told it
    q.departure.reset();
    EXPECT_TRUE(provider.calls().empty());
    owners.assigned({0, 1, 2, 3});
    start_dispatcher();
    until_events("SendUnknown", 1);
    EXPECT_TRUE(provider.calls().empty());
}

TEST_F(Gateway, NothingLeavesAtOnceWhileTheDispatcherStopsOrTheOwnerIsNew) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    start_dispatcher();
    {
        const auto early = queueing(only_customer());
        EXPECT_FALSE(early.departure && early.departure->at_once())
            << "an old owner may still call";
    }
    until_open();
    {
        const auto q = queueing(only_customer());
        EXPECT_TRUE(q.departure && q.departure->at_once());
    }
    {
        // Nobody told what became of that one, so its place is free.
        const auto q = queueing(only_customer());
        EXPECT_TRUE(q.departure && q.departure->at_once());
    }
    dispatcher->stop(1s);
    EXPECT_FALSE(queueing(only_customer()).departure);
}

// What another replica has queued is known to the table alone.
TEST_F(Gateway, WhatAnyReplicaMayQueueLeavesAtOnceOnlyWhileThisOneIsAlone) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto customer = only_customer();
    start_dispatcher();
    until_open();
    QueueMessage message;
    message.message_id = MessageId(ids.next().text());
    message.channel_id = kChannel;
    message.customer_id = customer;
    message.to = "+255712345678";
    const auto contact = contacts.folds().load(contact_stream("duka", customer));
    const auto leaves = [&](OtherWriters others) {
        const auto departure = dispatcher->ask("duka", message, contact, others);
        message.message_id = MessageId(ids.next().text());
        return departure && departure->at_once();
    };
    EXPECT_TRUE(leaves(OtherWriters::replicas));
    const int channel_lane = store.lane_of(by_channel(kChannel), "duka");
    const int customer_lane = store.lane_of(by_customer(customer), "duka");
    for (int lane = 0; lane < kLanes; ++lane)
        if (lane != channel_lane && lane != customer_lane) owners.revoked({lane});
    EXPECT_FALSE(leaves(OtherWriters::replicas));
    EXPECT_TRUE(leaves(OtherWriters::none));
    if (customer_lane == channel_lane) return;
    owners.revoked({customer_lane});
    EXPECT_FALSE(leaves(OtherWriters::none));
}

// Looking once a second would send one of them three quarters of a second too late.
TEST_F(Gateway, TheDispatcherSleepsUntilARowIsDue) {
    EXPECT_EQ(post(text_message("wamid.1", "Hi")), 200);
    const auto customer = only_customer();
    start_dispatcher();
    until_open();
    consume();
    constexpr int kRows = 4;
    const auto start = clock.now();
    for (int n = 1; n <= kRows; ++n) {
        QueueMessage later;
        later.message_id = MessageId(ids.next().text());
        later.channel_id = kChannel;
        later.customer_id = customer;
        later.to = "+255712345678";
        later.not_before = start + n * 250ms;
        common::v1::MessageContent content;
        content.mutable_text()->set_body("later");
        later.content = content.SerializeAsString();
        append("duka", by_customer(customer), message_stream("duka", later.message_id), 0,
               encode(MessageEvent(MessageQueued{.message = later}), clock.now()));
    }
    std::vector<Time> called;
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (called.size() < std::size_t{kRows} && std::chrono::steady_clock::now() < end) {
        if (provider.calls().size() > called.size()) called.push_back(clock.now());
        std::this_thread::sleep_for(2ms);
    }
    ASSERT_EQ(called.size(), std::size_t{kRows});
    for (int n = 1; n <= kRows; ++n) {
        const auto late = called[static_cast<std::size_t>(n - 1)] - (start + n * 250ms);
        EXPECT_GE(late, 0ms) << n;
        EXPECT_LT(late, 600ms) << n;
    }
}

TEST(Queue, IsLeftByWhateverEndsAMessageInItAtEveryPriority) {
    const crypto::RootKey root{Secret(kMasterKey)};
    const DerivedKeys keys{root};
    const auto derive = make_derive(kLanes, keys);
    const eventlog::StreamName stream{"duka", "message", "0197708c-0000-7000-8000-000000000001"};
    for (const int priority : {0, 1, 2}) {
        const Route route{.channel_id = ChannelId("channel-1"),
                          .customer_id = CustomerId("amina"),
                          .origin = {.kind = OriginKind::campaign,
                                     .id = OriginId("c1"),
                                     .recipient = CustomerId("amina")},
                          .priority = priority};
        const std::vector<MessageEvent> ends{
            SendAttempted{.attempt = 1, .replica = "r1", .route = route},
            MessageSuppressed{.reason = Suppression::opted_out, .error = {}, .route = route},
            MessageCancelled{.reason = "campaign_paused", .route = route}};
        for (const auto& end : ends) {
            eventlog::Derived out;
            derive(stream, 0, encode(end, Time{}), out);
            EXPECT_TRUE(std::ranges::any_of(out.work_del, [&](const auto& row) {
                return row.kind == dispatch_kind(route.channel_id, priority) &&
                       row.key == stream.key;
            })) << priority;
        }
    }
}

}  // namespace
}  // namespace flowstack::gateway
