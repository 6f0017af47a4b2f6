#include "common/text/fold.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "common/text/icu.h"
#include "common/text/utf8.h"

namespace flowstack::text {
namespace {

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_ascii_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string fold_ascii(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    bool space = false;
    for (const char c : text) {
        if (is_ascii_space(c)) {
            space = !result.empty();
        } else if (!is_ascii_control(c)) {
            if (space) result += ' ';
            space = false;
            result += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
        }
    }
    return result;
}

std::string to_utf8(const icu::UnicodeString& text) {
    std::string result;
    return text.toUTF8String(result);
}

constexpr UChar32 kBrailleBlank = 0x2800;  // a picture of nothing, used to send empty messages

bool is_space(UChar32 c) { return u_isUWhiteSpace(c) != 0 || c == kBrailleBlank; }

bool is_line_break(UChar32 c) {
    return c == '\n' || c == '\r' || c == '\v' || c == '\f' || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
}

bool is_dropped(UChar32 c) {
    const auto type = u_charType(c);
    return type == U_FORMAT_CHAR || type == U_CONTROL_CHAR || type == U_ENCLOSING_MARK ||
           u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) != 0;
}

// Characters that keyboards put in the place of ' and " without being quotes to Unicode.
bool is_single_quote(UChar32 c) {
    switch (c) {
        case 0x00B4:  // acute accent
        case 0x02B9:
        case 0x02BB:
        case 0x02BC:  // modifier apostrophe
        case 0x02BD:
        case 0x02C8:
        case 0x055A:
        case 0x05F3:
        case 0x2018:
        case 0x2019:
        case 0x201A:
        case 0x201B:
        case 0x2032:  // prime
        case 0x2035:
        case 0x2039:
        case 0x203A:
        case 0xA78C:
        case 0xFF07:
            return true;
        default:
            return false;
    }
}
bool is_double_quote(UChar32 c) {
    switch (c) {
        case 0x05F4:
        case 0x2033:
        case 0x2036:
            return true;
        default:
            return u_hasBinaryProperty(c, UCHAR_QUOTATION_MARK) != 0 && c != '\'';
    }
}

UChar32 as_ascii(UChar32 c) {
    if (is_space(c)) return ' ';
    if (c < 0x80) return c;
    if (u_charType(c) == U_DECIMAL_DIGIT_NUMBER) return '0' + u_charDigitValue(c);
    if (is_single_quote(c)) return '\'';
    if (is_double_quote(c)) return '"';
    if (u_hasBinaryProperty(c, UCHAR_DASH)) return '-';
    return c;
}

// ½, ², ②: NFKC writes them as ordinary digits, which must not grow the number beside them.
bool is_other_number(UChar32 c) { return u_charType(c) == U_OTHER_NUMBER; }

// Drops what is not to be seen and writes spaces, quotes, dashes and digits in ASCII.
icu::UnicodeString in_ascii_signs(const icu::UnicodeString& text) {
    icu::UnicodeString result;
    UChar32 before = 0;
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
        const auto c = text.char32At(at);
        if (is_dropped(c) && !is_space(c)) continue;
        const auto sign = as_ascii(c);
        const auto digit = [](UChar32 x) { return x >= '0' && x <= '9'; };
        if ((is_other_number(sign) && (digit(before) || is_other_number(before))) ||
            (digit(sign) && is_other_number(before)))
            result.append(static_cast<UChar32>(' '));
        result.append(sign);
        before = sign;
    }
    return result;
}

std::string with_single_blanks(const std::string& text) {
    std::string result;
    bool space = false;
    for (const char c : text) {
        if (c == ' ') {
            space = !result.empty();
        } else {
            if (space) result += ' ';
            space = false;
            result += c;
        }
    }
    return result;
}

// Invisible characters that belong to what is written: they join letters (Persian, Indic), choose
// an emoji's style, or spell the flag of a region.
bool joins(UChar32 c) {
    constexpr UChar32 kNonJoiner = 0x200C;
    constexpr UChar32 kJoiner = 0x200D;
    const bool tag = c >= 0xE0020 && c <= 0xE007F;
    return c == kNonJoiner || c == kJoiner || tag ||
           u_hasBinaryProperty(c, UCHAR_VARIATION_SELECTOR) != 0;
}

std::string cleaned(std::string_view text, bool keep_lines) {
    const auto typed = from_utf8(text);
    icu::UnicodeString result;
    bool seen = false;
    bool blank = false;
    int breaks = 0;
    for (std::int32_t at = 0; at < typed.length(); at = typed.moveIndex32(at, 1)) {
        const auto c = typed.char32At(at);
        if (is_line_break(c) && keep_lines) {
            // CR LF is one line break.
            if (!(c == '\n' && at > 0 && typed.charAt(at - 1) == '\r')) ++breaks;
            continue;
        }
        if (is_space(c)) {
            blank = true;
            continue;
        }
        const bool dropped = is_dropped(c) && u_charType(c) != U_ENCLOSING_MARK;
        if (dropped && !joins(c)) continue;
        seen = seen || !is_dropped(c);
        if (!result.isEmpty()) {
            if (breaks > 0)
                result.append(
                    icu::UnicodeString(std::min(breaks, 2), UChar32{'\n'}, std::min(breaks, 2)));
            else if (blank)
                result.append(UChar32{' '});
        }
        blank = false;
        breaks = 0;
        result.append(c);
    }
    if (!seen) return {};
    // Last, because what was dropped may have stood between a letter and its accent.
    UErrorCode status = U_ZERO_ERROR;
    const auto* nfc = icu::Normalizer2::getNFCInstance(status);
    icu_must_work(status, "NFC");
    const auto normal = nfc->normalize(result, status);
    icu_must_work(status, "NFC");
    return to_utf8(normal);
}

}  // namespace

std::string fold(std::string_view text) {
    if (is_ascii(text)) return fold_ascii(text);
    UErrorCode status = U_ZERO_ERROR;
    const auto* nfkc = icu::Normalizer2::getNFKCCasefoldInstance(status);
    icu_must_work(status, "NFKC and case folding");
    const auto folded = nfkc->normalize(in_ascii_signs(from_utf8(text)), status);
    icu_must_work(status, "NFKC and case folding");
    // Again, because normalization itself makes spaces, dashes and quotes ("℅", "﹘", "＂").
    return with_single_blanks(to_utf8(in_ascii_signs(folded)));
}

std::string digits(std::string_view text) {
    auto result = fold(text);
    std::erase_if(result, [](char c) { return c < '0' || c > '9'; });
    return result;
}

std::string clean(std::string_view text) { return cleaned(text, true); }
std::string one_line(std::string_view text) { return cleaned(text, false); }

}  // namespace flowstack::text
