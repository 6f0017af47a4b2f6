#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Reading and writing JSON in the manner of the providers.
namespace flowstack::sandbox {

namespace json = boost::json;

// Nothing when the text is not one JSON document.
std::optional<json::value> parse(std::string_view text);

std::string compact(const json::value& value);

// As Meta writes webhooks: non-ASCII as \uXXXX (surrogate pairs, lower-case hex) and '/' as '\/'.
std::string meta_text(const json::value& value);

// Member access that never throws: null pointer when absent or of another kind.
const json::value* member(const json::value& value, std::string_view name);
const json::object* object_at(const json::value& value, std::string_view name);
const json::array* array_at(const json::value& value, std::string_view name);
std::optional<std::string> text_at(const json::value& value, std::string_view name);
std::string text_or(const json::value& value, std::string_view name, std::string_view otherwise);
std::int64_t int_or(const json::value& value, std::string_view name, std::int64_t otherwise);
bool bool_or(const json::value& value, std::string_view name, bool otherwise);

// A JSON string as it is, a JSON whole number in digits; nothing for anything else.
std::optional<std::string> scalar_text(const json::value* value);

// Code points of UTF-8; bytes that are no UTF-8 count one each.
std::size_t code_points(std::string_view utf8);

}  // namespace flowstack::sandbox
