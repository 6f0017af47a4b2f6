#include "services/payment/domain/intent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/core/corrupt_stream.h"
#include "tests/unit/payment/given.h"

namespace flowstack::payment {
namespace {

using namespace std::chrono_literals;

constexpr Money kes(std::int64_t cents) { return {cents, Currency::kes}; }
constexpr Time kNow{1'790'000'000s};
constexpr Time kExpiry = kNow + 30min;
constexpr Time kPoll = kNow + 30s;
const std::string kCheckout = "ws_CO_1";
const std::string kReceipt = "NLJ7RT61SV";

const IntentCreated kCreated{"i1",    "o1",         "v1",           "c1",    "conv",
                             "mpesa", kes(100000),  "ORD-7K2M9Q",   kExpiry, true,
                             "res",   "ORD-7K2M9Q", "+254712345678"};
const PushAttempted kAttempted{1, "r1", kNow + 1min};
const PushAccepted kAccepted{kCheckout, "m1", kPoll, kExpiry};
const PushUnknown kLost{"timeout"};
const IntentPaid kPaid{"i1",      "o1",       "c1",  "conv", "mpesa", kes(100000),  kReceipt,
                       kCheckout, "callback", false, false,  "v1",    "ORD-7K2M9Q", "res"};
const IntentFailed kFailed{"i1", "o1", "c1", "conv", "1032", "cancelled", "res", kCheckout};
const IntentExpired kExpired{"i1", "o1", "c1", "conv", "res"};

LearnCallback success(Money amount = kes(100000), const std::string& checkout = kCheckout,
                      const std::string& receipt = kReceipt) {
    return {checkout, "m1", SaysPaid{amount, receipt}, OrderStanding::open, kPoll, Taken::nothing};
}
LearnCallback no(const std::string& checkout = kCheckout) {
    return {checkout, "m1",          SaysFailed{"1032", "cancelled"}, OrderStanding::open,
            kPoll,    Taken::nothing};
}
LearnQuery query_paid() { return {"0", "ok", SaysPaidOnly{}, kPoll, OrderStanding::open}; }
LearnQuery query_nothing(const std::string& code = "") {
    return {code, "", SaysNothing{code}, kPoll, OrderStanding::open};
}
LearnPushAccepted answer(const std::string& checkout = kCheckout) {
    return {checkout, "m1", kPoll, Taken::nothing};
}
JournalPosted booked(const char* cause, const std::string& credit) {
    return money_in_journal("i1", cause, "mpesa", kes(100000), credit);
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

TEST(Intent, IsPushedWhenItIsAskedForByApi) {
    auto quiet = kCreated;
    quiet.push_now = false;
    quiet.phone = "";
    EXPECT_EQ(given(quiet).when(RequestPush{""}).rejection(), IntentRejection::phone_missing);
    EXPECT_EQ(given(quiet).when(RequestPush{"+254700000001"}).events(),
              std::vector<IntentEvent>{PushRequested{"+254700000001"}});
    EXPECT_TRUE(given(quiet, PushRequested{"+254700000001"})
                    .when(RequestPush{"+254700000001"})
                    .events()
                    .empty());
    EXPECT_EQ(given(kCreated, kAttempted).when(RequestPush{""}).rejection(),
              IntentRejection::asked_already);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(RequestPush{""}).rejection(),
              IntentRejection::asked_already);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kPaid).when(RequestPush{""}).rejection(),
              IntentRejection::settled);
}

TEST(Intent, AsksOneAttemptAtATime) {
    EXPECT_EQ(given(kCreated).when(BeginPush{"r1", kNow, kNow + 1min}).events(),
              std::vector<IntentEvent>{kAttempted});
    EXPECT_EQ(given(kCreated, kAttempted).when(BeginPush{"r2", kNow, kNow + 1min}).rejection(),
              IntentRejection::asked_already);
    EXPECT_EQ(
        given(kCreated, kAttempted, kAccepted).when(BeginPush{"r2", kNow, kNow + 1min}).rejection(),
        IntentRejection::asked_already);
}

TEST(Intent, DoesNotAskAfterItsTime) {
    EXPECT_EQ(given(kCreated).when(BeginPush{"r1", kExpiry, kNow + 1min}).rejection(),
              IntentRejection::settled);
}

TEST(Intent, LearnsTheCheckoutIdFromTheAnswer) {
    EXPECT_EQ(given(kCreated, kAttempted).when(answer()).events(),
              std::vector<IntentEvent>{kAccepted});
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted).when(answer()).events().empty());
}

TEST(Intent, AsksAgainAfterARefusalThatAllowsIt) {
    const LearnPushRefused busy{"500.003.02", "busy", kNow + 5s};
    const PushRefused refused{"500.003.02", "busy", kNow + 5s, kExpiry};
    EXPECT_EQ(given(kCreated, kAttempted).when(busy).events(), std::vector<IntentEvent>{refused});
    EXPECT_EQ(
        given(kCreated, kAttempted, refused).when(BeginPush{"r1", kNow + 5s, kNow + 1min}).events(),
        (std::vector<IntentEvent>{PushAttempted{2, "r1", kNow + 1min}}));
}

TEST(Intent, GivesUpAfterTooManyRefusalsOrWhenThereIsNoTimeLeft) {
    testing::Given<Intent, IntentEvent> history{{kCreated}};
    const PushRefused refused{"500.003.02", "busy", kNow + 5s, kExpiry};
    for (int attempt = 1; attempt < kPushAttemptsMax; ++attempt) {
        history.history.push_back(PushAttempted{attempt, "r1", kNow});
        history.history.push_back(refused);
    }
    history.history.push_back(PushAttempted{kPushAttemptsMax, "r1", kNow});
    const auto last = history.when(LearnPushRefused{"500.003.02", "busy", kNow + 5s});
    ASSERT_EQ(last.events().size(), 2U);
    EXPECT_EQ(std::get<IntentFailed>(last.events()[1]).reason, "busy");
    EXPECT_EQ(given(kCreated, kAttempted)
                  .when(LearnPushRefused{"500.003.02", "busy", kExpiry})
                  .events()
                  .size(),
              2U);
}

TEST(Intent, FailsWhenTheProviderSaysNo) {
    const auto answered =
        given(kCreated, kAttempted).when(LearnPushRefused{"400.002.02", "refused", {}});
    EXPECT_EQ(answered.events(),
              (std::vector<IntentEvent>{
                  PushRefused{"400.002.02", "refused", {}, kExpiry},
                  IntentFailed{"i1", "o1", "c1", "conv", "400.002.02", "refused", "res", ""}}));
}

TEST(Intent, WhoseAnswerWasLostIsNeitherPushedNorFailedNorExpiredByItself) {
    const auto lost = given(kCreated, kAttempted, kLost);
    EXPECT_TRUE(outcome_unknown(lost.state()));
    EXPECT_EQ(lost.when(BeginPush{"r1", kNow, kNow + 1min}).rejection(),
              IntentRejection::asked_already);
    EXPECT_EQ(lost.when(RequestPush{""}).rejection(), IntentRejection::asked_already);
    EXPECT_EQ(lost.when(ExpireIntent{kExpiry + 24h}).rejection(), IntentRejection::outcome_unknown);
    EXPECT_EQ(lost.when(CancelIntent{}).rejection(), IntentRejection::payment_pending);
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

TEST(Intent, RefusedAfterUnknownIsNotPushedAgain) {
    const auto late =
        given(kCreated, kAttempted, kLost).when(LearnPushRefused{"500.003.02", "busy", kNow + 5s});
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
    EXPECT_TRUE(paid.when(LearnPushLost{"timeout"}).events().empty());
    EXPECT_EQ(quarantined_for(paid.when(answer("ws_CO_2"))), "checkout_mismatch");
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
    const LearnCallback nothing{kCheckout,           "m1",  SaysNothing{"7777"},
                                OrderStanding::open, kPoll, Taken::nothing};
    EXPECT_EQ(given(kCreated, kAttempted, kLost).when(nothing).events(),
              std::vector<IntentEvent>{kAccepted});
    EXPECT_TRUE(given(kCreated, kAttempted, kAccepted).when(nothing).events().empty());
}

TEST(Intent, AcceptsALateSuccess) {
    auto late = kPaid;
    late.late = true;
    const std::vector<IntentEvent> expected{late, booked("late_success", "suspense"),
                                            late_applied_journal("i1", kes(100000))};
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kExpired).when(success()).events(), expected);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted, kFailed).when(success()).events(), expected);
}

TEST(Intent, PutsASecondSuccessOfOneOrderIntoSuspense) {
    auto second = success();
    second.order = OrderStanding::paid_by_other;
    const auto decision = given(kCreated, kAttempted, kAccepted).when(second);
    auto paid = kPaid;
    paid.second_success = true;
    ASSERT_EQ(decision.events().size(), 3U);
    EXPECT_EQ(decision.events()[0], IntentEvent(paid));
    EXPECT_EQ(decision.events()[1], IntentEvent(booked("second_success", "suspense")));
    EXPECT_EQ(quarantined_for(decision), "second_success");
}

TEST(Intent, PutsMoneyForACancelledOrderIntoSuspense) {
    auto paid = success();
    paid.order = OrderStanding::cancelled;
    const auto decision = given(kCreated, kAttempted, kAccepted, kExpired).when(paid);
    EXPECT_EQ(decision.events()[1], IntentEvent(booked("late_success", "suspense")));
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
    auto checkout_taken = success();
    checkout_taken.taken = Taken::checkout;
    const auto pending = given(kCreated, kAttempted, kAccepted);
    const auto paid = given(kCreated, kAttempted, kAccepted, kPaid);
    EXPECT_EQ(quarantined_for(pending.when(success(kes(99900)))), "other_amount");
    EXPECT_EQ(quarantined_for(pending.when(success({100000, Currency::usd}))), "other_amount");
    EXPECT_EQ(quarantined_for(pending.when(success(kes(100000), "ws_CO_2"))), "checkout_mismatch");
    EXPECT_EQ(quarantined_for(pending.when(no("ws_CO_2"))), "checkout_mismatch");
    EXPECT_EQ(quarantined_for(pending.when(receipt_taken)), "receipt_taken");
    EXPECT_EQ(quarantined_for(pending.when(checkout_taken)), "checkout_taken");
    EXPECT_EQ(quarantined_for(pending.when(LearnMalformed{"not JSON"})), "malformed");
    EXPECT_EQ(quarantined_for(given(kCreated).when(success())), "unknown_attempt");
    EXPECT_EQ(quarantined_for(paid.when(success(kes(100000), kCheckout, "OTHER00001"))),
              "other_receipt");
    EXPECT_EQ(quarantined_for(paid.when(success(kes(1)))), "other_amount");
    EXPECT_EQ(quarantined_for(given(kCreated, kExpired).when(success())), "unknown_attempt");
    auto answer_taken = answer();
    answer_taken.taken = Taken::checkout;
    EXPECT_EQ(quarantined_for(given(kCreated, kAttempted).when(answer_taken)), "checkout_taken");
}

TEST(Intent, WithEvidenceOfAnotherAmountWaitsForAPerson) {
    const auto doubted =
        given(kCreated, kAttempted, kAccepted,
              IntentQuarantined{"other_amount", "KES 1.00 instead of KES 1,000.00"});
    EXPECT_TRUE(outcome_unknown(doubted.state()));
    EXPECT_EQ(doubted.when(query_paid()).events(),
              (std::vector<IntentEvent>{QueryAnswered{"0", "ok", true, {}}}));
    EXPECT_EQ(quarantined_for(doubted.when(success())), "other_amount");
    EXPECT_TRUE(doubted.when(no()).events().empty());
    EXPECT_EQ(doubted.when(ExpireIntent{kExpiry}).rejection(), IntentRejection::outcome_unknown);
}

// ---- queries

TEST(Intent, IsPaidByAQueryWithItsReceiptPending) {
    auto paid = kPaid;
    paid.receipt = "";
    paid.evidence = "query";
    const auto pending = given(kCreated, kAttempted, kAccepted);
    EXPECT_EQ(pending.when(query_paid()).events(),
              (std::vector<IntentEvent>{QueryAnswered{"0", "ok", true, {}}, paid,
                                        booked("intent_paid", "receivable")}));
    const auto later = given(kCreated, kAttempted, kAccepted, paid);
    // With all that its reader needs to send the receipt again.
    const ReceiptLearned learned{kReceipt, "i1",        "o1",         "c1",
                                 "conv",   kes(100000), "ORD-7K2M9Q", false};
    EXPECT_EQ(later.when(success()).events(), std::vector<IntentEvent>{learned});
    EXPECT_TRUE(
        given(kCreated, kAttempted, kAccepted, paid, learned).when(success()).events().empty());
}

TEST(Intent, FailsByAQueryThatSaysSo) {
    const auto answered = given(kCreated, kAttempted, kAccepted)
                              .when(LearnQuery{"1032", "cancelled", SaysFailed{"1032", "cancelled"},
                                               kPoll, OrderStanding::open});
    EXPECT_EQ(answered.events(),
              (std::vector<IntentEvent>{QueryAnswered{"1032", "cancelled", true, {}}, kFailed}));
}

TEST(Intent, AsksAgainWhenAQuerySaysNothing) {
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(query_nothing()).events(),
              (std::vector<IntentEvent>{QueryAnswered{"", "", false, kPoll}}));
}

TEST(Intent, BelievesAnUnknownCodeWhenItIsSaidTwice) {
    const auto once = given(kCreated, kAttempted, kAccepted).when(query_nothing("7777"));
    EXPECT_EQ(once.events(), (std::vector<IntentEvent>{QueryAnswered{"7777", "", false, kPoll}}));
    const auto twice =
        given(kCreated, kAttempted, kAccepted, QueryAnswered{"7777", "", false, kPoll})
            .when(query_nothing("7777"));
    ASSERT_EQ(twice.events().size(), 2U);
    EXPECT_EQ(std::get<IntentFailed>(twice.events()[1]).reason, "other");
    const auto other =
        given(kCreated, kAttempted, kAccepted, QueryAnswered{"7777", "", false, kPoll})
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
              (std::vector<IntentEvent>{QueryAnswered{"4999", "", false, kPoll}}));
    EXPECT_EQ(expired
                  .when(LearnQuery{"1032", "cancelled", SaysFailed{"1032", "cancelled"}, kPoll,
                                   OrderStanding::open})
                  .events(),
              (std::vector<IntentEvent>{QueryAnswered{"1032", "cancelled", true, {}}}));
    // Its callback was lost, and the money is here all the same.
    auto late = kPaid;
    late.receipt = "";
    late.evidence = "query";
    late.late = true;
    EXPECT_EQ(expired.when(query_paid()).events(),
              (std::vector<IntentEvent>{QueryAnswered{"0", "ok", true, {}}, late,
                                        booked("late_success", "suspense"),
                                        late_applied_journal("i1", kes(100000))}));
    // Nobody was asked, so there is nothing to ask about.
    EXPECT_EQ(given(kCreated, kExpired).when(query_paid()).rejection(), IntentRejection::settled);
}

TEST(Intent, ThatExpiredAndIsSaidToBePaidInAnotherAmountWaitsForAPerson) {
    auto doubtful = kExpired;
    doubtful.next_poll_at = kExpiry + 15min;
    const auto contradicted = given(kCreated, kAttempted, kAccepted, doubtful,
                                    IntentQuarantined{quarantine::kOtherAmount, "KES 1.00"});
    EXPECT_EQ(contradicted.when(query_paid()).events(),
              (std::vector<IntentEvent>{QueryAnswered{"0", "ok", true, {}}}));
}

TEST(Intent, IsCancelledOnlyWhileNobodyWasAsked) {
    EXPECT_EQ(given(kCreated).when(CancelIntent{"the customer came to the shop"}).events(),
              (std::vector<IntentEvent>{IntentFailed{"i1", "o1", "c1", "conv", "", "withdrawn",
                                                     "res", "", "the customer came to the shop"}}));
    EXPECT_EQ(given(kCreated, kAttempted).when(CancelIntent{}).rejection(),
              IntentRejection::payment_pending);
    EXPECT_EQ(given(kCreated, kAttempted, kAccepted).when(CancelIntent{}).rejection(),
              IntentRejection::payment_pending);
    EXPECT_EQ(given(kCreated, kExpired).when(CancelIntent{}).rejection(), IntentRejection::settled);
}

TEST(Intent, ThatDoesNotExistAnswersSo) {
    for (const IntentCommand& command :
         {IntentCommand(BeginPush{"r", kNow, kNow + 1min}), IntentCommand(answer()),
          IntentCommand(success()), IntentCommand(query_paid()),
          IntentCommand(ExpireIntent{kExpiry}), IntentCommand(LearnMalformed{"x"}),
          IntentCommand(CancelIntent{})})
        EXPECT_EQ(decide(Intent{}, command).rejection(), IntentRejection::not_created);
}

TEST(Intent, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Intent{}, kPaid), CorruptStream);
    EXPECT_THROW(evolve(Intent{}, CallbackReceived{}), CorruptStream);
    EXPECT_THROW(given(kCreated, PushAttempted{2, "r", kNow}).state(), CorruptStream);
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
        evidence.emplace_back(LearnPushLost{"timeout"});
    } else {
        evidence.emplace_back(answer());
    }
}

TEST(IntentProperty, AnyOrderOfEvidenceOfASuccessEndsPaidOnceWithItsReceipt) {
    std::mt19937 random(7);
    for (int round = 0; round < 20'000; ++round) {
        Play play;
        play.tell(BeginPush{"r", kNow, kNow + 1min});
        // The provider says yes, or its answer is lost; then everything else in any order,
        // repeated.
        std::vector<IntentCommand> evidence{success(),
                                            success(),
                                            query_paid(),
                                            query_nothing(),
                                            query_nothing("4999"),
                                            ExpireIntent{kExpiry},
                                            BeginPush{"r2", kNow, kNow + 1min},
                                            RequestPush{""}};
        add_answer(evidence, random() % 2 == 0);
        if (random() % 3 == 0) evidence.push_back(no());  // "no answer" before a success is seen
        std::shuffle(evidence.begin(), evidence.end(), random);
        for (const auto& command : evidence) play.tell(command);

        const auto end = play.state();
        ASSERT_TRUE(std::holds_alternative<Paid>(end)) << "round " << round;
        ASSERT_EQ(std::get<Paid>(end).receipt, kReceipt) << "round " << round;
        ASSERT_EQ(story_of(end).checkout_id, kCheckout);
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
        play.tell(BeginPush{"r", kNow, kNow + 1min});
        std::vector<IntentCommand> evidence{
            no(), no(), query_nothing(),
            LearnQuery{"1032", "cancelled", SaysFailed{"1032", "cancelled"}, kPoll,
                       OrderStanding::open}};
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
        switch (random() % 12) {
            case 0:
                return BeginPush{"r", kNow, kNow + 1min};
            case 1:
                return LearnPushAccepted{pick("ws_CO_1", "ws_CO_2"), "m", kPoll, taken};
            case 2:
                return LearnPushRefused{"500.003.02", "busy",
                                        random() % 2 ? std::optional(kNow + 5s) : std::nullopt};
            case 3:
                return LearnPushLost{"timeout"};
            case 4: {
                auto c = success(kes(random() % 4 ? 100000 : 99900), pick("ws_CO_1", "ws_CO_2"),
                                 pick("R000000001", "R000000002"));
                c.order = order;
                c.taken = taken;
                return c;
            }
            case 5:
                return no(pick("ws_CO_1", "ws_CO_2"));
            case 6:
                return query_paid();
            case 7:
                return query_nothing(pick("", "4999", "7777"));
            case 8:
                return ExpireIntent{kExpiry};
            case 9:
                return RequestPush{""};
            case 10:
                return CancelIntent{};
            default:
                return LearnMalformed{"x"};
        }
    };
    for (int round = 0; round < 10'000; ++round) {
        Play play;
        for (int step = 0; step < 25; ++step) play.tell(any_command());
        ASSERT_LE(play.paid_facts(), 1) << "round " << round;
        ASSERT_EQ(play.booked("clearing:mpesa"), play.paid_facts() * 100000) << "round " << round;
        // A push follows only the beginning or a refusal.
        bool may_ask = true;
        for (const auto& event : play.history) {
            if (std::holds_alternative<PushAttempted>(event)) {
                ASSERT_TRUE(may_ask) << "round " << round;
                may_ask = false;
            }
            if (std::holds_alternative<PushRefused>(event)) may_ask = true;
        }
    }
}

}  // namespace
}  // namespace flowstack::payment
