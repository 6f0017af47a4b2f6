#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Words as people type them on a phone. What belongs to Unicode is done by common/text; this is
// what a dialogue adds to it.
namespace flowstack::conversation {

// Nothing of it can be seen.
bool is_blank(std::string_view text);

// The folded text (common/text/fold.h) without punctuation, quotes and marks of emphasis at both
// ends: what menu words, lists of words and names of products are compared by.
std::string plain(std::string_view text);
// The words of the plain text. A comma, point or slash between two digits belongs to its word:
// "1,5" is one.
std::vector<std::string> words_of(std::string_view text);

// Edits (insert, delete, change, swap of neighbours) between two texts, in bytes.
std::size_t edit_distance(std::string_view a, std::string_view b);

// "2", " 2 ", "x2", "２": a whole number from `min` to `max`, nothing else.
std::optional<std::int64_t> parse_count(std::string_view text, std::int64_t min, std::int64_t max);

// Fills `{{name}}` and `{{ name }}`; an unknown name becomes nothing. `{{#name}}…{{/name}}` is kept
// only when name is not empty. Values are never expanded again, so a customer cannot smuggle a
// variable in.
std::string fill(std::string_view body, const std::map<std::string, std::string>& values);
// The names that a body asks for, each once.
std::vector<std::string> names_in(std::string_view body);

}  // namespace flowstack::conversation
