#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// How wide a text is in a terminal.
namespace flowstack::text {

// Columns of a fixed-width font: combining marks and format characters take none, emoji, Chinese,
// Japanese and Korean take two. Line breaks and tabs take none: clean the text first.
std::size_t columns(std::string_view text);

// Exactly `columns_wanted` wide: filled with blanks at the end, or cut between characters with "…".
std::string in_columns(std::string_view text, std::size_t columns_wanted);

}  // namespace flowstack::text
