#pragma once

#include <unicode/utypes.h>

#include <stdexcept>
#include <string>

// For the .cc files of this library only: ICU's headers stay behind it.
namespace flowstack::text {

// ICU reports an error only when its data file is missing or memory is out: nothing to answer.
inline void icu_must_work(UErrorCode status, const char* what) {
    if (U_FAILURE(status))
        throw std::runtime_error(std::string("ICU cannot do ") + what + ": " + u_errorName(status));
}

}  // namespace flowstack::text
