#include "services/payment/domain/order.h"

#include <gtest/gtest.h>

#include <random>

#include "common/core/corrupt_stream.h"
#include "services/payment/domain/invoice.h"
#include "tests/support/given.h"

namespace flowstack::payment {
namespace {

constexpr Money kes(std::int64_t cents) { return {cents, Currency::kes}; }

OrderPlaced placed() {
    return {.order_id = OrderId("o1"),
            .number = "ORD-7K2M9Q",
            .customer_id = CustomerId("c1"),
            .conversation_id = ConversationId("conv"),
            .channel_id = ChannelId("chan"),
            .reservation_id = ReservationId("res"),
            .lines = {{.product_id = "p",
                       .product_name = "Coffee",
                       .quantity = 2,
                       .unit_price = kes(50000),
                       .line_total = kes(100000)}},
            .totals = {.subtotal = kes(100000),
                       .tax = kes(0),
                       .rounding = kes(0),
                       .total = kes(100000)},
            .language = "en",
            .buyer = {.name = "Jane", .address = "Moi Avenue", .phone = "+254712345678"},
            .invoice_id = InvoiceId("v1")};
}
const OrderConfirmed kConfirmed{.order_id = OrderId("o1")};
OrderPaid paid_by(const char* intent) {
    return {.order_id = OrderId("o1"), .intent_id = IntentId(intent)};
}
OrderCancelled cancelled_for(const std::string& reason) {
    return {.order_id = OrderId("o1"),
            .reason = reason,
            .conversation_id = ConversationId("conv"),
            .customer_id = CustomerId("c1"),
            .order_number = "ORD-7K2M9Q"};
}
OrderAdvanced advanced_to(Progress progress, const std::string& note = "") {
    return {.order_id = OrderId("o1"),
            .progress = progress,
            .conversation_id = ConversationId("conv"),
            .customer_id = CustomerId("c1"),
            .order_number = "ORD-7K2M9Q",
            .note = note};
}
AdvanceOrder advance(Progress to, const std::string& note = "") { return {.to = to, .note = note}; }
PaymentStarted started(const std::string& intent) {
    return {.order_id = OrderId("o1"),
            .intent_id = IntentId(intent),
            .conversation_id = ConversationId("conv"),
            .customer_id = CustomerId("c1"),
            .provider = "mpesa",
            .amount = kes(100000),
            .order_number = "ORD-7K2M9Q"};
}

StartPayment start(const char* intent, PreviousIntent previous = PreviousIntent::none) {
    return {.intent_id = IntentId(intent), .provider = "mpesa", .previous = previous};
}

auto order(auto... facts) { return testing::Given<Order, OrderEvent>{{facts...}}; }

TEST(Order, IsPlacedAndConfirmedAtOnceAndOnlyOnce) {
    EXPECT_EQ(order().when(PlaceOrder{placed()}).events(),
              (std::vector<OrderEvent>{placed(), kConfirmed}));
    EXPECT_EQ(order(placed(), kConfirmed).when(PlaceOrder{placed()}).rejection(),
              OrderRejection::exists_already);
}

TEST(Order, MustAddUp) {
    auto wrong = placed();
    wrong.totals.total = kes(99999);
    EXPECT_EQ(order().when(PlaceOrder{wrong}).rejection(), OrderRejection::not_priced);
    wrong = placed();
    wrong.lines.clear();
    EXPECT_EQ(order().when(PlaceOrder{wrong}).rejection(), OrderRejection::not_priced);
}

TEST(Order, StartsAPaymentOfItsTotal) {
    EXPECT_EQ(order(placed(), kConfirmed).when(start("i1")).events(),
              std::vector<OrderEvent>{started("i1")});
}

TEST(Order, HasOneLivePaymentAtATime) {
    const auto history = order(placed(), kConfirmed, started("i1"));
    for (const auto open : {PreviousIntent::waiting, PreviousIntent::pending})
        EXPECT_EQ(history.when(start("i2", open)).rejection(), OrderRejection::payment_pending);
    EXPECT_EQ(history.when(start("i2", PreviousIntent::over)).events(),
              std::vector<OrderEvent>{started("i2")});
    EXPECT_EQ(history.when(start("i2", PreviousIntent::paid)).rejection(),
              OrderRejection::already_paid);
}

TEST(Order, IsPaidByOneIntentOnly) {
    const auto history = order(placed(), kConfirmed, started("i1"), paid_by("i1"));
    EXPECT_EQ(order(placed(), kConfirmed).when(MarkOrderPaid{IntentId("i1")}).events(),
              (std::vector<OrderEvent>{paid_by("i1")}));
    EXPECT_TRUE(history.when(MarkOrderPaid{IntentId("i1")}).events().empty());
    EXPECT_EQ(history.when(MarkOrderPaid{IntentId("i2")}).rejection(),
              OrderRejection::already_paid);
    EXPECT_EQ(history.when(start("i2", PreviousIntent::paid)).rejection(),
              OrderRejection::already_paid);
}

TEST(Order, IsCancelledOnlyWhileNoMoneyCanCome) {
    const auto history = order(placed(), kConfirmed, started("i1"));
    EXPECT_EQ(history.when(CancelOrder{.reason = "", .previous = PreviousIntent::over}).rejection(),
              OrderRejection::reason_missing);
    EXPECT_EQ(
        history.when(CancelOrder{.reason = "changed my mind", .previous = PreviousIntent::pending})
            .rejection(),
        OrderRejection::payment_pending);
    EXPECT_EQ(
        history.when(CancelOrder{.reason = "changed my mind", .previous = PreviousIntent::over})
            .events(),
        (std::vector<OrderEvent>{cancelled_for("changed my mind")}));
    const auto cancelled = order(placed(), kConfirmed, cancelled_for("x"));
    EXPECT_TRUE(cancelled.when(CancelOrder{.reason = "y"}).events().empty());
    EXPECT_EQ(cancelled.when(start("i1")).rejection(), OrderRejection::cancelled);
    EXPECT_EQ(cancelled.when(MarkOrderPaid{IntentId("i1")}).rejection(), OrderRejection::cancelled);
    EXPECT_EQ(order(placed(), kConfirmed, started("i1"), paid_by("i1"))
                  .when(CancelOrder{.reason = "too late"})
                  .rejection(),
              OrderRejection::already_paid);
}

TEST(Order, GoesForwardWhetherItIsPaidOrNot) {
    const auto open = order(placed(), kConfirmed);
    const auto paid = order(placed(), kConfirmed, started("i1"), paid_by("i1"));
    for (const auto& history : {open, paid})
        for (const auto to : {Progress::processing, Progress::shipped, Progress::delivered})
            EXPECT_EQ(history.when(advance(to, "by Otieno")).events(),
                      std::vector<OrderEvent>{advanced_to(to, "by Otieno")});
    // Money that comes later changes nothing of it.
    const auto later =
        order(placed(), kConfirmed, advanced_to(Progress::shipped), started("i1"), paid_by("i1"));
    EXPECT_EQ(later.when(advance(Progress::processing)).rejection(),
              OrderRejection::further_already);
    EXPECT_EQ(later.when(advance(Progress::delivered)).events(),
              std::vector<OrderEvent>{advanced_to(Progress::delivered)});
}

TEST(Order, TakesNoStepBackAndNoneTwice) {
    const auto shipped = order(placed(), kConfirmed, advanced_to(Progress::processing),
                               advanced_to(Progress::shipped));
    EXPECT_EQ(shipped.when(advance(Progress::processing)).rejection(),
              OrderRejection::further_already);
    EXPECT_TRUE(shipped.when(advance(Progress::shipped, "once more")).events().empty());
    EXPECT_EQ(order(placed(), kConfirmed, cancelled_for("x"))
                  .when(advance(Progress::shipped))
                  .rejection(),
              OrderRejection::cancelled);
    EXPECT_THROW(order(placed(), kConfirmed, advanced_to(Progress::shipped),
                       advanced_to(Progress::processing))
                     .state(),
                 CorruptStream);
}

TEST(Order, IsCancelledUntilItIsShipped) {
    EXPECT_EQ(order(placed(), kConfirmed, advanced_to(Progress::processing))
                  .when(CancelOrder{.reason = "out of beans"})
                  .events(),
              std::vector<OrderEvent>{cancelled_for("out of beans")});
    for (const auto gone : {Progress::shipped, Progress::delivered})
        EXPECT_EQ(order(placed(), kConfirmed, advanced_to(gone))
                      .when(CancelOrder{.reason = "out of beans"})
                      .rejection(),
                  OrderRejection::shipped);
}

TEST(Order, ThatIsPaidIsCancelledOnlyWithItsMoney) {
    const auto paid = order(placed(), kConfirmed, started("i1"), paid_by("i1"));
    auto cancelled = cancelled_for("out of beans");
    cancelled.sold_reservation_id = ReservationId("res");
    EXPECT_EQ(paid.when(CancelOrder{.reason = "out of beans", .refunds = true}).events(),
              std::vector<OrderEvent>{cancelled});
    EXPECT_EQ(paid.when(CancelOrder{.reason = "out of beans"}).rejection(),
              OrderRejection::already_paid);
    // All of it went back before: nothing is left to go with it.
    const OrderRefunded whole{.order_id = OrderId("o1"),
                              .refund_id = RefundId("r1"),
                              .amount = kes(100000),
                              .whole = true};
    EXPECT_TRUE(order(placed(), kConfirmed, started("i1"), paid_by("i1"), whole)
                    .when(CancelOrder{.reason = "out of beans"})
                    .accepted());
}

TEST(Order, CountsWhatGoesBack) {
    const auto part = [](const char* id, std::int64_t cents, bool whole) {
        return OrderRefunded{.order_id = OrderId("o1"),
                             .refund_id = RefundId(id),
                             .amount = kes(cents),
                             .whole = whole};
    };
    const auto back = [](const char* id, std::int64_t cents) {
        return RefundOrder{.refund_id = RefundId(id), .amount = kes(cents)};
    };
    const auto once =
        order(placed(), kConfirmed, started("i1"), paid_by("i1"), part("r1", 40000, false));
    EXPECT_EQ(once.when(back("r2", 60000)).events(),
              std::vector<OrderEvent>{part("r2", 60000, true)});
    // Also after the order was cancelled, if it was paid.
    EXPECT_EQ(order(placed(), kConfirmed, started("i1"), paid_by("i1"), cancelled_for("x"))
                  .when(back("r1", 100000))
                  .events(),
              std::vector<OrderEvent>{part("r1", 100000, true)});
    for (const auto& unpaid :
         {order(placed(), kConfirmed), order(placed(), kConfirmed, cancelled_for("x"))})
        EXPECT_EQ(unpaid.when(back("r1", 1)).rejection(), OrderRejection::not_paid);
    EXPECT_THROW(
        order(placed(), kConfirmed, started("i1"), paid_by("i1"), part("r1", 100001, false))
            .state(),
        CorruptStream);
}

TEST(Order, ThatDoesNotExistAnswersSo) {
    EXPECT_EQ(order().when(advance(Progress::shipped)).rejection(), OrderRejection::not_placed);
    EXPECT_THROW(placed_of(Order{}), std::logic_error);
    EXPECT_EQ(order().when(start("i")).rejection(), OrderRejection::not_placed);
    EXPECT_EQ(order().when(MarkOrderPaid{IntentId("i")}).rejection(), OrderRejection::not_placed);
    EXPECT_EQ(order().when(CancelOrder{.reason = "x"}).rejection(), OrderRejection::not_placed);
}

TEST(Order, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Order{}, paid_by("i1")), CorruptStream);
    EXPECT_THROW(order(placed(), paid_by("i"), paid_by("i")).state(), CorruptStream);
}

// ---- invoices

InvoiceDrafted drafted() {
    return {.invoice_id = InvoiceId("v1"),
            .order_id = OrderId("o1"),
            .customer_id = CustomerId("c1"),
            .year = 2026,
            .number_prefix = "INV",
            .lines = placed().lines,
            .totals = placed().totals,
            .conversation_id = ConversationId("conv"),
            .order_number = "ORD-7K2M9Q",
            .due_at = Time{},
            .language = "en"};
}
const InvoiceId kInvoice("v1");
const IntentId kIntent("i1");
const InvoiceIssued kIssued{.invoice_id = kInvoice,
                            .number = "INV-2026-000001",
                            .order_id = OrderId("o1"),
                            .conversation_id = ConversationId("conv"),
                            .customer_id = CustomerId("c1"),
                            .order_number = "ORD-7K2M9Q",
                            .lines = placed().lines,
                            .totals = placed().totals};
const InvoicePaid kPaid{.invoice_id = kInvoice, .intent_id = kIntent};
InvoiceVoided voided_for(const std::string& reason) {
    return {.invoice_id = kInvoice, .reason = reason};
}

auto invoice(auto... facts) { return testing::Given<Invoice, InvoiceEvent>{{facts...}}; }

TEST(Invoice, IsDraftedOnceAndMustAddUp) {
    EXPECT_EQ(invoice().when(DraftInvoice{drafted()}).events(),
              std::vector<InvoiceEvent>{drafted()});
    EXPECT_EQ(invoice(drafted()).when(DraftInvoice{drafted()}).rejection(),
              InvoiceRejection::exists_already);
    auto wrong = drafted();
    wrong.totals.tax = kes(1);
    EXPECT_EQ(invoice().when(DraftInvoice{wrong}).rejection(), InvoiceRejection::not_priced);
}

TEST(Invoice, IsBookedWhenItIsIssued) {
    EXPECT_EQ(
        invoice(drafted()).when(IssueInvoice{"INV-2026-000001"}).events(),
        (std::vector<InvoiceEvent>{kIssued, invoice_issued_journal(kInvoice, drafted().totals)}));
}

TEST(Invoice, KeepsItsNumber) {
    EXPECT_TRUE(invoice(drafted(), kIssued).when(IssueInvoice{"INV-2026-000001"}).events().empty());
    EXPECT_EQ(invoice(drafted(), kIssued).when(IssueInvoice{"INV-2026-000002"}).rejection(),
              InvoiceRejection::other_number);
}

TEST(Invoice, IsPaidOnce) {
    EXPECT_EQ(invoice(drafted(), kIssued).when(PayInvoice{IntentId("i1")}).events(),
              std::vector<InvoiceEvent>{kPaid});
    EXPECT_TRUE(
        invoice(drafted(), kIssued, kPaid).when(PayInvoice{IntentId("i1")}).events().empty());
    EXPECT_EQ(invoice(drafted(), kIssued, kPaid).when(PayInvoice{IntentId("i2")}).rejection(),
              InvoiceRejection::already_paid);
}

TEST(Invoice, MayBePaidBeforeItHasItsNumber) {
    EXPECT_EQ(invoice(drafted()).when(PayInvoice{IntentId("i1")}).events(),
              std::vector<InvoiceEvent>{kPaid});
    const auto fast = invoice(drafted(), kPaid, kIssued);
    EXPECT_EQ(fast.state(), Invoice(PaidInvoice{.drafted = drafted(),
                                                .number = "INV-2026-000001",
                                                .paid_by = kIntent,
                                                .credited = kes(0)}));
    EXPECT_EQ(fast.state(), invoice(drafted(), kIssued, kPaid).state());
}

TEST(Invoice, ThatIsVoidKeepsItsNumberAndTurnsItsJournalRound) {
    EXPECT_EQ(invoice(drafted(), kIssued).when(VoidInvoice{"cancelled"}).events(),
              (std::vector<InvoiceEvent>{voided_for("cancelled"),
                                         invoice_voided_journal(kInvoice, drafted().totals)}));
    EXPECT_EQ(invoice(drafted(), kIssued, voided_for("cancelled")).state(),
              Invoice(VoidedInvoice{
                  .drafted = drafted(), .number = "INV-2026-000001", .reason = "cancelled"}));
    EXPECT_EQ(invoice(drafted()).when(VoidInvoice{"cancelled"}).events().size(), 1U);
    EXPECT_EQ(invoice(drafted(), kIssued, kPaid).when(VoidInvoice{"x"}).rejection(),
              InvoiceRejection::already_paid);
    EXPECT_EQ(invoice(drafted(), voided_for("x")).when(IssueInvoice{"n"}).rejection(),
              InvoiceRejection::voided);
    EXPECT_EQ(invoice(drafted(), voided_for("x")).when(PayInvoice{IntentId("i")}).rejection(),
              InvoiceRejection::voided);
    EXPECT_EQ(invoice(drafted(), kIssued).when(VoidInvoice{""}).rejection(),
              InvoiceRejection::reason_missing);
}

TEST(Invoice, IsOverdueOnceAfterItsDueDateAndStillPayable) {
    using namespace std::chrono_literals;
    auto due_later = drafted();
    due_later.due_at = Time{1'790'000'000s};
    const InvoiceOverdue overdue{.invoice_id = kInvoice,
                                 .order_id = OrderId("o1"),
                                 .customer_id = CustomerId("c1"),
                                 .conversation_id = ConversationId("conv"),
                                 .order_number = "ORD-7K2M9Q",
                                 .number = "INV-2026-000001",
                                 .total = kes(100000),
                                 .due_at = due_later.due_at};
    const MarkOverdue due{.now = due_later.due_at};
    EXPECT_EQ(invoice(due_later, kIssued).when(MarkOverdue{.now = due.now - 1us}).rejection(),
              InvoiceRejection::not_due);
    EXPECT_EQ(invoice(due_later, kIssued).when(due).events(), std::vector<InvoiceEvent>{overdue});
    EXPECT_TRUE(invoice(due_later, kIssued, overdue).when(due).events().empty());
    EXPECT_EQ(invoice(due_later, kIssued, overdue).when(PayInvoice{kIntent}).events(),
              std::vector<InvoiceEvent>{kPaid});
    EXPECT_TRUE(invoice(due_later, kIssued, kPaid).when(due).events().empty());
    EXPECT_EQ(invoice(due_later).when(due).rejection(), InvoiceRejection::not_issued);
    EXPECT_THROW(invoice(due_later, overdue).state(), CorruptStream);
    EXPECT_THROW(invoice(due_later, kIssued, overdue, overdue).state(), CorruptStream);
}

TEST(Invoice, ThatIsPaidIsCreditedAtMostItsSum) {
    const auto paid = invoice(drafted(), kIssued, kPaid);
    const CreditInvoice half{
        .refund_id = RefundId("r1"), .provider = "mpesa", .amount = kes(50000)};
    const auto events = paid.when(half).events();
    ASSERT_EQ(events.size(), 2U);
    const auto& credited = std::get<InvoiceCredited>(events[0]);
    EXPECT_EQ(credited.totals.total, kes(50000));
    EXPECT_EQ(std::get<JournalPosted>(events[1]).cause, "invoice_credited");
    const auto less = invoice(drafted(), kIssued, kPaid, credited);
    EXPECT_EQ(less.when(CreditInvoice{
                            .refund_id = RefundId("r2"), .provider = "mpesa", .amount = kes(50001)})
                  .rejection(),
              InvoiceRejection::more_than_is_left);
    EXPECT_TRUE(less.when(half).accepted());
    EXPECT_EQ(invoice(drafted()).when(half).rejection(), InvoiceRejection::not_issued);
    EXPECT_EQ(invoice(drafted(), kIssued).when(half).rejection(), InvoiceRejection::not_paid);
    EXPECT_EQ(invoice(drafted(), kIssued, voided_for("x")).when(half).rejection(),
              InvoiceRejection::voided);
}

// However an invoice is credited, its credits together are the invoice: no cent of tax is left.
TEST(Invoice, CreditsOfAnySizesAddUpToTheInvoice) {
    std::mt19937 random(7);
    for (int round = 0; round < 500; ++round) {
        auto drawn = drafted();
        drawn.totals = totals_of(kes(std::uniform_int_distribution(1, 300'000)(random)),
                                 std::uniform_int_distribution(0, 3000)(random));
        Invoice state = evolve(evolve(evolve(Invoice{}, drawn), kIssued), kPaid);
        Totals sum{kes(0), kes(0), kes(0), kes(0)};
        auto left = drawn.totals.total.minor_units;
        for (int n = 0; left > 0; ++n) {
            const auto part = n == 6 ? left : std::uniform_int_distribution(1L, left)(random);
            const auto answer =
                decide(state, CreditInvoice{.refund_id = RefundId(std::to_string(n)),
                                            .provider = "mpesa",
                                            .amount = kes(part)});
            ASSERT_TRUE(answer.accepted());
            const auto& credit = std::get<InvoiceCredited>(answer.events()[0]).totals;
            EXPECT_EQ(credit.subtotal + credit.tax + credit.rounding, credit.total);
            EXPECT_TRUE(balanced(std::get<JournalPosted>(answer.events()[1]).postings));
            sum.subtotal += credit.subtotal;
            sum.tax += credit.tax;
            sum.rounding += credit.rounding;
            sum.total += credit.total;
            for (const auto& event : answer.events()) state = evolve(state, event);
            left -= part;
        }
        EXPECT_EQ(sum, drawn.totals);
    }
}

TEST(Invoice, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Invoice{}, kIssued), CorruptStream);
    EXPECT_THROW(invoice(drafted(), kIssued, kIssued).state(), CorruptStream);
    EXPECT_THROW(invoice(drafted(), kPaid, kPaid).state(), CorruptStream);
}

TEST(InvoiceRegister, WritesTheVersionAsTheNumber) {
    EXPECT_EQ(invoice_number("INV", 2026, 1), "INV-2026-000001");
    EXPECT_EQ(invoice_number("SHOP", 2026, 999999), "SHOP-2026-999999");
    EXPECT_EQ(invoice_number("INV", 2027, 1234567), "INV-2027-1234567");
}

}  // namespace
}  // namespace flowstack::payment
