#include <unistd.h>

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
        return count_facts(stack.api(), service, shop.tenant, type);
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

TEST_F(Door, ASignatureOfAStrangersAppIsRefusedAndOneOfAnAppThatOwnsNotTheChannelIsQuarantined) {
    const auto shop = stack.shop("foreign-app");
    const auto from = phone_for("foreign-app");
    const auto signed_with = [&](const std::string& secret) {
        return statuses(webhook(shop, {{"updates", json::array{text_from(shop, from, "Hi")}},
                                       {"signature", "secret:" + secret}}))
            .at(0)
            .to_number<int>();
    };
    EXPECT_EQ(signed_with("secret-of-nobody-here"), 401);
    // Known to us, so it is kept and acknowledged; not its channel, so nobody is answered.
    const auto quarantined = [&] {
        int found = 0;
        for (const auto& event : events_of(stack.api(), "gateway", ""))
            if (short_type(event.type()) == "ElementQuarantined" &&
                event.payload().find(shop.phone_number_id) != std::string::npos)
                ++found;
        return found;
    };
    EXPECT_EQ(signed_with("secret-of-another-app"), 200);
    EXPECT_TRUE(eventually([&] { return quarantined() == 1; }));
    EXPECT_EQ(count(shop, "gateway", "MessageReceived"), 0);
    // The owner's app is heard all the same.
    EXPECT_EQ(signed_with(stack.environment.required("META_APP_SECRET")), 200);
    EXPECT_EQ(count(shop, "gateway", "MessageReceived"), 1);
    EXPECT_TRUE(eventually([&] { return count(shop, "gateway", "SendAccepted") == 1; }));
}

TEST_F(Door, EveryRestRouteNamesTheFieldThatIsWrongAndKeepsNothing) {
    const auto shop = stack.shop("bad-fields");
    const std::vector<std::pair<std::string, std::string>> headers{
        {"Authorization", "Bearer " + stack.environment.required("ADMIN_KEY")},
        {"Content-Type", "application/json"}};
    struct Case {
        std::string path;
        std::string body;
        int status;
        std::string named;
    };
    const std::vector<Case> cases{
        {"messages", "{", 400, "MALFORMED"},
        {"messages", R"({"to":7})", 400, "to"},
        {"messages", R"({"no_such_field":1})", 400, "no_such_field"},
        {"messages", R"({"to":"+254712345678"})", 422, "content"},
        {"messages", R"({"content":{"text":{"body":"hello"}}})", 422, "to"},
        {"messages", R"({"to":"+254712345678","content":{"text":{"body":""}}})", 422, "body"},
        {"messages:cancel", R"({"origin":{"id":"nobody"}})", 422, "origin"},
        {"payments", R"({"customer_id":"c"})", 422, "amount.minor_units"},
        {"payments", R"({"customer_id":"c","amount":{"minor_units":"100","currency_code":"XXX"}})",
         422, "amount.currency_code"},
        {"payments", R"({"amount":{"minor_units":"100","currency_code":"KES"}})", 422,
         "customer_id"},
        {"payments",
         R"({"customer_id":"c","phone":"12","amount":{"minor_units":"100","currency_code":"KES"}})",
         422, "phone"},
        {"providerAccounts", R"({"mpesa":{"short_code":"1"}})", 422, "mpesa.short_code"},
        {"products", R"({"product":{"product_id":"x"}})", 422, "product.price.currency_code"},
        {"templates", R"({"template":{"kind":"interactive_button"}})", 422, "variants"},
        {"flows", R"({"flow_key":"own"})", 422, "document"},
        {"campaigns", R"({"display_name":"x"})", 422, "body"},
        {"tasks", R"({"kind":"custom"})", 422, "due_time"},
    };
    for (const auto& bad : cases) {
        const auto answer =
            http("POST", "/v1/tenants/" + shop.tenant + "/" + bad.path, bad.body, headers);
        EXPECT_EQ(answer.status, bad.status) << bad.path << " " << bad.body << answer.body;
        EXPECT_NE(answer.body.find(bad.named), std::string::npos)
            << bad.path << " " << bad.body << " does not name " << bad.named << ": " << answer.body;
        EXPECT_NE(answer.body.find("\"reason\""), std::string::npos) << answer.body;
    }
    EXPECT_EQ(count(shop, "gateway", "MessageQueued"), 0);
    EXPECT_EQ(count(shop, "payment", "IntentCreated"), 0);
    EXPECT_EQ(count(shop, "campaign", "CampaignDrafted"), 0);
    EXPECT_EQ(count(shop, "followup", "TaskScheduled"), 0);
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

TEST_F(Door, AClosedTenantIsReadAndNotChangedAtEveryService) {
    const auto shop = stack.shop("closing");
    const auto phone = phone_for("closing");
    const std::string base = "/v1/tenants/" + shop.tenant;
    const auto as = [&](const std::string& key, const std::string& method, const std::string& path,
                        const std::string& body = "") {
        return http(method, base + path, body,
                    {{"Authorization", "Bearer " + key}, {"Content-Type", "application/json"}});
    };
    const auto operators = stack.environment.required("ADMIN_KEY");
    const auto made = as(operators, "POST", "/apiKeys", R"({"displayName":"till"})");
    ASSERT_EQ(made.status, 201) << made.body;
    const std::string key(json::parse(made.body).at("key").as_string());
    const std::string name(json::parse(made.body).at("name").as_string());
    const auto receive = [&] {
        return statuses(webhook(shop, {{"updates", json::array{text_from(shop, phone, "Hi")}}}))
            .at(0)
            .to_number<int>();
    };
    EXPECT_EQ(receive(), 200);
    EXPECT_TRUE(eventually([&] { return count(shop, "gateway", "SendAccepted") == 1; }));

    // The key is listed without itself, and that it is used.
    EXPECT_TRUE(eventually([&] {
        const auto listed = as(key, "GET", "/apiKeys");
        return listed.body.find(R"("hint":")" + key.substr(0, 8)) != std::string::npos &&
               listed.body.find("lastUsedTime") != std::string::npos &&
               listed.body.find(key) == std::string::npos;
    }));
    EXPECT_EQ(as(key, "POST", ":close", R"({"reason":"x"})").status, 403);
    EXPECT_EQ(as(operators, "POST", ":close", "{}").status, 422);
    const auto closed = as(operators, "POST", ":close", R"({"reason":"the business has ended"})");
    ASSERT_EQ(closed.status, 200) << closed.body;
    EXPECT_EQ(as(operators, "POST", ":close", R"({"reason":"again"})").status, 200);
    EXPECT_EQ(count(shop, "gateway", "TenantClosed"), 1);

    const auto refused = [](const HttpAnswer& answer) {
        return answer.status == 409 && answer.body.find("\"TENANT_CLOSED\"") != std::string::npos;
    };
    EXPECT_TRUE(refused(as(operators, "POST", ":resume", R"({"reason":"x"})")));
    for (const auto& who : {key, operators}) {
        // Each service hears of it within the age of its answers (API_KEY_AGE_MS).
        // A body that would be refused anyway, so that nothing is made before.
        for (const auto& [path, body] :
             {std::pair{"/messages", R"({"to":"+254712345678"})"},
              std::pair{"/products", R"({"product":{"product_id":"x"}})"},
              std::pair{"/payments", R"({"customer_id":"c"})"},
              std::pair{"/campaigns", R"({"display_name":"x"})"},
              std::pair{"/tasks", R"({"kind":"custom"})"}})
            EXPECT_TRUE(eventually([&, path = path, body = body] {
                return refused(as(who, "POST", path, body));
            })) << path;
        for (const auto* path : {"", "/orders", "/payments", "/campaigns", "/tasks", "/products"})
            EXPECT_EQ(as(who, "GET", path).status, 200) << path;
    }
    // What comes in is kept and not answered.
    EXPECT_EQ(receive(), 200);
    EXPECT_EQ(count(shop, "gateway", "MessageReceived"), 2);
    EXPECT_TRUE(eventually([&] { return count(shop, "conversation", "CustomerSpoke") == 2; }));
    // A service that had not heard of the end yet may still have asked for an answer: it is
    // cancelled.
    EXPECT_TRUE(eventually([&] {
        return count(shop, "gateway", "MessageQueued") ==
               1 + count(shop, "gateway", "MessageCancelled");
    }));
    EXPECT_EQ(count(shop, "gateway", "SendAttempted"), 1);
    // A key is revoked all the same.
    EXPECT_EQ(http("POST", "/v1/" + name + ":revoke", R"({"reason":"x"})",
                   {{"Authorization", "Bearer " + operators}, {"Content-Type", "application/json"}})
                  .status,
              200);
    EXPECT_EQ(as(key, "GET", "").status, 401);
    expect_right(shop);
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

// A dialogue that no line of ours knows: a clinic's front desk, in its own words and states.
json::object clinic_flow(const std::string& greeting) {
    return json::parse(R"({
      "key": "CLINIC", "name": "Front desk", "languages": ["en"], "start": "door",
      "globals": [{"id": "help", "match": {"type": "contains", "values": ["bleeding", "emergency"]},
                   "do": [{"goto": "nurse"}]}],
      "nodes": {
        "door": {"rules": [{"id": "card", "match": {"type": "regex", "values": ["^card\\s*#?[0-9]{4}$"]},
                            "do": [{"set": "card", "value": "{{text}}"}, {"goto": "age"}]}],
                 "otherwise": [{"goto": "desk"}]},
        "desk": {"enter": [{"send": "desk"}],
                 "rules": [{"id": "doctor", "match": {"type": "button", "values": ["doctor"]},
                            "do": [{"goto": "age"}]},
                           {"id": "hours", "match": {"type": "button", "values": ["hours"]},
                            "do": [{"send": "hours"}, {"goto": "desk"}]}],
                 "otherwise": [{"goto": "desk"}]},
        "age": {"enter": [{"send": "ask_age"}],
                "ask": {"variable": "age", "type": "integer", "min": 0, "max": 120, "attempts": 1,
                        "again": "age_again", "then": [{"goto": "kin"}],
                        "give_up": [{"goto": "nurse"}]}},
        "kin": {"enter": [{"send": "ask_kin"}],
                "ask": {"variable": "kin", "type": "phone", "attempts": 3, "again": "kin_again",
                        "skip": ["nobody"], "then": [{"goto": "pain"}],
                        "give_up": [{"goto": "nurse"}]}},
        "pain": {"enter": [{"send": "ask_pain"}],
                 "rules": [{"id": "bad", "match": {"type": "list", "values": ["bad"]},
                            "do": [{"set": "when", "value": "today at four"}, {"goto": "booked"}]},
                           {"id": "mild", "match": {"type": "list", "values": ["mild"]},
                            "do": [{"set": "when", "value": "on Monday"}, {"goto": "booked"}]}],
                 "otherwise": [{"goto": "pain"}]},
        "booked": {"enter": [{"send": "booked"}, {"close": "booked"}]},
        "nurse": {"enter": [{"send": "nurse"}, {"escalate": "a nurse is wanted"}]}
      },
      "templates": {
        "desk": {"kind": "interactive_button",
                 "buttons": [{"action": "doctor"}, {"action": "hours"}],
                 "variants": {"en": {"body": ")" +
                       greeting + R"(", "buttons": ["See a doctor", "Opening hours"]}}},
        "hours": {"kind": "text", "variants": {"en": "We are here from seven to seven."}},
        "ask_age": {"kind": "text", "variants": {"en": "How old is the patient?"}},
        "age_again": {"kind": "text", "variants": {"en": "In whole years, please."}},
        "ask_kin": {"kind": "text", "variants": {"en": "Whom may we call? Write a number, or nobody."}},
        "kin_again": {"kind": "text", "variants": {"en": "That is no phone number."}},
        "ask_pain": {"kind": "interactive_list",
                     "rows": [{"action": "mild"}, {"action": "bad"}],
                     "variants": {"en": {"body": "How much does it hurt?", "list_button": "Choose",
                                         "rows": ["A little", "Very much"]}}},
        "booked": {"kind": "text", "variants": {"en": "Patient of {{age}}: come {{when}}.{{#kin}} We may call {{kin}}.{{/kin}}{{#card}} Bring {{card}}.{{/card}}"}},
        "nurse": {"kind": "text", "variants": {"en": "A nurse will write to you now."}}
      }
    })")
        .as_object();
}

TEST_F(Door, ATenantsOwnFlowIsPostedAsJsonAndRuns) {
    auto shop = shop_for("clinic-" + std::to_string(::getpid()));
    shop.languages = {"en"};
    make_shop(shop, stack.environment, stack.api(), stack.sandbox());
    const std::vector<std::pair<std::string, std::string>> headers{
        {"Authorization", "Bearer " + stack.environment.required("ADMIN_KEY")},
        {"Content-Type", "application/json"}};
    const auto publish = [&](json::object document) {
        return http("POST", "/v1/tenants/" + shop.tenant + "/flows",
                    json::serialize(
                        json::object{{"flow_key", "CLINIC"}, {"document", std::move(document)}}),
                    headers);
    };
    // What cannot work is refused, and names its places.
    auto broken = clinic_flow("Hello");
    broken["nodes"].as_object()["desk"].as_object()["rules"].as_array()[0].as_object()["do"] =
        json::array{json::object{{"goto", "surgery"}}};
    broken["templates"].as_object()["hours"].as_object()["variants"] = json::object{};
    const auto refused = publish(broken);
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_NE(refused.body.find("surgery"), std::string::npos) << refused.body;
    EXPECT_NE(refused.body.find("nodes.desk.rules"), std::string::npos) << refused.body;
    EXPECT_NE(refused.body.find("templates.hours"), std::string::npos) << refused.body;
    // A pack must be there before a tenant's settings can name it.
    const auto settings = "/v1/tenants/" + shop.tenant + "/settings";
    const auto use = R"({"settings":{"pack":"CLINIC"},"updateMask":"pack"})";
    EXPECT_EQ(http("PATCH", settings, use, headers).status, 422);
    const auto made = publish(clinic_flow("This is the clinic's desk."));
    ASSERT_EQ(made.status / 100, 2) << made.body;
    const auto used = http("PATCH", settings, use, headers);
    ASSERT_EQ(used.status, 200) << used.body;

    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for(shop.tenant), "Neema");
    phone.say("good morning");
    phone.wait_text("This is the clinic's desk.");
    phone.tap("Opening hours");
    phone.wait_text("seven to seven");
    // While this dialogue runs, the desk changes its words: it keeps the version it began with.
    ASSERT_EQ(publish(clinic_flow("Welcome to the new desk.")).status / 100, 2);
    phone.wait_text("This is the clinic's desk.");
    phone.tap("See a doctor");
    phone.wait_text("How old");
    phone.say("quite old");
    phone.wait_text("whole years");
    phone.say("71");
    phone.wait_text("Whom may we call");
    phone.say("my son");
    phone.wait_text("no phone number");
    phone.say("0733 111 222");
    const auto pain = phone.wait_text("How much does it hurt");
    EXPECT_EQ(pain.rows.size(), 2u);
    phone.pick("Very much");
    const auto booked = phone.wait_text("Patient of 71");
    EXPECT_EQ(booked.text, "Patient of 71: come today at four. We may call +254733111222.");
    // The next message begins afresh, with the desk of now.
    phone.say("and for me?");
    phone.wait_text("Welcome to the new desk.");
    phone.say("this is an EMERGENCY");
    phone.wait_text("A nurse will write");
    EXPECT_TRUE(
        eventually([&] { return count(shop, "conversation", "ConversationEscalated") == 1; }));
    EXPECT_EQ(count(shop, "conversation", "ConversationOpened"), 2);
    EXPECT_EQ(count(shop, "payment", "OrderPlaced"), 0);
    expect_right(shop);
}

// The last of all: it looks at what every scenario above has left.
TEST(ReadModels, OfEveryScenarioEqualARebuild) { expect_read_models_equal_a_rebuild(); }

}  // namespace
}  // namespace flowstack::e2e
