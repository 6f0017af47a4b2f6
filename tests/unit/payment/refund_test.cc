#include "services/payment/domain/refund.h"

#include <gtest/gtest.h>

#include <random>

#include "common/core/corrupt_stream.h"
#include "services/payment/domain/intent.h"
#include "tests/support/given.h"

namespace flowstack::payment {
namespace {

constexpr Money kes(std::int64_t cents) { return {cents, Currency::kes}; }

RefundRequested requested(const std::string& invoice = "v1") {
    return {.refund_id = RefundId("r1"),
            .intent_id = IntentId("i1"),
            .order_id = OrderId("o1"),
            .invoice_id = InvoiceId(invoice),
            .customer_id = CustomerId("c1"),
            .conversation_id = ConversationId("conv"),
            .order_number = "ORD-7K2M9Q",
            .provider = "mpesa",
            .paid_receipt = "NLJ7RT61SV",
            .amount = kes(40000),
            .reason = "a torn bag",
            .phone = "+254712345678"};
}
const RefundDone kDone{.refund_id = RefundId("r1"),
                       .intent_id = IntentId("i1"),
                       .order_id = OrderId("o1"),
                       .customer_id = CustomerId("c1"),
                       .conversation_id = ConversationId("conv"),
                       .order_number = "ORD-7K2M9Q",
                       .provider = "mpesa",
                       .amount = kes(40000),
                       .receipt = "TKT951KKMC"};
const RefundGivenUp kGivenUp{.refund_id = RefundId("r1"), .reason = "another bag"};

auto refund(auto... facts) { return testing::Given<Refund, RefundEvent>{{facts...}}; }

TEST(Refund, IsRequestedOnceWithAnAmountAndAReason) {
    EXPECT_EQ(refund().when(RequestRefund{requested()}).events(),
              std::vector<RefundEvent>{requested()});
    EXPECT_EQ(refund(requested()).when(RequestRefund{requested()}).rejection(),
              RefundRejection::exists_already);
    auto wrong = requested();
    wrong.amount = kes(0);
    EXPECT_EQ(refund().when(RequestRefund{wrong}).rejection(),
              RefundRejection::amount_not_positive);
    wrong = requested();
    wrong.reason.clear();
    EXPECT_EQ(refund().when(RequestRefund{wrong}).rejection(), RefundRejection::reason_missing);
}

TEST(Refund, OfAnInvoiceIsBookedWithTheInvoiceAndOneOfSuspenseHere) {
    EXPECT_EQ(refund(requested()).when(RecordRefund{"TKT951KKMC"}).events(),
              std::vector<RefundEvent>{kDone});
    EXPECT_EQ(refund(requested("")).when(RecordRefund{"TKT951KKMC"}).events(),
              (std::vector<RefundEvent>{
                  kDone, suspense_refunded_journal(RefundId("r1"), "mpesa", kes(40000))}));
}

TEST(Refund, EndsOnce) {
    const auto done = refund(requested(), kDone);
    EXPECT_TRUE(done.when(RecordRefund{"TKT951KKMC"}).events().empty());
    EXPECT_EQ(done.when(RecordRefund{"OTHER"}).rejection(), RefundRejection::other_receipt);
    EXPECT_EQ(done.when(GiveUpRefund{"x"}).rejection(), RefundRejection::done);
    const auto given_up = refund(requested(), kGivenUp);
    EXPECT_EQ(refund(requested()).when(GiveUpRefund{"another bag"}).events(),
              std::vector<RefundEvent>{kGivenUp});
    EXPECT_TRUE(given_up.when(GiveUpRefund{"x"}).events().empty());
    EXPECT_EQ(given_up.when(RecordRefund{"TKT951KKMC"}).rejection(), RefundRejection::given_up);
    EXPECT_EQ(refund(requested()).when(RecordRefund{""}).rejection(),
              RefundRejection::receipt_missing);
    EXPECT_EQ(refund(requested()).when(GiveUpRefund{""}).rejection(),
              RefundRejection::reason_missing);
    EXPECT_EQ(refund().when(RecordRefund{"T"}).rejection(), RefundRejection::not_requested);
}

TEST(Refund, HasACreditNoteWhenAnInvoiceGoesDown) {
    const CreditNoteIssued note{.refund_id = RefundId("r1"), .number = "CN-2026-000001"};
    EXPECT_EQ(refund(requested(), kDone).when(NumberCreditNote{"CN-2026-000001"}).events(),
              std::vector<RefundEvent>{note});
    EXPECT_TRUE(
        refund(requested(), kDone, note).when(NumberCreditNote{"CN-2026-000002"}).events().empty());
    for (const auto& without :
         {refund(requested()), refund(requested(), kGivenUp), refund(requested(""), kDone)})
        EXPECT_EQ(without.when(NumberCreditNote{"CN-2026-000001"}).rejection(),
                  RefundRejection::no_credit_note);
}

TEST(Refund, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Refund{}, kDone), CorruptStream);
    EXPECT_THROW(refund(requested(), kDone, kDone).state(), CorruptStream);
    EXPECT_THROW(refund(requested(), kGivenUp, kDone).state(), CorruptStream);
    EXPECT_THROW(requested_of(Refund{}), std::logic_error);
}

// ---- what a payment lets go back

Intent paid_intent(std::int64_t cents) {
    const IntentCreated created{.intent_id = IntentId("i1"),
                                .order_id = OrderId("o1"),
                                .invoice_id = InvoiceId("v1"),
                                .customer_id = CustomerId("c1"),
                                .provider = "mpesa",
                                .amount = kes(cents),
                                .expires_at = Time{},
                                .ask_now = true,
                                .phone = "+254712345678"};
    const ProviderRef ref{.provider = "mpesa", .id = "ws_CO_1", .detail = ""};
    Intent intent = evolve(Intent{}, created);
    intent = evolve(intent, AskAttempted{.attempt = 1, .replica = "r", .resolve_by = Time{}});
    intent = evolve(intent, AskAccepted{.ref = ref, .next_poll_at = {}, .expires_at = Time{}});
    return evolve(intent, IntentPaid{.intent_id = IntentId("i1"),
                                     .order_id = OrderId("o1"),
                                     .provider = "mpesa",
                                     .amount = kes(cents),
                                     .receipt = "NLJ7RT61SV",
                                     .ref = ref,
                                     .evidence = "callback"});
}

TEST(Refund, NeedsAPaymentWhoseMoneyCame) {
    const BeginRefund begin{.refund_id = RefundId("r1"), .amount = kes(1)};
    EXPECT_EQ(decide(Intent{}, begin).rejection(), IntentRejection::not_created);
    const auto waiting = evolve(
        Intent{},
        IntentCreated{.intent_id = IntentId("i1"), .amount = kes(100), .expires_at = Time{}});
    EXPECT_EQ(decide(waiting, begin).rejection(), IntentRejection::not_paid);
    EXPECT_EQ(decide(paid_intent(100),
                     BeginRefund{.refund_id = RefundId("r1"), .amount = {1, Currency::usd}})
                  .rejection(),
              IntentRejection::other_amount);
    EXPECT_EQ(
        decide(paid_intent(100), EndRefund{.refund_id = RefundId("r1"), .done = true}).rejection(),
        IntentRejection::settled);
}

// Any order of requests, ends and failures: what is open and done together never exceeds what came.
TEST(Refund, NeverMoreGoesBackThanCameWhateverHappens) {
    std::mt19937 random(11);
    const auto below = [&](int n) { return std::uniform_int_distribution(0, n - 1)(random); };
    for (int round = 0; round < 300; ++round) {
        const std::int64_t came = 1 + below(1000);
        Intent intent = paid_intent(came);
        std::map<std::string, std::int64_t> open;
        std::int64_t done = 0;
        for (int i = 0; i < 40; ++i) {
            const auto id = "r" + std::to_string(below(12));
            const IntentCommand command =
                below(2) == 0
                    ? IntentCommand(
                          BeginRefund{.refund_id = RefundId(id), .amount = kes(1 + below(600))})
                    : IntentCommand(EndRefund{.refund_id = RefundId(id), .done = below(2) == 0});
            // A refund that has ended ends no second time: its own stream sees to that.
            if (std::holds_alternative<EndRefund>(command) && !open.contains(id)) continue;
            const auto answer = decide(intent, command);
            if (!answer.accepted()) continue;
            for (const auto& event : answer.events()) {
                intent = evolve(intent, event);
                if (const auto* opened = std::get_if<RefundOpened>(&event))
                    open[id] = opened->amount.minor_units;
                if (const auto* closed = std::get_if<RefundClosed>(&event)) {
                    if (closed->done) done += open.at(id);
                    open.erase(id);
                }
            }
            auto taken = done;
            for (const auto& [one, amount] : open) taken += amount;
            ASSERT_LE(taken, came);
            ASSERT_EQ(std::get<Paid>(intent).left(), kes(came - taken));
        }
    }
}

}  // namespace
}  // namespace flowstack::payment
