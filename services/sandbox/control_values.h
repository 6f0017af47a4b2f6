#pragma once

#include <charconv>
#include <cstdint>
#include <string>

#include "services/sandbox/json.h"
#include "services/sandbox/values.h"

// What the doors of the control API share.
namespace flowstack::sandbox {

inline Reply wrong(int status, const std::string& why) {
    return {status, compact(json::object{{"error", why}})};
}

// A whole number in digits, or `otherwise`.
inline std::int64_t whole(const std::string& text, std::int64_t otherwise) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? value : otherwise;
}

}  // namespace flowstack::sandbox
