#include <boost/json.hpp>

#include "tests/e2e/stack.h"
#include "tools/stack/logs.h"

// What the outside may send to the doors, well and badly meant, and what becomes of it.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;

class Door : public ::testing::Test {
protected:
    int count(const ShopSpec& shop, const std::string& service, const std::string& type) {
        int found = 0;
        for (const auto& event : events_of(stack.api(), service, shop.tenant))
            if (short_type(event.type()) == type) ++found;
        return found;
    }
    json::array statuses(const json::value& answer) {
        return answer.at("http_statuses").as_array();
    }
    json::value webhook(const ShopSpec& shop, json::object body) {
        body["phone_number_id"] = shop.phone_number_id;
        return stack.sandbox().post("/control/webhooks", body);
    }
    json::object text_from(const ShopSpec& shop, const std::string& from, const std::string& text) {
        return {{"phone_number_id", shop.phone_number_id}, {"from", from}, {"text", text}};
    }
    std::string door() { return stack.environment.required("PUBLIC_BASE_URL"); }
    HttpAnswer http(const std::string& method, const std::string& path,
                    const std::string& body = "",
                    const std::vector<std::pair<std::string, std::string>>& headers = {}) {
        return stack.sandbox().http().send(method, door() + path, body, headers);
    }

    Stack& stack = Stack::get();
};

TEST_F(Door, TheHandshakeEchoesTheChallengeToTheRightTokenOnly) {
    const auto token = stack.environment.required("META_VERIFY_TOKEN");
    const auto right = http(
        "GET",
        "/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=" + token);
    EXPECT_EQ(right.status, 200);
    EXPECT_EQ(right.body, "1158201444");
    const auto wrong =
        http("GET", "/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=1&hub.verify_token=nope");
    EXPECT_EQ(wrong.status / 100, 4);
}

TEST_F(Door, TheSameWebhookSixteenTimesAtOnceIsOneMessage) {
    const auto shop = stack.shop("sixteen");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("sixteen"), "Amina");
    const auto answer = phone.send({{"text", "Hi"}, {"copies", 16}});
    for (const auto& status : statuses(answer)) EXPECT_EQ(status.to_number<int>(), 200);
    phone.wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; }, "the greeting");
    EXPECT_EQ(count(shop, "gateway", "MessageReceived"), 1);
    EXPECT_EQ(count(shop, "conversation", "ConversationOpened"), 1);
    EXPECT_EQ(count(shop, "conversation", "CustomerSpoke"), 1);
    expect_right(shop);
}

TEST_F(Door, ABatchForTwoTenantsReachesBothAndNothingCrosses) {
    const auto one = stack.shop("batch-one");
    const auto two = stack.shop("batch-two");
    const auto a = phone_for("batch-a"), b = phone_for("batch-b");
    const auto answer =
        webhook(one, {{"updates", json::array{text_from(one, a, "Hi"), text_from(two, b, "Hi"),
                                              text_from(one, b, "Hi")}}});
    EXPECT_EQ(statuses(answer).at(0).to_number<int>(), 200);
    EXPECT_EQ(count(one, "gateway", "MessageReceived"), 2);
    EXPECT_EQ(count(two, "gateway", "MessageReceived"), 1);
    EXPECT_TRUE(eventually([&] { return count(two, "gateway", "SendAccepted") == 1; }));
    expect_right(one);
    expect_right(two);
}

TEST_F(Door, BadSignaturesAreRefusedWithAnEmptyBodyAndStoreNothing) {
    const auto shop = stack.shop("signatures");
    for (const auto* bad : {"missing", "wrong", "other_body", "short", "not_hex", "sha1"}) {
        const auto answer =
            webhook(shop, {{"updates", json::array{text_from(shop, phone_for("sig"), "Hi")}},
                           {"signature", bad}});
        EXPECT_EQ(statuses(answer).at(0).to_number<int>(), 401) << bad;
    }
    EXPECT_EQ(count(shop, "gateway", "MessageReceived"), 0);
}

TEST_F(Door, AnUnknownNumberIsQuarantinedAndAcknowledged) {
    const auto shop = stack.shop("unknown-number");
    auto stranger = shop;
    stranger.phone_number_id = "999000111222333";
    stack.sandbox().put("/control/numbers",
                        json::object{{"phone_number_id", stranger.phone_number_id},
                                     {"token", "mock_x"},
                                     {"app_secret", stack.environment.required("META_APP_SECRET")},
                                     {"webhook_url", door() + "/webhooks/whatsapp"},
                                     {"display_phone_number", "254799999999"},
                                     {"name", "nobody"}});
    const auto answer =
        webhook(stranger, {{"updates", json::array{text_from(stranger, phone_for("q"), "Hi")}}});
    EXPECT_EQ(statuses(answer).at(0).to_number<int>(), 200);
    EXPECT_EQ(count(shop, "gateway", "MessageReceived"), 0);
}

TEST_F(Door, MalformedJsonWithAGoodSignatureIsKeptAndAcknowledged) {
    const auto shop = stack.shop("malformed");
    for (const auto* raw :
         {"{not json", "[]", "{\"object\":\"whatsapp_business_account\",\"entry\":7}", "null"}) {
        const auto answer = webhook(shop, {{"raw", raw}});
        EXPECT_EQ(statuses(answer).at(0).to_number<int>(), 200) << raw;
    }
    // And the door still works.
    EXPECT_EQ(
        statuses(webhook(shop, {{"updates", json::array{text_from(shop, phone_for("mal"), "Hi")}}}))
            .at(0)
            .to_number<int>(),
        200);
    expect_right(shop);
}

TEST_F(Door, AnOversizedBodyIsRefusedAndThreeMebibytesGoThrough) {
    const auto shop = stack.shop("sizes");
    EXPECT_EQ(http("POST", "/webhooks/whatsapp", std::string((3 << 20) + 1, 'x')).status, 413);
    // A thousand updates, near the three megabytes that Meta may send at once.
    json::array updates;
    const std::string padding(2700, 'p');
    for (int i = 0; i < 1000; ++i)
        updates.push_back(
            text_from(shop, "+25479" + std::to_string(1'000'000 + i), "Hi " + padding));
    const auto answer = webhook(shop, {{"updates", updates}});
    EXPECT_EQ(statuses(answer).at(0).to_number<int>(), 200);
    EXPECT_EQ(count(shop, "gateway", "MessageReceived"), 1000);
    EXPECT_TRUE(
        eventually([&] { return count(shop, "conversation", "ConversationOpened") == 1000; },
                   std::chrono::seconds(60)));
    expect_right(shop);
}

TEST_F(Door, UnknownPathsAndMethodsAreProblems) {
    const auto lost = http("GET", "/no/such/path");
    EXPECT_EQ(lost.status, 404);
    EXPECT_NE(lost.body.find("reason"), std::string::npos);
    EXPECT_EQ(http("DELETE", "/webhooks/whatsapp").status, 405);
    const auto mpesa = http("POST", "/webhooks/mpesa", "{}");
    EXPECT_EQ(mpesa.status, 404);
    EXPECT_NE(mpesa.body.find("/hooks/pay/"), std::string::npos);
    EXPECT_EQ(http("GET", "/health").status, 200);
}

TEST_F(Door, TheRestDoorWantsAKeyAndKnowsOneTenantFromAnother) {
    const auto mine = stack.shop("rest-mine");
    const auto path = "/v1/tenants/" + mine.tenant;
    EXPECT_EQ(http("GET", path).status, 401);
    EXPECT_EQ(http("GET", path, "", {{"Authorization", "Bearer wrong"}}).status, 401);
    const std::pair<std::string, std::string> admin{
        "Authorization", "Bearer " + stack.environment.required("ADMIN_KEY")};
    EXPECT_EQ(http("GET", path, "", {admin}).status, 200);
    const auto made = http("POST", path + "/apiKeys", R"({"displayName":"test"})",
                           {admin, {"Content-Type", "application/json"}});
    ASSERT_EQ(made.status / 100, 2) << made.body;
    const std::pair<std::string, std::string> key{
        "Authorization", "Bearer " + text_at(json::parse(made.body), "key")};
    EXPECT_TRUE(eventually([&] { return http("GET", path, "", {key}).status == 200; }));
    const auto other = stack.shop("rest-other");
    EXPECT_EQ(http("GET", "/v1/tenants/" + other.tenant, "", {key}).status, 404);
    EXPECT_EQ(http("GET", "/v1/tenants/" + other.tenant + "/messages", "", {key}).status, 404);
}

TEST_F(Door, ASendIsIdempotentByItsKey) {
    const auto shop = stack.shop("idempotent");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("idempotent"), "Amina");
    greet(phone, "Hi");
    const std::vector<std::pair<std::string, std::string>> headers{
        {"Authorization", "Bearer " + stack.environment.required("ADMIN_KEY")},
        {"Content-Type", "application/json"},
        {"Idempotency-Key", "key-1"}};
    const auto path = "/v1/tenants/" + shop.tenant + "/messages";
    const auto body =
        R"({"to":")" + phone.number() + R"(","content":{"text":{"body":"hello once"}}})";
    const auto first = http("POST", path, body, headers);
    ASSERT_EQ(first.status / 100, 2) << first.body;
    const auto again = http("POST", path, body, headers);
    EXPECT_EQ(again.status / 100, 2) << again.body;
    EXPECT_EQ(text_at(json::parse(first.body), "messageId"),
              text_at(json::parse(again.body), "messageId"));
    const auto other =
        http("POST", path,
             R"({"to":")" + phone.number() + R"(","content":{"text":{"body":"other"}}})", headers);
    EXPECT_EQ(other.status, 409) << other.body;
    EXPECT_NE(other.body.find("IDEMPOTENCY_KEY_REUSED"), std::string::npos) << other.body;
    phone.wait_text("hello once");
    expect_right(shop);
}

TEST_F(Door, ABusinessScopedCustomerIsServedAndTheLaterPhoneIsTheSamePerson) {
    const auto shop = stack.shop("bsuid");
    const std::string user = "KE.13491208655302741918";
    Phone phone(stack.sandbox(), shop.phone_number_id, user, "Hidden");
    phone.send({{"text", "Hi"}, {"hide_phone", true}});
    phone.wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; }, "the greeting");
    const auto number = phone_for("bsuid-phone");
    phone.send({{"text", "Hi"}, {"phone", number}});
    EXPECT_TRUE(eventually([&] { return count(shop, "gateway", "IdentityAdded") >= 1; }));
    EXPECT_EQ(count(shop, "gateway", "ContactSeen"), 1);
    expect_right(shop);
}

}  // namespace
}  // namespace flowstack::e2e
