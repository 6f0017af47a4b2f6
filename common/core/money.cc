#include "common/core/money.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>

namespace flowstack {
namespace {

struct CurrencyRow {
    Currency currency;
    std::string_view code;
    int exponent;
};

constexpr std::array kCurrencies{
    CurrencyRow{Currency::aed, "AED", 2}, CurrencyRow{Currency::bif, "BIF", 0},
    CurrencyRow{Currency::cad, "CAD", 2}, CurrencyRow{Currency::cdf, "CDF", 2},
    CurrencyRow{Currency::cny, "CNY", 2}, CurrencyRow{Currency::etb, "ETB", 2},
    CurrencyRow{Currency::eur, "EUR", 2}, CurrencyRow{Currency::gbp, "GBP", 2},
    CurrencyRow{Currency::ghs, "GHS", 2}, CurrencyRow{Currency::inr, "INR", 2},
    CurrencyRow{Currency::jpy, "JPY", 0}, CurrencyRow{Currency::kes, "KES", 2},
    CurrencyRow{Currency::mwk, "MWK", 2}, CurrencyRow{Currency::mzn, "MZN", 2},
    CurrencyRow{Currency::ngn, "NGN", 2}, CurrencyRow{Currency::rwf, "RWF", 0},
    CurrencyRow{Currency::tzs, "TZS", 2}, CurrencyRow{Currency::ugx, "UGX", 0},
    CurrencyRow{Currency::usd, "USD", 2}, CurrencyRow{Currency::xaf, "XAF", 0},
    CurrencyRow{Currency::xof, "XOF", 0}, CurrencyRow{Currency::zar, "ZAR", 2},
    CurrencyRow{Currency::zmw, "ZMW", 2},
};

const CurrencyRow& row_of(Currency currency) {
    const auto* row = std::ranges::find(kCurrencies, currency, &CurrencyRow::currency);
    // Only a cast can make a Currency that the table does not have.
    if (row == kCurrencies.end()) throw std::invalid_argument("not a known ISO 4217 currency");
    return *row;
}

[[noreturn]] void overflow() { throw std::overflow_error("the amount does not fit in 64 bits"); }

void same_currency(Money a, Money b) {
    if (a.currency != b.currency) {
        throw std::invalid_argument("amounts of two currencies: " + format_money(a) + " and " +
                                    format_money(b));
    }
}

std::string digits_of(Money amount, bool grouped) {
    const int exponent = currency_exponent(amount.currency);
    // The unsigned negation is also right for the smallest int64, which has no positive twin.
    auto left = static_cast<std::uint64_t>(amount.minor_units);
    if (amount.minor_units < 0) left = 0 - left;
    std::string reversed;
    for (int digit = 0; left != 0 || digit <= exponent; ++digit) {
        if (digit == exponent && exponent != 0) reversed += '.';
        const int major = digit - exponent;
        if (grouped && major > 0 && major % 3 == 0) reversed += ',';
        reversed += static_cast<char>('0' + left % 10);
        left /= 10;
    }
    return {reversed.rbegin(), reversed.rend()};
}

}  // namespace

std::string_view currency_code(Currency currency) { return row_of(currency).code; }
int currency_exponent(Currency currency) { return row_of(currency).exponent; }

std::optional<Currency> parse_currency(std::string_view code) {
    const auto* row = std::ranges::find(kCurrencies, code, &CurrencyRow::code);
    if (row == kCurrencies.end()) return std::nullopt;
    return row->currency;
}

std::optional<Currency> currency_of(int iso_numeric) {
    for (const auto& row : kCurrencies) {
        if (static_cast<int>(row.currency) == iso_numeric) return row.currency;
    }
    return std::nullopt;
}

Money operator+(Money a, Money b) {
    same_currency(a, b);
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a.minor_units, b.minor_units, &sum)) overflow();
    return {sum, a.currency};
}

Money operator-(Money a, Money b) {
    same_currency(a, b);
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(a.minor_units, b.minor_units, &difference)) overflow();
    return {difference, a.currency};
}

Money operator-(Money amount) { return Money{0, amount.currency} - amount; }

Money operator*(Money amount, std::int64_t times) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(amount.minor_units, times, &product)) overflow();
    return {product, amount.currency};
}

Money basis_points_of(Money amount, std::int64_t basis_points) {
    constexpr std::int64_t kWhole = 10'000;
    // Whole and rest apart, so that only results that do not fit overflow.
    const std::int64_t whole = amount.minor_units / kWhole;
    const std::int64_t rest = amount.minor_units % kWhole;
    const Money small = Money{rest, amount.currency} * basis_points;
    const std::int64_t half = small.minor_units < 0 ? -kWhole / 2 : kWhole / 2;
    std::int64_t nudged = 0;
    if (__builtin_add_overflow(small.minor_units, half, &nudged)) overflow();
    return Money{whole, amount.currency} * basis_points + Money{nudged / kWhole, amount.currency};
}

std::string format_decimal(Money amount) {
    return (amount.minor_units < 0 ? "-" : "") + digits_of(amount, false);
}

std::string format_money(Money amount) {
    std::string text = amount.minor_units < 0 ? "-" : "";
    text += currency_code(amount.currency);
    text += ' ';
    text += digits_of(amount, true);
    return text;
}

std::optional<Money> parse_money(std::string_view decimal, Currency currency) {
    const bool negative = !decimal.empty() && decimal.front() == '-';
    if (negative) decimal.remove_prefix(1);
    const auto point = decimal.find('.');
    const auto whole = decimal.substr(0, point);
    auto fraction =
        point == std::string_view::npos ? std::string_view{} : decimal.substr(point + 1);
    if (whole.empty() || (point != std::string_view::npos && fraction.empty())) return std::nullopt;

    const auto exponent = static_cast<std::size_t>(currency_exponent(currency));
    while (fraction.size() > exponent && fraction.back() == '0') fraction.remove_suffix(1);
    if (fraction.size() > exponent) return std::nullopt;

    std::int64_t minor = 0;
    // Counts downwards for negative amounts, so that the smallest int64 is reached too.
    const auto append = [&](char c) {
        if (c < '0' || c > '9') return false;
        const int digit = negative ? '0' - c : c - '0';
        return !__builtin_mul_overflow(minor, std::int64_t{10}, &minor) &&
               !__builtin_add_overflow(minor, digit, &minor);
    };
    for (const char c : whole) {
        if (!append(c)) return std::nullopt;
    }
    for (std::size_t i = 0; i < exponent; ++i) {
        if (!append(i < fraction.size() ? fraction[i] : '0')) return std::nullopt;
    }
    return Money{minor, currency};
}

}  // namespace flowstack
