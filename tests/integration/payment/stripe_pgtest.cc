#include <gtest/gtest.h>

#include "flowstack/payment/v1/intent_events.pb.h"
#include "tests/integration/payment/shop.h"

// Cards: the sandbox's Stripe behind real HTTP, its signed webhooks at the real door.
namespace flowstack::payment::testing {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

PaymentConfig polling_config() {
    auto config = quick_config();
    config.poll_first_after = 50ms;
    return config;
}

bool card_evidence(const v1::Payment& payment, const std::string& kind,
                   const std::string& detail = {}) {
    for (const auto& e : payment.evidence())
        if (e.kind() == kind && e.detail().find(detail) != std::string::npos) return true;
    return false;
}

class Card : public ::testing::Test {
protected:
    explicit Card(PaymentConfig config = quick_config()) : shop(std::move(config)) {
        shop.provider = "stripe";
    }
    std::string session_of(const std::string& order_id) {
        return std::string(shop.page_of(order_id).at("id").as_string());
    }
    std::string open_page(const std::string& customer = "amina") {
        order = shop.check_out(customer);
        EXPECT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_PENDING));
        return session_of(order);
    }
    bool paid() { return shop.reaches(order, v1::PAYMENT_STATE_PAID); }
    bool quarantined(const std::string& reason) {
        return shop.until(
            [&] { return card_evidence(shop.last_payment(order), "quarantined", reason); });
    }
    // The bodies of the webhooks that the sandbox sent.
    std::string last_body() {
        return std::string(shop.last_record("callback_sent").at("body").as_string());
    }
    // What Stripe would say of a session that was paid.
    static std::string paid_event(const std::string& id, const std::string& session,
                                  const json::value& metadata, const std::string& currency) {
        return json::serialize(json::value{{"id", id},
                                           {"type", "checkout.session.completed"},
                                           {"data",
                                            {{"object",
                                              {{"id", session},
                                               {"object", "checkout.session"},
                                               {"status", "complete"},
                                               {"payment_status", "paid"},
                                               {"amount_total", 116'000},
                                               {"currency", currency},
                                               {"payment_intent", "pi_" + currency},
                                               {"metadata", metadata}}}}}});
    }
    void expect_booked_once() {
        EXPECT_EQ(shop.booked("clearing:stripe"), 116'000);
        EXPECT_EQ(shop.booked("receivable"), 0);
        EXPECT_EQ(shop.count_events("IntentPaid"), 1);
        EXPECT_TRUE(shop.sums_to_zero());
    }

    Shop shop;
    std::string order;
};

class ImpatientCard : public Card {
protected:
    ImpatientCard() : Card(polling_config()) {}
};

TEST_F(Card, IsPaidOnThePageThatTheConversationIsGiven) {
    const auto session = open_page();
    const auto payment = shop.last_payment(order);
    EXPECT_EQ(payment.provider_reference(), session);
    EXPECT_NE(payment.payment_link().find("/c/pay/" + session), std::string::npos);
    v1::PaymentLinkIssued link;
    for (const auto& event :
         shop.store.read_stream(intent_stream(kTenant, IntentId(shop.payments_of(order)[0]))))
        if (event.type == link.GetTypeName()) {
            ASSERT_TRUE(link.ParseFromString(event.payload));
        }
    EXPECT_EQ(link.personal().url(), payment.payment_link());
    EXPECT_EQ(link.conversation_id(), "conversation-amina");
    EXPECT_EQ(link.amount().minor_units(), 116'000);
    const auto page = shop.page_of(order);
    EXPECT_EQ(page.at("amount_total").as_int64(), 116'000);
    EXPECT_EQ(std::string(page.at("currency").as_string()), "kes");
    EXPECT_EQ(std::string(shop.last_record("checkout_created").at("idempotency_key").as_string()),
              shop.payments_of(order)[0] + "/1");

    shop.on_page(session, "pay");
    ASSERT_TRUE(paid());
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order).state() == v1::INVOICE_STATE_PAID; }));
    EXPECT_EQ(shop.last_payment(order).receipt(),
              std::string(shop.last_record("payment_made").at("receipt").as_string()));
    EXPECT_EQ(shop.last_payment(order).payment_link(), "");
    expect_booked_once();
    EXPECT_EQ(shop.open_work(), 0);
}

TEST_F(Card, ThatIsDeclinedEndsNothingWhileThePageIsOpen) {
    const auto session = open_page();
    shop.on_page(session, "decline");
    shop.consume();
    EXPECT_EQ(shop.last_payment(order).state(), v1::PAYMENT_STATE_PENDING);
    shop.on_page(session, "pay");
    ASSERT_TRUE(paid());
    expect_booked_once();
}

TEST_F(Card, PaidThroughABankIsPaidWhenTheBankSaysSo) {
    const auto session = open_page();
    shop.on_page(session, "pay_later");
    ASSERT_TRUE(shop.until([&] { return card_evidence(shop.last_payment(order), "callback"); }));
    EXPECT_EQ(shop.last_payment(order).state(), v1::PAYMENT_STATE_PENDING);
    shop.on_page(session, "succeed");
    ASSERT_TRUE(paid());
    expect_booked_once();

    const auto other = open_page("bob");
    shop.on_page(other, "pay_later");
    shop.on_page(other, "fail");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order).failure_reason(), "declined");
}

TEST_F(Card, WhosePageStripeClosesFailsAndCanBeTriedAgain) {
    const auto session = open_page();
    shop.on_page(session, "expire");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order).failure_reason(), "page_expired");
    shop.check_out("amina", 1000, order);
    ASSERT_TRUE(shop.until([&] { return shop.payments_of(order).size() == 2; }));
    const auto again = session_of(order);
    EXPECT_NE(again, session);
    shop.on_page(again, "pay");
    ASSERT_TRUE(paid());
    expect_booked_once();
}

TEST_F(ImpatientCard, IsPaidByQueriesAloneWhenEveryWebhookIsLost) {
    shop.stripe_fault("sessions", {{"callback", {{"lose", true}}}}, 0);
    shop.on_page(open_page(), "pay");
    ASSERT_TRUE(paid());
    EXPECT_EQ(shop.last_payment(order).receipt(),
              std::string(shop.last_record("payment_made").at("receipt").as_string()))
        << "Stripe's queries name the payment, M-Pesa's do not";
    EXPECT_EQ(shop.recorded("callback_sent"), 0U);
    expect_booked_once();
}

TEST_F(ImpatientCard, ThatTheQueryFindsClosedFails) {
    shop.stripe_fault("sessions", {{"callback", {{"lose", true}}}}, 0);
    shop.on_page(open_page(), "expire");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order).failure_reason(), "page_expired");
}

TEST_F(Card, WhoseWebhookComesAgainAndAgainIsBookedOnce) {
    shop.stripe_fault("sessions", {{"callback", {{"duplicates", 3}}}});
    shop.on_page(open_page(), "pay");
    ASSERT_TRUE(paid());
    ASSERT_TRUE(shop.until([&] { return shop.recorded("callback_sent") == 4; }));
    // The same event in other bytes is the same event.
    auto again = last_body();
    again.replace(again.find("\"pending_webhooks\":1"), 20, "\"pending_webhooks\":0");
    EXPECT_EQ(shop.stripe_event(again, kStripeSecret).response.status, 200);
    shop.consume();
    EXPECT_EQ(shop.count_events("CallbackReceived"), 1);
    expect_booked_once();
}

TEST_F(Card, WhoseWebhookOvertakesTheAnswerIsPaid) {
    shop.stripe_fault("sessions", {{"latency_ms", 300}, {"callback", {{"before_answer", true}}}});
    order = shop.check_out("amina");
    ASSERT_TRUE(paid());
    ASSERT_TRUE(shop.until([&] { return shop.open_work() == 0; }));
    EXPECT_EQ(shop.last_payment(order).quarantined(), 0);
    expect_booked_once();
}

TEST_F(Card, WhoseEventsChangePlacesHasTheSameEnd) {
    const auto session = open_page();
    shop.on_page(session, "pay_later");
    ASSERT_TRUE(shop.until([&] { return shop.recorded("callback_sent") == 1; }));
    const auto completed = last_body();
    shop.on_page(session, "succeed");
    ASSERT_TRUE(paid());
    auto late = completed;
    late.replace(late.find("evt_"), 7, "evt_LAT");
    EXPECT_EQ(shop.stripe_event(late, kStripeSecret).response.status, 200);
    auto expired = late;
    expired.replace(expired.find("evt_"), 7, "evt_EXP");
    expired.replace(expired.find("session.completed"), 17, "session.expired");
    EXPECT_EQ(shop.stripe_event(expired, kStripeSecret).response.status, 200);
    ASSERT_TRUE(shop.until([&] { return shop.count_events("CallbackReceived") == 4; }));
    shop.consume();
    EXPECT_EQ(shop.last_payment(order).state(), v1::PAYMENT_STATE_PAID);
    EXPECT_EQ(shop.last_payment(order).quarantined(), 0);
    expect_booked_once();
}

TEST_F(Card, ForgedPaysNothingAndIsCounted) {
    std::size_t forged = 0;
    for (const auto* how : {"wrong_signature", "old_signature", "no_signature"}) {
        shop.stripe_fault("sessions", {{"callback", {{"forge", how}, {"lose", true}}}});
        const auto session = open_page(how);
        shop.on_page(session, "pay");
        ++forged;
        ASSERT_TRUE(shop.until([&] { return shop.recorded("callback_sent") == forged; }));
        EXPECT_EQ(shop.last_record("callback_sent").at("http_status").as_int64(), 401) << how;
        shop.consume();
        EXPECT_EQ(shop.last_payment(order).state(), v1::PAYMENT_STATE_PENDING) << how;
    }
    EXPECT_EQ(shop.count_events("CallbackReceived"), 0);
    // The path token, which everybody who sees the session at Stripe knows, is no signature.
    const std::string token(shop.page_of(order).at("metadata").at("flowstack").as_string());
    EXPECT_EQ(shop.post("/hooks/pay/" + token, last_body()).response.status, 404);
    EXPECT_EQ(shop.booked("clearing:stripe"), 0);
}

TEST_F(Card, OfAnotherAmountOrCurrencyIsQuarantinedAndAPersonIsCalled) {
    shop.stripe_fault("sessions", {{"callback", {{"amount", "100"}}}});
    shop.on_page(open_page(), "pay");
    ASSERT_TRUE(quarantined("other_amount"));
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order).needs_person(); }));
    EXPECT_EQ(shop.last_payment(order).state(), v1::PAYMENT_STATE_PENDING);

    const auto session = open_page("bob");
    // The payment's own event, with its amount in dollars.
    const auto dollars =
        paid_event("evt_dollars", session, shop.page_of(order).at("metadata"), "usd");
    EXPECT_EQ(shop.stripe_event(dollars, kStripeSecret).response.status, 200);
    ASSERT_TRUE(quarantined("other_amount: USD 1,160.00"));
    EXPECT_EQ(shop.booked("clearing:stripe"), 0);
}

TEST_F(ImpatientCard, OfAnotherAmountIsQuarantinedByAQuery) {
    // The session at Stripe is another one than we believe: it says less.
    shop.stripe_fault("sessions", {{"callback", {{"lose", true}}}}, 0);
    const auto session = open_page();
    const json::value less{{"id", session},
                           {"object", "checkout.session"},
                           {"status", "complete"},
                           {"payment_status", "paid"},
                           {"amount_total", 100},
                           {"currency", "kes"},
                           {"payment_intent", "pi_less"}};
    shop.stripe_fault("retrieve", {{"error", {{"http", 200}, {"body", json::serialize(less)}}}}, 0);
    ASSERT_TRUE(quarantined("other_amount"));
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order).needs_person(); }));
    EXPECT_EQ(shop.booked("clearing:stripe"), 0);
}

TEST_F(Card, WithThePaymentOfAnotherOneIsQuarantined) {
    shop.on_page(open_page(), "pay");
    ASSERT_TRUE(paid());
    const std::string receipt = shop.last_payment(order).receipt();
    shop.stripe_fault("sessions", {{"callback", {{"receipt", receipt}}}});
    shop.on_page(open_page("bob"), "pay");
    ASSERT_TRUE(quarantined("receipt_taken"));
    EXPECT_EQ(shop.booked("clearing:stripe"), 116'000) << "of the first one";
    EXPECT_EQ(shop.count_events("IntentPaid"), 1);
}

TEST_F(Card, IsAskedForOnceMoreWithTheSameKeyWhenTheAnswerIsLost) {
    shop.stripe_fault("sessions", {{"cut", "after"}});
    shop.on_page(open_page(), "pay");
    ASSERT_TRUE(paid());
    EXPECT_EQ(shop.recorded("checkout_created"), 1U) << "the key made one session only";
    EXPECT_EQ(shop.count_events("AskAttempted"), 1);
    expect_booked_once();
}

TEST(CardProcess, ThatDiedBetweenTheCallAndItsAnswerLosesNothing) {
    auto config = quick_config();
    config.attempt_resolve_within = 300ms;
    Shop shop(config);
    shop.provider = "stripe";
    // Every call of the first process is cut: it leaves an attempt without an outcome.
    shop.stripe_fault("sessions", {{"cut", "after"}}, stripe::Stripe::kCallsMax);
    const auto order = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_PENDING));
    EXPECT_EQ(shop.recorded("checkout_created"), 1U);
    EXPECT_EQ(shop.count_events("AskAttempted"), 1);
    EXPECT_EQ(shop.count_events("AskUnknown"), 0);
    EXPECT_FALSE(shop.last_payment(order).payment_link().empty());
}

TEST(CardProcess, WhoseKeyBringsNothingButFailuresTriesWithAnotherOne) {
    auto config = quick_config();
    config.attempt_resolve_within = 200ms;
    Shop shop(config);
    shop.provider = "stripe";
    shop.stripe_fault("sessions", {{"error", {{"http", 500}, {"code", "boom"}}}});
    const auto order = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_PENDING));
    EXPECT_EQ(shop.recorded("checkout_created"), 1U);
    EXPECT_EQ(shop.count_events("AskAttempted"), 2);
}

TEST_F(Card, ThatStripeRefusesFails) {
    shop.stripe_fault("sessions", {{"error", {{"http", 400}, {"code", "amount_too_small"}}}});
    order = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order).failure_reason(), "limit");
    shop.control("PUT", "/control/accounts/acct_duka", json::object{{"secret_key", "sk_test_new"}});
    order = shop.check_out("bob");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order).failure_reason(), "refused");
}

TEST_F(Card, InACurrencyThatIsNotTakenIsRefusedBeforeThereIsAnOrder) {
    shop.currency = "TZS";
    order = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return !shop.refusals_of(order).empty(); }));
    EXPECT_EQ(shop.refusals_of(order), std::vector<std::string>{"currency_not_usable"});
    // Two decimals at Stripe, none here.
    shop.currency = "UGX";
    open_page("bob");
    EXPECT_EQ(shop.page_of(order).at("amount_total").as_int64(), 11'600'000);
    EXPECT_EQ(shop.last_payment(order).amount().minor_units(), 116'000);
}

TEST(CardPage, IsClosedWhenThePaymentExpires) {
    auto config = quick_config();
    config.intent_expires_after = 1500ms;
    Shop shop(config);
    shop.provider = "stripe";
    const auto order = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_PENDING));
    const std::string session(shop.page_of(order).at("id").as_string());
    ASSERT_TRUE(shop.reaches(order, v1::PAYMENT_STATE_EXPIRED));
    // It is closed after the end is written.
    EXPECT_TRUE(shop.until([&] {
        return shop.control("GET", "/control/checkouts/" + session).at("status").as_string() ==
               "expired";
    }));
    // Its event comes after the end and changes nothing.
    ASSERT_TRUE(shop.until([&] { return shop.recorded("callback_sent") == 1; }));
    shop.consume();
    EXPECT_EQ(shop.last_payment(order).state(), v1::PAYMENT_STATE_EXPIRED);
    EXPECT_EQ(shop.open_work(), 0);
}

// ---- the door

TEST_F(Card, WebhookOfAnotherTenantIsKeptAndChangesNothing) {
    shop.stripe_fault("sessions", {{"callback", {{"lose", true}}}}, 0);
    const auto session = open_page();
    const auto page = shop.page_of(order);
    const auto event = [&](const std::string& id, const json::value& metadata) {
        return paid_event(id, session, metadata, "kes");
    };
    eventlog::Command connect;
    connect.id = "connect/other";
    connect.tenant = "other";
    connect.meta.routing = {eventlog::RoutingKind::tenant, "other"};
    const auto account = std::get<Account>(shop.cards->read_account(
        {{"secret_key", "sk_test_other"}, {"webhook_secret", "whsec_other"}}));
    connect.parts.push_back({account_stream("other", "stripe"),
                             eventlog::kAny,
                             {encode(shop.accounts->seal("other", account), shop.clock.now())}});
    ASSERT_TRUE(shop.store.append(connect).accepted());

    // The other tenant signs an event about this tenant's payment.
    const auto stolen = event("evt_stolen", page.at("metadata"));
    EXPECT_EQ(shop.stripe_event(stolen, "whsec_other").response.status, 401);
    EXPECT_EQ(shop.stripe_event(stolen, "whsec_other", "/webhooks/stripe/other").response.status,
              200);
    EXPECT_EQ(shop.stripe_event(stolen, "whsec_other", "/webhooks/stripe/other").response.status,
              200);
    EXPECT_EQ(shop.count_events("CallbackUnmatched"), 1) << "kept once";
    EXPECT_EQ(shop.store.read_stream(unmatched_stream("other", "stripe")).size(), 1U);
    // A token that nobody made.
    EXPECT_EQ(shop.stripe_event(event("evt_made_up", json::object{{"flowstack", "00ff"}}),
                                kStripeSecret, "/webhooks/stripe/" + kTenant)
                  .response.status,
              200);
    EXPECT_EQ(shop.count_events("CallbackUnmatched"), 2);
    // A sale that is none of ours: no alarm, and Stripe need not send it again.
    for (const auto& path : {std::string("/webhooks/stripe"), "/webhooks/stripe/" + kTenant}) {
        const auto answer =
            shop.stripe_event(event("evt_sale", json::object{}), kStripeSecret, path);
        EXPECT_EQ(answer.response.status, 200) << path;
        EXPECT_EQ(answer.response.body, R"({"received":true})");
    }
    EXPECT_EQ(shop.stripe_event("{", kStripeSecret).response.status, 401);
    EXPECT_EQ(shop.stripe_event(stolen, "whsec_other", "/webhooks/stripe/nobody").response.status,
              401);
    shop.consume();
    EXPECT_EQ(shop.count_events("CallbackUnmatched"), 2);
    EXPECT_EQ(shop.count_events("CallbackReceived"), 0);
    EXPECT_EQ(shop.last_payment(order).state(), v1::PAYMENT_STATE_PENDING);
}

TEST_F(Card, AccountTakesBothSecretsWhileOneIsRolled) {
    const auto account =
        std::get<Account>(shop.cards->read_account({{"secret_key", "sk_live_0123456789abcd"},
                                                    {"webhook_secret", "whsec_new"},
                                                    {"webhook_secret_other", "whsec_old"}}));
    EXPECT_EQ(account.account, "sk_live_…abcd");
    EXPECT_EQ(account.details.at("mode"), "live");
    const auto now = shop.clock.now();
    const auto is_signed = [&](const std::string& secret, const std::string& body) {
        return shop.cards->is_signed(
            account, sandbox::stripe_signature(secret, "", unix_seconds(now), body), body, now);
    };
    EXPECT_TRUE(is_signed("whsec_new", "{}"));
    EXPECT_TRUE(is_signed("whsec_old", "{}"));
    EXPECT_FALSE(is_signed("whsec_other", "{}"));
    const std::string test_mode = R"({"id":"evt_1","type":"x","livemode":false})";
    EXPECT_FALSE(is_signed("whsec_new", test_mode)) << "an event of the test mode is no money";
}

TEST_F(Card, AccountSaysWhichFieldIsWrong) {
    const auto faults = [&](const std::map<std::string, std::string>& fields) {
        std::string all;
        const auto read = shop.cards->read_account(fields);
        if (const auto* wrong = std::get_if<std::vector<FieldFault>>(&read))
            for (const auto& fault : *wrong) all += fault.field + " ";
        return all;
    };
    EXPECT_EQ(faults({}), "secret_key webhook_secret ");
    EXPECT_EQ(faults({{"secret_key", "pk_test_public"},
                      {"webhook_secret", "whsec_x"},
                      {"account_id", "duka"}}),
              "secret_key account_id ");
    EXPECT_EQ(faults({{"secret_key", "sk_test_ x"}, {"webhook_secret", "whsec_x"}}), "secret_key ");
    EXPECT_EQ(faults({{"secret_key", "rk_test_x"},
                      {"webhook_secret", "whsec_x"},
                      {"webhook_secret_other", "x"}}),
              "webhook_secret_other ");
}

TEST_F(Card, AccountIsTriedWithACallThatCostsNothing) {
    const auto check = [&](const std::string& key) {
        return shop.cards->check(std::get<Account>(
            shop.cards->read_account({{"secret_key", key}, {"webhook_secret", "whsec_x"}})));
    };
    EXPECT_TRUE(std::holds_alternative<Ready>(check("sk_test_duka")));
    const auto refused = check("sk_test_unknown");
    ASSERT_TRUE(std::holds_alternative<KeysRefused>(refused));
    EXPECT_NE(std::get<KeysRefused>(refused).why.find("Invalid API Key"), std::string::npos);
    EXPECT_EQ(shop.recorded("checkout_created"), 0U);
}

}  // namespace
}  // namespace flowstack::payment::testing
