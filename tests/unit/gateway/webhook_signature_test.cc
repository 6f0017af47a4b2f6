#include "services/gateway/endpoints/webhook_signature.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "common/crypto/ed25519.h"
#include "common/crypto/encoding.h"
#include "common/eventlog/payload.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/webhook_data.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/endpoints/webhook_codec.h"
#include "services/gateway/endpoints/webhook_events.h"

namespace flowstack::gateway {
namespace {

namespace json = boost::json;

// The vector that the libraries of Standard Webhooks are tested with.
const Secret kSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t kAt = 1614265330;
constexpr const char* kBody = R"({"test": 2432232314})";

TEST(WebhookSignature, IsWhatStandardWebhooksSays) {
    EXPECT_EQ(webhook_signature(kSecret, kId, kAt, kBody),
              "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookSignature, IsVerifiedWithItsSecretIdTimeAndBodyOnly) {
    const auto header = webhook_signatures({kSecret}, kId, kAt, kBody);
    const auto at = std::to_string(kAt);
    EXPECT_TRUE(verify_webhook(kSecret.reveal(), kId, at, kBody, header));
    EXPECT_FALSE(verify_webhook(kSecret.reveal(), "msg_other", at, kBody, header));
    EXPECT_FALSE(verify_webhook(kSecret.reveal(), kId, "1614265331", kBody, header));
    EXPECT_FALSE(verify_webhook(kSecret.reveal(), kId, at, "{}", header));
    const auto other = new_webhook_secret(WebhookSignature::hmac_sha256);
    EXPECT_FALSE(verify_webhook(other.secret.reveal(), kId, at, kBody, header));
    EXPECT_FALSE(verify_webhook(kSecret.reveal(), kId, at, kBody, ""));
    EXPECT_FALSE(verify_webhook(kSecret.reveal(), kId, at, kBody, "v1a," + header.substr(3)));
}

TEST(WebhookSignature, IsMadeByBothSecretsWhileOneIsRotated) {
    const auto fresh = new_webhook_secret(WebhookSignature::hmac_sha256);
    EXPECT_TRUE(fresh.secret.reveal().starts_with("whsec_"));
    EXPECT_TRUE(fresh.public_key.empty());
    const auto header = webhook_signatures({fresh.secret, kSecret}, kId, kAt, kBody);
    EXPECT_NE(header.find(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), std::string::npos)
        << header;
    for (const auto& secret : {fresh.secret, kSecret})
        EXPECT_TRUE(verify_webhook(secret.reveal(), kId, std::to_string(kAt), kBody, header));
}

TEST(WebhookSignature, OfAPairIsVerifiedWithItsPublicKey) {
    const auto pair = new_webhook_secret(WebhookSignature::ed25519);
    EXPECT_TRUE(pair.secret.reveal().starts_with("whsk_"));
    EXPECT_TRUE(pair.public_key.starts_with("whpk_"));
    const auto header = webhook_signatures({pair.secret}, kId, kAt, kBody);
    EXPECT_TRUE(header.starts_with("v1a,"));
    const auto at = std::to_string(kAt);
    EXPECT_TRUE(verify_webhook(pair.public_key, kId, at, kBody, header));
    EXPECT_FALSE(verify_webhook(pair.public_key, kId, at, "{}", header));
    EXPECT_FALSE(verify_webhook(new_webhook_secret(WebhookSignature::ed25519).public_key, kId, at,
                                kBody, header));
    EXPECT_THROW(webhook_signature(Secret("whsec_"), kId, kAt, kBody), std::invalid_argument);
    EXPECT_THROW(webhook_signature(Secret("secret"), kId, kAt, kBody), std::invalid_argument);
}

// ---- which events are told, and how

template <class Event>
eventlog::Recorded recorded(const Event& event, const std::string& key) {
    eventlog::Recorded recorded;
    recorded.stream = {"duka", "any", key};
    recorded.type = Event::descriptor()->full_name();
    recorded.payload = event.SerializeAsString();
    recorded.occurred_at = from_unix_micros(1'790'000'000'500'000);
    recorded.meta.routing = {eventlog::RoutingKind::customer, "c1"};
    return recorded;
}
template <class Event>
json::object told(const Event& event, const std::string& key = "k1") {
    const auto news = webhooks_of(recorded(event, key));
    if (news.size() != 1) {
        ADD_FAILURE() << news.size() << " webhooks of one " << Event::descriptor()->full_name();
        return {};
    }
    auto body = json::parse(news.front().body).as_object();
    EXPECT_EQ(body.at("type").as_string(), news.front().type);
    EXPECT_EQ(body.size(), 3U);
    return body;
}

TEST(WebhookEvents, SayWhatACustomerWrote) {
    v1::MessageReceived message;
    message.set_provider_message_id("w1");
    message.set_customer_id("c1");
    message.set_channel_id("ch1");
    message.set_kind(v1::INBOUND_KIND_TEXT);
    message.mutable_personal()->set_text("Habari \"you\"");
    message.mutable_personal()->set_phone("+254700000001");
    message.mutable_personal()->set_element_json(R"({"secret":"as received"})");
    const auto body = told(message);
    EXPECT_EQ(body.at("type").as_string(), "message.received");
    EXPECT_EQ(body.at("timestamp").as_string(), "2026-09-21T14:13:20.500Z");
    const auto& data = body.at("data").as_object();
    EXPECT_EQ(data.at("text").as_string(), "Habari \"you\"");
    EXPECT_EQ(data.at("customerId").as_string(), "c1");
    EXPECT_EQ(data.at("kind").as_string(), "INBOUND_KIND_TEXT");
    EXPECT_EQ(json::serialize(body).find("as received"), std::string::npos);
}

TEST(WebhookEvents, SayWhatBecameOfAMessageAndNothingOfWhatIsTriedAgain) {
    v1::SendFailed failed;
    failed.set_reason("not on WhatsApp");
    failed.mutable_error()->set_code("131026");
    EXPECT_EQ(told(failed, "m1").at("data").at("status").as_string(), "failed");
    EXPECT_EQ(told(failed, "m1").at("data").at("messageId").as_string(), "m1");
    EXPECT_EQ(told(failed, "m1").at("data").at("errorCode").as_string(), "131026");
    failed.set_retry_at_us(1);
    EXPECT_TRUE(webhooks_of(recorded(failed, "m1")).empty());
    v1::StatusReported status;
    status.set_status("delivered");
    EXPECT_EQ(told(status).at("data").at("status").as_string(), "delivered");
    status.set_status("failed");
    EXPECT_TRUE(webhooks_of(recorded(status, "m1")).empty());
    v1::MessageSuppressed suppressed;
    suppressed.set_reason(v1::SUPPRESSION_REASON_OPTED_OUT);
    EXPECT_EQ(told(suppressed).at("data").at("reason").as_string(), "OPTED_OUT");
    EXPECT_TRUE(webhooks_of(recorded(v1::SendAttempted(), "m1")).empty());
}

TEST(WebhookEvents, OfOneTurnOfADialogueAreSeveral) {
    conversation::v1::DialogueTurn turn;
    turn.add_steps()->mutable_conversation_opened()->set_flow_key("ECOMMERCE");
    turn.add_steps()->mutable_node_entered()->set_node("menu");
    auto* advanced = turn.add_steps()->mutable_conversation_advanced();
    advanced->set_to_state(conversation::v1::CONVERSATION_STATE_ESCALATED);
    advanced->set_reason("the customer asked for a person");
    turn.add_steps()->mutable_customer_rated()->set_rating(conversation::v1::RATING_GOOD);
    const auto news = webhooks_of(recorded(turn, "conversation-1"));
    ASSERT_EQ(news.size(), 3U);
    EXPECT_EQ(news[0].type, "conversation.opened");
    EXPECT_EQ(news[1].type, "conversation.handed_over");
    const auto data = json::parse(news[1].body).at("data").as_object();
    EXPECT_EQ(data.at("conversationId").as_string(), "conversation-1");
    EXPECT_EQ(data.at("customerId").as_string(), "c1");
    EXPECT_EQ(data.at("reason").as_string(), "the customer asked for a person");
    EXPECT_EQ(news[2].type, "conversation.rated");
}

TEST(WebhookEvents, SayAmountsAsTheApiDoes) {
    payment::v1::IntentPaid paid;
    paid.set_intent_id("i1");
    paid.mutable_amount()->set_minor_units(150'000);
    paid.mutable_amount()->set_currency_code("KES");
    paid.set_receipt("RCP1");
    const auto body = told(paid);
    EXPECT_EQ(body.at("type").as_string(), "payment.paid");
    const auto& data = body.at("data").as_object();
    EXPECT_EQ(data.at("paymentId").as_string(), "i1");
    EXPECT_EQ(data.at("amount").at("minorUnits").as_string(), "150000");
    EXPECT_EQ(data.at("receipt").as_string(), "RCP1");
    payment::v1::OrderPaid order;
    order.set_order_id("o1");
    EXPECT_EQ(told(order).at("type").as_string(), "order.paid");
    EXPECT_EQ(told(order).at("data").at("customerId").as_string(), "c1");
}

TEST(WebhookEvents, LeaveOutDataThatIsTooLarge) {
    v1::MessageReceived message;
    message.mutable_personal()->set_text(std::string(kWebhookBodyBytesMax, 'x'));
    const auto body = told(message);
    EXPECT_TRUE(body.at("data").as_object().contains("omitted"));
    EXPECT_LT(json::serialize(body).size(), 1'000U);
}

TEST(WebhookEvents, StandInTheDocumentsWithTheirFields) {
    std::ifstream file(FLOWSTACK_ROOT "/docs/webhooks_out.md");
    std::stringstream page;
    page << file.rdbuf();
    const auto text = page.str();
    for (const auto& type : webhook_types())
        EXPECT_NE(text.find("`" + type + "`"), std::string::npos) << type;
    const auto* proto = v1::TestData::descriptor()->file();
    for (int m = 0; m < proto->message_type_count(); ++m)
        for (int f = 0; f < proto->message_type(m)->field_count(); ++f) {
            const auto name = proto->message_type(m)->field(f)->json_name();
            EXPECT_NE(text.find("`" + name + "`"), std::string::npos)
                << proto->message_type(m)->name() << "." << name;
        }
}

// ---- what the log keeps of them

TEST(WebhookFacts, AreReadAsTheyWereWritten) {
    const auto at = from_unix_seconds(1'790'000'000);
    WebhookEndpointCreated created{
        .endpoint_id = WebhookEndpointId("e1"),
        .target = {.url = "https://shop.example",
                   .event_types = {"order.paid"},
                   .description = "x"},
        .signature = WebhookSignature::ed25519,
        .key = {.sealed = std::string("\x00\xff", 2), .public_key = "whpk_x"}};
    const auto stored = encode(WebhookEndpointEvent(created), at);
    const auto read =
        std::get<WebhookEndpointCreated>(decode_webhook_endpoint(stored.type, stored.payload));
    EXPECT_EQ(read.target, created.target);
    EXPECT_EQ(read.key, created.key);
    EXPECT_EQ(read.signature, created.signature);
    WebhooksQueued queued{.webhooks = {{.delivery_id = WebhookDeliveryId("d1"),
                                        .webhook_id = "w1",
                                        .type = "order.paid",
                                        .replay_of = WebhookDeliveryId("d0")}},
                          .bodies = {"{}"}};
    const auto line = encode(WebhookLineEvent(queued), at);
    const auto back = std::get<WebhooksQueued>(decode_webhook_line(line.type, line.payload));
    EXPECT_EQ(back.bodies, queued.bodies);
    EXPECT_EQ(back.webhooks.front().replay_of, WebhookDeliveryId("d0"));
    EXPECT_THROW(decode_webhook_line(stored.type, stored.payload), std::exception);
}

TEST(WebhookFacts, PutAndRemoveTheRowOfTheirLine) {
    const crypto::RootKey root(Secret("root"));
    const DerivedKeys keys(root);
    const auto derive = make_derive(4, keys);
    const WebhookLineName name{
        .tenant = "duka", .endpoint_id = WebhookEndpointId("e1"), .customer_id = CustomerId("c1")};
    const auto at = from_unix_seconds(1'790'000'000);
    const auto of = [&](WebhookLineEvent event) {
        eventlog::Derived derived;
        derive(webhook_line_stream(name), 2, encode(event, at), derived);
        return derived;
    };
    const auto put = of(WebhooksQueued{}).work_put;
    ASSERT_EQ(put.size(), 1U);
    EXPECT_EQ(put[0].kind, "webhook/e1");
    EXPECT_EQ(put[0].key, "e1/c1");
    EXPECT_EQ(put[0].lane, 2);
    EXPECT_EQ(put[0].due_at, at);
    EXPECT_EQ(read_ref(put[0].ref)->tenant, "duka");
    EXPECT_EQ(of(WebhookDelivered{.more = true}).work_put.size(), 1U);
    EXPECT_EQ(of(WebhookDelivered{.more = false}).work_del.size(), 1U);
    const auto again = at + std::chrono::hours(1);
    EXPECT_EQ(of(WebhookAttemptFailed{.retry_at = again, .more = true}).work_put[0].due_at, again);
    EXPECT_EQ(of(WebhookAttemptFailed{.more = true}).work_put[0].due_at, at);
    EXPECT_EQ(of(WebhookAttemptFailed{.more = false}).work_del.size(), 1U);
    EXPECT_EQ(of(WebhooksDropped{}).work_del.size(), 1U);
    const auto back = webhook_line_of("duka", put[0].key);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, name);
    EXPECT_FALSE(webhook_line_of("duka", "/c1"));
    EXPECT_FALSE(webhook_line_of("duka", "e1"));
}

}  // namespace
}  // namespace flowstack::gateway
