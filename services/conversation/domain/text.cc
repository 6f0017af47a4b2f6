#include "services/conversation/domain/text.h"

#include <algorithm>
#include <array>

namespace flowstack::conversation {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
    std::string result(text);
    for (std::size_t i = 0; i < result.size(); ++i) {
        const auto c = static_cast<unsigned char>(result[i]);
        if (c >= 'A' && c <= 'Z') result[i] = static_cast<char>(c + 32);
        // U+00C0 … U+00DE, two bytes C3 80 … C3 9E, but not the multiplication sign U+00D7.
        if (c == 0xC3 && i + 1 < result.size()) {
            const auto next = static_cast<unsigned char>(result[i + 1]);
            if (next >= 0x80 && next <= 0x9E && next != 0x97)
                result[i + 1] = static_cast<char>(next + 0x20);
            ++i;
        }
    }
    return result;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string utf8_cut(std::string_view text, std::size_t length_max) {
    if (utf8_length(text) <= length_max) return std::string(text);
    if (length_max == 0) return {};
    std::size_t seen = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_continuation(text[i])) continue;
        if (++seen == length_max) return std::string(text.substr(0, i)) + "…";
    }
    return std::string(text);
}

std::string trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return std::string(text);
}

std::string plain(std::string_view text) {
    constexpr std::string_view kEdges = " \t\n\r\v\f.!?\"'*_~`";
    const auto begin = text.find_first_not_of(kEdges);
    if (begin == std::string_view::npos) return {};
    text = text.substr(begin, text.find_last_not_of(kEdges) - begin + 1);
    std::string result;
    for (const char c : lower(text)) {
        if (!is_space(c))
            result += c;
        else if (!result.empty() && result.back() != ' ')
            result += ' ';
    }
    return result;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words(1);
    for (const char c : plain(text)) {
        if (c == ' ' || c == ',' || c == ';' || c == '/' || c == '(' || c == ')')
            words.emplace_back();
        else
            words.back() += c;
    }
    std::erase(words, "");
    return words;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::vector<std::size_t> next(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        next[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + cost});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                next[j] = std::min(next[j], before[j - 2] + 1);
        }
        std::swap(before, row);
        std::swap(row, next);
    }
    return row[b.size()];
}

std::optional<std::int64_t> parse_count(std::string_view text, std::int64_t min, std::int64_t max) {
    auto digits = plain(text);
    if (digits.size() > 1 && digits.front() == 'x') digits.erase(0, 1);
    if (digits.empty() || digits.size() > 12 ||
        !std::all_of(digits.begin(), digits.end(), is_digit))
        return {};
    std::int64_t value = 0;
    for (const char c : digits) value = value * 10 + (c - '0');
    if (value < min || value > max) return {};
    return value;
}

std::optional<std::string> parse_phone(std::string_view text, std::string_view country) {
    std::string digits;
    bool plus = false;
    for (const char c : trim(text)) {
        if (is_digit(c))
            digits += c;
        else if (c == '+' && digits.empty() && !plus)
            plus = true;
        else if (c != ' ' && c != '-' && c != '(' && c != ')' && c != '.')
            return {};
    }
    struct Plan {
        std::string_view country, code;
    };
    constexpr std::array<Plan, 4> kPlans{
        {{"KE", "254"}, {"TZ", "255"}, {"UG", "256"}, {"RW", "250"}}};
    constexpr std::size_t kNationalDigits = 9;
    for (const auto& plan : kPlans) {
        if (plan.country != country) continue;
        if (!plus && digits.size() == kNationalDigits + 1 && digits.front() == '0')
            digits = std::string(plan.code) + digits.substr(1);
        else if (!plus && digits.size() == kNationalDigits && digits.front() != '0')
            digits = std::string(plan.code) + digits;
        if (digits.starts_with(plan.code) && digits.size() != plan.code.size() + kNationalDigits)
            return {};
    }
    // E.164: at most 15 digits, no leading zero.
    if (digits.size() < 10 || digits.size() > 15 || digits.front() == '0') return {};
    return "+" + digits;
}

std::string fill(std::string_view body, const std::map<std::string, std::string>& values) {
    const auto value_of = [&](const std::string& name) -> std::string_view {
        const auto found = values.find(name);
        return found == values.end() ? std::string_view{} : std::string_view{found->second};
    };
    std::string result;
    std::size_t at = 0;
    while (at < body.size()) {
        const auto open = body.find("{{", at);
        const auto close = open == std::string_view::npos ? open : body.find("}}", open);
        if (close == std::string_view::npos) return result += body.substr(at);
        result += body.substr(at, open - at);
        auto name = trim(body.substr(open + 2, close - open - 2));
        at = close + 2;
        if (name.starts_with('#')) {
            name = trim(std::string_view(name).substr(1));
            const auto end_mark = "{{/" + name + "}}";
            const auto end = body.find(end_mark, at);
            const auto inner = body.substr(at, end == std::string_view::npos ? end : end - at);
            if (!value_of(name).empty()) result += fill(inner, values);
            at = end == std::string_view::npos ? body.size() : end + end_mark.size();
        } else {
            result += value_of(name);
        }
    }
    return result;
}

std::vector<std::string> names_in(std::string_view body) {
    std::vector<std::string> names;
    for (std::size_t at = 0; (at = body.find("{{", at)) != std::string_view::npos;) {
        const auto close = body.find("}}", at);
        if (close == std::string_view::npos) break;
        auto name = trim(body.substr(at + 2, close - at - 2));
        if (name.starts_with('#') || name.starts_with('/')) name.erase(0, 1);
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        at = close + 2;
    }
    return names;
}

}  // namespace flowstack::conversation
