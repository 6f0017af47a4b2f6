#pragma once

#include <rapidcheck.h>

#include <array>
#include <string>
#include <string_view>

// For property tests: the same words, decorated with what keyboards and copied contacts add.
namespace flowstack::test {

// Decorates a text of ASCII. The result reads the same to a person.
inline std::string decorated(std::string_view plain) {
    static const std::array<std::string, 14> kInvisible{
        "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u202a", "\u202c",
        "\u2060", "\u2066", "\u2069", "\ufeff", "\u00ad", "\ufe0f", "\u061c"};
    static const std::array<std::string, 8> kBlanks{" ",      "\u00a0", "\u2007", "\u202f",
                                                    "\u3000", "\u2009", "\t",     "  "};
    static const std::array<std::string, 5> kDashes{"-", "\u2010", "\u2011", "\u2013", "\u2212"};
    static const std::array<std::string, 4> kQuotes{"'", "\u2019", "\u2018", "\u02bc"};
    // Where the digits 0 to 9 of some scripts begin.
    static const std::array<char32_t, 6> kZeros{U'0', 0x0660, 0x06F0, 0x0966, 0xFF10, 0x1D7CE};
    const auto utf8 = [](char32_t c) {
        std::string bytes;
        if (c < 0x80) {
            bytes += static_cast<char>(c);
        } else if (c < 0x800) {
            bytes += static_cast<char>(0xC0 | (c >> 6));
            bytes += static_cast<char>(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            bytes += static_cast<char>(0xE0 | (c >> 12));
            bytes += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
            bytes += static_cast<char>(0x80 | (c & 0x3F));
        } else {
            bytes += static_cast<char>(0xF0 | (c >> 18));
            bytes += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
            bytes += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
            bytes += static_cast<char>(0x80 | (c & 0x3F));
        }
        return bytes;
    };
    const auto below = [](int n) { return *rc::gen::inRange(0, n); };
    const auto one_of = [&](const auto& choices) {
        return choices[static_cast<std::size_t>(below(static_cast<int>(choices.size())))];
    };
    std::string result;
    for (const char c : plain) {
        if (below(3) == 0) result += one_of(kInvisible);
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == ' ')
            result += one_of(kBlanks);
        else if (c == '-')
            result += one_of(kDashes);
        else if (c == '\'')
            result += one_of(kQuotes);
        else if (c >= '0' && c <= '9' && below(4) == 0)
            result += std::string(1, c) + "\ufe0f\u20e3";  // a keycap emoji
        else if (c >= '0' && c <= '9')
            result += utf8(one_of(kZeros) + static_cast<char32_t>(c - '0'));
        else if (letter && below(4) == 0)
            result += utf8(static_cast<char32_t>(c) - U'!' + 0xFF01);  // full width
        else if (letter && below(2) == 0)
            result += static_cast<char>(c ^ 0x20);
        else
            result += c;
    }
    if (below(2) == 0) result = "\u202a" + result + "\u202c";
    if (below(2) == 0) result += "\u00a0";
    return result;
}

// Words of ASCII letters, digits, dashes and apostrophes with single blanks between them.
inline rc::Gen<std::string> words() {
    const auto sign =
        rc::gen::elementOf(std::string("abcdefghijklmnopqrstuvwxyz0123456789-'     "));
    return rc::gen::map(rc::gen::container<std::string>(sign), [](const std::string& signs) {
        std::string result;
        for (const char c : signs)
            if (c != ' ' || (!result.empty() && result.back() != ' ')) result += c;
        while (result.ends_with(' ')) result.pop_back();
        return result;
    });
}

}  // namespace flowstack::test
