#include "common/core/money.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <stdexcept>

#include "common/core/pricing.h"

namespace flowstack {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

constexpr Money kes(std::int64_t minor) { return {minor, Currency::kes}; }
constexpr Money ugx(std::int64_t minor) { return {minor, Currency::ugx}; }
constexpr Money usd(std::int64_t minor) { return {minor, Currency::usd}; }

TEST(Currency, IsKnownByItsThreeNames) {
    EXPECT_EQ(currency_code(Currency::kes), "KES");
    EXPECT_EQ(parse_currency("TZS"), Currency::tzs);
    EXPECT_EQ(currency_of(978), Currency::eur);
    EXPECT_EQ(parse_currency("kes"), std::nullopt);
    EXPECT_EQ(parse_currency("XXX"), std::nullopt);
    EXPECT_EQ(currency_of(999), std::nullopt);
}

TEST(Money, AddsAndSubtractsWithinOneCurrency) {
    EXPECT_EQ(kes(150) + kes(50), kes(200));
    EXPECT_EQ(kes(150) - kes(250), kes(-100));
    EXPECT_EQ(3 * kes(150), kes(450));
    EXPECT_EQ(-kes(5), kes(-5));
}

TEST(Money, NeverMixesCurrencies) {
    EXPECT_THROW(kes(1) + usd(1), std::invalid_argument);
    EXPECT_THROW(kes(1) - usd(1), std::invalid_argument);
    EXPECT_NE(kes(1), usd(1));
    EXPECT_FALSE(kes(1) < usd(2));
    EXPECT_FALSE(kes(1) > usd(2));
}

TEST(Money, RefusesToOverflow) {
    EXPECT_THROW(kes(kMost) + kes(1), std::overflow_error);
    EXPECT_THROW(kes(kLeast) - kes(1), std::overflow_error);
    EXPECT_THROW(-kes(kLeast), std::overflow_error);
    EXPECT_THROW(kes(kMost) * 2, std::overflow_error);
    EXPECT_THROW(basis_points_of(kes(kMost), 20'000), std::overflow_error);
}

TEST(Money, TakesPartsRoundedToTheNearestMinorUnit) {
    EXPECT_EQ(basis_points_of(kes(10'000), 1600), kes(1600));
    EXPECT_EQ(basis_points_of(kes(3), 5000), kes(2));    // 1.5
    EXPECT_EQ(basis_points_of(kes(-3), 5000), kes(-2));  // -1.5
    EXPECT_EQ(basis_points_of(kes(3), 4999), kes(1));
    EXPECT_EQ(basis_points_of(kes(kMost), 10'000), kes(kMost));
}

TEST(Money, IsShownWithCodeGroupsAndDecimals) {
    EXPECT_EQ(format_money(kes(150'000)), "KES 1,500.00");
    EXPECT_EQ(format_money(kes(5)), "KES 0.05");
    EXPECT_EQ(format_money(kes(-123'456'789)), "-KES 1,234,567.89");
    EXPECT_EQ(format_money(kes(99'999)), "KES 999.99");
    EXPECT_EQ(format_money(ugx(2000)), "UGX 2,000");
    EXPECT_EQ(format_money(ugx(0)), "UGX 0");
    EXPECT_EQ(format_money(kes(kLeast)), "-KES 92,233,720,368,547,758.08");
    EXPECT_EQ(format_decimal(kes(150'000)), "1500.00");
    EXPECT_EQ(format_decimal(ugx(-7)), "-7");
}

TEST(Money, IsReadFromDecimalText) {
    EXPECT_EQ(parse_money("1000", Currency::kes), kes(100'000));
    EXPECT_EQ(parse_money("1.00", Currency::kes), kes(100));
    EXPECT_EQ(parse_money("1.5", Currency::kes), kes(150));
    EXPECT_EQ(parse_money("0.07", Currency::kes), kes(7));
    EXPECT_EQ(parse_money("-0.5", Currency::kes), kes(-50));
    EXPECT_EQ(parse_money("1.5000", Currency::kes), kes(150));
    EXPECT_EQ(parse_money("2000.00", Currency::ugx), ugx(2000));
}

TEST(Money, RefusesTextThatIsNoAmount) {
    for (const char* text : {"", "-", ".", ".5", "5.", "1,000", "1e3", "+1", " 1", "1 ", "0x1",
                             "1.2.3", "--1", "KES 1", "1.-5", "NaN"}) {
        EXPECT_EQ(parse_money(text, Currency::kes), std::nullopt) << text;
    }
}

TEST(Money, RefusesWhatItsCurrencyCannotHold) {
    EXPECT_EQ(parse_money("1.005", Currency::kes), std::nullopt);
    EXPECT_EQ(parse_money("0.5", Currency::ugx), std::nullopt);
    EXPECT_EQ(parse_money("92233720368547758.08", Currency::kes), std::nullopt);
    EXPECT_EQ(parse_money("-92233720368547758.08", Currency::kes), kes(kLeast));
    EXPECT_EQ(parse_money("100000000000000000000000000", Currency::kes), std::nullopt);
}

TEST(Money, IsReadBackAsItWasWritten) {
    const auto seed = std::random_device{}();
    std::mt19937_64 random{seed};
    for (int i = 0; i < 10'000; ++i) {
        const Money amount = kes(static_cast<std::int64_t>(random()));
        ASSERT_EQ(parse_money(format_decimal(amount), Currency::kes), amount) << "seed " << seed;
    }
}

TEST(Pricing, TaxesOnceAndRoundsShillingsToWholeOnes) {
    const auto kes = [](std::int64_t cents) { return Money{cents, Currency::kes}; };
    const auto t = totals_of(kes(10'049), 1600);
    EXPECT_EQ(t.tax, kes(1'608));
    EXPECT_EQ(t.total, kes(11'700));
    EXPECT_EQ(t.rounding, kes(43));
    EXPECT_EQ(t.subtotal + t.tax + t.rounding, t.total);
    EXPECT_EQ(totals_of(kes(1), 0).total, kes(100));
    EXPECT_EQ(totals_of(kes(149), 0).total, kes(100));
    EXPECT_EQ(totals_of(kes(150), 0).total, kes(200));
    EXPECT_EQ(totals_of(kes(0), 1600).total, kes(0));
    const Money cents{149, Currency::usd};
    EXPECT_EQ(totals_of(cents, 0).total, cents);
    EXPECT_THROW(totals_of(kes(std::numeric_limits<std::int64_t>::max()), 0), std::overflow_error);
}

}  // namespace
}  // namespace flowstack
