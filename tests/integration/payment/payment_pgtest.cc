#include <gtest/gtest.h>

#include <set>

#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "services/payment/providers/mpesa/wire.h"
#include "tests/integration/payment/shop.h"

namespace flowstack::payment::testing {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// For payments that expire in a test: long enough for their push to be made on a busy machine.
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
        for (const auto& event : shop.store.read_stream(intent_stream(kTenant, IntentId(id)))) {
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

TEST(Purchase, OfAnInvoiceThatNobodyPaysInTimeIsOverdueAndPaidAllTheSame) {
    auto config = quick_config();
    config.invoice_due_after = std::chrono::milliseconds(300);
    Shop shop(config);
    const auto order_id = shop.place("amina");
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_OVERDUE; }));
    EXPECT_EQ(shop.count_events("InvoiceOverdue"), 1);
    const auto left = shop.store.pool().with([](postgres::Session& session) {
        return session.query("select 1 from work where kind = 'overdue'").rows();
    });
    EXPECT_EQ(left, 0);
    shop.check_out("amina", 1000, order_id);
    EXPECT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
}

// A batch that could not be written is decided again, seconds later: expiry, due date and the
// invoice's year must be those of the first try.
TEST(Purchase, DecidedASecondTimeIsTheSameAsTheFirstTime) {
    Shop shop;
    shop.check_out("amina");
    std::vector<eventlog::Recorded> log;
    for (int lane = 0; lane < kLanes; ++lane)
        for (auto& event : shop.conversation->read(lane, 1, 0, 10)) log.push_back(std::move(event));
    ASSERT_EQ(log.size(), 1U);
    const auto decided = [&] {
        eventlog::Pending pending;
        eventlog::Turn turn(shop.store, pending, log.front(), std::nullopt);
        shop.reactor->react(log.front(), turn);
        std::vector<std::string> facts;
        for (const auto& command : pending.commands)
            for (const auto& part : command.parts)
                for (const auto& event : part.events)
                    facts.push_back(event.type + " " +
                                    std::to_string(unix_micros(event.occurred_at)) + " " +
                                    event.payload);
        return facts;
    };
    const auto first = decided();
    EXPECT_GE(first.size(), 4U);  // the order placed and confirmed, its invoice, its payment
    EXPECT_EQ(decided(), first);
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
    config.poll_first_after = 50ms;
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
    config.poll_first_after = 50ms;
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
    EXPECT_EQ(shop.post(path_of(push),
                        success_body(payment.provider_reference(), "1160", payment.receipt()))
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
    config.intent_expires_after = kExpiry;
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
    config.attempt_resolve_within = 300ms;
    config.push_timeout = 300ms;
    Shop shop(config);
    shop.runner->stop();
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return !shop.payments_of(order_id).empty(); }));
    const auto payment_id = shop.payments_of(order_id).front();
    // Announced, and nobody lives who could know what came of it.
    const auto c = load_case(shop.books, kTenant, IntentId(payment_id));
    const auto now = shop.clock.now();
    auto announced = settle(c, BeginAsk{.replica = "dead", .now = now, .resolve_by = now + 50ms},
                            now, "dead-ask");
    ASSERT_TRUE(shop.store.append(*announced.command).accepted());
    shop.runner = std::make_unique<eventlog::WorkRunner>(
        shop.store, shop.owners, eventlog::WorkOptions{.poll_interval = 5ms, .retry_delay = 20ms});
    shop.runner->handle(work::kAsk,
                        [&](const auto& row, auto done) { shop.asker->on_ask(row, done); });
    shop.runner->handle(work::kAttempt,
                        [&](const auto& row, auto done) { shop.asker->on_attempt(row, done); });
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

TEST(Push, WhoseConnectionFailsAskedNobodyAndIsMadeAgain) {
    Shop shop;
    // The token is there, and then the provider cannot be reached at all.
    const auto first = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(first, v1::PAYMENT_STATE_PAID));
    shop.stand_in_door.drain(0ms);
    const auto second = shop.check_out("bob");
    ASSERT_TRUE(shop.until([&] { return has_evidence(shop.last_payment(second), "ask_refused"); }));
    const auto payment = shop.last_payment(second);
    EXPECT_TRUE(has_evidence(payment, "ask_refused", "not_sent"));
    EXPECT_FALSE(payment.outcome_unknown());
    EXPECT_FALSE(has_evidence(payment, "ask_unknown"));
}

// ---- a person

namespace {

// A payment whose answer and callback are both lost.
std::string lost_payment(Shop& shop) {
    shop.fault("stkpush", {{"cut", "after"}, {"callback", {{"lose", true}}}});
    const auto order_id = shop.check_out("amina");
    EXPECT_TRUE(shop.until([&] { return shop.last_payment(order_id).outcome_unknown(); }));
    return order_id;
}

PaymentConfig impatient_config() {
    auto config = quick_config();
    config.unclear_after = 200ms;
    return config;
}

Settled resolve(Shop& shop, const std::string& payment_id, std::optional<SaysPaid> paid) {
    const auto c = load_case(shop.books, kTenant, IntentId(payment_id));
    return settle(c,
                  ResolveIntent{.paid = std::move(paid),
                                .reason = "seen on the statement",
                                .by = "key:ops",
                                .order = standing_of(c)},
                  shop.clock.now(), "resolve/" + payment_id);
}

}  // namespace

TEST(Person, IsCalledOnceWhenAnOutcomeStaysUnknownAndALateCallbackStillPays) {
    Shop shop(impatient_config());
    const auto order_id = lost_payment(shop);
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).needs_person(); }));
    auto payment = shop.last_payment(order_id);
    EXPECT_EQ(payment.state(), v1::PAYMENT_STATE_PENDING);
    EXPECT_EQ(payment.person_reason(), v1::PERSON_NEEDED_REASON_OUTCOME_UNKNOWN);
    EXPECT_TRUE(payment.has_needs_person_time());
    EXPECT_EQ(shop.recorded("push_accepted"), 1U);  // and never again
    for (int i = 0; i < 20; ++i) shop.consume();
    EXPECT_EQ(shop.count_events("PaymentNeedsPerson"), 1);
    EXPECT_EQ(shop.open_work(), 0);

    const auto push = shop.last_record("push_accepted");
    const std::string checkout(push.at("checkout_request_id").as_string());
    shop.post(path_of(push), success_body(checkout, "1160.00", "LATE000001"));
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    payment = shop.last_payment(order_id);
    EXPECT_FALSE(payment.needs_person());
    EXPECT_FALSE(payment.outcome_unknown());
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_EQ(shop.booked("receivable"), 0);
}

TEST(Person, WhoWasCalledBeforeTheAnswerWasLostIsNotCalledAgain) {
    Shop shop(impatient_config());
    shop.fault("stkpush", {{"latency_ms", 300},
                           {"cut", "after"},
                           {"callback", {{"before_answer", true}, {"amount", "1.00"}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(
        shop.until([&] { return has_evidence(shop.last_payment(order_id), "ask_unknown"); }));
    ASSERT_TRUE(shop.until([&] { return shop.open_work() == 0; }));
    EXPECT_EQ(shop.count_events("PaymentNeedsPerson"), 1);
    EXPECT_EQ(shop.last_payment(order_id).person_reason(), v1::PERSON_NEEDED_REASON_CONTRADICTED);
}

TEST(Person, WhoFindsTheMoneyPaysTheOrderOnceAndALateCallbackBooksNothing) {
    Shop shop(impatient_config());
    const auto order_id = lost_payment(shop);
    const auto payment_id = shop.payments_of(order_id).front();
    const auto decided = resolve(
        shop, payment_id, SaysPaid{.amount = {116'000, Currency::kes}, .receipt = "LATE000001"});
    ASSERT_TRUE(shop.store.append(*decided.command).accepted());
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_PAID);
    auto payment = shop.payment(payment_id);
    EXPECT_EQ(payment.resolved_by(), "key:ops");
    EXPECT_EQ(payment.resolution(), "seen on the statement");
    EXPECT_TRUE(has_evidence(payment, "paid", "by person, receipt LATE000001"));
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);

    const auto push = shop.last_record("push_accepted");
    const std::string checkout(push.at("checkout_request_id").as_string());
    shop.post(path_of(push), success_body(checkout, "1160.00", "LATE000001"));
    ASSERT_TRUE(shop.until([&] { return has_evidence(shop.payment(payment_id), "callback"); }));
    shop.consume();
    EXPECT_EQ(shop.payment(payment_id).quarantined(), 0);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
    EXPECT_EQ(shop.count_events("IntentPaid"), 1);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(Person, CannotCreditOneReceiptTwice) {
    Shop shop(impatient_config());
    const auto paid = shop.check_out("bob");
    ASSERT_TRUE(shop.reaches(paid, v1::PAYMENT_STATE_PAID));
    const auto receipt = shop.last_payment(paid).receipt();
    const auto order_id = lost_payment(shop);
    const auto decided = resolve(shop, shop.payments_of(order_id).front(),
                                 SaysPaid{.amount = {116'000, Currency::kes}, .receipt = receipt});
    const auto verdict = shop.store.append(*decided.command);
    EXPECT_EQ(verdict.outcome, eventlog::Outcome::claim_taken);
    EXPECT_EQ(taken_by(verdict), Taken::receipt);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST(Person, WhoFindsNoMoneyFreesTheOrderForAnotherTry) {
    Shop shop(impatient_config());
    const auto order_id = lost_payment(shop);
    const auto decided = resolve(shop, shop.payments_of(order_id).front(), std::nullopt);
    ASSERT_TRUE(shop.store.append(*decided.command).accepted());
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_FAILED));
    EXPECT_EQ(shop.last_payment(order_id).failure_reason(), "not_paid");
    EXPECT_EQ(shop.last_payment(order_id).failure_note(), "seen on the statement");
    // Another phone: the sandbox keeps the first one's subscriber busy.
    shop.phone = "0799 123 456";
    shop.check_out("amina", 1000, order_id);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    EXPECT_EQ(shop.payments_of(order_id).size(), 2U);
}

TEST(Person, IsCalledAtOnceWhenEvidenceNamesAnotherAmount) {
    Shop shop;  // the usual patience: ten minutes
    shop.fault("stkpush", {{"callback", {{"amount", "1.00"}}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).needs_person(); }));
    EXPECT_EQ(shop.last_payment(order_id).person_reason(), v1::PERSON_NEEDED_REASON_CONTRADICTED);
    EXPECT_EQ(shop.count_events("PaymentNeedsPerson"), 1);
    const auto listed = [&] {
        return shop.store.pool().with([](postgres::Session& session) {
            return session.query("select id from read_model where kind = 'payment_for_person'")
                .rows();
        });
    };
    shop.consume();
    EXPECT_EQ(listed(), 1);
    // A callback can arrive before the answer to its push: the payment is pending only after both.
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PENDING));
    // What was appended is not in the read model before it is consumed.
    shop.consume();
    // The metric counts it by its age.
    PersonWatch watch(shop.store, shop.clock, shop.metrics, 1h);
    watch.look();
    EXPECT_NE(shop.metrics.render().find("flowstack_payment_needs_person{waited=\"under_1h\"} 1"),
              std::string::npos);
    const std::string open = "flowstack_payment_open{age=\"under_5m\",state=\"pending\"} ";
    EXPECT_NE(shop.metrics.render().find(open + "1"), std::string::npos);

    const auto decided = resolve(shop, shop.payments_of(order_id).front(), std::nullopt);
    ASSERT_TRUE(shop.store.append(*decided.command).accepted());
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_FAILED));
    shop.consume();
    EXPECT_EQ(listed(), 0);
    watch.look();
    EXPECT_NE(shop.metrics.render().find("flowstack_payment_needs_person{waited=\"under_1h\"} 0"),
              std::string::npos);
    EXPECT_NE(shop.metrics.render().find(open + "0"), std::string::npos);
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
    config.intent_expires_after = kExpiry;
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
    config.intent_expires_after = kExpiry;
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
    EXPECT_TRUE(has_evidence(shop.payment(first), "refund_owed", "another payment"));
    EXPECT_EQ(shop.booked("suspense"), -116'000);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 232'000);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST(Payment, ThatExpiredUnansweredAndLostItsCallbackIsStillFound) {
    auto config = quick_config();
    config.intent_expires_after = kExpiry;
    config.late_poll_interval = 100ms;
    config.late_polls_for = 10min;
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
    config.intent_expires_after = 200ms;
    config.late_poll_interval = 20ms;
    config.late_polls_for = 200ms;
    Shop shop(config);
    shop.payer({{"behaviour", "manual"}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_EXPIRED));
    ASSERT_TRUE(shop.until([&] { return shop.open_work() == 0; }));
    EXPECT_EQ(shop.last_payment(order_id).state(), v1::PAYMENT_STATE_EXPIRED);
}

TEST(Checkout, ThatIsRefusedIsAFactThatNamesItsReason) {
    Shop shop;
    // Nothing to pay: no order.
    const auto free = shop.check_out("amina", 0);
    shop.consume();
    EXPECT_EQ(shop.refusals_of(free), std::vector<std::string>{"not_priced"});
    EXPECT_EQ(shop.order(free).state(), v1::ORDER_STATE_UNSPECIFIED);
    // An order that nobody placed cannot be tried again.
    shop.check_out("amina", 1000, "nobody's");
    shop.consume();
    EXPECT_EQ(shop.refusals_of("nobody's"), std::vector<std::string>{"no_order, retry"});
    // One payment at a time, and none of what is paid.
    shop.payer({{"behaviour", "pay"}, {"delay_ms", 500}, {"balance", 100'000'000}});
    const auto order_id = shop.check_out("amina");
    shop.consume();
    shop.check_out("amina", 1000, order_id);
    shop.consume();
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    shop.check_out("amina", 1000, order_id);
    shop.consume();
    EXPECT_EQ(shop.refusals_of(order_id),
              (std::vector<std::string>{"payment_pending, retry", "already_paid, retry"}));
    EXPECT_EQ(shop.payments_of(order_id).size(), 1U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

// Field trial P34: a customer with a foreign number was told to enter a PIN that never came.
TEST(Checkout, WithAPhoneThatCannotBeAskedIsRefusedBeforeThereIsAnOrder) {
    Shop shop;
    for (const auto* phone : {"+255754000001", "", "+254 20 271 2000", "my number"}) {
        shop.phone = phone;
        const auto order_id = shop.check_out("amina");
        shop.consume();
        EXPECT_EQ(shop.refusals_of(order_id), std::vector<std::string>{"phone_not_usable"})
            << phone;
        EXPECT_EQ(shop.order(order_id).state(), v1::ORDER_STATE_UNSPECIFIED) << phone;
    }
    // The same for a retry; and then with another phone, as people type it.
    const auto order_id = shop.place("amina");
    shop.consume();
    shop.phone = "+255754000001";
    shop.check_out("amina", 1000, order_id);
    shop.consume();
    EXPECT_EQ(shop.refusals_of(order_id), std::vector<std::string>{"phone_not_usable, retry"});
    EXPECT_TRUE(shop.payments_of(order_id).empty());
    shop.phone = "\u202a0712\u00a0000\u00a0111\u202c";
    shop.check_out("amina", 1000, order_id);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    EXPECT_EQ(shop.last_payment(order_id).phone(), "+254712000111");
}

TEST(Checkout, ThatItsProviderCannotTakeIsRefusedBeforeThereIsAnOrder) {
    Shop shop;
    const auto refused = [&](std::int64_t shillings) {
        const auto order_id = shop.check_out("amina", shillings);
        shop.consume();
        EXPECT_EQ(shop.order(order_id).state(), v1::ORDER_STATE_UNSPECIFIED);
        const auto reasons = shop.refusals_of(order_id);
        return reasons.size() == 1 ? reasons.front() : "not refused";
    };
    EXPECT_EQ(refused(300'000), "amount_not_usable");  // M-Pesa takes at most 250,000
    shop.currency = "TZS";
    EXPECT_EQ(refused(1000), "currency_not_usable");
    shop.currency = "KES";
    shop.provider = "card";
    EXPECT_EQ(refused(1000), "provider_off");
    EXPECT_EQ(shop.recorded("push_accepted"), 0U);
    EXPECT_EQ(shop.count_events("IntentCreated"), 0);
}

// A second provider, with another currency, carries a purchase through the same service.
TEST(SecondProvider, CarriesAPurchaseFromItsCheckoutToTheLedger) {
    Shop shop;
    shop.provider = "voucher";
    shop.currency = "TZS";
    shop.phone = "+255754000001";
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PENDING));
    ASSERT_EQ(shop.voucher.asked().size(), 1U);
    const auto plan = shop.voucher.asked().front();
    EXPECT_EQ(plan.amount, (Money{116'000, Currency::tzs}));
    EXPECT_EQ(plan.reference, shop.order(order_id).number());
    const auto path = plan.callback_url.substr(plan.callback_url.find("/hooks/"));

    // Its own code reads its callbacks: another provider's body means nothing here.
    shop.post(path, success_body("till7-1", "1160.00", "NLJ7RT61SV"));
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(order_id).quarantined() == 1; }));
    EXPECT_EQ(shop.last_payment(order_id).state(), v1::PAYMENT_STATE_PENDING);

    const auto kept = shop.post(path, "till7-1 paid 1160.00 TZS V-1");
    EXPECT_EQ(kept.response.status, 200);
    EXPECT_EQ(kept.response.body, "\"thanks\"");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    ASSERT_TRUE(
        shop.until([&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
    const auto payment = shop.last_payment(order_id);
    EXPECT_EQ(payment.provider(), "voucher");
    EXPECT_EQ(payment.provider_reference(), "till7-1");
    EXPECT_EQ(payment.receipt(), "V-1");
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_PAID);
    EXPECT_EQ(shop.booked("clearing:voucher"), 116'000);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 0);
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_TRUE(shop.sums_to_zero());
    EXPECT_EQ(shop.recorded("push_accepted"), 0U);

    // Another one fails and leads to a retry by the other provider.
    shop.currency = "KES";
    const auto second = shop.check_out("bob");
    ASSERT_TRUE(shop.reaches(second, v1::PAYMENT_STATE_PENDING));
    const auto url = shop.voucher.asked().back().callback_url;
    shop.post(url.substr(url.find("/hooks/")), "till7-2 refused");
    ASSERT_TRUE(shop.reaches(second, v1::PAYMENT_STATE_FAILED));
    shop.provider = "mpesa";
    shop.phone.reset();
    shop.check_out("bob", 1000, second);
    ASSERT_TRUE(shop.reaches(second, v1::PAYMENT_STATE_PAID));
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
    EXPECT_EQ(mpesa::forbidden_word(path), std::nullopt);

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
