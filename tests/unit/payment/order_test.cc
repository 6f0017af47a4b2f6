#include "services/payment/domain/order.h"

#include <gtest/gtest.h>

#include "common/core/corrupt_stream.h"
#include "services/payment/domain/invoice.h"
#include "tests/support/given.h"

namespace flowstack::payment {
namespace {

constexpr Money kes(std::int64_t cents) { return {cents, Currency::kes}; }

OrderPlaced placed() {
    return {.order_id = "o1",
            .number = "ORD-7K2M9Q",
            .customer_id = "c1",
            .conversation_id = "conv",
            .channel_id = "chan",
            .reservation_id = "res",
            .lines = {{"p", "Coffee", 2, kes(50000), kes(100000)}},
            .totals = {.subtotal = kes(100000),
                       .tax = kes(0),
                       .rounding = kes(0),
                       .total = kes(100000)},
            .language = "en",
            .buyer = {.name = "Jane", .address = "Moi Avenue", .phone = "+254712345678"},
            .invoice_id = "v1"};
}
const OrderConfirmed kConfirmed{"o1"};
PaymentStarted started(const std::string& intent) {
    return {.order_id = "o1",
            .intent_id = intent,
            .conversation_id = "conv",
            .customer_id = "c1",
            .provider = "mpesa",
            .amount = kes(100000),
            .order_number = "ORD-7K2M9Q"};
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
    EXPECT_EQ(order(placed(), kConfirmed).when(StartPayment{"i1", "mpesa"}).events(),
              std::vector<OrderEvent>{started("i1")});
}

TEST(Order, HasOneLivePaymentAtATime) {
    const auto history = order(placed(), kConfirmed, started("i1"));
    for (const auto open : {PreviousIntent::waiting, PreviousIntent::pending})
        EXPECT_EQ(history.when(StartPayment{"i2", "mpesa", open}).rejection(),
                  OrderRejection::payment_pending);
    EXPECT_EQ(history.when(StartPayment{"i2", "mpesa", PreviousIntent::over}).events(),
              std::vector<OrderEvent>{started("i2")});
    EXPECT_EQ(history.when(StartPayment{"i2", "mpesa", PreviousIntent::paid}).rejection(),
              OrderRejection::already_paid);
}

TEST(Order, IsPaidByOneIntentOnly) {
    const auto history = order(placed(), kConfirmed, started("i1"), OrderPaid{"o1", "i1"});
    EXPECT_EQ(order(placed(), kConfirmed).when(MarkOrderPaid{"i1"}).events(),
              (std::vector<OrderEvent>{OrderPaid{"o1", "i1"}}));
    EXPECT_TRUE(history.when(MarkOrderPaid{"i1"}).events().empty());
    EXPECT_EQ(history.when(MarkOrderPaid{"i2"}).rejection(), OrderRejection::already_paid);
    EXPECT_EQ(history.when(StartPayment{"i2", "mpesa", PreviousIntent::paid}).rejection(),
              OrderRejection::already_paid);
}

TEST(Order, IsCancelledOnlyWhileNoMoneyCanCome) {
    const auto history = order(placed(), kConfirmed, started("i1"));
    EXPECT_EQ(history.when(CancelOrder{"", PreviousIntent::over}).rejection(),
              OrderRejection::reason_missing);
    EXPECT_EQ(history.when(CancelOrder{"changed my mind", PreviousIntent::pending}).rejection(),
              OrderRejection::payment_pending);
    EXPECT_EQ(history.when(CancelOrder{"changed my mind", PreviousIntent::over}).events(),
              (std::vector<OrderEvent>{OrderCancelled{"o1", "changed my mind"}}));
    const auto cancelled = order(placed(), kConfirmed, OrderCancelled{"o1", "x"});
    EXPECT_TRUE(cancelled.when(CancelOrder{"y"}).events().empty());
    EXPECT_EQ(cancelled.when(StartPayment{"i1", "mpesa"}).rejection(), OrderRejection::cancelled);
    EXPECT_EQ(cancelled.when(MarkOrderPaid{"i1"}).rejection(), OrderRejection::cancelled);
    EXPECT_EQ(order(placed(), kConfirmed, started("i1"), OrderPaid{"o1", "i1"})
                  .when(CancelOrder{"too late"})
                  .rejection(),
              OrderRejection::already_paid);
}

TEST(Order, ThatDoesNotExistAnswersSo) {
    EXPECT_EQ(order().when(StartPayment{"i", "mpesa"}).rejection(), OrderRejection::not_placed);
    EXPECT_EQ(order().when(MarkOrderPaid{"i"}).rejection(), OrderRejection::not_placed);
    EXPECT_EQ(order().when(CancelOrder{"x"}).rejection(), OrderRejection::not_placed);
}

TEST(Order, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Order{}, OrderPaid{"o1", "i1"}), CorruptStream);
    EXPECT_THROW(order(placed(), OrderPaid{"o1", "i"}, OrderPaid{"o1", "i"}).state(),
                 CorruptStream);
}

// ---- invoices

InvoiceDrafted drafted() {
    return {"v1",   "o1",         "c1",   2026, "INV", placed().lines, placed().totals,
            "conv", "ORD-7K2M9Q", Time{}, "en"};
}
const InvoiceIssued kIssued{"v1", "INV-2026-000001"};
const InvoicePaid kPaid{"v1", "i1"};

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
    EXPECT_EQ(invoice(drafted()).when(IssueInvoice{"INV-2026-000001"}).events(),
              (std::vector<InvoiceEvent>{kIssued, invoice_issued_journal("v1", drafted().totals)}));
}

TEST(Invoice, KeepsItsNumber) {
    EXPECT_TRUE(invoice(drafted(), kIssued).when(IssueInvoice{"INV-2026-000001"}).events().empty());
    EXPECT_EQ(invoice(drafted(), kIssued).when(IssueInvoice{"INV-2026-000002"}).rejection(),
              InvoiceRejection::other_number);
}

TEST(Invoice, IsPaidOnce) {
    EXPECT_EQ(invoice(drafted(), kIssued).when(PayInvoice{"i1"}).events(),
              std::vector<InvoiceEvent>{kPaid});
    EXPECT_TRUE(invoice(drafted(), kIssued, kPaid).when(PayInvoice{"i1"}).events().empty());
    EXPECT_EQ(invoice(drafted(), kIssued, kPaid).when(PayInvoice{"i2"}).rejection(),
              InvoiceRejection::already_paid);
}

TEST(Invoice, MayBePaidBeforeItHasItsNumber) {
    EXPECT_EQ(invoice(drafted()).when(PayInvoice{"i1"}).events(), std::vector<InvoiceEvent>{kPaid});
    const auto fast = invoice(drafted(), kPaid, kIssued);
    EXPECT_EQ(fast.state(), Invoice(PaidInvoice{drafted(), "INV-2026-000001", "i1"}));
    EXPECT_EQ(fast.state(), invoice(drafted(), kIssued, kPaid).state());
}

TEST(Invoice, ThatIsVoidKeepsItsNumberAndTurnsItsJournalRound) {
    EXPECT_EQ(invoice(drafted(), kIssued).when(VoidInvoice{"cancelled"}).events(),
              (std::vector<InvoiceEvent>{InvoiceVoided{"v1", "cancelled"},
                                         invoice_voided_journal("v1", drafted().totals)}));
    EXPECT_EQ(invoice(drafted(), kIssued, InvoiceVoided{"v1", "cancelled"}).state(),
              Invoice(VoidedInvoice{drafted(), "INV-2026-000001", "cancelled"}));
    EXPECT_EQ(invoice(drafted()).when(VoidInvoice{"cancelled"}).events().size(), 1U);
    EXPECT_EQ(invoice(drafted(), kIssued, kPaid).when(VoidInvoice{"x"}).rejection(),
              InvoiceRejection::already_paid);
    EXPECT_EQ(invoice(drafted(), InvoiceVoided{"v1", "x"}).when(IssueInvoice{"n"}).rejection(),
              InvoiceRejection::voided);
    EXPECT_EQ(invoice(drafted(), InvoiceVoided{"v1", "x"}).when(PayInvoice{"i"}).rejection(),
              InvoiceRejection::voided);
    EXPECT_EQ(invoice(drafted(), kIssued).when(VoidInvoice{""}).rejection(),
              InvoiceRejection::reason_missing);
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
