#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Words as people type them on a phone: UTF-8, any case, stray spaces and full stops.
namespace flowstack::conversation {

// Code points, as WhatsApp counts its limits. A broken byte counts as one.
std::size_t utf8_length(std::string_view text);
// At most `length_max` code points; when something was cut the last one is "…".
std::string utf8_cut(std::string_view text, std::size_t length_max);

std::string trim(std::string_view text);
// Lower case (ASCII and Latin-1 letters), inner white space collapsed, '!', '.', '?' and quotes at
// both ends gone: what equals, contains and word lists compare.
std::string plain(std::string_view text);
std::vector<std::string> words_of(std::string_view text);  // of the plain text

// Edits (insert, delete, change, swap of neighbours) between two texts.
std::size_t edit_distance(std::string_view a, std::string_view b);

// "2", " 2 ", "x2": a whole number from `min` to `max`, nothing else.
std::optional<std::int64_t> parse_count(std::string_view text, std::int64_t min, std::int64_t max);

// E.164 with + of what a person of `country` (KE, TZ, UG, RW) types: "0712 345 678",
// "254712345678",
// "+254712345678". Nothing if it cannot be one.
std::optional<std::string> parse_phone(std::string_view text, std::string_view country);

// Fills `{{name}}` and `{{ name }}`; an unknown name becomes nothing. `{{#name}}…{{/name}}` is kept
// only when name is not empty. Values are never expanded again, so a customer cannot smuggle a
// variable in.
std::string fill(std::string_view body, const std::map<std::string, std::string>& values);
// The names that a body asks for, for checks.
std::vector<std::string> names_in(std::string_view body);

}  // namespace flowstack::conversation
