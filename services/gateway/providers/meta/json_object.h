#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

#include "common/http/message.h"

// Writing the JSON that the Cloud API is sent.
namespace flowstack::gateway::meta {

// A JSON object that is being written. What is empty is left out.
class Object {
public:
    Object& text(std::string_view name, std::string_view value) {
        return raw(name, http::json_string(value));
    }
    Object& text_if(std::string_view name, std::string_view value) {
        return value.empty() ? *this : text(name, value);
    }
    Object& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
    Object& number(std::string_view name, double value) {
        std::array<char, 64> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        return raw(name,
                   std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
    }
    // `json` is a finished value.
    Object& raw(std::string_view name, std::string_view json) {
        json_ += json_.size() == 1 ? "" : ",";
        json_ += http::json_string(name);
        json_ += ':';
        json_ += json;
        return *this;
    }
    Object& object(std::string_view name, const Object& value) { return raw(name, value.json()); }
    std::string json() const { return json_ + "}"; }

private:
    std::string json_ = "{";
};

// An array of what `make` says of each item; it gets the item's place too where it asks for it.
template <class Items, class Make>
std::string array_of(const Items& items, Make make) {
    std::string json = "[";
    int n = 0;
    for (const auto& item : items) {
        if (n) json += ',';
        if constexpr (std::invocable<Make, decltype(item), int>)
            json += make(item, n);
        else
            json += make(item);
        ++n;
    }
    return json + "]";
}

}  // namespace flowstack::gateway::meta
