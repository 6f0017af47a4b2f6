#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// UTF-8: is it well-formed, how many characters does it have, where may it be cut.
//
// "Code point" is what WhatsApp counts in its limits. "Character" is what a person sees as one: a
// letter with its combining marks, a flag, a family emoji (Unicode's extended grapheme cluster).
namespace flowstack::text {

// How many bytes the well-formed sequence at the front has (1 to 4); 0 if there is none.
std::size_t sequence_length(std::string_view bytes);

bool is_valid_utf8(std::string_view bytes);
bool is_ascii(std::string_view bytes);

// Each ill-formed part becomes U+FFFD; the rest stays as it is.
std::string repaired(std::string_view bytes);

// An ill-formed byte counts as one.
std::size_t code_points(std::string_view text);

// The longest front part of at most `bytes_max` bytes that does not end inside a code point.
std::string_view front_of_bytes(std::string_view text, std::size_t bytes_max);

// `text`, or its front part and "…", together at most `code_points_max` code points. It is cut
// between characters, so that no emoji loses its second half; only a single character that is
// longer than the limit is cut between its code points.
std::string shortened(std::string_view text, std::size_t code_points_max);

// The same for text whose end matters too: "Premium Ara… 500 g".
std::string shortened_in_the_middle(std::string_view text, std::size_t code_points_max,
                                    std::size_t tail_code_points);

}  // namespace flowstack::text
