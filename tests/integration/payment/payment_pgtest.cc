#include <gtest/gtest.h>

#include <set>

#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "tests/integration/payment/shop.h"

namespace flowstack::payment::testing {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// Of payments that expire in a test, after their push was made: on a busy machine too.
constexpr auto kExpiry = 2000ms;

std::string path_of(const json::value& push) {
    const std::string url(push.at("callback_url").as_string());
    return url.substr(url.find("/hooks/"));
}

std::string failure_body(const std::string& checkout_id, int code) {
    return R"({"Body":{"stkCallback":{"MerchantRequestID":"m","CheckoutRequestID":")" +
           checkout_id + R"(","ResultCode":)" + std::to_string(code) + R"(,"ResultDesc":"x"}}})";
}

std::string success_body(const std::string& checkout_id, const std::string& amount,
                         const std::string& receipt) {
    return R"({"Body":{"stkCallback":{"MerchantRequestID":"m","CheckoutRequestID":")" +
           checkout_id + R"(","ResultCode":0,"ResultDesc":"x","CallbackMetadata":{"Item":[)" +
           R"({"Name":"Amount","Value":)" + amount + R"(},{"Name":"MpesaReceiptNumber","Value":")" +
           receipt +
           R"("},{"Name":"Balance"},{"Name":"TransactionDate","Value":20260601120000}]}}}})";
}

bool has_evidence(const v1::Payment& payment, const std::string& kind,
                  const std::string& detail = {}) {
    for (const auto& e : payment.evidence())
        if (e.kind() == kind && e.detail().find(detail) != std::string::npos) return true;
    return false;
}

TEST(Purchase, IsOrderedInvoicedPushedPaidAndBooked) {
    Shop shop;
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));

    const auto order = shop.order(order_id);
    EXPECT_EQ(order.state(), v1::ORDER_STATE_CONFIRMED);
    EXPECT_EQ(order.payment_state(), v1::ORDER_PAYMENT_STATE_PAID);
    EXPECT_EQ(order.number().substr(0, 4), "ORD-");
    EXPECT_EQ(order.total().minor_units(), 116'000);  // 1000 + 16 %
    const auto invoice = shop.invoice_of(order_id);
    EXPECT_NE(invoice.number().find("-000001"), std::string::npos) << invoice.number();
    EXPECT_EQ(invoice.order_number(), order.number());
    const auto payment = shop.last_payment(order_id);
    EXPECT_EQ(payment.amount().minor_units(), 116'000);
    EXPECT_EQ(payment.receipt(),
              std::string(shop.last_record("payment_made").at("receipt").as_string()));

    EXPECT_EQ(shop.recorded("push_accepted"), 1U);
    EXPECT_EQ(shop.recorded("payment_made"), 1U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_EQ(shop.booked("revenue"), -100'000);
    EXPECT_EQ(shop.booked("tax"), -16'000);
    EXPECT_TRUE(shop.sums_to_zero());
    // Every fact of the purchase names its cause, but for what came from outside, and all belong
    // together.
    std::set<std::string> correlations;
    for (const auto& id : shop.payments_of(order_id))
        for (const auto& event : shop.store.read_stream(intent_stream(kTenant, id))) {
            if (event.type.ends_with("CallbackReceived")) continue;
            EXPECT_TRUE(event.meta.causation) << event.type;
            correlations.insert(event.meta.correlation_id);
        }
    EXPECT_EQ(correlations.size(), 1U);
    // Nothing is left to be done.
    const auto left = shop.store.pool().with(
        [](postgres::Session& session) { return session.query("select kind from work").rows(); });
    EXPECT_EQ(left, 0);
}

TEST(Purchase, PlacedByTheShopsSiteIsInvoicedAtOnceAndPaidLater) {
    Shop shop;
    const auto order_id = shop.place("amina");
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_ISSUED; }));
    EXPECT_EQ(shop.order(order_id).state(), v1::ORDER_STATE_CONFIRMED);
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_UNPAID);
    EXPECT_TRUE(shop.payments_of(order_id).empty());
    EXPECT_EQ(shop.recorded("push_accepted"), 0U);
    EXPECT_EQ(shop.booked("receivable"), 116'000);

    shop.check_out("amina", 1000, order_id);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_PAID);
    EXPECT_EQ(shop.payments_of(order_id).size(), 1U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(Purchase, RoundsAShillingTotalWithALineOfItsOwn) {
    Shop shop;
    const auto order_id = shop.check_out("amina", 999);  // 999 + 159.84 = 1158.84
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
    EXPECT_EQ(shop.invoice_of(order_id).rounding().minor_units(), 16);
    EXPECT_EQ(shop.booked("rounding"), -16);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 115'900);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(Callback, LostIsReplacedByQueries) {
    auto config = quick_config();
    config.poll_first_ms = 50ms;
    Shop shop(config);
    shop.fault("stkpush", {{"callback", {{"lose", true}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    const auto payment = shop.last_payment(order_id);
    EXPECT_TRUE(payment.receipt_pending());
    EXPECT_TRUE(has_evidence(payment, "paid", "query"));
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);

    // The callback that comes after all brings the receipt, and no money.
    const auto push = shop.last_record("push_accepted");
    const std::string checkout(push.at("checkout_request_id").as_string());
    EXPECT_EQ(
        shop.post(path_of(push), success_body(checkout, "1160.00", "LATE000001")).response.status,
        200);
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).receipt() == "LATE000001"; }));
    EXPECT_FALSE(shop.last_payment(order_id).receipt_pending());
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST(Callback, OfAFailureLostIsReplacedByQueries) {
    auto config = quick_config();
    config.poll_first_ms = 50ms;
    Shop shop(config);
    shop.payer({{"behaviour", "cancel"}});
    shop.fault("stkpush", {{"callback", {{"lose", true}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order_id).failure_reason(), "cancelled");
    EXPECT_EQ(shop.booked("clearing:mpesa"), 0);
}

TEST(Callback, FasterThanThePushAnswerBindsTheCheckout) {
    Shop shop;
    shop.fault("stkpush", {{"latency_ms", 300}, {"callback", {{"before_answer", true}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    shop.consume();
    const auto payment = shop.last_payment(order_id);
    EXPECT_EQ(payment.quarantined(), 0);
    EXPECT_EQ(shop.recorded("push_accepted"), 1U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST(Callback, TwiceIsBookedOnce) {
    Shop shop;
    shop.fault("stkpush", {{"callback", {{"duplicates", 3}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    ASSERT_TRUE(shop.until([&] { return shop.recorded("callback_sent") >= 4; }));
    // The same in other bytes: another callback, the same fact.
    const auto push = shop.last_record("push_accepted");
    const auto payment = shop.last_payment(order_id);
    EXPECT_EQ(
        shop.post(path_of(push), success_body(payment.checkout_id(), "1160", payment.receipt()))
            .response.status,
        200);
    shop.consume();
    EXPECT_EQ(shop.last_payment(order_id).quarantined(), 0);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(Push, WhoseAnswerIsLostIsNotMadeAgainAndTheCallbackBinds) {
    Shop shop;
    shop.payer({{"behaviour", "pay"}, {"delay_ms", 300}});
    shop.fault("stkpush", {{"cut", "after"}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).outcome_unknown(); }));
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    EXPECT_FALSE(shop.last_payment(order_id).outcome_unknown());
    EXPECT_EQ(shop.recorded("push_accepted"), 1U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST(Push, WhoseAnswerAndCallbackAreLostStaysUnknownPastItsExpiry) {
    auto config = quick_config();
    config.intent_expiry_ms = kExpiry;
    Shop shop(config);
    shop.fault("stkpush", {{"cut", "after"}, {"callback", {{"lose", true}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).outcome_unknown(); }));
    const auto expiry = shop.clock.now() + kExpiry + 100ms;
    ASSERT_TRUE(shop.until([&] { return shop.clock.now() > expiry; }));
    const auto payment = shop.last_payment(order_id);
    EXPECT_EQ(payment.state(), v1::PAYMENT_STATE_PENDING);
    EXPECT_TRUE(payment.outcome_unknown());
    EXPECT_EQ(shop.recorded("push_accepted"), 1U);
    // A retry is refused: money may be on its way.
    shop.check_out("amina", 1000, order_id);
    shop.consume();
    EXPECT_EQ(shop.payments_of(order_id).size(), 1U);
}

TEST(Push, OfAProcessThatDiedIsUnknown) {
    auto config = quick_config();
    config.attempt_resolve_ms = 300ms;
    config.push_timeout_ms = 300ms;
    Shop shop(config);
    shop.runner->stop();
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return !shop.payments_of(order_id).empty(); }));
    const auto payment_id = shop.payments_of(order_id).front();
    // Announced, and nobody lives who could know what came of it.
    const auto c = load_case(shop.books, kTenant, payment_id);
    const auto now = shop.clock.now();
    auto announced = settle(c, BeginPush{"dead", now, now + 50ms}, now, "dead-push");
    ASSERT_TRUE(shop.store.append(*announced.command).accepted());
    shop.runner = std::make_unique<eventlog::WorkRunner>(
        shop.store, shop.owners, eventlog::WorkOptions{.poll_ms = 5ms, .retry_delay_ms = 20ms});
    shop.runner->handle(work::kPush,
                        [&](const auto& row, auto done) { shop.pusher->on_push(row, done); });
    shop.runner->handle(work::kAttempt,
                        [&](const auto& row, auto done) { shop.pusher->on_attempt(row, done); });
    shop.runner->start();
    ASSERT_TRUE(shop.until([&] { return shop.payment(payment_id).outcome_unknown(); }));
    EXPECT_EQ(shop.recorded("push_accepted"), 0U);
}

TEST(Push, IsMadeAgainOnlyAfterADefiniteRefusal) {
    Shop shop;
    shop.control("PUT", "/control/payers/default", json::object{{"behaviour", "pay"}});
    shop.fault("stkpush", {{"cut", "before"}}, 1);
    const auto order_id = shop.check_out("amina");
    // Cut before anything was read: we cannot know that, so it is unknown.
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).outcome_unknown(); }));

    shop.fault(
        "stkpush",
        {{"error", {{"code", "500.001.1001"}, {"http", 500}, {"message", "Wrong credentials"}}}});
    const auto second = shop.check_out("bob");
    ASSERT_TRUE(shop.reaches(second, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(second).failure_reason(), "refused");
}

TEST(Push, RefreshesADeadTokenOnce) {
    Shop shop;
    const auto first = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(first, v1::PAYMENT_STATE_PAID));
    const auto before = shop.recorded("token_issued");
    // Somebody else fetched a token, so ours is dead.
    http::ClientRequest request;
    request.url = shop.config.daraja_base_url + "/oauth/v1/generate?grant_type=client_credentials";
    request.headers = {{"Authorization", "Basic Y2s6Y3M="}};
    ASSERT_EQ(shop.client.call_and_wait(std::move(request)).response.status, 200);
    const auto second = shop.check_out("bob");
    ASSERT_TRUE(shop.reaches(second, v1::PAYMENT_STATE_PAID));
    EXPECT_EQ(shop.recorded("token_issued"), before + 2);  // theirs and one of ours
    EXPECT_EQ(shop.recorded("push_accepted"), 2U);
    EXPECT_EQ(shop.last_payment(second).evidence_size() > 0, true);
}

TEST(Push, WithoutAnAccountOrAPhoneFailsWithItsReason) {
    Shop shop;
    auto& m = shop;
    m.tenants.view.order_prefix = "X";
    const auto order_id = m.check_out("amina", 300'000);  // above 250,000
    ASSERT_TRUE(m.reaches(order_id, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(m.last_payment(order_id).failure_reason(), "limit");
    EXPECT_EQ(m.recorded("push_accepted"), 0U);
}

TEST(Payment, FailsAndIsRetriedForTheSameOrderAndInvoice) {
    Shop shop;
    shop.payer({{"script", {"insufficient", "pay"}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order_id).failure_reason(), "insufficient_funds");
    EXPECT_EQ(shop.last_payment(order_id).result_code(), "1");

    shop.check_out("amina", 1000, order_id);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    EXPECT_EQ(shop.payments_of(order_id).size(), 2U);
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
    EXPECT_EQ(shop.booked("revenue"), -100'000);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_TRUE(shop.sums_to_zero());

    // Paid: another try leads to nothing.
    shop.check_out("amina", 1000, order_id);
    shop.consume();
    EXPECT_EQ(shop.payments_of(order_id).size(), 2U);
}

TEST(Payment, ExpiresAndALateSuccessIsStillPaid) {
    auto config = quick_config();
    config.intent_expiry_ms = kExpiry;
    Shop shop(config);
    shop.payer({{"behaviour", "manual"}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_EXPIRED));
    EXPECT_EQ(shop.order(order_id).state(), v1::ORDER_STATE_CONFIRMED);

    const auto push = shop.last_record("push_accepted");
    const std::string checkout(push.at("checkout_request_id").as_string());
    EXPECT_EQ(
        shop.post(path_of(push), success_body(checkout, "1160.00", "LATE000001")).response.status,
        200);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    EXPECT_TRUE(shop.last_payment(order_id).late());
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_PAID);
    EXPECT_EQ(shop.booked("suspense"), 0);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(Payment, OfAnOrderThatWasPaidMeanwhileGoesToSuspense) {
    auto config = quick_config();
    config.intent_expiry_ms = kExpiry;
    Shop shop(config);
    shop.payer({{"behaviour", "manual"}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_EXPIRED));
    const auto first_push = shop.last_record("push_accepted");
    const auto first = shop.payments_of(order_id).front();
    // The subscriber is free again and pays the second prompt.
    const auto prompts = shop.control("GET", "/control/prompts").at("prompts").as_array();
    ASSERT_EQ(prompts.size(), 1U);
    shop.control("POST",
                 "/control/prompts/" + std::string(prompts[0].at("id").as_string()) + "/answer",
                 json::object{{"answer", "cancel"}});
    shop.payer({{"behaviour", "pay"}});
    shop.check_out("amina", 1000, order_id);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));

    const std::string checkout(first_push.at("checkout_request_id").as_string());
    shop.post(path_of(first_push), success_body(checkout, "1160.00", "SECOND0001"));
    ASSERT_TRUE(shop.until([&] { return shop.payment(first).state() == v1::PAYMENT_STATE_PAID; }));
    EXPECT_TRUE(has_evidence(shop.payment(first), "quarantined", "second_success"));
    EXPECT_EQ(shop.booked("suspense"), -116'000);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 232'000);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(Payment, ThatExpiredUnansweredAndLostItsCallbackIsStillFound) {
    auto config = quick_config();
    config.intent_expiry_ms = kExpiry;
    config.late_poll_ms = 100ms;
    config.late_polls_for_ms = 10min;
    Shop shop(config);
    shop.payer({{"behaviour", "pay"}, {"delay_ms", 0}, {"balance", 100'000'000}});
    shop.fault("stkpush", {{"callback", {{"lose", true}}}});
    shop.fault("stkquery",
               {{"error", {{"code", "500.003.02"}, {"http", 500}, {"message", "System is busy"}}}},
               3);
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return has_evidence(shop.last_payment(order_id), "expired"); }));
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    EXPECT_TRUE(shop.last_payment(order_id).late());
    EXPECT_TRUE(shop.last_payment(order_id).receipt_pending());
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_EQ(shop.booked("suspense"), 0);
    const auto left = shop.store.pool().with(
        [](postgres::Session& session) { return session.query("select kind from work").rows(); });
    EXPECT_EQ(left, 0);
}

TEST(Payment, ThatExpiredIsAskedAboutNoLongerThanItIsSaid) {
    auto config = quick_config();
    config.intent_expiry_ms = 200ms;
    config.late_poll_ms = 20ms;
    config.late_polls_for_ms = 200ms;
    Shop shop(config);
    shop.payer({{"behaviour", "manual"}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_EXPIRED));
    ASSERT_TRUE(shop.until([&] {
        return shop.store.pool().with([](postgres::Session& session) {
            return session.query("select kind from work").rows();
        }) == 0;
    }));
    EXPECT_EQ(shop.last_payment(order_id).state(), v1::PAYMENT_STATE_EXPIRED);
}

TEST(Checkout, ThatIsRefusedIsAFactThatNamesItsReason) {
    Shop shop;
    const auto refusals = [&](const std::string& order_id) {
        std::vector<std::string> reasons;
        for (const auto& event : shop.store.read_stream(checkout_stream(kTenant, order_id))) {
            v1::CheckoutRefused m;
            EXPECT_TRUE(m.ParseFromString(event.payload)) << event.type;
            EXPECT_EQ(m.customer_id(), "amina");
            EXPECT_EQ(m.conversation_id(), "conversation-amina");
            EXPECT_FALSE(m.reservation_id().empty());
            EXPECT_TRUE(event.meta.causation);
            reasons.push_back(m.reason() + (m.retry() ? ", retry" : ""));
        }
        return reasons;
    };
    // Nothing to pay: no order.
    const auto free = shop.check_out("amina", 0);
    shop.consume();
    EXPECT_EQ(refusals(free), std::vector<std::string>{"not_priced"});
    EXPECT_EQ(shop.order(free).state(), v1::ORDER_STATE_UNSPECIFIED);
    // An order that nobody placed cannot be tried again.
    shop.check_out("amina", 1000, "nobody's");
    shop.consume();
    EXPECT_EQ(refusals("nobody's"), std::vector<std::string>{"no_order, retry"});
    // One payment at a time, and none of what is paid.
    shop.payer({{"behaviour", "pay"}, {"delay_ms", 500}, {"balance", 100'000'000}});
    const auto order_id = shop.check_out("amina");
    shop.consume();
    shop.check_out("amina", 1000, order_id);
    shop.consume();
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    shop.check_out("amina", 1000, order_id);
    shop.consume();
    EXPECT_EQ(refusals(order_id),
              (std::vector<std::string>{"payment_pending, retry", "already_paid, retry"}));
    EXPECT_EQ(shop.payments_of(order_id).size(), 1U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST(Evidence, OfAnotherAmountIsQuarantined) {
    Shop shop;
    shop.fault("stkpush", {{"callback", {{"amount", "1.00"}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).quarantined() == 1; }));
    // The callback may have been faster than the push's answer.
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PENDING));
    const auto payment = shop.last_payment(order_id);
    EXPECT_TRUE(payment.other_amount_seen());
    EXPECT_TRUE(payment.outcome_unknown());
    EXPECT_EQ(shop.booked("clearing:mpesa"), 0);
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_UNPAID);
}

TEST(Evidence, WithAReceiptOfAnotherPaymentIsQuarantined) {
    Shop shop;
    const auto first = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(first, v1::PAYMENT_STATE_PAID));
    shop.fault("stkpush", {{"callback", {{"receipt", "repeat"}}}});
    const auto second = shop.check_out("bob");
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(second).quarantined() == 1; }));
    EXPECT_TRUE(has_evidence(shop.last_payment(second), "quarantined", "receipt_taken"));
    EXPECT_NE(shop.last_payment(second).state(), v1::PAYMENT_STATE_PAID);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST(Evidence, ForgedIsQuarantinedAndTheRealOnePays) {
    Shop shop;
    // After the push's answer: before it, a callback with our path token would be believed.
    shop.control("PUT", "/control/shortcodes",
                 json::object{{"shortcode", "174379"}, {"callback_delay_ms", 300}});
    shop.fault("stkpush", {{"callback", {{"forge", "unknown_checkout"}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).quarantined() == 1; }));
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST(Evidence, MalformedIsKeptAndQuarantined) {
    Shop shop;
    shop.payer({{"behaviour", "manual"}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PENDING));
    const auto path = path_of(shop.last_record("push_accepted"));
    EXPECT_EQ(shop.post(path, "{not json").response.status, 200);
    EXPECT_EQ(shop.post(path, "{not json").response.status, 200);
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).quarantined() == 1; }));
    EXPECT_TRUE(has_evidence(shop.last_payment(order_id), "quarantined", "malformed"));
    EXPECT_EQ(shop.last_payment(order_id).state(), v1::PAYMENT_STATE_PENDING);
}

TEST(CallbackDoor, AnswersOnlyWhatItMade) {
    Shop shop;
    shop.payer({{"behaviour", "manual"}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PENDING));
    const auto push = shop.last_record("push_accepted");
    const std::string checkout(push.at("checkout_request_id").as_string());
    const auto path = path_of(push);
    EXPECT_EQ(forbidden_word(path), std::nullopt);

    auto other = path;
    other.back() = other.back() == '0' ? '1' : '0';
    EXPECT_EQ(shop.post(other, failure_body(checkout, 1032)).response.status, 404);
    EXPECT_EQ(shop.post("/hooks/pay/", "{}").response.status, 404);
    const auto plain = shop.post("/webhooks/mpesa", "{}");
    EXPECT_EQ(plain.response.status, 404);
    EXPECT_NE(plain.response.body.find("/hooks/pay/"), std::string::npos);
    EXPECT_EQ(shop.post(path, std::string(100'000, ' ')).response.status, 413);
    const auto events_before = shop.payment(shop.payments_of(order_id)[0]).etag();

    const auto alias = "/webhooks/mpesa/" + path.substr(path.rfind('/') + 1);
    const auto kept = shop.post(alias, failure_body(checkout, 1032));
    EXPECT_EQ(kept.response.status, 200);
    EXPECT_EQ(kept.response.body, R"({"ResultCode":0,"ResultDesc":"Success"})");
    EXPECT_NE(shop.payment(shop.payments_of(order_id)[0]).etag(), events_before);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_FAILED));
}

TEST(Invoices, AreNumberedWithoutGapsAndEverythingIsBookedOnce) {
    Shop shop;
    std::vector<std::string> orders;
    for (int i = 0; i < 40; ++i) orders.push_back(shop.check_out("customer-" + std::to_string(i)));
    ASSERT_TRUE(shop.until([&] {
        return std::all_of(orders.begin(), orders.end(), [&](const auto& id) {
            return shop.invoice_of(id).state() == v1::INVOICE_STATE_PAID;
        });
    }));
    std::set<std::string> numbers;
    std::set<std::string> order_numbers;
    for (const auto& id : orders) {
        const auto number = shop.invoice_of(id).number();
        numbers.insert(number.substr(number.rfind('-') + 1));
        order_numbers.insert(shop.order(id).number());
    }
    EXPECT_EQ(numbers.size(), 40U);
    EXPECT_EQ(*numbers.begin(), "000001");
    EXPECT_EQ(*numbers.rbegin(), "000040");
    EXPECT_EQ(order_numbers.size(), 40U);
    EXPECT_EQ(shop.recorded("push_accepted"), 40U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 40 * 116'000);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(ReadModels, EqualARebuild) {
    Shop shop;
    shop.payer({{"script", {"pay", "cancel", "pay"}}});
    std::vector<std::string> orders;
    for (const auto* customer : {"amina", "bob", "chege"}) {
        orders.push_back(shop.check_out(customer));
        ASSERT_TRUE(shop.until([&] {
            const auto state = shop.last_payment(orders.back()).state();
            return state == v1::PAYMENT_STATE_PAID || state == v1::PAYMENT_STATE_FAILED;
        }));
    }
    shop.consume();
    const auto before = shop.documents();
    EXPECT_FALSE(before.empty());
    shop.consumption.rebuild();
    EXPECT_EQ(shop.documents(), before);
}

}  // namespace
}  // namespace flowstack::payment::testing
