#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flowstack {

// ISO 4217 numeric codes. A currency is added here and in money.cc's table, nowhere else.
enum class Currency : std::uint16_t {
    bif = 108,
    cad = 124,
    cny = 156,
    etb = 230,
    inr = 356,
    jpy = 392,
    kes = 404,
    mwk = 454,
    ngn = 566,
    rwf = 646,
    zar = 710,
    aed = 784,
    ugx = 800,
    gbp = 826,
    tzs = 834,
    usd = 840,
    ghs = 936,
    mzn = 943,
    xaf = 950,
    xof = 952,
    zmw = 967,
    cdf = 976,
    eur = 978,
};

// "KES".
std::string_view currency_code(Currency currency);
// How many decimals the major unit has: KES 2, UGX 0.
int currency_exponent(Currency currency);
// From "KES" (upper case, as ISO writes it); nothing if we do not know it.
std::optional<Currency> parse_currency(std::string_view code);
// From 404; nothing if we do not know it.
std::optional<Currency> currency_of(int iso_numeric);

// An amount in the currency's smallest unit. Never a floating point number.
//
// Arithmetic throws std::overflow_error when the result does not fit, and std::invalid_argument
// when the two currencies differ: both are bugs of the caller, which must check what came from
// outside before it adds.
struct Money {
    std::int64_t minor_units = 0;
    Currency currency = Currency::usd;

    friend bool operator==(const Money&, const Money&) = default;
    // Amounts of two currencies are unordered: every comparison but != is false.
    friend std::partial_ordering operator<=>(const Money& a, const Money& b) {
        if (a.currency != b.currency) return std::partial_ordering::unordered;
        return a.minor_units <=> b.minor_units;
    }
};

Money operator+(Money a, Money b);
Money operator-(Money a, Money b);
Money operator-(Money amount);
Money operator*(Money amount, std::int64_t times);
inline Money operator*(std::int64_t times, Money amount) { return amount * times; }
inline Money& operator+=(Money& a, Money b) { return a = a + b; }
inline Money& operator-=(Money& a, Money b) { return a = a - b; }

constexpr bool is_zero(Money amount) { return amount.minor_units == 0; }
constexpr bool is_positive(Money amount) { return amount.minor_units > 0; }

// A part in basis points (1600 = 16 %), rounded to the nearest minor unit, halves away from zero.
Money basis_points_of(Money amount, std::int64_t basis_points);

// "KES 1,500.00", "-USD 0.05", "UGX 2,000": for people.
std::string format_money(Money amount);
// "1500.00", "-0.05": for bodies that carry decimal major units.
std::string format_decimal(Money amount);

// Decimal major units ("1000", "1.00", "-0.5") to minor units, digit by digit. Nothing for any
// other text (signs but '-', exponents, group commas, a point without digits on both sides), for
// digits finer than the currency has ("1.005" KES; trailing zeros are not finer), and for amounts
// that do not fit.
std::optional<Money> parse_money(std::string_view decimal, Currency currency);

}  // namespace flowstack
