#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// JSON that a strict reader gives up on, made readable where only its text is at fault.
namespace flowstack::gateway {

struct RepairedJson {
    // Well-formed UTF-8. Inside strings, what is no UTF-8, escapes that JSON does not know, halves
    // of surrogate pairs and unescaped control characters are U+FFFD; all else is as it was.
    std::string text;
    // Where in `text` something was replaced, in order.
    std::vector<std::size_t> places;
    // Every string, object and array is closed, and nothing but spaces follows the first value:
    // its parts can be found, although not all of them need to be JSON.
    bool closed = false;
};
RepairedJson repair_json(std::string_view body);

}  // namespace flowstack::gateway
