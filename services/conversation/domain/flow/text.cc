#include "services/conversation/domain/flow/text.h"

#include <algorithm>
#include <array>

#include "common/text/fold.h"

namespace flowstack::conversation {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A name inside {{ }}: written by whoever wrote the template, so plain blanks are all there is.
std::string_view without_blanks(std::string_view name) {
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    return name;
}

// What may stand around words without changing them. The text is folded already.
constexpr std::array<std::string_view, 13> kEdges{" ", ".", "!", "?", "\"", "'", "*",
                                                  "_", "~", "`", "¡", "¿",  "؟"};

}  // namespace

bool is_blank(std::string_view text) { return text::fold(text).empty(); }

std::string plain(std::string_view text) {
    const auto folded = text::fold(text);
    std::string_view rest = folded;
    const auto edge = [](const auto& fits) {
        const auto found = std::find_if(kEdges.begin(), kEdges.end(), fits);
        return found == kEdges.end() ? std::size_t{0} : found->size();
    };
    // ".5" is a number, not 5 behind a full stop.
    const auto begins = [&](std::string_view e) {
        return rest.starts_with(e) && !(e == "." && rest.size() > 1 && is_digit(rest[1]));
    };
    const auto ends = [&](std::string_view e) { return rest.ends_with(e); };
    while (const auto size = edge(begins)) rest.remove_prefix(size);
    while (const auto size = edge(ends)) rest.remove_suffix(size);
    return std::string(rest);
}

std::vector<std::string> words_of(std::string_view text) {
    constexpr std::string_view kBetween = " ,;/()";
    const auto said = plain(text);
    std::vector<std::string> words(1);
    for (std::size_t i = 0; i < said.size(); ++i) {
        const char c = said[i];
        const bool in_a_number = (c == ',' || c == '/') && i > 0 && is_digit(said[i - 1]) &&
                                 i + 1 < said.size() && is_digit(said[i + 1]);
        if (kBetween.find(c) != std::string_view::npos && !in_a_number)
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
        std::string name(without_blanks(body.substr(open + 2, close - open - 2)));
        at = close + 2;
        if (name.starts_with('#')) {
            name = std::string(without_blanks(std::string_view(name).substr(1)));
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
        std::string name(without_blanks(body.substr(at + 2, close - at - 2)));
        if (name.starts_with('#') || name.starts_with('/'))
            name = std::string(without_blanks(std::string_view(name).substr(1)));
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        at = close + 2;
    }
    return names;
}

}  // namespace flowstack::conversation
