#include "services/payment/domain/intent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/core/corrupt_stream.h"
#include "tests/support/given.h"

namespace flowstack::payment {
namespace {

using namespace std::chrono_literals;

constexpr Money kes(std::int64_t cents) { return {cents, Currency::kes}; }
constexpr Time kNow{1'790'000'000s};
constexpr Time kExpiry = kNow + 30min;
constexpr Time kPoll = kNow + 30s;
constexpr Time kUnclear = kNow + 10min;
const ProviderRef kRef{.provider = "mpesa", .id = "ws_CO_1", .detail = "m1"};
const ProviderRef kOtherRef{.provider = "mpesa", .id = "ws_CO_2", .detail = "m1"};
const std::string kReceipt = "NLJ7RT61SV";

const IntentCreated kCreated{.intent_id = IntentId("i1"),
                             .order_id = OrderId("o1"),
                             .invoice_id = InvoiceId("v1"),
                             .customer_id = CustomerId("c1"),
                             .conversation_id = ConversationId("conv"),
                             .provider = "mpesa",
                             .amount = kes(100000),
                             .reference = "ORD-7K2M9Q",
                             .expires_at = kExpiry,
                             .ask_now = true,
                             .reservation_id = ReservationId("res"),
                             .order_number = "ORD-7K2M9Q",
                             .phone = "+254712345678"};
const BeginAsk kBegin{.replica = "r1", .now = kNow, .resolve_by = kNow + 1min};
const AskAttempted kAttempted{.attempt = 1, .replica = "r1", .resolve_by = kNow + 1min};
const AskAccepted kAccepted{.ref = kRef, .next_poll_at = kPoll, .expires_at = kExpiry};
const AskUnknown kLost{.reason = "timeout", .unclear_at = kUnclear};
const IntentPaid kPaid{.intent_id = IntentId("i1"),
                       .order_id = OrderId("o1"),
                       .customer_id = CustomerId("c1"),
                       .conversation_id = ConversationId("conv"),
                       .provider = "mpesa",
                       .amount = kes(100000),
                       .receipt = kReceipt,
                       .ref = kRef,
                       .evidence = "callback",
                       .late = false,
                       .second_success = false,
                       .invoice_id = InvoiceId("v1"),
                       .order_number = "ORD-7K2M9Q",
                       .reservation_id = ReservationId("res")};
const IntentFailed kFailed{.intent_id = IntentId("i1"),
                           .order_id = OrderId("o1"),
                           .customer_id = CustomerId("c1"),
                           .conversation_id = ConversationId("conv"),
                           .result_code = "1032",
                           .reason = "cancelled",
                           .reservation_id = ReservationId("res"),
                           .ref = kRef,
                           .was_asked = true,
                           .note = ""};
const IntentExpired kExpired{.intent_id = IntentId("i1"),
                             .order_id = OrderId("o1"),
                             .customer_id = CustomerId("c1"),
                             .conversation_id = ConversationId("conv"),
                             .reservation_id = ReservationId("res"),
                             .next_poll_at = {}};
const LearnAskLost kLosing{.reason = "timeout", .unclear_at = kUnclear};
const LearnAskRefused kBusy{.error_code = "500.003.02", .reason = "busy", .retry_at = kNow + 5s};
const AskRefused kRefusedForNow{
    .error_code = "500.003.02", .reason = "busy", .retry_at = kNow + 5s, .expires_at = kExpiry};

PaymentNeedsPerson needs_person(PersonNeeded reason) {
    return {.intent_id = IntentId("i1"),
            .order_id = OrderId("o1"),
            .customer_id = CustomerId("c1"),
            .conversation_id = ConversationId("conv"),
            .reservation_id = ReservationId("res"),
            .order_number = "ORD-7K2M9Q",
            .amount = kes(100000),
            .reason = reason,
            .provider = "mpesa"};
}
ResolveIntent found(const std::string& receipt = kReceipt, Money amount = kes(100000)) {
    return {.paid = SaysPaid{.amount = amount, .receipt = receipt},
            .reason = "it is on the statement",
            .by = "key:ops",
            .order = OrderStanding::open};
}
const ResolveIntent kNothingFound{.paid = {},
                                  .reason = "nothing on the statement",
                                  .by = "key:ops",
                                  .order = OrderStanding::open};
PaymentResolved resolved(bool paid) {
    return {.intent_id = IntentId("i1"),
            .order_id = OrderId("o1"),
            .customer_id = CustomerId("c1"),
            .conversation_id = ConversationId("conv"),
            .outcome = paid ? Resolution::paid : Resolution::failed,
            .receipt = paid ? kReceipt : "",
            .amount = kes(100000),
            .reason = paid ? "it is on the statement" : "nothing on the statement",
            .resolved_by = "key:ops"};
}

RefundOwed refund_owed(RefundReason reason) {
    return {.intent_id = IntentId("i1"),
            .order_id = OrderId("o1"),
            .customer_id = CustomerId("c1"),
            .conversation_id = ConversationId("conv"),
            .order_number = "ORD-7K2M9Q",
            .provider = "mpesa",
            .receipt = kReceipt,
            .amount = kes(100000),
            .reason = reason};
}

LearnCallback success(Money amount = kes(100000), const ProviderRef& ref = kRef,
                      const std::string& receipt = kReceipt) {
    return {.ref = ref,
            .says = SaysPaid{.amount = amount, .receipt = receipt},
            .order = OrderStanding::open,
            .next_poll_at = kPoll,
            .taken = Taken::nothing};
}
LearnCallback no(const ProviderRef& ref = kRef) {
    return {.ref = ref,
            .says = SaysFailed{.code = "1032", .reason = "cancelled"},
            .order = OrderStanding::open,
            .next_poll_at = kPoll,
            .taken = Taken::nothing};
}
LearnQuery query(const std::string& code, const std::string& description,
                 std::variant<SaysPaidOnly, SaysPaid, SaysFailed, SaysNothing> says) {
    return {.code = code,
            .description = description,
            .says = std::move(says),
            .next_poll_at = kPoll,
            .order = OrderStanding::open};
}
LearnQuery query_paid() { return query("0", "ok", SaysPaidOnly{}); }
LearnQuery query_nothing(const std::string& code = "") {
    return query(code, "", SaysNothing{code});
}
LearnQuery query_failed() {
    return query("1032", "cancelled", SaysFailed{.code = "1032", .reason = "cancelled"});
}
QueryAnswered answered(const std::string& code, const std::string& description, bool is_final) {
    return {.result_code = code,
            .description = description,
            .is_final = is_final,
            .next_poll_at = is_final ? std::nullopt : std::optional(kPoll)};
}
LearnAskAccepted answer(const ProviderRef& ref = kRef) {
    return {.ref = ref, .next_poll_at = kPoll, .taken = Taken::nothing, .unclear_at = kUnclear};
}
IntentQuarantined contradiction() {
    return {.reason = "other_amount", .detail = "KES 1.00 instead of KES 1,000.00"};
}
JournalPosted booked(const char* cause, const std::string& credit) {
    return money_in_journal(IntentId("i1"), cause, "mpesa", kes(100000), credit);
}

auto given(auto... facts) { return testing::Given<Intent, IntentEvent>{{facts...}}; }

std::string quarantined_for(const Decision<IntentEvent, IntentRejection>& decision) {
    if (!decision.accepted()) return "rejected";
    for (const auto& event : decision.events())
        if (const auto* q = std::get_if<IntentQuarantined>(&event)) return q->reason;
    return "";
}

TEST(Intent, IsCreatedOnceForAPositiveAmount) {
    EXPECT_EQ(given().when(CreateIntent{kCreated}).events(), std::vector<IntentEvent>{kCreated});
    EXPECT_EQ(given(kCreated).when(CreateIntent{kCreated}).rejection(),
              IntentRejection::exists_already);
    auto nothing = kCreated;
    nothing.amount = kes(0);
    EXPECT_EQ(given().when(CreateIntent{nothing}).rejection(),
              IntentRejection::amount_not_positive);
}

// ---- asking

TEST(Intent, AsksThePayerWhenItIsWantedByApi) {
    auto quiet = kCreated;
    quiet.ask_now = false;
    quiet.phone = "";
    EXPECT_EQ(given(quiet).when(RequestAsk{""}).rejection(), IntentRejection::phone_missing);
    EXPECT_EQ(given(quiet).when(RequestAsk{"+254700000001"}).events(),
              std::vector<IntentEvent>{AskRequested{"+254700000001"}});
    EXPECT_TRUE(given(quiet, AskRequested{"+254700000001"})
                    .when(RequestAsk{"+254700000001"})
                    .events()
                    .empty());
    EXPECT_EQ(given(kCreated, kAttempted).when(RequestAsk{""}).rejection(),
              IntentRejection::asked_already);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(RequestAsk{""}).rejection(),
              IntentRejection::asked_already);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kPaid).when(RequestAsk{""}).rejection(),
              IntentRejection::settled);
}

TEST(Intent, AsksOneAttemptAtATime) {
    EXPECT_EQ(given(kCreated).when(kBegin).events(), std::vector<IntentEvent>{kAttempted});
    EXPECT_EQ(given(kCreated, kAttempted).when(BeginAsk{"r2", kNow, kNow + 1min}).rejection(),
              IntentRejection::asked_already);
    EXPECT_EQ(
        given(kCreated, kAttempted, kAccepted).when(BeginAsk{"r2", kNow, kNow + 1min}).rejection(),
        IntentRejection::asked_already);
}

TEST(Intent, DoesNotAskAfterItsTime) {
    EXPECT_EQ(given(kCreated).when(BeginAsk{"r1", kExpiry, kNow + 1min}).rejection(),
              IntentRejection::settled);
}

TEST(Intent, LearnsTheReferenceFromTheAnswer) {
    EXPECT_EQ(given(kCreated, kAttempted).when(answer()).events(),
              std::vector<IntentEvent>{kAccepted});
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted).when(answer()).events().empty());
}

TEST(Intent, AsksAgainAfterARefusalThatAllowsIt) {
    EXPECT_EQ(given(kCreated, kAttempted).when(kBusy).events(),
              std::vector<IntentEvent>{kRefusedForNow});
    auto second = kAttempted;
    second.attempt = 2;
    EXPECT_EQ(given(kCreated, kAttempted, kRefusedForNow).when(kBegin).events(),
              std::vector<IntentEvent>{second});
}

TEST(Intent, GivesUpAfterTooManyRefusalsOrWhenThereIsNoTimeLeft) {
    testing::Given<Intent, IntentEvent> history{{kCreated}};
    auto attempted = kAttempted;
    for (int attempt = 1; attempt < kAskAttemptsMax; ++attempt) {
        attempted.attempt = attempt;
        history.history.push_back(attempted);
        history.history.push_back(kRefusedForNow);
    }
    attempted.attempt = kAskAttemptsMax;
    history.history.push_back(attempted);
    const auto last = history.when(kBusy);
    ASSERT_EQ(last.events().size(), 2U);
    EXPECT_EQ(std::get<IntentFailed>(last.events()[1]).reason, "busy");
    auto too_late = kBusy;
    too_late.retry_at = kExpiry;
    EXPECT_EQ(given(kCreated, kAttempted).when(too_late).events().size(), 2U);
}

TEST(Intent, FailsWhenTheProviderSaysNo) {
    const auto refused =
        given(kCreated, kAttempted)
            .when(LearnAskRefused{.error_code = "400.002.02", .reason = "refused", .retry_at = {}});
    auto failed = kFailed;
    failed.result_code = "400.002.02";
    failed.reason = "refused";
    failed.ref = {};
    failed.was_asked = false;
    EXPECT_EQ(refused.events(), (std::vector<IntentEvent>{AskRefused{.error_code = "400.002.02",
                                                                     .reason = "refused",
                                                                     .retry_at = {},
                                                                     .expires_at = kExpiry},
                                                          failed}));
}

TEST(Intent, WhoseAnswerWasLostIsNeitherAskedAgainNorFailedNorExpiredByItself) {
    const auto lost = given(kCreated, kAttempted, kLost);
    EXPECT_TRUE(outcome_unknown(lost.state()));
    EXPECT_EQ(lost.when(kBegin).rejection(), IntentRejection::asked_already);
    EXPECT_EQ(lost.when(RequestAsk{""}).rejection(), IntentRejection::asked_already);
    EXPECT_EQ(lost.when(ExpireIntent{kExpiry + 24h}).rejection(), IntentRejection::outcome_unknown);
    EXPECT_EQ(lost.when(CancelIntent{}).rejection(), IntentRejection::outcome_unknown);
    EXPECT_EQ(lost.when(query_paid()).rejection(), IntentRejection::outcome_unknown);
}

TEST(Intent, WhoseAnswerWasLostIsBoundByTheCallback) {
    const auto lost = given(kCreated, kAttempted, kLost);
    EXPECT_EQ(lost.when(success()).events(),
              (std::vector<IntentEvent>{kPaid, booked("intent_paid", "receivable")}));
    EXPECT_EQ(lost.when(no()).events(), std::vector<IntentEvent>{kFailed});
    // The answer itself may come after all, from a process that had been given up.
    EXPECT_EQ(lost.when(answer()).events(), std::vector<IntentEvent>{kAccepted});
}

TEST(Intent, RefusedAfterUnknownIsNotAskedForAgain) {
    const auto late = given(kCreated, kAttempted, kLost).when(kBusy);
    ASSERT_EQ(late.events().size(), 2U);
    EXPECT_TRUE(std::holds_alternative<IntentFailed>(late.events()[1]));
}

// ---- callbacks

TEST(Intent, IsPaidByItsCallback) {
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(success()).events(),
              (std::vector<IntentEvent>{kPaid, booked("intent_paid", "receivable")}));
}

TEST(Intent, IsPaidByACallbackThatIsFasterThanTheAnswer) {
    EXPECT_EQ(given(kCreated, kAttempted).when(success()).events(),
              (std::vector<IntentEvent>{kPaid, booked("intent_paid", "receivable")}));
    const auto paid = given(kCreated, kAttempted, kPaid);
    EXPECT_TRUE(paid.when(answer()).events().empty());
    EXPECT_TRUE(paid.when(kLosing).events().empty());
    EXPECT_EQ(quarantined_for(paid.when(answer(kOtherRef))), "reference_mismatch");
}

TEST(Intent, IsPaidOnceHoweverOftenTheCallbackComes) {
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted, kPaid).when(success()).events().empty());
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted, kPaid).when(no()).events().empty());
}

TEST(Intent, FailsByItsCallbackOnce) {
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(no()).events(),
              std::vector<IntentEvent>{kFailed});
    EXPECT_EQ(given(kCreated, kAttempted).when(no()).events(), std::vector<IntentEvent>{kFailed});
    EXPECT_TRUE(given(kCreated, kAttempted, kFailed).when(no()).events().empty());
    EXPECT_TRUE(given(kCreated, kAttempted, kFailed).when(answer()).events().empty());
}

TEST(Intent, LearnsWhomToAskAboutFromACallbackThatSaysNothing) {
    auto nothing = no();
    nothing.says = SaysNothing{"7777"};
    EXPECT_EQ(given(kCreated, kAttempted, kLost).when(nothing).events(),
              std::vector<IntentEvent>{kAccepted});
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted).when(nothing).events().empty());
}

TEST(Intent, AcceptsALateSuccess) {
    auto late = kPaid;
    late.late = true;
    const std::vector<IntentEvent> expected{late, booked("late_success", "suspense"),
                                            late_applied_journal(IntentId("i1"), kes(100000))};
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kExpired).when(success()).events(), expected);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kFailed).when(success()).events(), expected);
}

TEST(Intent, PutsASecondSuccessOfOneOrderIntoSuspense) {
    auto second = success();
    second.order = OrderStanding::paid_by_other;
    const auto decision = given(kCreated, kAttempted, kAccepted).when(second);
    auto paid = kPaid;
    paid.second_success = true;
    ASSERT_EQ(decision.events().size(), 4U);
    EXPECT_EQ(decision.events()[0], IntentEvent(paid));
    EXPECT_EQ(decision.events()[1], IntentEvent(booked("second_success", "suspense")));
    EXPECT_EQ(decision.events()[2], IntentEvent(refund_owed(RefundReason::order_paid)));
    EXPECT_EQ(quarantined_for(decision), "second_success");
}

TEST(Intent, OwesARefundOnceAndOnlyOfMoneyThatCame) {
    const auto owed = refund_owed(RefundReason::order_paid);
    EXPECT_THROW(given(kCreated, kAttempted, kAccepted, owed).state(), CorruptStream);
    EXPECT_THROW(given(kCreated, kAttempted, kAccepted, kPaid, owed, owed).state(), CorruptStream);
    // Money that the order wants is owed to nobody; nor is evidence that comes again.
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(success()).events().size(), 2U);
    auto again = success();
    again.order = OrderStanding::paid_by_other;
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted, kPaid, owed).when(again).events().empty());
}

TEST(Intent, PutsMoneyForACancelledOrderIntoSuspense) {
    auto paid = success();
    paid.order = OrderStanding::cancelled;
    const auto decision = given(kCreated, kAttempted, kAccepted, kExpired).when(paid);
    EXPECT_EQ(decision.events()[1], IntentEvent(booked("late_success", "suspense")));
    EXPECT_EQ(decision.events()[2], IntentEvent(refund_owed(RefundReason::order_cancelled)));
    EXPECT_EQ(quarantined_for(decision), "order_cancelled");
}

TEST(Intent, WithoutAnOrderIsBookedToSuspense) {
    auto paid = success();
    paid.order = OrderStanding::none;
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(paid).events()[1],
              IntentEvent(booked("intent_paid", "suspense")));
}

TEST(Intent, QuarantinesEvidenceThatDoesNotFit) {
    auto receipt_taken = success();
    receipt_taken.taken = Taken::receipt;
    auto reference_taken = success();
    reference_taken.taken = Taken::reference;
    const auto pending = given(kCreated, kAttempted, kAccepted);
    const auto paid = given(kCreated, kAttempted, kAccepted, kPaid);
    EXPECT_EQ(quarantined_for(pending.when(success(kes(99900)))), "other_amount");
    EXPECT_EQ(quarantined_for(pending.when(success({100000, Currency::usd}))), "other_amount");
    EXPECT_EQ(quarantined_for(pending.when(success(kes(100000), kOtherRef))), "reference_mismatch");
    EXPECT_EQ(quarantined_for(pending.when(no(kOtherRef))), "reference_mismatch");
    EXPECT_EQ(quarantined_for(pending.when(receipt_taken)), "receipt_taken");
    EXPECT_EQ(quarantined_for(pending.when(reference_taken)), "reference_taken");
    EXPECT_EQ(quarantined_for(pending.when(LearnMalformed{"not JSON"})), "malformed");
    EXPECT_EQ(quarantined_for(given(kCreated).when(success())), "unknown_attempt");
    EXPECT_EQ(quarantined_for(paid.when(success(kes(100000), kRef, "OTHER00001"))),
              "other_receipt");
    EXPECT_EQ(quarantined_for(paid.when(success(kes(1)))), "other_amount");
    EXPECT_EQ(quarantined_for(given(kCreated, kExpired).when(success())), "unknown_attempt");
    auto answer_taken = answer();
    answer_taken.taken = Taken::reference;
    EXPECT_EQ(quarantined_for(given(kCreated, kAttempted).when(answer_taken)), "reference_taken");
}

TEST(Intent, WithEvidenceOfAnotherAmountWaitsForAPerson) {
    const auto doubted = given(kCreated, kAttempted, kAccepted, contradiction());
    EXPECT_TRUE(outcome_unknown(doubted.state()));
    EXPECT_EQ(doubted.when(query_paid()).events(),
              (std::vector<IntentEvent>{answered("0", "ok", true)}));
    EXPECT_EQ(quarantined_for(doubted.when(success())), "other_amount");
    EXPECT_TRUE(doubted.when(no()).events().empty());
    EXPECT_EQ(doubted.when(ExpireIntent{kExpiry, {}}).rejection(),
              IntentRejection::outcome_unknown);
}

// ---- a person

TEST(Intent, CallsAPersonAtOnceWhenEvidenceNamesAnotherAmount) {
    const auto called = needs_person(PersonNeeded::contradicted);
    for (const auto& open :
         {given(kCreated, kAttempted, kAccepted), given(kCreated, kAttempted),
          given(kCreated, kAttempted, kLost), given(kCreated, kAttempted, kAccepted, kExpired),
          given(kCreated, kAttempted, kAccepted, kFailed)})
        EXPECT_EQ(open.when(success(kes(100))).events(),
                  (std::vector<IntentEvent>{contradiction(), called}));
    // Once, however often such evidence comes.
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, contradiction(), called)
                  .when(success(kes(100)))
                  .events(),
              (std::vector<IntentEvent>{contradiction()}));
    // Not when it is paid: then the evidence is only kept.
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kPaid).when(success(kes(100))).events(),
              (std::vector<IntentEvent>{contradiction()}));
}

TEST(Intent, CallsAPersonWhenItsOutcomeStaysUnknown) {
    const auto called = needs_person(PersonNeeded::outcome_unknown);
    const auto lost = given(kCreated, kAttempted, kLost);
    EXPECT_EQ(lost.when(CallPerson{kUnclear - 1us}).rejection(), IntentRejection::not_due);
    EXPECT_EQ(lost.when(CallPerson{kUnclear}).events(), std::vector<IntentEvent>{called});
    EXPECT_TRUE(
        given(kCreated, kAttempted, kLost, called).when(CallPerson{kUnclear}).events().empty());
    // What ends by itself needs nobody.
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(CallPerson{kUnclear}).rejection(),
              IntentRejection::still_open);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kPaid).when(CallPerson{kUnclear}).rejection(),
              IntentRejection::settled);
}

TEST(Intent, ThatNeedsAPersonIsNeverAskedAgainAndALateSuccessStillPays) {
    const auto waiting =
        given(kCreated, kAttempted, kLost, needs_person(PersonNeeded::outcome_unknown));
    EXPECT_TRUE(outcome_unknown(waiting.state()));
    EXPECT_EQ(waiting.when(kBegin).rejection(), IntentRejection::asked_already);
    EXPECT_EQ(waiting.when(RequestAsk{""}).rejection(), IntentRejection::asked_already);
    EXPECT_EQ(waiting.when(success()).events(),
              (std::vector<IntentEvent>{kPaid, booked("intent_paid", "receivable")}));
}

TEST(Intent, IsPaidByAPersonWhoFoundTheMoney) {
    auto paid = kPaid;
    paid.evidence = "person";
    const std::vector<IntentEvent> with_its_reference{resolved(true), paid,
                                                      booked("intent_paid", "receivable")};
    paid.ref = {};
    const std::vector<IntentEvent> without{resolved(true), paid,
                                           booked("intent_paid", "receivable")};
    EXPECT_EQ(given(kCreated, kAttempted, kLost).when(found()).events(), without);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, contradiction()).when(found()).events(),
              with_its_reference);
}

TEST(Intent, IsPaidLateByAPersonWhoFoundTheMoneyAfterItsEnd) {
    auto late = kPaid;
    late.evidence = "person";
    late.late = true;
    const std::vector<IntentEvent> expected{resolved(true), late,
                                            booked("late_success", "suspense"),
                                            late_applied_journal(IntentId("i1"), kes(100000))};
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kExpired).when(found()).events(), expected);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kFailed).when(found()).events(), expected);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kFailed).when(kNothingFound).rejection(),
              IntentRejection::settled);
}

TEST(Intent, FailsByAPersonWhoFoundNoMoney) {
    auto failed = kFailed;
    failed.result_code = "";
    failed.reason = "not_paid";
    failed.ref = {};
    failed.note = "nothing on the statement";
    EXPECT_EQ(given(kCreated, kAttempted, kLost).when(kNothingFound).events(),
              (std::vector<IntentEvent>{resolved(false), failed}));
    // Money that comes all the same is never lost: it is booked once, late.
    const auto decided = given(kCreated, kAttempted, kLost, resolved(false), failed);
    auto late = kPaid;
    late.late = true;
    EXPECT_EQ(decided.when(success()).events(),
              (std::vector<IntentEvent>{late, booked("late_success", "suspense"),
                                        late_applied_journal(IntentId("i1"), kes(100000))}));
    // Evidence of another amount after the decision needs a person again.
    EXPECT_EQ(
        decided.when(success(kes(100))).events(),
        (std::vector<IntentEvent>{contradiction(), needs_person(PersonNeeded::contradicted)}));
}

TEST(Intent, ThatAPersonDecidedIsNotBookedAgainByALateCallback) {
    auto paid = kPaid;
    paid.evidence = "person";
    paid.ref = {};
    const auto decided = given(kCreated, kAttempted, kLost, resolved(true), paid,
                               booked("intent_paid", "receivable"));
    EXPECT_TRUE(decided.when(success()).events().empty());
    EXPECT_TRUE(decided.when(no()).events().empty());
    EXPECT_TRUE(decided.when(answer()).events().empty());
    EXPECT_EQ(quarantined_for(decided.when(success(kes(100000), kRef, "OTHER00001"))),
              "other_receipt");
    EXPECT_EQ(decided.when(found()).rejection(), IntentRejection::settled);
    EXPECT_EQ(decided.when(kNothingFound).rejection(), IntentRejection::settled);
}

TEST(Intent, IsNotForAPersonToDecideWhileItEndsByItselfOrInAnotherAmount) {
    EXPECT_EQ(given(kCreated).when(found()).rejection(), IntentRejection::never_asked);
    EXPECT_EQ(given(kCreated, kAttempted).when(found()).rejection(), IntentRejection::still_open);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(found()).rejection(),
              IntentRejection::still_open);
    EXPECT_EQ(given(kCreated, kExpired).when(found()).rejection(), IntentRejection::never_asked);
    EXPECT_EQ(given(kCreated, kAttempted, kLost).when(found(kReceipt, kes(99900))).rejection(),
              IntentRejection::other_amount);
}

TEST(Intent, WithoutAnOrderTellsItsConversationThatItStarted) {
    auto alone = kCreated;
    alone.order_id = {};
    alone.order_number = "";
    EXPECT_EQ(
        given().when(CreateIntent{alone}).events(),
        (std::vector<IntentEvent>{alone, PaymentStarted{.order_id = {},
                                                        .intent_id = IntentId("i1"),
                                                        .conversation_id = ConversationId("conv"),
                                                        .customer_id = CustomerId("c1"),
                                                        .provider = "mpesa",
                                                        .amount = kes(100000),
                                                        .order_number = ""}}));
    alone.conversation_id = {};
    EXPECT_EQ(given().when(CreateIntent{alone}).events(), std::vector<IntentEvent>{alone});
}

// ---- queries

TEST(Intent, IsPaidByAQueryWithItsReceiptPending) {
    auto paid = kPaid;
    paid.receipt = "";
    paid.evidence = "query";
    const auto pending = given(kCreated, kAttempted, kAccepted);
    EXPECT_EQ(pending.when(query_paid()).events(),
              (std::vector<IntentEvent>{answered("0", "ok", true), paid,
                                        booked("intent_paid", "receivable")}));
    const auto later = given(kCreated, kAttempted, kAccepted, paid);
    // With all that its reader needs to send the receipt again.
    const ReceiptLearned learned{.receipt = kReceipt,
                                 .intent_id = IntentId("i1"),
                                 .order_id = OrderId("o1"),
                                 .customer_id = CustomerId("c1"),
                                 .conversation_id = ConversationId("conv"),
                                 .amount = kes(100000),
                                 .order_number = "ORD-7K2M9Q",
                                 .second_success = false,
                                 .provider = "mpesa"};
    EXPECT_EQ(later.when(success()).events(), std::vector<IntentEvent>{learned});
    EXPECT_TRUE(
        given(kCreated, kAttempted, kAccepted, paid, learned).when(success()).events().empty());
}

TEST(Intent, IsPaidByAQueryThatNamesAmountAndReceipt) {
    auto paid = kPaid;
    paid.evidence = "query";
    const auto says = [](std::int64_t cents) {
        return query("complete/paid", "", SaysPaid{.amount = kes(cents), .receipt = kReceipt});
    };
    const auto pending = given(kCreated, kAttempted, kAccepted);
    EXPECT_EQ(pending.when(says(100000)).events(),
              (std::vector<IntentEvent>{answered("complete/paid", "", true), paid,
                                        booked("intent_paid", "receivable")}));
    EXPECT_EQ(
        pending.when(says(100)).events(),
        (std::vector<IntentEvent>{answered("complete/paid", "", true),
                                  IntentQuarantined{.reason = "other_amount",
                                                    .detail = "KES 1.00 instead of KES 1,000.00"},
                                  needs_person(PersonNeeded::contradicted)}));
    auto taken = says(100000);
    taken.taken = Taken::receipt;
    EXPECT_EQ(pending.when(taken).events(),
              (std::vector<IntentEvent>{
                  answered("complete/paid", "", true),
                  IntentQuarantined{.reason = "receipt_taken", .detail = kReceipt}}));
    auto late = paid;
    late.late = true;
    const auto events =
        given(kCreated, kAttempted, kAccepted, kExpired).when(says(100000)).events();
    ASSERT_GE(events.size(), 2u);
    EXPECT_EQ(events[1], IntentEvent{late});
}
TEST(Intent, GivesThePageOfAnAcceptedAskToTheConversationOnce) {
    const LearnAskAccepted with_page{.ref = kRef,
                                     .next_poll_at = kPoll,
                                     .taken = Taken::nothing,
                                     .unclear_at = kUnclear,
                                     .link = "https://pay/cs_1"};
    const PaymentLinkIssued link{.intent_id = IntentId("i1"),
                                 .order_id = OrderId("o1"),
                                 .customer_id = CustomerId("c1"),
                                 .conversation_id = ConversationId("conv"),
                                 .provider = "mpesa",
                                 .amount = kes(100000),
                                 .order_number = "ORD-7K2M9Q",
                                 .url = "https://pay/cs_1"};
    EXPECT_EQ(given(kCreated, kAttempted).when(with_page).events(),
              (std::vector<IntentEvent>{kAccepted, link}));
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted, link).when(with_page).events().empty());
    EXPECT_TRUE(given(kCreated, kAttempted, kPaid).when(with_page).events().empty());
}
TEST(Intent, NeedsNoPhoneWhereThePayerIsNotAskedOnOne) {
    auto without = kCreated;
    without.phone = "";
    without.ask_now = false;
    EXPECT_EQ(given(without).when(RequestAsk{.phone = "", .needs_phone = true}).rejection(),
              IntentRejection::phone_missing);
    EXPECT_EQ(given(without).when(RequestAsk{.phone = "", .needs_phone = false}).events(),
              std::vector<IntentEvent>{AskRequested{}});
}
TEST(Intent, FailsByAQueryThatSaysSo) {
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(query_failed()).events(),
              (std::vector<IntentEvent>{answered("1032", "cancelled", true), kFailed}));
}

TEST(Intent, AsksAgainWhenAQuerySaysNothing) {
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(query_nothing()).events(),
              (std::vector<IntentEvent>{answered("", "", false)}));
}

TEST(Intent, BelievesAnUnknownCodeWhenItIsSaidTwice) {
    const auto once = given(kCreated, kAttempted, kAccepted).when(query_nothing("7777"));
    EXPECT_EQ(once.events(), (std::vector<IntentEvent>{answered("7777", "", false)}));
    const auto twice = given(kCreated, kAttempted, kAccepted, answered("7777", "", false))
                           .when(query_nothing("7777"));
    ASSERT_EQ(twice.events().size(), 2U);
    EXPECT_EQ(std::get<IntentFailed>(twice.events()[1]).reason, "other");
    const auto other = given(kCreated, kAttempted, kAccepted, answered("7777", "", false))
                           .when(query_nothing("8888"));
    EXPECT_EQ(other.events().size(), 1U);
}

TEST(Intent, IgnoresAQueryAfterTheEnd) {
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kPaid).when(query_paid()).rejection(),
              IntentRejection::settled);
}

// ---- time and people

TEST(Intent, ExpiresWhenNobodyPaidInTime) {
    EXPECT_EQ(given(kCreated).when(ExpireIntent{kExpiry - 1us}).rejection(),
              IntentRejection::not_due);
    EXPECT_EQ(given(kCreated).when(ExpireIntent{kExpiry}).events(),
              std::vector<IntentEvent>{kExpired});
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(ExpireIntent{kExpiry}).events(),
              std::vector<IntentEvent>{kExpired});
    EXPECT_EQ(given(kCreated, kAttempted).when(ExpireIntent{kExpiry}).rejection(),
              IntentRejection::outcome_unknown);
    EXPECT_EQ(given(kCreated, kAttempted, kPaid).when(ExpireIntent{kExpiry}).rejection(),
              IntentRejection::settled);
}

TEST(Intent, ThatExpiredInDoubtIsAskedAboutUntilSomebodyKnows) {
    const auto again = kExpiry + 15min;
    auto doubtful = kExpired;
    doubtful.next_poll_at = again;
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(ExpireIntent{kExpiry, again}).events(),
              std::vector<IntentEvent>{doubtful});
    const auto expired = given(kCreated, kAttempted, kAccepted, doubtful);
    EXPECT_EQ(expired.when(query_nothing("4999")).events(),
              (std::vector<IntentEvent>{answered("4999", "", false)}));
    EXPECT_EQ(expired.when(query_failed()).events(),
              (std::vector<IntentEvent>{answered("1032", "cancelled", true)}));
    // Its callback was lost, and the money is here all the same.
    auto late = kPaid;
    late.receipt = "";
    late.evidence = "query";
    late.late = true;
    EXPECT_EQ(expired.when(query_paid()).events(),
              (std::vector<IntentEvent>{answered("0", "ok", true), late,
                                        booked("late_success", "suspense"),
                                        late_applied_journal(IntentId("i1"), kes(100000))}));
    // Nobody was asked, so there is nothing to ask about.
    EXPECT_EQ(given(kCreated, kExpired).when(query_paid()).rejection(), IntentRejection::settled);
}

TEST(Intent, ThatExpiredAndIsSaidToBePaidInAnotherAmountWaitsForAPerson) {
    auto doubtful = kExpired;
    doubtful.next_poll_at = kExpiry + 15min;
    const auto contradicted =
        given(kCreated, kAttempted, kAccepted, doubtful,
              IntentQuarantined{.reason = quarantine::kOtherAmount, .detail = "KES 1.00"});
    EXPECT_EQ(contradicted.when(query_paid()).events(),
              (std::vector<IntentEvent>{answered("0", "ok", true)}));
}

TEST(Intent, IsCancelledOnlyWhileNobodyWasAsked) {
    auto withdrawn = kFailed;
    withdrawn.result_code = "";
    withdrawn.reason = "withdrawn";
    withdrawn.ref = {};
    withdrawn.was_asked = false;
    withdrawn.note = "the customer came to the shop";
    EXPECT_EQ(given(kCreated).when(CancelIntent{"the customer came to the shop"}).events(),
              std::vector<IntentEvent>{withdrawn});
    EXPECT_EQ(given(kCreated, kAttempted).when(CancelIntent{}).rejection(),
              IntentRejection::payment_pending);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(CancelIntent{}).rejection(),
              IntentRejection::payment_pending);
    EXPECT_EQ(given(kCreated, kExpired).when(CancelIntent{}).rejection(), IntentRejection::settled);
}

TEST(Intent, ThatDoesNotExistAnswersSo) {
    for (const IntentCommand& command :
         {IntentCommand(BeginAsk{"r", kNow, kNow + 1min}), IntentCommand(answer()),
          IntentCommand(success()), IntentCommand(query_paid()),
          IntentCommand(ExpireIntent{kExpiry}), IntentCommand(LearnMalformed{"x"}),
          IntentCommand(CancelIntent{})})
        EXPECT_EQ(decide(Intent{}, command).rejection(), IntentRejection::not_created);
}

TEST(Intent, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Intent{}, kPaid), CorruptStream);
    EXPECT_THROW(evolve(Intent{}, CallbackReceived{}), CorruptStream);
    EXPECT_THROW(
        given(kCreated, AskAttempted{.attempt = 2, .replica = "r", .resolve_by = kNow}).state(),
        CorruptStream);
    EXPECT_THROW(given(kCreated, kAttempted, kAccepted, kPaid, kPaid).state(), CorruptStream);
    EXPECT_THROW(given(kCreated, kPaid).state(), CorruptStream);
}

// ---- properties

// One purchase played with its evidence in a random order.
struct Play {
    std::vector<IntentEvent> history{kCreated};

    Intent state() const { return testing::Given<Intent, IntentEvent>{history}.state(); }
    void tell(const IntentCommand& command) {
        const auto decision = decide(state(), command);
        if (!decision.accepted()) return;
        for (const auto& event : decision.events()) history.push_back(event);
    }
    std::int64_t booked(const std::string& account) const {
        std::int64_t sum = 0;
        for (const auto& event : history)
            if (const auto* journal = std::get_if<JournalPosted>(&event)) {
                EXPECT_TRUE(balanced(journal->postings));
                for (const auto& p : journal->postings)
                    if (p.account == account) sum += p.amount.minor_units;
            }
        return sum;
    }
    int paid_facts() const {
        return static_cast<int>(std::count_if(history.begin(), history.end(), [](const auto& e) {
            return std::holds_alternative<IntentPaid>(e);
        }));
    }
};

// The provider says yes, or its answer is lost.
void add_answer(std::vector<IntentCommand>& evidence, bool lost) {
    if (lost) {
        evidence.emplace_back(kLosing);
    } else {
        evidence.emplace_back(answer());
    }
}

TEST(IntentProperty, AnyOrderOfEvidenceOfASuccessEndsPaidOnceWithItsReceipt) {
    std::mt19937 random(7);
    for (int round = 0; round < 20'000; ++round) {
        Play play;
        play.tell(BeginAsk{"r", kNow, kNow + 1min});
        // The provider says yes, or its answer is lost; then everything else in any order,
        // repeated.
        std::vector<IntentCommand> evidence{success(),
                                            success(),
                                            query_paid(),
                                            query_nothing(),
                                            query_nothing("4999"),
                                            ExpireIntent{kExpiry},
                                            BeginAsk{"r2", kNow, kNow + 1min},
                                            RequestAsk{""}};
        add_answer(evidence, random() % 2 == 0);
        if (random() % 3 == 0) evidence.push_back(no());  // "no answer" before a success is seen
        std::shuffle(evidence.begin(), evidence.end(), random);
        for (const auto& command : evidence) play.tell(command);

        const auto end = play.state();
        ASSERT_TRUE(std::holds_alternative<Paid>(end)) << "round " << round;
        ASSERT_EQ(std::get<Paid>(end).receipt, kReceipt) << "round " << round;
        ASSERT_EQ(story_of(end).ref, kRef);
        ASSERT_EQ(story_of(end).attempts, 1) << "asked twice in round " << round;
        ASSERT_EQ(play.paid_facts(), 1) << "round " << round;
        ASSERT_EQ(play.booked("clearing:mpesa"), 100000) << "round " << round;
        ASSERT_EQ(play.booked("receivable"), -100000) << "round " << round;
        ASSERT_EQ(play.booked("suspense"), 0) << "round " << round;
    }
}

TEST(IntentProperty, AnyOrderOfEvidenceOfAFailureTakesNoMoney) {
    std::mt19937 random(8);
    for (int round = 0; round < 5'000; ++round) {
        Play play;
        play.tell(BeginAsk{"r", kNow, kNow + 1min});
        std::vector<IntentCommand> evidence{no(), no(), query_nothing(), query_failed()};
        add_answer(evidence, random() % 2 == 0);
        std::shuffle(evidence.begin(), evidence.end(), random);
        for (const auto& command : evidence) play.tell(command);
        ASSERT_TRUE(std::holds_alternative<Failed>(play.state())) << "round " << round;
        ASSERT_EQ(play.paid_facts(), 0);
        ASSERT_EQ(play.booked("clearing:mpesa"), 0);
    }
}

TEST(IntentProperty, NoSequenceOfCommandsBooksTwiceAsksTwiceOrBreaksTheFold) {
    std::mt19937 random(9);
    const auto any_command = [&]() -> IntentCommand {
        const auto pick = [&](auto... options) {
            std::vector<std::string> all{options...};
            return all[random() % all.size()];
        };
        const auto order = static_cast<OrderStanding>(random() % 4);
        const auto taken = random() % 8 ? Taken::nothing : static_cast<Taken>(1 + random() % 2);
        switch (random() % 14) {
            case 0:
                return BeginAsk{"r", kNow, kNow + 1min};
            case 1:
                return LearnAskAccepted{.ref = random() % 2 ? kRef : kOtherRef,
                                        .next_poll_at = kPoll,
                                        .taken = taken,
                                        .unclear_at = kUnclear};
            case 2:
                return LearnAskRefused{"500.003.02", "busy",
                                       random() % 2 ? std::optional(kNow + 5s) : std::nullopt};
            case 3:
                return kLosing;
            case 4: {
                auto c = success(kes(random() % 4 ? 100000 : 99900),
                                 random() % 2 ? kRef : kOtherRef, pick("R000000001", "R000000002"));
                c.order = order;
                c.taken = taken;
                return c;
            }
            case 5:
                return no(random() % 2 ? kRef : kOtherRef);
            case 6:
                return query_paid();
            case 7:
                return query_nothing(pick("", "4999", "7777"));
            case 8:
                return ExpireIntent{kExpiry};
            case 9:
                return RequestAsk{""};
            case 10:
                return CancelIntent{};
            case 11:
                return CallPerson{kUnclear};
            case 12: {
                auto decided =
                    random() % 2 ? found(pick("R000000001", "R000000002")) : kNothingFound;
                decided.order = order;
                return decided;
            }
            default:
                return LearnMalformed{"x"};
        }
    };
    for (int round = 0; round < 10'000; ++round) {
        Play play;
        for (int step = 0; step < 25; ++step) play.tell(any_command());
        ASSERT_LE(play.paid_facts(), 1) << "round " << round;
        ASSERT_EQ(play.booked("clearing:mpesa"), play.paid_facts() * 100000) << "round " << round;
        // An attempt follows only the beginning or a refusal.
        bool may_ask = true;
        for (const auto& event : play.history) {
            if (std::holds_alternative<AskAttempted>(event)) {
                ASSERT_TRUE(may_ask) << "round " << round;
                may_ask = false;
            }
            if (std::holds_alternative<AskRefused>(event)) may_ask = true;
        }
    }
}

}  // namespace
}  // namespace flowstack::payment
