#include "common/text/utf8.h"

#include <unicode/brkiter.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>

#include "common/text/icu.h"

namespace flowstack::text {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kEllipsis = "…";

struct Next {
    std::size_t bytes;  // at least 1
    bool well_formed;
};
// The code point at the front of bytes that are not empty; of an ill-formed one, as many bytes as
// could have begun it.
Next next(std::string_view bytes) {
    if (static_cast<unsigned char>(bytes.front()) < 0x80) return {1, true};
    constexpr std::size_t kLongest = 4;
    const auto length = static_cast<std::int32_t>(std::min(bytes.size(), kLongest));
    std::int32_t at = 0;
    UChar32 c = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // inside ICU's macro
    U8_NEXT(bytes.data(), at, length, c);
#pragma GCC diagnostic pop
    return {static_cast<std::size_t>(at), c >= 0};
}

// Where the first `count` code points of the text end, in bytes.
std::size_t end_of(std::string_view text, std::size_t count) {
    std::size_t at = 0;
    for (; count > 0 && at < text.size(); --count)
        at += std::max<std::size_t>(sequence_length(text.substr(at)), 1);
    return at;
}

// The last boundary between two characters at or before byte `at`; `at` itself when the text begins
// with one character that is longer.
std::size_t boundary_before(std::string_view text, std::size_t at) {
    if (at == 0 || at >= text.size()) return at;
    UErrorCode status = U_ZERO_ERROR;
    UText source = UTEXT_INITIALIZER;
    utext_openUTF8(&source, text.data(), static_cast<std::int64_t>(text.size()), &status);
    const std::unique_ptr<icu::BreakIterator> characters(
        icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
    icu_must_work(status, "character boundaries");
    characters->setText(&source, status);
    icu_must_work(status, "character boundaries");
    const auto offset = static_cast<std::int32_t>(at);
    const auto found = characters->isBoundary(offset) ? offset : characters->preceding(offset);
    utext_close(&source);
    return found > 0 ? static_cast<std::size_t>(found) : at;
}

}  // namespace

std::size_t sequence_length(std::string_view bytes) {
    if (bytes.empty()) return 0;
    const auto front = next(bytes);
    return front.well_formed ? front.bytes : 0;
}

bool is_ascii(std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_valid_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto length = sequence_length(bytes);
        if (length == 0) return false;
        bytes.remove_prefix(length);
    }
    return true;
}

std::string repaired(std::string_view bytes) {
    std::string result;
    result.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto front = next(bytes);
        result += front.well_formed ? bytes.substr(0, front.bytes) : kReplacement;
        bytes.remove_prefix(front.bytes);
    }
    return result;
}

std::size_t code_points(std::string_view text) {
    if (is_ascii(text)) return text.size();
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size(); ++count)
        at += std::max<std::size_t>(sequence_length(text.substr(at)), 1);
    return count;
}

std::string_view front_of_bytes(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    const auto continues = [&](std::size_t at) {
        return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
    };
    auto end = bytes_max;
    while (end > 0 && continues(end)) --end;
    return text.substr(0, end);
}

std::string shortened(std::string_view text, std::size_t code_points_max) {
    if (text.size() <= code_points_max || code_points(text) <= code_points_max)
        return std::string(text);
    if (code_points_max == 0) return {};
    const auto end = end_of(text, code_points_max - 1);
    return std::string(text.substr(0, boundary_before(text, end))).append(kEllipsis);
}

std::string shortened_in_the_middle(std::string_view text, std::size_t code_points_max,
                                    std::size_t tail_code_points) {
    const auto length = code_points(text);
    if (length <= code_points_max) return std::string(text);
    if (tail_code_points + 1 >= code_points_max) return shortened(text, code_points_max);
    const auto tail_begin = end_of(text, length - tail_code_points);
    return shortened(text.substr(0, tail_begin), code_points_max - tail_code_points)
        .append(text.substr(tail_begin));
}

}  // namespace flowstack::text
