#include "services/sandbox/twilio.h"

#include "tests/unit/sandbox/fake_world.h"

namespace flowstack::sandbox {
namespace {

constexpr const char* kAccount = "AC00000000000000000000000000000001";
constexpr const char* kToken = "0123456789abcdef0123456789abcdef";
constexpr const char* kSender = "+14155238886";
constexpr const char* kService = "MG00000000000000000000000000000001";
constexpr const char* kTemplate = "HX00000000000000000000000000000001";
constexpr const char* kUrl = "http://gateway/webhooks/twilio";
constexpr const char* kCallback = "http://gateway/webhooks/twilio?data=m1";

class TwilioStandIn : public SandboxTest {
protected:
    TwilioStandIn() {
        put("/control/senders",
            R"({"number":"+14155238886","account_sid":"AC00000000000000000000000000000001",
                "auth_token":"0123456789abcdef0123456789abcdef",
                "api_key_sid":"SK1","api_key_secret":"ks",
                "messaging_service_sid":"MG00000000000000000000000000000001",
                "webhook_url":"http://gateway/webhooks/twilio","name":"Duka la Asha",
                "contents":[{"sid":"HX00000000000000000000000000000001",
                             "body":"Hi {{1}}, order {{2}}","variables":2}]})");
        customer_says(R"({"text":"Hi"})");
        world.posts.clear();
    }

    json::value customer_says(const std::string& body, int status = 200) {
        json::value document = parse(body).value();
        document.get_object()["phone_number_id"] = kSender;
        const Reply reply = ask(json_call(
            "POST", std::string{"/control/customers/"} + kPhone + "/say", compact(document)));
        EXPECT_EQ(reply.status, status) << reply.body;
        return parse(reply.body).value_or(nullptr);
    }
    static Form to_asha(Form more = {{"Body", "Karibu"}}) {
        Form form{{"To", "whatsapp:+254712345678"},
                  {"From", std::string{"whatsapp:"} + kSender},
                  {"StatusCallback", kCallback}};
        for (auto& each : more) form.push_back(std::move(each));
        return form;
    }
    static Call message(const Form& form,
                        const std::string& user = std::string{kAccount} + ":" + kToken) {
        return {"POST",
                std::string{"/2010-04-01/Accounts/"} + kAccount + "/Messages.json",
                {},
                {{"content-type", "application/x-www-form-urlencoded"},
                 {"authorization", "Basic " + base64(user)}},
                write_form(form)};
    }
    // 0 when it was accepted.
    int code(const Call& call) {
        const Reply reply = ask(call);
        if (reply.status == 201) return 0;
        const auto document = parse(reply.body);
        EXPECT_TRUE(document && int_or(*document, "status", 0) == reply.status) << reply.body;
        return document ? static_cast<int>(int_or(*document, "code", -1)) : -1;
    }
    // Words of the statuses that were sent, in order; "undelivered 63016".
    std::vector<std::string> statuses() {
        world.advance(Milliseconds{5'000});
        std::vector<std::string> words;
        for (const Outgoing& post : world.posts) {
            const Form form = read_form(post.body).value();
            if (form_value(form, "MessageStatus").empty()) continue;
            EXPECT_EQ(post.url, kCallback);
            for (const auto& [name, value] : post.headers) {
                if (name == "X-Twilio-Signature") {
                    EXPECT_EQ(value, twilio_signature(kToken, post.url, form));
                }
            }
            const std::string error = form_value(form, "ErrorCode");
            words.push_back(form_value(form, "MessageStatus") + (error.empty() ? "" : " " + error));
        }
        return words;
    }
    std::string header(const Outgoing& post, const std::string& wanted) {
        for (const auto& [name, value] : post.headers) {
            if (name == wanted) return value;
        }
        return {};
    }
};
using Words = std::vector<std::string>;

TEST_F(TwilioStandIn, SignsAsTwilioDoes) {
    const Form form{{"CallSid", "CA1234567890ABCDE"},
                    {"Caller", "+12349013030"},
                    {"Digits", "1234"},
                    {"From", "+12349013030"},
                    {"To", "+18005551212"}};
    EXPECT_EQ(twilio_signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form),
              "0/KCTR6DLpKmkAf8muzZqo1nDgQ=");
    EXPECT_EQ(
        twilio_signature(kToken, "https://flow.example.com/d",
                         {{"Body", "x"}, {"MediaUrl", "b"}, {"MediaUrl", "a"}, {"MediaUrl", "a"}}),
        "stALbye1Uwi30ez63UeKA+bWq0c=");
}

TEST_F(TwilioStandIn, ReadsAndWritesForms) {
    const Form form{{"Body", "Habari 🙏 1/2+3"}, {"Empty", ""}};
    EXPECT_EQ(write_form(form), "Body=Habari+%F0%9F%99%8F+1%2F2%2B3&Empty=");
    EXPECT_EQ(read_form(write_form(form)), form);
    EXPECT_EQ(read_form("a=%20b%2").has_value(), false);
    EXPECT_EQ(read_form("a=%zz").has_value(), false);
    EXPECT_EQ(read_form("a&&b="), (Form{{"a", ""}, {"b", ""}}));
}

TEST_F(TwilioStandIn, AnswersAnAcceptedMessageWithItsSid) {
    const Reply reply = ask(message(to_asha()));
    EXPECT_EQ(reply.status, 201);
    const json::value body = *parse(reply.body);
    EXPECT_EQ(text_or(body, "sid", "").size(), 34U);
    EXPECT_EQ(text_or(body, "account_sid", ""), kAccount);
    EXPECT_EQ(text_or(body, "to", ""), "whatsapp:+254712345678");
    EXPECT_EQ(text_or(body, "status", ""), "queued");
    EXPECT_TRUE(body.at("error_code").is_null());
    EXPECT_EQ(statuses(), (Words{"sent", "delivered", "read"}));
    EXPECT_EQ(text_or(last_recorded("send_accepted"), "biz_opaque_callback_data", ""), kCallback);
}

TEST_F(TwilioStandIn, OpensToItsAccountOnly) {
    EXPECT_EQ(code(message(to_asha(), std::string{kAccount} + ":wrong")), 20003);
    EXPECT_EQ(code(message(to_asha(), "AC2:" + std::string{kToken})), 20003);
    EXPECT_EQ(code(message(to_asha(), "SK1:ks")), 0);
    EXPECT_EQ(code(message(to_asha(), "SK1:wrong")), 20003);
    EXPECT_EQ(code(message(to_asha(), ":")), 20003);
    Call without = message(to_asha());
    without.headers.erase("authorization");
    EXPECT_EQ(code(without), 20003);
    put("/control/senders/+14155238886", R"({"secondary_auth_token":"second"})");
    EXPECT_EQ(code(message(to_asha(), std::string{kAccount} + ":second")), 0);
    Call other = message(to_asha());
    other.path = "/2010-04-01/Accounts/AC2/Messages.json";
    EXPECT_EQ(code(other), 20003);
    other.path = std::string{"/2010-04-01/Accounts/"} + kAccount + "/Calls.json";
    EXPECT_EQ(code(other), 20404);
}

TEST_F(TwilioStandIn, RefusesWhatTwilioRefuses) {
    const auto with = [&](const std::string& name, const std::string& value) {
        Form form = to_asha();
        std::erase_if(form, [&](const auto& each) { return each.first == name; });
        if (!value.empty()) form.emplace_back(name, value);
        return code(message(form));
    };
    EXPECT_EQ(with("To", ""), 21604);
    EXPECT_EQ(with("To", "+254712345678"), 21211);
    EXPECT_EQ(with("To", "whatsapp:254712345678"), 21211);
    EXPECT_EQ(with("To", "whatsapp:+12"), 21211);
    EXPECT_EQ(with("To", "whatsapp:KE.77"), 0);
    EXPECT_EQ(with("From", ""), 21603);
    EXPECT_EQ(with("From", kSender), 21606);
    EXPECT_EQ(with("From", "whatsapp:+14150000000"), 63007);
    EXPECT_EQ(with("MessagingServiceSid", kService), 21603);  // beside a From
    EXPECT_EQ(with("Body", ""), 21602);
    EXPECT_EQ(with("Body", std::string(1600, 'x')), 0);
    EXPECT_EQ(with("Body", std::string(1601, 'x')), 21617);
    EXPECT_EQ(with("MediaUrl", "ftp://x"), 21620);
    EXPECT_EQ(with("MediaUrl", "https://x/a.jpg"), 0);
    EXPECT_EQ(with("StatusCallback", "flow.example.com"), 21609);
    EXPECT_EQ(with("ValidityPeriod", "36000"), 0);
    EXPECT_EQ(with("ValidityPeriod", "36001"), 20001);
    EXPECT_EQ(with("ValidityPeriod", "soon"), 20001);
    EXPECT_EQ(with("PersistentAction", "x"), 20001);
    EXPECT_EQ(with("ContentSid", kTemplate), 20001);  // beside a Body
    EXPECT_EQ(code(message(to_asha({{"MediaUrl", "https://a"}, {"MediaUrl", "https://b"}}))),
              21620);
    Call json = message(to_asha());
    json.headers["content-type"] = "application/json";
    EXPECT_EQ(code(json), 21604);
}

TEST_F(TwilioStandIn, SendsTemplatesWithTheirVariables) {
    const auto content = [&](const std::string& sid, const std::string& variables) {
        Form more{{"ContentSid", sid}};
        if (!variables.empty()) more.emplace_back("ContentVariables", variables);
        return code(message(to_asha(more)));
    };
    EXPECT_EQ(content(kTemplate, R"({"1":"Asha","2":"ORD-1"})"), 0);
    EXPECT_EQ(content("HX2", ""), 63027);
    EXPECT_EQ(content(kTemplate, ""), 63028);
    EXPECT_EQ(content(kTemplate, R"({"1":"Asha"})"), 63028);
    EXPECT_EQ(content(kTemplate, R"({"1":"Asha","2":""})"), 63028);
    EXPECT_EQ(content(kTemplate, R"({"1":"Asha","3":"x"})"), 63028);
    EXPECT_EQ(content(kTemplate, R"({"1":"Asha","2":7})"), 63028);
    EXPECT_EQ(content(kTemplate, R"(["Asha"])"), 63028);
    const json::value chat = get(std::string{"/control/chats/"} + kSender + "/" + kPhone);
    EXPECT_EQ(text_or(array_at(chat, "messages")->back(), "text", ""), "Hi Asha, order ORD-1");
}

TEST_F(TwilioStandIn, SendsByItsMessagingService) {
    Form form = to_asha();
    std::erase_if(form, [](const auto& each) { return each.first == "From"; });
    form.emplace_back("MessagingServiceSid", kService);
    EXPECT_EQ(code(message(form)), 0);
    form.back().second = "MG00000000000000000000000000000002";
    EXPECT_EQ(code(message(form)), 21701);
    form.back().second = "MG2";
    EXPECT_EQ(code(message(form)), 21701);
}

TEST_F(TwilioStandIn, ReportsByStatusWhatWhatsAppRefuses) {
    put("/control/senders/+14155238886", R"({"window_ms":0})");
    EXPECT_EQ(code(message(to_asha())), 0);
    EXPECT_EQ(statuses(), Words{"undelivered 63016"});
    world.posts.clear();
    EXPECT_EQ(code(message(to_asha(
                  {{"ContentSid", kTemplate}, {"ContentVariables", R"({"1":"a","2":"b"})"}}))),
              0);
    EXPECT_EQ(statuses(), (Words{"sent", "delivered", "read"}));
    world.posts.clear();
    put("/control/senders/+14155238886", R"({"window":"off","allow_list":["+254700000000"]})");
    EXPECT_EQ(code(message(to_asha())), 0);
    EXPECT_EQ(statuses(), Words{"undelivered 63015"});
    world.posts.clear();
    put("/control/senders/+14155238886", R"({"allow_list":null,"throughput_per_s_max":1})");
    EXPECT_EQ(code(message(to_asha())), 0);
    EXPECT_EQ(code(message(to_asha())), 0);
    EXPECT_EQ(statuses(), (Words{"sent", "undelivered 63018", "delivered", "read"}));
}

TEST_F(TwilioStandIn, MisbehavesAsItIsTold) {
    const auto fault = [&](const std::string& effect) {
        ask(json_call("POST", "/control/faults",
                      R"({"provider":"twilio","effect":)" + effect + "}"));
        world.posts.clear();
    };
    fault(R"({"error":{"code":"63024"}})");
    EXPECT_EQ(code(message(to_asha())), 63024);
    fault(R"({"error":{"http":502,"body":"<html>"}})");
    EXPECT_EQ(ask(message(to_asha())).status, 502);
    fault(R"({"cut":"before"})");
    EXPECT_TRUE(ask(message(to_asha())).cut);
    EXPECT_EQ(statuses(), Words{});
    fault(R"({"cut":"after"})");
    EXPECT_TRUE(ask(message(to_asha())).cut);
    EXPECT_EQ(statuses(), (Words{"sent", "delivered", "read"}));
    fault(R"({"statuses":{"lose":["delivered"],"duplicates":1}})");
    EXPECT_EQ(code(message(to_asha())), 0);
    EXPECT_EQ(statuses(), (Words{"sent", "sent", "read", "read"}));
    fault(R"({"statuses":{"reverse":true}})");
    EXPECT_EQ(code(message(to_asha())), 0);
    EXPECT_EQ(statuses(), (Words{"read", "delivered", "sent"}));
    fault(R"({"statuses":{"fail":63003}})");
    EXPECT_EQ(code(message(to_asha())), 0);
    EXPECT_EQ(statuses(), Words{"undelivered 63003"});
    fault(R"({"statuses":{"before_answer":true}})");
    EXPECT_FALSE(try_ask(message(to_asha())) && world.posts.empty());
    EXPECT_EQ(statuses(), (Words{"sent", "delivered", "read"}));
    fault(R"({"latency_ms":5000})");
    EXPECT_FALSE(try_ask(message(to_asha())));
    EXPECT_EQ(ask_and_wait(message(to_asha()), Milliseconds{5'000}).status, 201);
}

TEST_F(TwilioStandIn, BringsWhatACustomerSays) {
    const json::value said = customer_says(R"({"text":"Habari 🙏","name":"Amína","copies":2})");
    EXPECT_EQ(text_or(said, "wamid", "").size(), 34U);
    ASSERT_EQ(world.posts.size(), 2U);
    const Outgoing& post = world.posts.front();
    EXPECT_EQ(post.url, kUrl);
    const Form form = read_form(post.body).value();
    EXPECT_EQ(form_value(form, "Body"), "Habari 🙏");
    EXPECT_EQ(form_value(form, "ProfileName"), "Amína");
    EXPECT_EQ(form_value(form, "From"), "whatsapp:+254712345678");
    EXPECT_EQ(form_value(form, "WaId"), "254712345678");
    EXPECT_EQ(form_value(form, "SmsStatus"), "received");
    EXPECT_EQ(header(post, "X-Twilio-Signature"), twilio_signature(kToken, kUrl, form));
    EXPECT_FALSE(header(post, "I-Twilio-Idempotency-Token").empty());
    EXPECT_EQ(world.posts[1].body, post.body);
}

TEST_F(TwilioStandIn, BringsAnyOtherMessage) {
    customer_says(R"({"message":{"MessageType":"image","NumMedia":"1","MediaUrl0":"https://m/1",
                                 "MessageSid":"MM7","Body":""}})");
    const Form form = read_form(world.posts.front().body).value();
    EXPECT_EQ(form_value(form, "MediaUrl0"), "https://m/1");
    EXPECT_EQ(form_value(form, "NumMedia"), "1");
    EXPECT_EQ(form_value(form, "MessageSid"), "MM7");
    EXPECT_EQ(std::count_if(form.begin(), form.end(),
                            [](const auto& each) { return each.first == "NumMedia"; }),
              1);
    customer_says(R"({"message":{"Body":{"a":1}}})", 422);
    customer_says(R"({"button":"Yes"})", 422);
    customer_says(R"({})", 422);
}

TEST_F(TwilioStandIn, ForgesSignaturesOnDemand) {
    const Form form = [&] {
        customer_says(R"({"text":"x","signature":"missing"})");
        return read_form(world.posts.back().body).value();
    }();
    EXPECT_EQ(header(world.posts.back(), "X-Twilio-Signature"), "");
    for (const std::string how : {"wrong", "other_url", "other_body", "secret:another"}) {
        customer_says(R"({"text":"x","signature":")" + how + R"("})");
        const Form sent = read_form(world.posts.back().body).value();
        EXPECT_NE(header(world.posts.back(), "X-Twilio-Signature"),
                  twilio_signature(kToken, kUrl, sent))
            << how;
    }
    customer_says(R"({"text":"x","signature":"odd"})", 422);
}

TEST_F(TwilioStandIn, IsNotRepeatedUnlessNobodyCouldBeReached) {
    world.peer = [](const Outgoing&) { return PostResult{503, "", ""}; };
    customer_says(R"({"text":"x"})");
    world.advance(Milliseconds{600'000});
    EXPECT_EQ(world.posts.size(), 1U);
    world.posts.clear();
    world.peer = [](const Outgoing&) { return PostResult{0, "", "refused"}; };
    customer_says(R"({"text":"y"})");
    world.advance(Milliseconds{600'000});
    ASSERT_EQ(world.posts.size(), 2U);
    EXPECT_EQ(header(world.posts[0], "I-Twilio-Idempotency-Token"),
              header(world.posts[1], "I-Twilio-Idempotency-Token"));
}

TEST_F(TwilioStandIn, SaysWhatIsWrongWithASender) {
    const auto refused = [&](const std::string& body) {
        const Reply reply = ask(json_call("PUT", "/control/senders", body));
        EXPECT_EQ(reply.status, 422);
        return text_or(parse(reply.body).value(), "error", "");
    };
    EXPECT_EQ(refused("{}"), "number: is required, like +14155238886");
    EXPECT_EQ(refused(R"({"number":"14155238886"})"), "number: is required, like +14155238886");
    EXPECT_EQ(refused(R"({"number":"+14155238887"})"), "account_sid: is required");
    EXPECT_EQ(refused(R"({"number":"+14155238886","window":"reject"})"),
              "window: \"reject\" is not allowed here");
    EXPECT_EQ(refused(R"({"number":"+14155238886","waba_id":"1"})"), "waba_id: is not known here");
    EXPECT_EQ(refused(R"({"number":"+14155238886","contents":[{}]})"),
              "contents: each needs a sid");
    EXPECT_EQ(array_at(get("/control/senders"), "senders")->size(), 1U);
    ask({"DELETE", "/control/senders/+14155238886", {}, {}, ""});
    EXPECT_EQ(array_at(get("/control/senders"), "senders")->size(), 0U);
}

}  // namespace
}  // namespace flowstack::sandbox
