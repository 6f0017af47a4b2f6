#pragma once

#include <optional>
#include <string>
#include <string_view>

// Phone numbers as people type them.
namespace flowstack::text {

// Reads, as E.164 with +, what a person of `country` (KE, TZ, UG, RW) typed: "0712 345 678",
// "254712345678", "+254712345678", "00254 712 345 678", "+254 (0)712 345 678", with any spaces,
// dashes, brackets and direction marks. Of another country only an international number is known.
// Nothing if it cannot be a number.
std::optional<std::string> e164(std::string_view typed, std::string_view country);

}  // namespace flowstack::text
