#include "services/conversation/domain/flow/language.h"

#include <algorithm>

#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {

LanguageChoice language_of(const std::string& text, const Flow& flow) {
    const auto said = plain(text);
    const auto listed = [&](const std::vector<std::string>& words) {
        return std::any_of(words.begin(), words.end(),
                           [&](const auto& word) { return plain(word) == said; });
    };
    for (const auto& [language, words] : flow.language_words)
        if (listed(words.choose)) return {language, true};
    for (const auto& [language, words] : flow.language_words)
        if (listed(words.greetings)) return {language, false};
    return {};
}

}  // namespace flowstack::conversation
