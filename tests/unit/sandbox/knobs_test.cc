#include "tests/unit/sandbox/fake_world.h"

namespace flowstack::sandbox {
namespace {

class Knobs : public SandboxTest {
protected:
    void fault(const std::string& body) {
        const Reply reply = ask(json_call("POST", "/control/faults", body));
        EXPECT_EQ(reply.status, 201) << reply.body;
    }
    std::string mistake(const std::string& body) {
        const Reply reply = ask(json_call("POST", "/control/faults", body));
        EXPECT_EQ(reply.status, 422);
        return text_or(parse(reply.body).value_or(nullptr), "error", "");
    }
    // Statuses in the order in which they were posted.
    std::vector<std::string> statuses() {
        std::vector<std::string> out;
        for (const Outgoing& post : world.posts) {
            const json::value body = *parse(post.body);
            const json::value& value = body.at("entry").at(0).at("changes").at(0).at("value");
            if (const auto* list = array_at(value, "statuses")) {
                out.push_back(text_or(list->front(), "status", ""));
            }
        }
        return out;
    }
    std::vector<std::string> statuses_with(const std::string& effect) {
        open_window();
        fault(R"({"provider":"meta","call":"messages","effect":{"statuses":)" + effect + "}}");
        world.posts.clear();
        EXPECT_EQ(ask(message(text_to("+254712345678"))).status, 200);
        world.advance(Milliseconds{10'000});
        return statuses();
    }
    // A push paid at once, with this fault; the callbacks that came.
    std::vector<std::string> callbacks_with(const std::string& effect) {
        put("/control/payers/254712345678", R"({"behaviour":"pay","delay_ms":0})");
        put("/control/shortcodes/174379", R"({"same_amount_window_ms":0})");
        fault(R"({"provider":"daraja","call":"stkpush","effect":{"callback":)" + effect + "}}");
        world.posts.clear();
        EXPECT_EQ(push(push_body()).status, 200);
        world.advance(Milliseconds{60'000});
        std::vector<std::string> out;
        for (const Outgoing& post : world.posts) out.push_back(post.body);
        return out;
    }
};

using Statuses = std::vector<std::string>;

TEST_F(Knobs, NameTheMemberThatIsWrong) {
    EXPECT_EQ(mistake(R"({"provider":"meta"})"), "effect is required");
    EXPECT_EQ(mistake(R"({"provider":"telex","effect":{}})"),
              "provider \"telex\" is not allowed here");
    EXPECT_EQ(mistake(R"({"provider":"meta","effect":{"delay":1}})"),
              "effect.delay is not a known knob");
    EXPECT_EQ(mistake(R"({"provider":"meta","effect":{"latency_ms":-1}})"),
              "effect.latency_ms must be a whole number from 0 to 86400000");
}

TEST_F(Knobs, AnswerWithAnErrorForTheNextCallsOnly) {
    open_window();
    fault(R"({"provider":"meta","call":"messages","number":"106540352242922","skip":1,"times":2,
              "effect":{"error":{"code":131016}}})");
    EXPECT_EQ(code_of(text_to("+254712345678")), 0);
    EXPECT_EQ(ask(message(text_to("+254712345678"))).status, 503);
    EXPECT_EQ(code_of(text_to("+254712345678")), 131016);
    EXPECT_EQ(code_of(text_to("+254712345678")), 0);
    EXPECT_EQ(recorded("send_accepted"), 2U);
    EXPECT_EQ(recorded("send_rejected"), 2U);
}

TEST_F(Knobs, HitOnlyThePhoneTheyName) {
    open_window();
    say(R"({"text":"Hi"})", "254799999999");
    fault(
        R"({"provider":"meta","phone":"+254799999999","times":0,"effect":{"error":{"code":131026}}})");
    EXPECT_EQ(code_of(text_to("+254712345678")), 0);
    EXPECT_EQ(code_of(text_to("+254799999999")), 131026);
    EXPECT_EQ(code_of(text_to("+254799999999")), 131026);
    EXPECT_EQ(ask({"DELETE", "/control/faults", {}, {}, ""}).status, 200);
    EXPECT_EQ(code_of(text_to("+254799999999")), 0);
}

TEST_F(Knobs, AnswerWithAForeignBody) {
    open_window();
    fault(
        R"({"provider":"meta","effect":{"error":{"http":502,"body":"<html>Bad gateway</html>"}}})");
    const Reply reply = ask(message(text_to("+254712345678")));
    EXPECT_EQ(reply.status, 502);
    EXPECT_EQ(reply.body, "<html>Bad gateway</html>");
}

TEST_F(Knobs, HoldAnAnswerBackAfterAccepting) {
    open_window();
    fault(R"({"provider":"meta","effect":{"latency_ms":5000}})");
    EXPECT_FALSE(try_ask(message(text_to("+254712345678"))).has_value());
    EXPECT_EQ(recorded("send_accepted"), 1U);
}

TEST_F(Knobs, CutTheConnectionBeforeOrAfterAccepting) {
    open_window();
    fault(R"({"provider":"meta","effect":{"cut":"before"}})");
    EXPECT_TRUE(ask(message(text_to("+254712345678"))).cut);
    EXPECT_EQ(recorded("send_accepted"), 0U);
    fault(R"({"provider":"meta","effect":{"cut":"after"}})");
    EXPECT_TRUE(ask(message(text_to("+254712345678"))).cut);
    EXPECT_EQ(recorded("send_accepted"), 1U);
    fault(R"({"provider":"daraja","call":"stkpush","effect":{"cut":"after"}})");
    EXPECT_TRUE(push(push_body()).cut);
    EXPECT_EQ(recorded("push_accepted"), 1U);
}

TEST_F(Knobs, LoseStatuses) {
    EXPECT_EQ(statuses_with(R"({"lose":["delivered"]})"), (Statuses{"sent", "read"}));
    EXPECT_EQ(statuses_with(R"({"lose":true})"), Statuses{});
}

TEST_F(Knobs, DuplicateStatuses) {
    EXPECT_EQ(statuses_with(R"({"duplicates":1})"),
              (Statuses{"sent", "sent", "delivered", "delivered", "read", "read"}));
}

TEST_F(Knobs, ReorderStatuses) {
    EXPECT_EQ(statuses_with(R"({"reverse":true})"), (Statuses{"read", "delivered", "sent"}));
}

TEST_F(Knobs, FailAMessageLater) {
    EXPECT_EQ(statuses_with(R"({"fail":131026})"), Statuses{"failed"});
}

TEST_F(Knobs, BringTheSentStatusBeforeTheAnswer) {
    open_window();
    fault(R"({"provider":"meta","effect":{"statuses":{"before_answer":true}}})");
    world.posts.clear();
    bool posted_first = false;
    auto answered = std::make_shared<bool>(false);
    world.peer = [&](const Outgoing&) {
        posted_first = posted_first || !*answered;
        return PostResult{200, "", ""};
    };
    sandbox.handle(message(text_to("+254712345678")), [answered](Reply) { *answered = true; });
    EXPECT_FALSE(*answered);
    world.advance(Milliseconds{1'000});
    EXPECT_TRUE(*answered);
    EXPECT_TRUE(posted_first);
    EXPECT_EQ(statuses(), (Statuses{"sent", "delivered", "read"}));
}

TEST_F(Knobs, LoseTheCallbackButNotThePayment) {
    EXPECT_TRUE(callbacks_with(R"({"lose":true})").empty());
    EXPECT_EQ(recorded("payment_made"), 1U);
    EXPECT_EQ(recorded("callback_lost"), 1U);
}

TEST_F(Knobs, DuplicateTheCallback) {
    const auto bodies = callbacks_with(R"({"duplicates":2})");
    ASSERT_EQ(bodies.size(), 3U);
    EXPECT_EQ(bodies[0], bodies[2]);
}

TEST_F(Knobs, DelayTheCallback) {
    EXPECT_TRUE(callbacks_with(R"({"delay_ms":120000})").empty());
    world.advance(std::chrono::minutes{3});
    EXPECT_EQ(world.posts.size(), 1U);
}

TEST_F(Knobs, NameAnotherAmount) {
    const auto bodies = callbacks_with(R"({"amount":"1.00"})");
    ASSERT_EQ(bodies.size(), 1U);
    EXPECT_NE(bodies[0].find(R"({"Name":"Amount","Value":1.00})"), std::string::npos);
    EXPECT_EQ(int_or(last_recorded("payment_made"), "amount", 0), 1500) << "the truth";
}

TEST_F(Knobs, GiveTwoPaymentsOneReceipt) {
    const auto first = callbacks_with(R"({})");
    const std::string receipt = text_or(last_recorded("payment_made"), "receipt", "");
    const auto second = callbacks_with(R"({"receipt":"repeat"})");
    ASSERT_EQ(second.size(), 1U);
    EXPECT_NE(first.at(0).find(receipt), std::string::npos);
    EXPECT_NE(second.at(0).find(receipt), std::string::npos);
}

TEST_F(Knobs, ForgeACallback) {
    const auto bodies = callbacks_with(R"({"forge":"unknown_checkout"})");
    ASSERT_EQ(bodies.size(), 2U);
    const auto id = [](const std::string& body) {
        return text_or(parse(body)->at("Body").at("stkCallback"), "CheckoutRequestID", "");
    };
    EXPECT_NE(id(bodies[0]), id(bodies[1]));
    EXPECT_EQ(callbacks_with(R"({"forge":"unknown_checkout","lose":true})").size(), 1U);
    callbacks_with(R"({"forge":"wrong_path"})");
    EXPECT_EQ(world.posts.at(0).url, "http://payment/hooks/pay/ab0");
    EXPECT_EQ(world.posts.at(1).url, "http://payment/hooks/pay/abc");
}

TEST_F(Knobs, BringTheCallbackBeforeThePushsAnswer) {
    fault(R"({"provider":"daraja","call":"stkpush","effect":{"callback":{"before_answer":true}}})");
    auto answered = std::make_shared<std::optional<Reply>>();
    bool called_first = false;
    world.peer = [&](const Outgoing&) {
        called_first = !answered->has_value();
        return PostResult{200, "", ""};
    };
    sandbox.handle(daraja("/mpesa/stkpush/v1/processrequest", compact(push_body()), token()),
                   [answered](Reply reply) { *answered = std::move(reply); });
    world.advance(Milliseconds{1'000});
    EXPECT_TRUE(called_first);
    ASSERT_TRUE(answered->has_value());
    EXPECT_EQ((*answered)->status, 200);
    EXPECT_EQ(world.posts.size(), 1U);
}

TEST_F(Knobs, RefuseWithDarajasErrors) {
    fault(
        R"({"provider":"daraja","call":"stkpush","effect":{"error":{"code":"500.003.02","message":"System is busy"}}})");
    const Reply busy = push(push_body());
    EXPECT_EQ(busy.status, 500);
    EXPECT_NE(busy.body.find(R"("errorCode":"500.003.02","errorMessage":"System is busy")"),
              std::string::npos);
    EXPECT_EQ(push(push_body()).status, 200);
}

TEST_F(Knobs, RefuseRegistrationsThatMissSomething) {
    EXPECT_EQ(ask(json_call("PUT", "/control/numbers", R"({"phone_number_id":"5"})")).status, 422);
    EXPECT_EQ(ask(json_call("PUT", "/control/numbers/106540352242922", R"({"colour":1})")).body,
              R"({"error":"colour: is not known here"})");
    EXPECT_EQ(ask(json_call("PUT", "/control/shortcodes", R"({"shortcode":"5"})")).status, 422);
    EXPECT_EQ(ask(json_call("POST", "/control/nothing", "{}")).status, 404);
}

// ------------------------------------------------------------------------------------------------

class TheRecord : public SandboxTest {};

TEST_F(TheRecord, HoldsEverySendWithItsBody) {
    open_window();
    ask(message(
        R"({"messaging_product":"whatsapp","to":"+254712345678","biz_opaque_callback_data":"out-42","text":{"body":"x"}})"));
    const json::value line = last_recorded("send_accepted");
    EXPECT_EQ(text_or(line, "phone_number_id", ""), kNumber);
    EXPECT_EQ(text_or(line, "phone", ""), kPhone);
    EXPECT_EQ(text_or(line, "to", ""), "+254712345678");
    EXPECT_EQ(text_or(line, "biz_opaque_callback_data", ""), "out-42");
    EXPECT_EQ(text_or(line.at("body").at("text"), "body", ""), "x");
    EXPECT_TRUE(text_or(line, "wamid", "").starts_with("wamid."));
    EXPECT_GT(int_or(line, "at_us", 0), 1'700'000'000'000'000);
}

TEST_F(TheRecord, IsReadInPagesWithoutAGap) {
    for (int i = 0; i < 10; ++i) open_window();
    std::int64_t after = 0;
    std::int64_t expected = 1;
    for (;;) {
        const json::value page =
            get("/control/record", {{"after", std::to_string(after)}, {"limit", "3"}});
        const auto* lines = array_at(page, "lines");
        if (lines->empty()) break;
        for (const auto& line : *lines) EXPECT_EQ(int_or(line, "n", 0), expected++);
        after = int_or(page, "last", 0);
    }
    EXPECT_EQ(expected - 1, record.last());
    EXPECT_EQ(array_at(get("/control/record", {{"phone", "254700000009"}}), "lines")->size(), 0U);
}

TEST_F(TheRecord, CanBeWaitedFor) {
    auto answered = std::make_shared<std::optional<Reply>>();
    sandbox.handle(
        {"GET", "/control/record", {{"kind", "send_accepted"}, {"wait_ms", "5000"}}, {}, ""},
        [answered](Reply reply) { *answered = std::move(reply); });
    open_window();
    EXPECT_FALSE(answered->has_value());
    ask(message(text_to("+254712345678")));
    EXPECT_TRUE(answered->has_value());
}

TEST_F(TheRecord, EndsAWaitThatBringsNothing) {
    const Reply reply = ask_and_wait(
        {"GET", "/control/record", {{"kind", "send_accepted"}, {"wait_ms", "5000"}}, {}, ""},
        Milliseconds{5'000});
    EXPECT_TRUE(reply.body.starts_with(R"({"lines":[],"last":)")) << reply.body;
}

TEST_F(TheRecord, GoesOnCountingInAFileThatExists) {
    const std::string path = testing::TempDir() + "sandbox_record_" +
                             std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
                             "_" + std::to_string(micros(Time{})) + ".jsonl";
    std::remove(path.c_str());
    {
        Record first{path};
        first.write(world.now(), "customer_said", {{"text", "a"}});
    }
    Record second{path};
    second.write(world.now(), "customer_said", {{"text", "b"}});
    EXPECT_EQ(second.last(), 2);
    std::remove(path.c_str());
    EXPECT_THROW(Record{"/no/such/folder/x"}, std::runtime_error);
}

}  // namespace
}  // namespace flowstack::sandbox
