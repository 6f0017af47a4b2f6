#include "services/payment/domain/ledger.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "services/payment/domain/pricing.h"

namespace flowstack::payment {
namespace {

constexpr Money kes(std::int64_t cents) { return {cents, Currency::kes}; }

OrderLine line(std::int64_t quantity, Money unit_price) {
    return {.product_id = "p",
            .product_name = "Coffee",
            .quantity = quantity,
            .unit_price = unit_price,
            .line_total = {}};
}

TEST(Price, AddsUpLinesTaxAndTotal) {
    const auto order = price({line(2, kes(50000)), line(1, kes(10000))}, 1600);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->lines[0].line_total, kes(100000));
    EXPECT_EQ(order->totals, (Totals{kes(110000), kes(17600), kes(0), kes(127600)}));
}

TEST(Price, RoundsShillingsToTheNearestWholeOneHalvesUp) {
    struct Case {
        std::int64_t cents, rounding, total;
    };
    for (const auto& c : {Case{10049, -49, 10000}, Case{10050, 50, 10100}, Case{10051, 49, 10100},
                          Case{10099, 1, 10100}, Case{10000, 0, 10000}, Case{49, 51, 100}}) {
        const auto order = price({line(1, kes(c.cents))}, 0);
        ASSERT_TRUE(order) << c.cents;
        EXPECT_EQ(order->totals.rounding, kes(c.rounding)) << c.cents;
        EXPECT_EQ(order->totals.total, kes(c.total)) << c.cents;
    }
}

TEST(Price, LeavesOtherCurrenciesToTheCent) {
    const auto order = price({line(1, {10049, Currency::usd})}, 0);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->totals.total, (Money{10049, Currency::usd}));
}

TEST(Price, RefusesWhatCannotBeSold) {
    EXPECT_FALSE(price({}, 0));
    EXPECT_FALSE(price({line(0, kes(100))}, 0));
    EXPECT_FALSE(price({line(-1, kes(100))}, 0));
    EXPECT_FALSE(price({line(kLineQuantityMax + 1, kes(100))}, 0));
    EXPECT_FALSE(price({line(1, kes(-100))}, 0));
    EXPECT_FALSE(price({line(1, kes(0))}, 0));
    EXPECT_FALSE(price({line(1, kes(100)), line(1, {100, Currency::usd})}, 0));
    EXPECT_FALSE(price({line(1'000'000, kes(9'200'000'000'000'000'000))}, 0));
}

TEST(Journal, OfAnIssuedInvoiceNamesEveryPart) {
    const auto order = price({line(1, kes(10030))}, 1600);
    const auto& t = order->totals;  // 100.30 + 16.05 = 116.35 → 116
    const auto journal = invoice_issued_journal(InvoiceId("inv"), t);
    EXPECT_EQ(journal.postings, (std::vector<Posting>{{"receivable", kes(11600)},
                                                      {"revenue", kes(-10030)},
                                                      {"tax", kes(-1605)},
                                                      {"rounding", kes(35)}}));
}

TEST(Journal, DoesNotBookNothing) {
    const Totals plain{kes(100), kes(0), kes(0), kes(100)};
    EXPECT_EQ(invoice_issued_journal(InvoiceId("inv"), plain).postings.size(), 2U);
}

TEST(Journal, RefusesToBeUnbalanced) {
    EXPECT_THROW(invoice_issued_journal(InvoiceId("inv"), {kes(100), kes(1), kes(0), kes(100)}),
                 std::logic_error);
    EXPECT_FALSE(balanced({}));
    EXPECT_FALSE(balanced({{"a", kes(1)}, {"b", {-1, Currency::usd}}}));
}

TEST(Journal, OfAVoidedInvoiceTurnsItRound) {
    const Totals t{kes(100), kes(16), kes(-16), kes(100)};
    auto both = invoice_issued_journal(InvoiceId("inv"), t).postings;
    for (const auto& posting : invoice_voided_journal(InvoiceId("inv"), t).postings)
        both.push_back(posting);
    std::map<std::string, std::int64_t> sums;
    for (const auto& posting : both) sums[posting.account] += posting.amount.minor_units;
    for (const auto& [account, sum] : sums) EXPECT_EQ(sum, 0) << account;
}

TEST(Journal, SumsToZeroForAnyOrder) {
    std::mt19937 random(20261121);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<OrderLine> lines;
        const auto currency = random() % 4 ? Currency::kes : Currency::usd;
        for (std::size_t n = 1 + random() % 5; n > 0; --n)
            lines.push_back(line(1 + random() % 999,
                                 {static_cast<std::int64_t>(random() % 5'000'000), currency}));
        const auto order = price(lines, random() % 3000);
        if (!order) continue;
        const auto& t = order->totals;
        ASSERT_EQ(t.subtotal + t.tax + t.rounding, t.total);
        if (currency == Currency::kes) {
            ASSERT_EQ(t.total.minor_units % 100, 0);
        }
        ASSERT_LE(std::abs(t.rounding.minor_units), 99);
        ASSERT_TRUE(balanced(invoice_issued_journal(InvoiceId("inv"), t).postings));
        ASSERT_TRUE(balanced(
            money_in_journal(IntentId("i"), "intent_paid", "mpesa", t.total, account::kReceivable)
                .postings));
    }
}

}  // namespace
}  // namespace flowstack::payment
