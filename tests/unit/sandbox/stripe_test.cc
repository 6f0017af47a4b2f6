#include "services/sandbox/stripe.h"

#include "tests/unit/sandbox/fake_world.h"

namespace flowstack::sandbox {
namespace {

// As the vector of the provider sheet.
TEST(StripeSigning, EqualsTheVector) {
    const std::string body =
        R"({"id":"evt_test_0001","object":"event","api_version":"2026-10-28.endive","created":1767225600,"type":"checkout.session.completed","data":{"object":{"id":"cs_test_0001","object":"checkout.session","amount_total":300000,"currency":"kes","payment_status":"paid","status":"complete","client_reference_id":"pi_flow_42","metadata":{"payment_intent_id":"pi_flow_42","tenant_id":"tenant-a"},"payment_intent":"pi_0001"}}})";
    const std::string right =
        "t=1767225600,v1=49b5bfd6b728dac54046e46a1cd2756faf485d8273f416e95d169939afcb97f2";
    EXPECT_EQ(stripe_signature("whsec_flowstack_test_secret", "", 1767225600, body), right);
    EXPECT_TRUE(stripe_signature("whsec_flowstack_test_secret", "whsec_old", 1767225600, body)
                    .starts_with(right + ",v1="));
}

class StripeStandIn : public SandboxTest {
protected:
    StripeStandIn() {
        put("/control/accounts", R"({"account":"acct_1","secret_key":"sk_test_1",
            "webhook_secret":"whsec_1","webhook_url":"http://payment/webhooks/stripe"})");
    }
    Call form_call(const std::string& path, const std::string& form, const std::string& key = "",
                   const std::string& secret = "sk_test_1") {
        Call call{"POST", path, {}, {}, form};
        call.headers = {{"authorization", "Bearer " + secret},
                        {"content-type", "application/x-www-form-urlencoded"},
                        {"host", "sandbox:1"}};
        if (!key.empty()) call.headers["idempotency-key"] = key;
        return call;
    }
    Call look_up(const std::string& path) {
        return {"GET", path, {}, {{"authorization", "Bearer sk_test_1"}}, ""};
    }
    // A right form with one field changed (empty: left out).
    std::string form(const std::string& name = "", const std::string& value = "") {
        Form fields{{"mode", "payment"},
                    {"success_url", "https://flow.example.com/ok"},
                    {"client_reference_id", "i1"},
                    {"expires_at", std::to_string(seconds(world.now()) + 2400)},
                    {"line_items[0][quantity]", "2"},
                    {"line_items[0][price_data][currency]", "kes"},
                    {"line_items[0][price_data][unit_amount]", "150000"},
                    {"line_items[0][price_data][product_data][name]", "Coffee & Honey"},
                    {"metadata[flowstack]", "00ff"}};
        bool found = false;
        std::erase_if(fields, [&](auto& field) {
            if (field.first != name) return false;
            found = true;
            field.second = value;
            return value.empty();
        });
        if (!found && !name.empty()) fields.emplace_back(name, value);
        return write_form(fields);
    }
    json::value created(const std::string& key = "") {
        const Reply reply = ask(form_call("/v1/checkout/sessions", form(), key));
        EXPECT_EQ(reply.status, 200) << reply.body;
        return parse(reply.body).value_or(nullptr);
    }
    // "400 parameter_invalid mode"
    std::string refusal(const std::string& name, const std::string& value) {
        const Reply reply = ask(form_call("/v1/checkout/sessions", form(name, value)));
        const auto answer = parse(reply.body).value_or(nullptr);
        const auto* error = member(answer, "error");
        if (error == nullptr) return std::to_string(reply.status);
        return std::to_string(reply.status) + " " + text_or(*error, "code", "") + " " +
               text_or(*error, "param", "");
    }
    void act(const std::string& id, const std::string& action, int status = 200) {
        EXPECT_EQ(ask({"POST", "/control/checkouts/" + id + "/" + action, {}, {}, ""}).status,
                  status);
        world.advance(Milliseconds{100});
    }
    json::value event(std::size_t n) { return parse(world.posts.at(n).body).value_or(nullptr); }
};

TEST_F(StripeStandIn, MakesASessionWithAPage) {
    const auto session = created();
    EXPECT_TRUE(text_or(session, "id", "").starts_with("cs_test_"));
    EXPECT_EQ(int_or(session, "amount_total", 0), 300'000);
    EXPECT_EQ(text_or(session, "status", ""), "open");
    EXPECT_EQ(text_or(session, "payment_status", ""), "unpaid");
    EXPECT_EQ(text_or(*member(session, "metadata"), "flowstack", ""), "00ff");
    const auto url = text_or(session, "url", "");
    ASSERT_TRUE(url.starts_with("http://sandbox:1/c/pay/cs_test_")) << url;
    const Reply page = ask({"GET", url.substr(16), {}, {}, ""});
    EXPECT_EQ(page.status, 200);
    EXPECT_NE(page.body.find("Coffee &amp; Honey"), std::string::npos);
}

TEST_F(StripeStandIn, RefusesWhatStripeRefuses) {
    EXPECT_EQ(refusal("mode", "subscription"), "400 parameter_invalid mode");
    EXPECT_EQ(refusal("mode", ""), "400 parameter_missing mode");
    EXPECT_EQ(refusal("success_url", "nowhere"), "400 url_invalid success_url");
    EXPECT_EQ(refusal("colour", "red"), "400 parameter_unknown colour");
    const std::string item = "line_items[0][price_data]";
    EXPECT_EQ(refusal(item + "[currency]", "KES"), "400 parameter_invalid " + item + "[currency]");
    EXPECT_EQ(refusal(item + "[unit_amount]", "1.5"),
              "400 parameter_invalid " + item + "[unit_amount]");
    EXPECT_EQ(refusal(item + "[unit_amount]", "0"),
              "400 amount_too_small " + item + "[unit_amount]");
    EXPECT_EQ(refusal(item + "[unit_amount]", "99999999"),
              "400 amount_too_large " + item + "[unit_amount]");
    const auto soon = std::to_string(seconds(world.now()) + 1799);
    EXPECT_EQ(refusal("expires_at", soon), "400 parameter_invalid expires_at");
    EXPECT_EQ(refusal("metadata[flowstack]", std::string(501, 'x')),
              "400 parameter_invalid metadata[flowstack]");
    EXPECT_EQ(refusal("client_reference_id", std::string(201, 'x')),
              "400 parameter_invalid client_reference_id");
    EXPECT_EQ(ask(form_call("/v1/checkout/sessions", form(), "", "sk_test_2")).status, 401);
    EXPECT_EQ(ask(form_call("/v1/charges", "")).status, 404);
    auto json_body = form_call("/v1/checkout/sessions", "{}");
    json_body.headers["content-type"] = "application/json";
    EXPECT_EQ(ask(json_body).status, 400);
}

TEST_F(StripeStandIn, GivesTheFirstResultOfAKeyAgain) {
    const auto first = created("i1/1");
    const Reply again = ask(form_call("/v1/checkout/sessions", form(), "i1/1"));
    EXPECT_EQ(text_or(parse(again.body).value_or(nullptr), "id", ""), text_or(first, "id", "x"));
    EXPECT_EQ(again.headers.back().first, "Idempotent-Replayed");
    const Reply other =
        ask(form_call("/v1/checkout/sessions", form("client_reference_id", "i2"), "i1/1"));
    EXPECT_EQ(other.status, 400);
    EXPECT_NE(other.body.find("idempotency_error"), std::string::npos);
    EXPECT_NE(text_or(created("i1/2"), "id", ""), text_or(first, "id", ""));
    EXPECT_EQ(recorded("checkout_created"), 2U);
    // A form that was refused keeps nothing.
    EXPECT_EQ(ask(form_call("/v1/checkout/sessions", form("mode", ""), "i3/1")).status, 400);
    created("i3/1");
}

TEST_F(StripeStandIn, SignsWhatBecomesOfAPage) {
    const auto id = text_or(created(), "id", "");
    act(id, "decline");
    EXPECT_TRUE(world.posts.empty());
    act(id, "pay");
    ASSERT_EQ(world.posts.size(), 1U);
    EXPECT_EQ(world.posts[0].url, "http://payment/webhooks/stripe");
    EXPECT_EQ(world.posts[0].headers.back().second,
              stripe_signature("whsec_1", "", seconds(world.now()), world.posts[0].body));
    EXPECT_EQ(text_or(event(0), "type", ""), "checkout.session.completed");
    act(id, "pay", 409);
    const Reply looked_up = ask(look_up("/v1/checkout/sessions/" + id));
    const auto session = parse(looked_up.body).value_or(nullptr);
    EXPECT_EQ(text_or(session, "payment_status", ""), "paid");
    EXPECT_TRUE(text_or(session, "payment_intent", "").starts_with("pi_"));
    EXPECT_EQ(ask(form_call("/v1/checkout/sessions/" + id + "/expire", "")).status, 400);
    EXPECT_EQ(ask(look_up("/v1/checkout/sessions/cs_nobody")).status, 404);
}

TEST_F(StripeStandIn, ClosesAPageInTimeAndByCall) {
    const auto first = text_or(created(), "id", "");
    const auto second = text_or(created(), "id", "");
    EXPECT_EQ(ask(form_call("/v1/checkout/sessions/" + first + "/expire", "")).status, 200);
    world.advance(std::chrono::seconds{2401});
    ASSERT_EQ(world.posts.size(), 2U);
    for (std::size_t n : {0U, 1U})
        EXPECT_EQ(text_or(event(n), "type", ""), "checkout.session.expired");
    act(second, "pay", 409);
}

TEST_F(StripeStandIn, SendsAWebhookAgainUntilItIsTaken) {
    int refusals = 2;
    world.peer = [&](const Outgoing&) { return PostResult{refusals-- > 0 ? 503 : 200, "", ""}; };
    act(text_or(created(), "id", ""), "pay");
    world.advance(std::chrono::seconds{60});
    EXPECT_EQ(world.posts.size(), 3U);
    EXPECT_EQ(text_or(event(0), "id", "a"), text_or(event(2), "id", "b"));
}

TEST_F(StripeStandIn, HasKnobs) {
    const auto fault = [&](const std::string& call, const std::string& effect) {
        EXPECT_EQ(ask(json_call("POST", "/control/faults",
                                R"({"provider":"stripe","call":")" + call + R"(","effect":)" +
                                    effect + "}"))
                      .status,
                  201);
    };
    fault("sessions", R"({"cut":"after"})");
    EXPECT_TRUE(ask(form_call("/v1/checkout/sessions", form(), "k")).cut);
    EXPECT_EQ(ask(form_call("/v1/checkout/sessions", form(), "k")).status, 200);
    EXPECT_EQ(recorded("checkout_created"), 1U);
    fault("sessions", R"({"error":{"code":"boom","http":500}})");
    EXPECT_EQ(ask(form_call("/v1/checkout/sessions", form(), "k2")).status, 500);
    EXPECT_EQ(ask(form_call("/v1/checkout/sessions", form(), "k2")).status, 500) << "it is kept";
    fault("sessions", R"({"callback":{"lose":true}})");
    act(text_or(created(), "id", ""), "pay");
    EXPECT_TRUE(world.posts.empty());
    fault("sessions", R"({"callback":{"amount":"100","duplicates":1}})");
    act(text_or(created(), "id", ""), "pay");
    ASSERT_EQ(world.posts.size(), 2U);
    EXPECT_EQ(int_or(*member(*member(event(0), "data"), "object"), "amount_total", 0), 100);
    fault("sessions", R"({"callback":{"forge":"wrong_signature","lose":true}})");
    act(text_or(created(), "id", ""), "expire");
    ASSERT_EQ(world.posts.size(), 3U);
    EXPECT_EQ(text_or(event(2), "type", ""), "checkout.session.completed");
    EXPECT_NE(world.posts[2].headers.back().second,
              stripe_signature("whsec_1", "", seconds(world.now()), world.posts[2].body));
    put("/control/accounts/acct_1", R"({"payer":"pay","payer_delay_ms":10})");
    created();
    world.advance(Milliseconds{100});
    EXPECT_EQ(world.posts.size(), 4U);
}

}  // namespace
}  // namespace flowstack::sandbox
