#pragma once

#include <string>
#include <string_view>

// What a text says, for comparing; and the text without what nobody meant to type, for keeping.
namespace flowstack::text {

// Two texts that a person would call the same words fold to the same bytes:
//  - format characters go: zero-width and direction marks, soft hyphens, variation selectors, the
//    frame of keycap emoji, control characters;
//  - spaces of any kind and line breaks become one blank; none is left at the ends;
//  - quotes, primes and apostrophes become ' or ", dashes and minus signs become -;
//  - decimal digits of any script become 0-9;
//  - the rest is NFKC and case folded: full-width letters are letters, ﬁ is fi, ẞ is ss.
// A number that has a small form behind it keeps its value: "1½" is "1 1⁄2" and never "11⁄2".
// fold(fold(x)) is fold(x).
std::string fold(std::string_view text);

// The decimal digits of a text as 0-9, everything else gone.
std::string digits(std::string_view text);

// The text as it should be stored and shown: NFC, well-formed, one blank for each run of spaces,
// at most one empty line between two lines, nothing at the ends; no control characters and no
// invisible ones that change how the text around them is shown. What joins letters and emoji stays.
// Empty when nothing of it can be seen.
std::string clean(std::string_view text);

// The same on one line: line breaks become blanks. For names and template parameters.
std::string one_line(std::string_view text);

}  // namespace flowstack::text
