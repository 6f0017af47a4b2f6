#include <gtest/gtest.h>

#include "services/payment/domain/intent.h"
#include "services/payment/providers/stripe/wire.h"

namespace flowstack::payment::stripe {
namespace {

using namespace std::chrono_literals;

const CurrencyForms kForms{{Currency::kes, 2},
                           {Currency::ugx, 2},
                           {Currency::jpy, 0},
                           {Currency::usd, 3},
                           {Currency::eur, 1}};

// ---- vector of the provider sheet

const std::string kVectorSecret = "whsec_flowstack_test_secret";
const std::string kVectorHex = "49b5bfd6b728dac54046e46a1cd2756faf485d8273f416e95d169939afcb97f2";
const std::string kVectorBody =
    R"({"id":"evt_test_0001","object":"event","api_version":"2026-10-28.endive","created":1767225600,"type":"checkout.session.completed","data":{"object":{"id":"cs_test_0001","object":"checkout.session","amount_total":300000,"currency":"kes","payment_status":"paid","status":"complete","client_reference_id":"pi_flow_42","metadata":{"payment_intent_id":"pi_flow_42","tenant_id":"tenant-a"},"payment_intent":"pi_0001"}}})";

bool accepted(const std::string& header, std::int64_t now, const std::string& body = kVectorBody,
              const std::vector<Secret>& secrets = {Secret(kVectorSecret)}) {
    return is_signed_by(secrets, header, body, from_unix_seconds(now), 300s);
}

TEST(StripeSignature, EqualsTheVector) {
    ASSERT_EQ(kVectorBody.size(), 412u);
    const auto header = "t=1767225600,v1=" + kVectorHex;
    EXPECT_TRUE(accepted(header, 1767225600));
    EXPECT_TRUE(accepted(header, 1767225600 + 299));
    EXPECT_TRUE(accepted("t=1767225600,v1=00ff,v1=" + kVectorHex + ",v0=abc", 1767225600));
}

TEST(StripeSignature, IsGoodForAsLongAsTheToleranceOnBothSides) {
    const auto header = "t=1767225600,v1=" + kVectorHex;
    EXPECT_TRUE(accepted(header, 1767225600 + 300));
    EXPECT_FALSE(accepted(header, 1767225600 + 301));
    EXPECT_TRUE(accepted(header, 1767225600 - 300));
    EXPECT_FALSE(accepted(header, 1767225600 - 301));
}

TEST(StripeSignature, IsGoodWithEitherSecretWhileOneIsRolled) {
    const auto header = "t=1767225600,v1=" + kVectorHex;
    EXPECT_TRUE(
        accepted(header, 1767225600, kVectorBody, {Secret("whsec_new"), Secret(kVectorSecret)}));
    EXPECT_FALSE(accepted(header, 1767225600, kVectorBody, {Secret("whsec_new"), Secret()}));
    EXPECT_FALSE(accepted(header, 1767225600, kVectorBody, {}));
}

TEST(StripeSignature, IsRefusedWhenAnythingIsChangedOrMissing) {
    const auto good = "v1=" + kVectorHex;
    EXPECT_FALSE(accepted("t=1767225600," + good, 1767225600, kVectorBody + " "));
    EXPECT_FALSE(accepted("t=1767225601," + good, 1767225600));
    for (const auto& header :
         {std::string(), std::string("t=1767225600"), good, "t=," + good, "t=x," + good,
          "t=-1," + good, "t=1767225600,t=1767225600," + good, "t=99999999999999999999," + good,
          "t=9223372036854775807," + good, "t=1767225600,v0=" + kVectorHex,
          std::string("t=1767225600,v1="), "t=1767225600,V1=" + kVectorHex})
        EXPECT_FALSE(accepted(header, 1767225600)) << header;
}

// ---- amounts

TEST(StripeAmount, HasTheDecimalsOfTheSetting) {
    EXPECT_EQ(stripe_amount(kForms, {300'000, Currency::kes}), 300'000);
    EXPECT_EQ(stripe_amount(kForms, {2'000, Currency::ugx}), 200'000) << "two decimals at Stripe";
    EXPECT_EQ(stripe_amount(kForms, {500, Currency::jpy}), 500);
    EXPECT_EQ(stripe_amount(kForms, {1'05, Currency::usd}), 1'050) << "three decimals";
    EXPECT_EQ(stripe_amount(kForms, {1'50, Currency::eur}), 15);
    EXPECT_EQ(stripe_amount(kForms, {1'55, Currency::eur}), std::nullopt) << "finer than Stripe's";
}

TEST(StripeAmount, IsNothingOutsideTheLimits) {
    EXPECT_EQ(stripe_amount(kForms, {0, Currency::kes}), std::nullopt);
    EXPECT_EQ(stripe_amount(kForms, {-5, Currency::kes}), std::nullopt);
    EXPECT_EQ(stripe_amount(kForms, {100, Currency::tzs}), std::nullopt) << "not in the setting";
    EXPECT_EQ(stripe_amount(kForms, {kAmountMax, Currency::kes}), kAmountMax);
    EXPECT_EQ(stripe_amount(kForms, {kAmountMax + 1, Currency::kes}), std::nullopt);
    EXPECT_EQ(stripe_amount(kForms, {INT64_MAX, Currency::usd}), std::nullopt);
}

TEST(StripeAmount, ComesBackAsTheMoneyThatItWas) {
    for (const Money money :
         {Money{300'000, Currency::kes}, Money{2'000, Currency::ugx}, Money{500, Currency::jpy},
          Money{1'05, Currency::usd}, Money{1'50, Currency::eur}}) {
        std::string code(currency_code(money.currency));
        for (char& c : code) c = static_cast<char>(c - 'A' + 'a');
        EXPECT_EQ(money_of(kForms, *stripe_amount(kForms, money), code), money);
    }
    EXPECT_EQ(money_of(kForms, 150, "ugx"), std::nullopt) << "half a shilling";
    EXPECT_EQ(money_of(kForms, 150, "chf"), std::nullopt);
    EXPECT_EQ(money_of(kForms, -1, "kes"), std::nullopt);
}

TEST(StripeAmount, SaysItsRangesInTheCurrencysOwnUnits) {
    const auto all = ranges(kForms);
    ASSERT_EQ(all.size(), kForms.size());
    EXPECT_EQ(all[1].most, (Money{999'999, Currency::ugx}));
    EXPECT_EQ(all[4].step, 10);
    for (const auto& range : all) {
        EXPECT_TRUE(stripe_amount(kForms, range.least));
        EXPECT_TRUE(stripe_amount(kForms, range.most));
        EXPECT_FALSE(
            stripe_amount(kForms, {range.most.minor_units + range.step, range.most.currency}));
    }
}

TEST(StripeCurrency, IsReadWithItsDecimals) {
    EXPECT_EQ(read_currency_form("KES:2"), (CurrencyForm{Currency::kes, 2}));
    for (const auto* wrong : {"KES", "kes:2", "KES:4", "KES:-1", "KES:x", "XXX:2", ":2", ""})
        EXPECT_EQ(read_currency_form(wrong), std::nullopt) << wrong;
}

// ---- the session

Plan plan() {
    return {.amount = {300'000, Currency::kes},
            .payer = {},
            .callback_url = {},
            .reference = "ORD-7K2M9Q",
            .description = "Premium Coffee & Honey",
            .attempt_id = "i1/1",
            .tenant = "tenant-a",
            .intent_id = "pi_flow_42",
            .callback_token = "00ff",
            .return_url = "https://flow.example.com/ok",
            .payable_until = from_unix_seconds(1767229200)};
}

TEST(StripeSession, IsAskedForAsTheOfficialClientDoes) {
    EXPECT_EQ(session_body(kForms, plan()),
              "mode=payment&success_url=https%3A%2F%2Fflow.example.com%2Fok"
              "&cancel_url=https%3A%2F%2Fflow.example.com%2Fok"
              "&client_reference_id=pi_flow_42&expires_at=1767229200"
              "&line_items[0][quantity]=1&line_items[0][price_data][currency]=kes"
              "&line_items[0][price_data][unit_amount]=300000"
              "&line_items[0][price_data][product_data][name]=Premium%20Coffee%20%26%20Honey"
              "&payment_intent_data[metadata][payment_intent_id]=pi_flow_42"
              "&payment_intent_data[metadata][tenant_id]=tenant-a"
              "&metadata[payment_intent_id]=pi_flow_42&metadata[tenant_id]=tenant-a"
              "&metadata[flowstack]=00ff");
    auto too_much = plan();
    too_much.amount.minor_units = kAmountMax + 1;
    EXPECT_EQ(session_body(kForms, too_much), std::nullopt);
}

const std::string kOpenSession =
    R"({"id":"cs_1","object":"checkout.session","url":"https://pay/cs_1","status":"open","payment_status":"unpaid","amount_total":300000,"currency":"kes","payment_intent":null,"metadata":{"flowstack":"00ff"}})";

TEST(StripeCreated, IsAcceptedWithItsPage) {
    const auto said = read_created(200, kOpenSession, "");
    const auto* yes = std::get_if<Accepted>(&said.answer);
    ASSERT_TRUE(yes);
    EXPECT_EQ(yes->ref, (ProviderRef{"stripe", "cs_1", ""}));
    EXPECT_EQ(yes->link, "https://pay/cs_1");
    for (const auto* broken : {"", "{}", R"({"id":"cs_1","object":"checkout.session","url":null})",
                               R"({"id":"../x","object":"checkout.session","url":"https://x"})"}) {
        const auto unclear = read_created(200, broken, "");
        EXPECT_TRUE(std::holds_alternative<Unclear>(unclear.answer)) << broken;
        EXPECT_TRUE(unclear.again) << "the key gives the same answer again";
    }
}

std::string error_body(const std::string& type, const std::string& code = "") {
    return R"({"error":{"type":")" + type + R"(","code":")" + code + R"(","message":"why"}})";
}

TEST(StripeErrors, AreMappedByClass) {
    const auto reason = [](int status, const std::string& body, const char* retry = "") {
        const auto said = read_created(status, body, retry);
        if (const auto* no = std::get_if<Refused>(&said.answer))
            return no->reason + (no->wait ? ", later" : "") + (said.of_the_key ? ", final" : "");
        return std::string(said.again ? "unclear, again" : "unclear");
    };
    const auto request = error_body("invalid_request_error", "parameter_invalid");
    EXPECT_EQ(reason(400, request), "refused, final");
    EXPECT_EQ(reason(404, request), "refused, final");
    EXPECT_EQ(reason(400, error_body("invalid_request_error", "amount_too_small")), "limit, final");
    EXPECT_EQ(reason(400, error_body("idempotency_error")), "unclear")
        << "another body went with this key: what became of it?";
    EXPECT_EQ(reason(401, error_body("invalid_request_error")), "refused");
    EXPECT_EQ(reason(403, ""), "refused");
    EXPECT_EQ(reason(409, error_body("idempotency_error")), "unclear, again") << "in flight";
    EXPECT_EQ(reason(409, "", "false"), "unclear") << "the header wins";
    EXPECT_EQ(reason(429, error_body("rate_limit_error")), "busy, later");
    EXPECT_EQ(reason(500, error_body("api_error")), "unclear, again");
    EXPECT_EQ(reason(503, "<html>"), "unclear, again");
    EXPECT_EQ(reason(400, request, "true"), "unclear, again");
}

TEST(StripeQuery, TellsWhatTheSessionSays) {
    const auto says = [](const std::string& session) {
        const auto read = read_session(200, session, "cs_1");
        if (!read) return std::string("unreadable");
        const auto meaning = meaning_of(kForms, *read);
        if (const auto* paid = std::get_if<SaysPaid>(&meaning))
            return "paid " + format_money(paid->amount) + " " + paid->receipt;
        if (const auto* no = std::get_if<SaysFailed>(&meaning)) return no->reason;
        return std::string(std::holds_alternative<SaysNothing>(meaning) ? "nothing" : "no amount");
    };
    const auto session = [](const std::string& members) {
        return R"({"id":"cs_1","object":"checkout.session",)" + members + "}";
    };
    EXPECT_EQ(says(kOpenSession), "nothing");
    EXPECT_EQ(
        says(session(
            R"("status":"complete","payment_status":"paid","amount_total":300000,"currency":"kes","payment_intent":"pi_1")")),
        "paid KES 3,000.00 pi_1");
    EXPECT_EQ(
        says(session(
            R"("status":"complete","payment_status":"paid","amount_total":100,"currency":"kes","payment_intent":{"id":"pi_2"})")),
        "paid KES 1.00 pi_2");
    EXPECT_EQ(says(session(R"("status":"complete","payment_status":"unpaid")")), "nothing");
    EXPECT_EQ(says(session(R"("status":"expired","payment_status":"unpaid")")), "page_expired");
    EXPECT_EQ(says(session(R"("status":"complete","payment_status":"paid","currency":"kes")")),
              "no amount");
    EXPECT_EQ(
        says(session(
            R"("status":"complete","payment_status":"paid","amount_total":1.5,"currency":"kes")")),
        "no amount");
    EXPECT_EQ(says(session(R"("status":"open","status":"complete")")), "unreadable");
    EXPECT_FALSE(read_session(200, kOpenSession, "cs_2")) << "another session";
    EXPECT_FALSE(read_session(404, kOpenSession, "cs_1"));
}

// ---- events

std::string event_of(const std::string& type, const std::string& status,
                     const std::string& payment_status, const std::string& amount = "300000") {
    return R"({"id":"evt_1","type":")" + type +
           R"(","livemode":false,"data":{"object":{"id":"cs_1","object":"checkout.session","status":")" +
           status + R"(","payment_status":")" + payment_status + R"(","amount_total":)" + amount +
           R"(,"currency":"kes","payment_intent":"pi_1","metadata":{"flowstack":"00ff"}}}})";
}

std::string heard(const std::string& body) {
    const auto read = read_event(body);
    if (const auto* broken = std::get_if<MalformedCallback>(&read)) return broken->detail;
    const auto callback = callback_of(kForms, std::get<Event>(read));
    if (const auto* broken = std::get_if<MalformedCallback>(&callback)) return broken->detail;
    const auto& says = std::get<Callback>(callback);
    EXPECT_EQ(says.ref, (ProviderRef{"stripe", "cs_1", ""}));
    if (const auto* paid = std::get_if<SaysPaid>(&says.says))
        return "paid " + format_money(paid->amount) + " " + paid->receipt;
    if (const auto* no = std::get_if<SaysFailed>(&says.says)) return no->reason;
    return "nothing";
}

TEST(StripeEvent, OfASessionSaysWhatBecameOfThePayment) {
    EXPECT_EQ(heard(event_of("checkout.session.completed", "complete", "paid")),
              "paid KES 3,000.00 pi_1");
    EXPECT_EQ(heard(event_of("checkout.session.completed", "complete", "unpaid")), "nothing")
        << "the bank takes its time";
    EXPECT_EQ(heard(event_of("checkout.session.async_payment_succeeded", "complete", "paid")),
              "paid KES 3,000.00 pi_1");
    EXPECT_EQ(heard(event_of("checkout.session.async_payment_failed", "complete", "unpaid")),
              "declined");
    EXPECT_EQ(heard(event_of("checkout.session.expired", "expired", "unpaid")), "page_expired");
    EXPECT_EQ(heard(event_of("checkout.session.invented", "open", "unpaid")), "nothing");
}

TEST(StripeEvent, IsMalformedWhenItCannotBeRead) {
    EXPECT_EQ(heard("<html>"), "not JSON");
    EXPECT_EQ(heard("{}"), "no event");
    EXPECT_EQ(heard(R"({"id":"evt_1","type":"x","type":"y"})"), "two of type");
    EXPECT_EQ(heard(R"({"id":"evt_1","type":"checkout.session.completed"})"), "no data.object");
    EXPECT_EQ(heard(R"({"id":"evt_1","type":"checkout.session.completed","data":{"object":{}}})"),
              "no readable session");
    EXPECT_EQ(heard(event_of("checkout.session.completed", "complete", "paid", "\"300000\"")),
              "paid without a readable amount, currency or payment");
    EXPECT_EQ(heard(R"({"id":"evt_1","type":"charge.dispute.created","data":{"object":{}}})"),
              "not about a session: charge.dispute.created");
}

TEST(StripeEvent, NamesItsPaymentItsAccountAndItsMode) {
    const auto read = read_event(
        R"({"id":"evt_1","type":"checkout.session.completed","account":"acct_9","livemode":true,"data":{"object":)" +
        kOpenSession + "}}");
    const auto& event = std::get<Event>(read);
    EXPECT_EQ(event.id, "evt_1");
    EXPECT_EQ(event.account, "acct_9");
    EXPECT_EQ(event.livemode, true);
    EXPECT_EQ(event.session.token, "00ff");
    const auto vector = std::get<Event>(read_event(kVectorBody));
    EXPECT_EQ(vector.session.payment_intent, "pi_0001");
    EXPECT_EQ(vector.session.token, "");
    EXPECT_EQ(vector.livemode, std::nullopt);
}

}  // namespace
}  // namespace flowstack::payment::stripe
