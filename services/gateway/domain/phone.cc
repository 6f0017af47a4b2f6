#include "services/gateway/domain/phone.h"

#include <algorithm>

namespace flowstack::gateway {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string phone_from_digits(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    // E.164: at most 15 digits, and no country code begins with 0.
    if (text.size() < 6 || text.size() > 15 || text.front() == '0') return {};
    if (!std::ranges::all_of(text, is_digit)) return {};
    return "+" + std::string(text);
}

std::string one_spelling(std::string_view phone) {
    const std::string same(phone);
    if (!phone.starts_with('+') || !std::ranges::all_of(phone.substr(1), is_digit)) return same;
    const auto national = phone.substr(std::min<std::size_t>(3, phone.size()));
    const auto rest = std::string(national);
    // Ten national digits, with the 1 in front of them or without.
    if (phone.starts_with("+52") && rest.size() == 11 && rest.front() == '1')
        return "+52" + rest.substr(1);
    // Two digits of the area, then eight; mobile numbers begin with 6 to 9, land lines with 2 to 5.
    if (phone.starts_with("+55") && rest.size() == 10 && rest[2] >= '6')
        return "+55" + rest.substr(0, 2) + "9" + rest.substr(2);
    // Area and number are ten digits together.
    if (phone.starts_with("+54") && rest.size() == 10) return "+549" + rest;
    return same;
}

std::string_view calling_code(std::string_view phone) {
    // Codes of two digits; 1 and 7 have one digit, all others three.
    constexpr std::string_view kTwoDigits[] = {
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
        "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
        "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"};
    if (phone.empty() || phone_from_digits(phone) != phone) return {};
    phone.remove_prefix(1);
    if (phone.front() == '1' || phone.front() == '7') return phone.substr(0, 1);
    return phone.substr(
        0,
        std::ranges::find(kTwoDigits, phone.substr(0, 2)) != std::ranges::end(kTwoDigits) ? 2 : 3);
}

}  // namespace flowstack::gateway
