#include "common/text/width.h"

#include <unicode/brkiter.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <memory>

#include "common/text/icu.h"

namespace flowstack::text {
namespace {

bool takes_no_column(UChar32 c) {
    const auto type = u_charType(c);
    const bool jamo_of_a_syllable = c >= 0x1160 && c <= 0x11FF;
    return type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK || type == U_FORMAT_CHAR ||
           type == U_CONTROL_CHAR || jamo_of_a_syllable ||
           u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) != 0;
}

std::size_t columns_of(UChar32 c) {
    if (takes_no_column(c)) return 0;
    const auto width = u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH);
    const bool wide = width == U_EA_WIDE || width == U_EA_FULLWIDTH ||
                      u_hasBinaryProperty(c, UCHAR_EMOJI_PRESENTATION) != 0;
    return wide ? 2 : 1;
}

// The columns of one character as a person sees it. An emoji that is made of several code points (a
// family, a flag, a keycap) is as wide as one.
std::size_t columns_of(const icu::UnicodeString& character) {
    constexpr UChar32 kEmojiStyle = 0xFE0F;
    std::size_t sum = 0;
    bool emoji = false;
    for (std::int32_t at = 0; at < character.length(); at = character.moveIndex32(at, 1)) {
        const auto c = character.char32At(at);
        emoji = emoji || c == kEmojiStyle || u_hasBinaryProperty(c, UCHAR_EMOJI_PRESENTATION) != 0;
        sum += columns_of(c);
    }
    return emoji && sum > 0 ? 2 : sum;
}

// Calls `each(character, columns)` until it answers false.
template <class Each>
void for_each_character(const icu::UnicodeString& text, const Each& each) {
    UErrorCode status = U_ZERO_ERROR;
    const std::unique_ptr<icu::BreakIterator> characters(
        icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
    icu_must_work(status, "character boundaries");
    characters->setText(text);
    auto begin = characters->first();
    for (auto end = characters->next(); end != icu::BreakIterator::DONE;
         begin = end, end = characters->next()) {
        const auto character = text.tempSubStringBetween(begin, end);
        if (!each(character, columns_of(character))) return;
    }
}

}  // namespace

std::size_t columns(std::string_view text) {
    std::size_t sum = 0;
    for_each_character(from_utf8(text), [&](const icu::UnicodeString&, std::size_t width) {
        sum += width;
        return true;
    });
    return sum;
}

std::string in_columns(std::string_view text, std::size_t columns_wanted) {
    const auto width = columns(text);
    if (width <= columns_wanted) return std::string(text).append(columns_wanted - width, ' ');
    if (columns_wanted == 0) return {};
    std::string result;
    std::size_t used = 0;
    for_each_character(from_utf8(text), [&](const icu::UnicodeString& character, std::size_t one) {
        if (used + one + 1 > columns_wanted) return false;
        used += one;
        character.toUTF8String(result);
        return true;
    });
    return result.append("…").append(columns_wanted - used - 1, ' ');
}

}  // namespace flowstack::text
