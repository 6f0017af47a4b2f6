#pragma once

#include <string>
#include <string_view>

// The one writer of JSON strings: for log lines, HTTP answers and requests to providers, whose
// other parts are written by hand because their order and their numbers' text matter.
namespace flowstack::text {

// Adds `text` with its quotation marks. Control characters are escaped, everything else stays as it
// is, and a byte that is no UTF-8 becomes U+FFFD: the result is always valid JSON.
void append_json_string(std::string& out, std::string_view text);

std::string json_string(std::string_view text);

}  // namespace flowstack::text
