#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A small JSON document with its numbers kept as the text that was sent: an amount of 1.10 must
// never pass through a floating point number.
namespace flowstack::payment {

struct JsonText {
    enum class Kind { null, boolean, number, string, array, object };
    Kind kind = Kind::null;
    std::string text;             // of a number, string or boolean
    std::vector<JsonText> items;  // of an array; of an object: the values, in order, repeats kept
    std::vector<std::string> names;  // of an object: items[i] is the member names[i]

    // The member of that name; nothing if this is no object or has none. The last of several wins,
    // as most readers do; `count` tells.
    const JsonText* member(std::string_view name) const;
    std::size_t count(std::string_view name) const;
    // The text of a string or number member; nothing if it is missing or anything else.
    std::optional<std::string> scalar(std::string_view name) const;
};

inline constexpr std::size_t kJsonDepthMax = 16;
inline constexpr std::size_t kJsonBytesMax = 256 * 1024;

// Nothing for anything that is not exactly one JSON document within the limits.
std::optional<JsonText> parse_json_text(std::string_view body);

}  // namespace flowstack::payment
