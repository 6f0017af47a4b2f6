#pragma once

#include <unicode/unistr.h>
#include <unicode/utypes.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

// For the .cc files of this library only: ICU's headers stay behind it.
namespace flowstack::text {

// ICU reports an error only when its data file is missing or memory is out: nothing to answer.
inline void icu_must_work(UErrorCode status, const char* what) {
    if (U_FAILURE(status))
        throw std::runtime_error(std::string("ICU cannot do ") + what + ": " + u_errorName(status));
}

inline icu::UnicodeString from_utf8(std::string_view text) {
    return icu::UnicodeString::fromUTF8(
        icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
}

}  // namespace flowstack::text
