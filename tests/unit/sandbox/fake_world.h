#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/sandbox/json.h"
#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"

// The sandbox with a world that stands still until it is told to move, and posts that land in a
// list. Every call is answered within `ask` unless something holds it back.
namespace flowstack::sandbox {

class FakeWorld final : public World {
public:
    Time now() override { return now_; }
    void after(Milliseconds delay, std::function<void()> what) override {
        waiting_.emplace(now_ + delay, std::move(what));
    }
    void post(Outgoing what, std::function<void(PostResult)> done) override {
        posts.push_back(what);
        PostResult result = peer ? peer(what) : PostResult{200, "", ""};
        waiting_.emplace(now_, [done = std::move(done), result] { done(result); });
    }
    std::uint64_t random() override { return random_ = random_ * 6364136223846793005U + 1; }

    void advance(Milliseconds by) {
        const Time until = now_ + by;
        while (!waiting_.empty() && waiting_.begin()->first <= until) {
            const auto first = waiting_.begin();
            now_ = std::max(now_, first->first);
            const auto what = std::move(first->second);
            waiting_.erase(first);
            what();
        }
        now_ = until;
    }

    std::vector<Outgoing> posts;
    std::function<PostResult(const Outgoing&)> peer;  // what the product answers

private:
    Time now_{std::chrono::microseconds{1'760'000'000'000'000}};
    std::multimap<Time, std::function<void()>> waiting_;
    std::uint64_t random_ = 42;
};

class SandboxTest : public testing::Test {
protected:
    static constexpr const char* kNumber = "106540352242922";
    static constexpr const char* kPhone = "254712345678";
    static constexpr const char* kSecret = "flowstack_test_app_secret_0123456789";

    SandboxTest() {
        put("/control/numbers", R"({"phone_number_id":"106540352242922","waba_id":"102290129340398",
            "token":"EAAJBtesttoken","app_secret":"flowstack_test_app_secret_0123456789",
            "webhook_url":"http://gateway/webhooks/whatsapp",
            "display_phone_number":"15550783881","name":"Duka la Asha"})");
        put("/control/shortcodes", R"({"shortcode":"174379","name":"Duka la Asha","passkey":"bfb2",
            "consumer_key":"ck","consumer_secret":"cs"})");
    }

    // The answer, or nothing while it is held back.
    std::optional<Reply> try_ask(Call call) {
        auto answered = std::make_shared<std::optional<Reply>>();
        sandbox.handle(std::move(call), [answered](Reply reply) { *answered = std::move(reply); });
        world.advance(Milliseconds{0});
        return *answered;
    }
    Reply ask(Call call) {
        auto reply = try_ask(std::move(call));
        EXPECT_TRUE(reply.has_value()) << "no answer";
        return reply.value_or(Reply{});
    }
    // A call that is answered after `wait`.
    Reply ask_and_wait(Call call, Milliseconds wait) {
        auto answered = std::make_shared<std::optional<Reply>>();
        sandbox.handle(std::move(call), [answered](Reply reply) { *answered = std::move(reply); });
        world.advance(wait);
        EXPECT_TRUE(answered->has_value()) << "no answer";
        return answered->value_or(Reply{});
    }

    static Call json_call(std::string method, std::string path, std::string body) {
        return {std::move(method),
                std::move(path),
                {},
                {{"content-type", "application/json"}},
                std::move(body)};
    }
    json::value put(const std::string& path, const std::string& body) {
        const Reply reply = ask(json_call("PUT", path, body));
        EXPECT_LT(reply.status, 300) << reply.body;
        return parse(reply.body).value_or(nullptr);
    }
    json::value get(std::string path, std::map<std::string, std::string> query = {}) {
        const Reply reply = ask({"GET", std::move(path), std::move(query), {}, ""});
        EXPECT_EQ(reply.status, 200) << reply.body;
        return parse(reply.body).value_or(nullptr);
    }

    Call message(const std::string& body, const std::string& token = "EAAJBtesttoken") {
        Call call = json_call("POST", std::string{"/v25.0/"} + kNumber + "/messages", body);
        call.headers["authorization"] = "Bearer " + token;
        return call;
    }
    static std::string text_to(const std::string& to, const std::string& text = "Karibu") {
        return compact(json::object{{"messaging_product", "whatsapp"},
                                    {"to", to},
                                    {"type", "text"},
                                    {"text", {{"body", text}}}});
    }
    // Graph's error code, 0 when accepted.
    int code_of(const std::string& body) {
        const Reply reply = ask(message(body));
        const auto document = parse(reply.body);
        if (!document) return -1;
        const auto* error = member(*document, "error");
        return error == nullptr ? 0 : static_cast<int>(int_or(*error, "code", -1));
    }
    json::value say(const std::string& body, const std::string& phone = kPhone) {
        json::value document = parse(body).value_or(json::object{});
        if (document.get_object().if_contains("phone_number_id") == nullptr) {
            document.get_object()["phone_number_id"] = kNumber;
        }
        const Reply reply =
            ask(json_call("POST", "/control/customers/" + phone + "/say", compact(document)));
        EXPECT_EQ(reply.status, 200) << reply.body;
        return parse(reply.body).value_or(nullptr);
    }
    void open_window() { say(R"({"text":"Hi"})"); }

    std::string token() {
        const Reply reply = ask({"GET",
                                 "/oauth/v1/generate",
                                 {{"grant_type", "client_credentials"}},
                                 {{"authorization", "Basic " + base64("ck:cs")}},
                                 ""});
        return text_or(parse(reply.body).value_or(nullptr), "access_token", "");
    }
    Call daraja(const std::string& path, const std::string& body, const std::string& with_token) {
        Call call = json_call("POST", path, body);
        call.headers["authorization"] = "Bearer " + with_token;
        return call;
    }
    static json::object push_body(const std::string& phone = kPhone, int amount = 1500) {
        return {{"BusinessShortCode", 174379},
                {"Password", stk_password("174379", "bfb2", "20260102030405")},
                {"Timestamp", "20260102030405"},
                {"TransactionType", "CustomerPayBillOnline"},
                {"Amount", amount},
                {"PartyA", phone},
                {"PartyB", "174379"},
                {"PhoneNumber", phone},
                {"CallBackURL", "http://payment/hooks/pay/abc"},
                {"AccountReference", "ORD-1"},
                {"TransactionDesc", "Coffee"}};
    }
    Reply push(const json::object& body) {
        return ask(daraja("/mpesa/stkpush/v1/processrequest", compact(body), token()));
    }
    std::string pushed_id(const json::object& body) {
        return text_or(parse(push(body).body).value_or(nullptr), "CheckoutRequestID", "");
    }
    Reply query(const std::string& checkout) {
        return ask(daraja(
            "/mpesa/stkpushquery/v1/query",
            compact(json::object{{"BusinessShortCode", "174379"},
                                 {"Password", stk_password("174379", "bfb2", "20260102030405")},
                                 {"Timestamp", "20260102030405"},
                                 {"CheckoutRequestID", checkout}}),
            token()));
    }
    // How many lines of this kind are in the record.
    std::size_t recorded(const std::string& kind) {
        return array_at(get("/control/record", {{"kind", kind}}), "lines")->size();
    }
    json::value last_recorded(const std::string& kind) {
        const json::value page = get("/control/record", {{"kind", kind}});
        const auto* lines = array_at(page, "lines");
        return lines == nullptr || lines->empty() ? json::value(nullptr) : lines->back();
    }

    FakeWorld world;
    Record record{""};
    Sandbox sandbox{world, record};
};

}  // namespace flowstack::sandbox
