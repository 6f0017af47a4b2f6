#pragma once

#include <optional>
#include <string>
#include <string_view>

// Text forms of bytes. Decoders are strict: one text for one byte string, anything else is nothing.
namespace flowstack::crypto {

std::string hex_encode(std::string_view bytes);                // lower case
std::optional<std::string> hex_decode(std::string_view text);  // either case, even length

std::string base64_encode(std::string_view bytes);                // RFC 4648 §4, padded
std::optional<std::string> base64_decode(std::string_view text);  // padding required

std::string base64url_encode(std::string_view bytes);                // RFC 4648 §5, not padded
std::optional<std::string> base64url_decode(std::string_view text);  // padding refused

}  // namespace flowstack::crypto
