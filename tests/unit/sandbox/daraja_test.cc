#include "services/sandbox/daraja.h"

#include "tests/unit/sandbox/fake_world.h"

namespace flowstack::sandbox {
namespace {

class Daraja : public SandboxTest {
protected:
    // errorCode and errorMessage of a refused push, with one member changed (null: left out).
    std::string refusal(const std::string& name, const json::value& value) {
        json::object body = push_body();
        body[name] = value;
        if (value.is_null()) body.erase(name);
        const Reply reply = push(body);
        const json::value answer = parse(reply.body).value_or(nullptr);
        return std::to_string(reply.status) + " " + text_or(answer, "errorCode", "accepted") + " " +
               text_or(answer, "errorMessage", "");
    }
    void payer(const std::string& body, const std::string& phone = kPhone) {
        put("/control/payers/" + phone, body);
    }
    std::vector<std::string> listed(const std::map<std::string, std::string>& query) {
        const json::value answer = get("/control/prompts", query);
        std::vector<std::string> ids;
        for (const json::value& prompt : *array_at(answer, "prompts"))
            ids.push_back(text_or(prompt, "id", ""));
        return ids;
    }
    json::value answer_prompt(const std::string& id, const std::string& body) {
        const Reply reply = ask(json_call("POST", "/control/prompts/" + id + "/answer", body));
        EXPECT_EQ(reply.status, 200) << reply.body;
        return parse(reply.body).value_or(nullptr);
    }
};

TEST_F(Daraja, IssuesTokensAndLetsANewOneKillTheOld) {
    const std::string first = token();
    EXPECT_EQ(first.size(), 28U);
    const std::string second = token();
    const Reply with_old =
        ask(daraja("/mpesa/stkpush/v1/processrequest", compact(push_body()), first));
    EXPECT_EQ(with_old.status, 404);
    EXPECT_NE(with_old.body.find("404.001.03"), std::string::npos);
    EXPECT_EQ(ask(daraja("/mpesa/stkpush/v1/processrequest", compact(push_body()), second)).status,
              200);
}

TEST_F(Daraja, SaysExpiresInAsTextOrAsNumber) {
    Call call{"GET",
              "/oauth/v1/generate",
              {{"grant_type", "client_credentials"}},
              {{"authorization", "Basic Y2s6Y3M="}},
              ""};
    EXPECT_NE(ask(call).body.find(R"("expires_in":"3599")"), std::string::npos);
    put("/control/shortcodes/174379", R"({"expires_in":"number"})");
    EXPECT_NE(ask(call).body.find(R"("expires_in":3599)"), std::string::npos);
}

TEST_F(Daraja, RefusesOtherCredentials) {
    Call call{"GET", "/oauth/v1/generate", {{"grant_type", "client_credentials"}}, {}, ""};
    EXPECT_NE(ask(call).body.find("400.008.01"), std::string::npos);
    call.headers["authorization"] = "Bearer x";
    EXPECT_NE(ask(call).body.find("400.008.01"), std::string::npos);
    call.headers["authorization"] = "Basic " + base64("ck:other");
    EXPECT_EQ(ask(call).status, 400);
    EXPECT_EQ(ask(call).body, "") << "not JSON, as the real one";
    call.headers["authorization"] = "Basic " + base64("ck:cs");
    call.query.clear();
    EXPECT_NE(ask(call).body.find("400.008.02"), std::string::npos);
}

TEST_F(Daraja, ForgetsATokenAfterItsTime) {
    const std::string fresh = token();
    world.advance(std::chrono::seconds{3600});
    EXPECT_EQ(ask(daraja("/mpesa/stkpush/v1/processrequest", compact(push_body()), fresh)).status,
              404);
}

TEST_F(Daraja, QueuesAPrompt) {
    const Reply reply = push(push_body());
    EXPECT_EQ(reply.status, 200);
    const json::value body = *parse(reply.body);
    EXPECT_EQ(text_or(body, "ResponseCode", ""), "0") << "a string";
    const std::string id = text_or(body, "CheckoutRequestID", "");
    EXPECT_TRUE(id.starts_with("ws_CO_")) << id;
    EXPECT_TRUE(id.ends_with("712345678")) << id;
    const json::value prompts = get("/control/prompts", {{"phone", kPhone}});
    EXPECT_EQ(text_or(array_at(prompts, "prompts")->front(), "id", ""), id);
    EXPECT_EQ(int_or(last_recorded("push_accepted"), "amount", 0), 1500);
}

// The ids of two prompts on both sides of a month's end sort the other way round.
TEST_F(Daraja, ListsPromptsInTheOrderInWhichTheyWereAskedFor) {
    const auto month = std::chrono::hours{24 * 31};
    std::vector<std::string> asked;
    for (const auto until = world.now() + month; world.now() < until;
         world.advance(std::chrono::hours{13})) {
        asked.push_back(pushed_id(push_body()));
        answer_prompt(asked.back(), R"({"answer":"cancel"})");
    }
    EXPECT_FALSE(std::ranges::is_sorted(asked)) << "a month's end is among them";
    EXPECT_EQ(listed({{"all", "true"}}), asked);
    asked.erase(asked.begin(), asked.end() - State::kPromptsOfPhoneMax);
    EXPECT_EQ(listed({{"all", "true"}, {"phone", kPhone}}), asked) << "a phone shows its last ones";
}

TEST_F(Daraja, ChecksEveryField) {
    EXPECT_EQ(refusal("BusinessShortCode", "x"),
              "400 400.002.02 Bad Request - Invalid BusinessShortCode");
    EXPECT_EQ(refusal("BusinessShortCode", "600000"), "500 500.001.1001 Merchant does not exist");
    EXPECT_EQ(refusal("Password", "x"), "500 500.001.1001 Wrong credentials");
    EXPECT_EQ(refusal("Password", nullptr), "400 400.002.02 Bad Request - Invalid Password");
    EXPECT_EQ(refusal("Timestamp", "2026-01-02"), "400 400.002.02 Bad Request - Invalid Timestamp");
    EXPECT_EQ(refusal("Timestamp", "20260102030406"), "500 500.001.1001 Wrong credentials");
    EXPECT_EQ(refusal("TransactionType", "Pay"),
              "400 400.002.02 Bad Request - Invalid TransactionType");
    for (const json::value& amount : {json::value(0), json::value("1.5"), json::value(250'001),
                                      json::value("-1"), json::value(nullptr)}) {
        EXPECT_EQ(refusal("Amount", amount), "400 400.002.02 Bad Request - Invalid Amount");
    }
    EXPECT_EQ(refusal("PartyA", "0712345678"), "400 400.002.02 Bad Request - Invalid PartyA");
    EXPECT_EQ(refusal("PartyB", ""), "400 400.002.02 Bad Request - Invalid PartyB");
    for (const char* phone : {"+254712345678", "254212345678", "25471234567"}) {
        EXPECT_EQ(refusal("PhoneNumber", phone),
                  "400 400.002.02 Bad Request - Invalid PhoneNumber");
    }
    for (const char* url : {"payment/hooks", "http://Payment/hooks", ""}) {
        EXPECT_EQ(refusal("CallBackURL", url), "400 400.002.02 Bad Request - Invalid CallBackURL");
    }
    EXPECT_EQ(refusal("AccountReference", "ORD-123456789"),
              "400 400.002.02 Bad Request - Invalid AccountReference");
    EXPECT_EQ(refusal("TransactionDesc", nullptr), "400 400.002.02 Bad Request - Invalid Remarks");
    EXPECT_EQ(refusal("TransactionDesc", "Fourteen chars"),
              "400 400.002.02 Bad Request - Invalid TransactionDesc");
    EXPECT_EQ(recorded("push_accepted"), 0U);
    EXPECT_EQ(refusal("Amount", "1500"), "200 accepted ") << "numbers may be strings";
}

TEST_F(Daraja, ReadsJsonOnly) {
    Call call = daraja("/mpesa/stkpush/v1/processrequest", "{", token());
    EXPECT_NE(ask(call).body.find("400.002.05"), std::string::npos);
    call = daraja("/mpesa/stkpush/v1/processrequest", compact(push_body()), token());
    call.headers["content-type"] = "text/plain";
    EXPECT_NE(ask(call).body.find("Invalid BusinessShortCode"), std::string::npos);
}

TEST_F(Daraja, KnowsItsPathsAndMethods) {
    EXPECT_NE(ask({"GET", "/mpesa/stkpush/v1/processrequest", {}, {}, ""}).body.find("405.001"),
              std::string::npos);
    EXPECT_NE(ask({"POST", "/mpesa/other", {}, {}, ""}).body.find("404.001.01"), std::string::npos);
    EXPECT_NE(
        ask(json_call("POST", "/mpesa/stkpush/v1/processrequest", "{}")).body.find("404.001.04"),
        std::string::npos);
}

TEST_F(Daraja, LocksThePhoneWhileAPromptIsOpen) {
    const std::string id = pushed_id(push_body());
    const Reply second = push(push_body(kPhone, 20));
    EXPECT_EQ(second.status, 500);
    EXPECT_NE(second.body.find("Unable to lock subscriber"), std::string::npos);
    EXPECT_EQ(push(push_body("254712000001", 20)).status, 200);
    answer_prompt(id, R"({"answer":"cancel"})");
    EXPECT_EQ(push(push_body(kPhone, 20)).status, 200);
}

TEST_F(Daraja, CallsBackOnceAsSafaricomWritesIt) {
    const json::object body = push_body();
    const std::string id = pushed_id(body);
    world.peer = [](const Outgoing&) { return PostResult{500, "", ""}; };
    const std::string receipt = text_or(answer_prompt(id, R"({"pin":"1234"})"), "receipt", "");
    EXPECT_EQ(receipt.size(), 10U);
    world.posts.clear();
    world.advance(std::chrono::hours{1});
    ASSERT_EQ(world.posts.size(), 1U) << "never repeated, whatever the answer";
    EXPECT_EQ(world.posts[0].url, "http://payment/hooks/pay/abc");
    const std::string& callback = world.posts[0].body;
    EXPECT_NE(
        callback.find(
            R"("ResultCode":0,"ResultDesc":"The service request is processed successfully.","CallbackMetadata":{"Item":[{"Name":"Amount","Value":1500.00},{"Name":"MpesaReceiptNumber","Value":")" +
            receipt + R"("},{"Name":"Balance"},{"Name":"TransactionDate","Value":20)"),
        std::string::npos)
        << callback;
    EXPECT_NE(callback.find(R"({"Name":"PhoneNumber","Value":254712345678}]}}}})"),
              std::string::npos);
    EXPECT_TRUE(parse(callback).has_value());
    bool charset = false;
    for (const auto& [name, value] : world.posts[0].headers) {
        charset = charset || value == "application/json;charset=UTF-8";
    }
    EXPECT_TRUE(charset);
    EXPECT_EQ(text_or(last_recorded("payment_made"), "receipt", ""), receipt);
}

TEST_F(Daraja, EndsAsThePayerBehaves) {
    struct Case {
        const char* behaviour;
        const char* code;
    };
    int amount = 10;
    for (const Case& c : {Case{"cancel", "1032"},
                          {"insufficient", "1"},
                          {"wrong_pin", "2001"},
                          {"no_answer", "1037"}}) {
        payer(std::string{R"({"behaviour":")"} + c.behaviour + "\"}");
        const std::string id = pushed_id(push_body(kPhone, ++amount));
        world.posts.clear();
        world.advance(std::chrono::minutes{2});
        ASSERT_EQ(world.posts.size(), 1U) << c.behaviour;
        EXPECT_NE(world.posts[0].body.find(std::string{R"("ResultCode":)"} + c.code + ","),
                  std::string::npos)
            << world.posts[0].body;
        EXPECT_EQ(world.posts[0].body.find("CallbackMetadata"), std::string::npos);
    }
    EXPECT_EQ(recorded("payment_made"), 0U);
}

TEST_F(Daraja, FollowsAScriptAndThenTheHabit) {
    payer(R"({"script":["insufficient"],"behaviour":"pay","delay_ms":0})");
    const std::string first = pushed_id(push_body(kPhone, 10));
    world.advance(Milliseconds{1'000});
    const std::string second = pushed_id(push_body(kPhone, 11));
    world.advance(Milliseconds{1'000});
    EXPECT_EQ(text_or(get("/control/prompts/" + first), "result_code", ""), "1");
    EXPECT_EQ(text_or(get("/control/prompts/" + second), "result_code", ""), "0");
}

TEST_F(Daraja, TakesNoMoreThanThePayerHas) {
    payer(R"({"behaviour":"pay","balance":1000,"delay_ms":0})");
    pushed_id(push_body(kPhone, 600));
    world.advance(Milliseconds{1'000});
    const std::string second = pushed_id(push_body(kPhone, 500));
    world.advance(Milliseconds{1'000});
    EXPECT_EQ(text_or(get("/control/prompts/" + second), "result_code", ""), "1");
    EXPECT_EQ(recorded("payment_made"), 1U);
}

TEST_F(Daraja, WantsTheRightPin) {
    payer(R"({"pin":"9876"})");
    const std::string id = pushed_id(push_body());
    EXPECT_EQ(text_or(answer_prompt(id, R"({"pin":"1234"})"), "result_code", ""), "2001");
    const Reply again =
        ask(json_call("POST", "/control/prompts/" + id + "/answer", R"({"pin":"9876"})"));
    EXPECT_EQ(again.status, 409) << "a prompt is answered once";
}

TEST_F(Daraja, LimitsTheSameAmountWithinTwoMinutes) {
    payer(R"({"behaviour":"cancel","delay_ms":0})");
    pushed_id(push_body());
    world.advance(Milliseconds{1'000});
    const std::string second = pushed_id(push_body());
    world.advance(Milliseconds{1'000});
    EXPECT_EQ(text_or(get("/control/prompts/" + second), "result_code", ""), "17");
    put("/control/shortcodes/174379", R"({"same_amount_window_ms":0})");
    const std::string third = pushed_id(push_body());
    world.advance(Milliseconds{1'000});
    EXPECT_EQ(text_or(get("/control/prompts/" + third), "result_code", ""), "1032");
}

TEST_F(Daraja, AnswersQueriesInStrings) {
    const std::string id = pushed_id(push_body());
    answer_prompt(id, R"({"pin":"1234"})");
    const Reply reply = query(id);
    EXPECT_EQ(reply.status, 200);
    EXPECT_NE(reply.body.find(R"("ResultCode":"0")"), std::string::npos) << reply.body;
    EXPECT_EQ(reply.body.find("Receipt"), std::string::npos);
    EXPECT_NE(query("ws_CO_unknown").body.find("The transaction does not Exist"),
              std::string::npos);
}

TEST_F(Daraja, SaysUnfinishedInSeveralWays) {
    const std::string id = pushed_id(push_body());
    EXPECT_EQ(query(id).status, 500);
    EXPECT_NE(query(id).body.find(R"("errorCode":"500.001.1001")"), std::string::npos);
    put("/control/shortcodes/174379", R"({"pending_query":"processing_200"})");
    EXPECT_EQ(query(id).status, 200);
    EXPECT_NE(query(id).body.find("The transaction is being processed"), std::string::npos);
    put("/control/shortcodes/174379", R"({"pending_query":"empty_500"})");
    EXPECT_NE(query(id).body.find(R"("errorMessage":"")"), std::string::npos);
    put("/control/shortcodes/174379", R"({"pending_query":"4999"})");
    EXPECT_NE(query(id).body.find(R"("ResultCode":"4999")"), std::string::npos);
}

TEST_F(Daraja, ArrestsSpikesOfQueriesWhenTold) {
    put("/control/shortcodes/174379", R"({"queries_per_s_max":1})");
    const std::string id = pushed_id(push_body());
    EXPECT_NE(query(id).body.find("500.001.1001"), std::string::npos);
    EXPECT_NE(query(id).body.find("500.003.02"), std::string::npos);
}

TEST(Receipt, IsTenCharactersAndNeverTheSame) {
    const Time at{std::chrono::microseconds{1'760'000'000'000'000}};
    std::set<std::string> seen;
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        const std::string receipt = receipt_number(at, i);
        EXPECT_EQ(receipt.size(), 10U);
        seen.insert(receipt);
    }
    EXPECT_EQ(seen.size(), 10'000U);
}

TEST(NairobiStamp, IsThreeHoursAheadOfUtc) {
    EXPECT_EQ(nairobi_stamp(Time{std::chrono::seconds{1'576'740'075}}), "20191219102115");
}

}  // namespace
}  // namespace flowstack::sandbox
