#include "common/text/phone.h"

#include <array>

#include "common/text/fold.h"

namespace flowstack::text {
namespace {

struct Plan {
    std::string_view country, code;
};
constexpr std::array<Plan, 4> kPlans{{{"KE", "254"}, {"TZ", "255"}, {"UG", "256"}, {"RW", "250"}}};
constexpr std::size_t kNationalDigits = 9;  // of each of them, without the leading zero

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<std::string> e164(std::string_view typed, std::string_view country) {
    const auto folded = fold(typed);
    std::string digits;
    bool international = false;
    for (std::size_t at = 0; at < folded.size(); ++at) {
        const char c = folded[at];
        constexpr std::string_view kTrunk = "(0)";
        // "+254 (0)712": the zero is only dialled inside the country.
        if (!digits.empty() && std::string_view(folded).substr(at).starts_with(kTrunk))
            at += kTrunk.size() - 1;
        else if (is_digit(c))
            digits += c;
        else if (c == '+' && digits.empty() && !international)
            international = true;
        else if (c != ' ' && c != '-' && c != '(' && c != ')' && c != '.')
            return {};
    }
    if (!international && digits.starts_with("00")) {
        digits.erase(0, 2);
        international = true;
    }
    for (const auto& plan : kPlans) {
        if (plan.country == country && !international) {
            if (digits.size() == kNationalDigits + 1 && digits.front() == '0')
                digits = std::string(plan.code) + digits.substr(1);
            else if (digits.size() == kNationalDigits && digits.front() != '0')
                digits = std::string(plan.code) + digits;
        }
        if (!digits.starts_with(plan.code) || !(international || plan.country == country)) continue;
        auto national = digits.substr(plan.code.size());
        if (national.size() == kNationalDigits + 1 && national.front() == '0') national.erase(0, 1);
        if (national.size() != kNationalDigits || national.front() == '0') return {};
        digits = std::string(plan.code) + national;
    }
    // E.164: at most 15 digits, no leading zero.
    if (digits.size() < 10 || digits.size() > 15 || digits.front() == '0') return {};
    return "+" + digits;
}

}  // namespace flowstack::text
