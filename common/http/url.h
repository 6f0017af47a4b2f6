#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Percent-encoding (RFC 3986) and forms (application/x-www-form-urlencoded, WHATWG URL).
namespace flowstack::http {

// Keeps unreserved characters (letters, digits, - . _ ~), encodes every other byte as %XX. Safe for
// one path segment, a query name and a query value.
std::string percent_encode(std::string_view bytes);

// Nothing if a '%' is not followed by two hex digits. '+' stays '+'.
std::optional<std::string> percent_decode(std::string_view text);

using FormFields = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=x+y" → {{a,1},{b,"x y"}}, in order, repeated names kept, empty pieces skipped.
// Nothing on a wrong escape or when there are more than `fields_max` fields.
inline constexpr std::size_t kFormFieldsMax = 1000;
std::optional<FormFields> parse_form(std::string_view text,
                                     std::size_t fields_max = kFormFieldsMax);
std::string encode_form(const FormFields& fields);

// First value of a field in parsed fields.
std::optional<std::string> form_field(const FormFields& fields, std::string_view name);

// Whether nobody on the way reads or changes what is sent there: https://, or http:// to this
// machine.
bool reached_safely(std::string_view url);

}  // namespace flowstack::http
