#pragma once

#include <string>
#include <string_view>

// Phone numbers as providers write them, and which of them are one number.
namespace flowstack::gateway {

// "254712345678" or "+254712345678" → "+254712345678"; empty for anything else.
std::string phone_from_digits(std::string_view text);

// Some countries have two spellings of one mobile number, and providers, address books and shops
// mix them. All spellings of a number give the same text here; every other text comes back as it
// is.
//
//   Mexico     +52 1 55 1234 5678 is +52 55 1234 5678: the 1 of mobile phones, gone since 2019.
//   Brazil     +55 11 8765 4321 is +55 11 9 8765 4321: the ninth digit of mobile phones.
//   Argentina  +54 11 2345 6789 is +54 9 11 2345 6789: the 9 of mobile phones dialled from abroad.
//
// It names a person; what is written to is the spelling that the provider gave.
std::string one_spelling(std::string_view phone);

// The calling code of an E.164 number: "+254712345678" → "254". Empty for what is none. Source:
// ITU-T E.164, where no code is the beginning of another one.
std::string_view calling_code(std::string_view phone);

}  // namespace flowstack::gateway
