#pragma once

#include <string>

#include "services/conversation/domain/flow/document.h"

namespace flowstack::conversation {

// The language of a greeting or LANG word; empty when the text decides nothing.
struct LanguageChoice {
    std::string language;
    bool chosen = false;  // by a LANG word: it stays
};
LanguageChoice language_of(const std::string& text, const Flow& flow);

}  // namespace flowstack::conversation
