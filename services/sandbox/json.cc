#include "services/sandbox/json.h"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/system/error_code.hpp>
#include <charconv>

namespace flowstack::sandbox {
namespace {

enum class Manner { plain, meta };

void escape_unit(std::string& out, std::uint32_t unit) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(unit >> shift) & 15U];
}

void write_string(std::string& out, std::string_view text, Manner manner) {
    out += '"';
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte == '"' || byte == '\\') {
            (out += '\\') += text[i++];
        } else if (byte == '\n') {
            out += "\\n";
            ++i;
        } else if (byte < 0x20) {
            escape_unit(out, byte);
            ++i;
        } else if (byte == '/' && manner == Manner::meta) {
            out += "\\/";
            ++i;
        } else if (byte < 0x80 || manner == Manner::plain) {
            out += text[i++];
        } else {
            const unsigned more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
            std::uint32_t point = byte & (0x3FU >> more);
            for (unsigned k = 1; k <= more && i + k < text.size(); ++k) {
                point = (point << 6U) | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
            }
            i += 1 + more;
            if (point >= 0x10000) {
                escape_unit(out, 0xD800U + ((point - 0x10000U) >> 10U));
                escape_unit(out, 0xDC00U + ((point - 0x10000U) & 0x3FFU));
            } else {
                escape_unit(out, point);
            }
        }
    }
    out += '"';
}

// Boost's own serializer writes 30.5 as 3.05E1, which no provider does.
void write(std::string& out, const json::value& value, Manner manner) {
    switch (value.kind()) {
        case json::kind::null:
            out += "null";
            return;
        case json::kind::bool_:
            out += value.get_bool() ? "true" : "false";
            return;
        case json::kind::int64:
            out += std::to_string(value.get_int64());
            return;
        case json::kind::uint64:
            out += std::to_string(value.get_uint64());
            return;
        case json::kind::double_: {
            std::array<char, 32> digits{};
            const auto end =
                std::to_chars(digits.data(), digits.data() + digits.size(), value.get_double());
            out.append(digits.data(), end.ptr);
            return;
        }
        case json::kind::string:
            write_string(out, value.get_string(), manner);
            return;
        case json::kind::array: {
            char separator = '[';
            for (const auto& item : value.get_array()) {
                out += separator;
                write(out, item, manner);
                separator = ',';
            }
            out += value.get_array().empty() ? "[]" : "]";
            return;
        }
        case json::kind::object: {
            char separator = '{';
            for (const auto& [name, item] : value.get_object()) {
                out += separator;
                write_string(out, name, manner);
                out += ':';
                write(out, item, manner);
                separator = ',';
            }
            out += value.get_object().empty() ? "{}" : "}";
            return;
        }
    }
}

}  // namespace

std::optional<json::value> parse(std::string_view text) {
    boost::system::error_code error;
    json::value value = json::parse(json::string_view{text.data(), text.size()}, error);
    if (error) return std::nullopt;
    return value;
}

std::string compact(const json::value& value) {
    std::string out;
    write(out, value, Manner::plain);
    return out;
}

std::string meta_text(const json::value& value) {
    std::string out;
    write(out, value, Manner::meta);
    return out;
}

const json::value* member(const json::value& value, std::string_view name) {
    const auto* object = value.if_object();
    return object == nullptr ? nullptr : object->if_contains({name.data(), name.size()});
}

const json::object* object_at(const json::value& value, std::string_view name) {
    const auto* found = member(value, name);
    return found == nullptr ? nullptr : found->if_object();
}

const json::array* array_at(const json::value& value, std::string_view name) {
    const auto* found = member(value, name);
    return found == nullptr ? nullptr : found->if_array();
}

std::optional<std::string> text_at(const json::value& value, std::string_view name) {
    const auto* found = member(value, name);
    if (found == nullptr || !found->is_string()) return std::nullopt;
    return std::string{found->get_string()};
}

std::string text_or(const json::value& value, std::string_view name, std::string_view otherwise) {
    return text_at(value, name).value_or(std::string{otherwise});
}

std::int64_t int_or(const json::value& value, std::string_view name, std::int64_t otherwise) {
    const auto* found = member(value, name);
    if (found == nullptr) return otherwise;
    if (found->is_int64()) return found->get_int64();
    if (found->is_uint64()) return static_cast<std::int64_t>(found->get_uint64());
    return otherwise;
}

bool bool_or(const json::value& value, std::string_view name, bool otherwise) {
    const auto* found = member(value, name);
    return found != nullptr && found->is_bool() ? found->get_bool() : otherwise;
}

std::optional<std::string> scalar_text(const json::value* value) {
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return std::string{value->get_string()};
    if (value->is_int64()) return std::to_string(value->get_int64());
    if (value->is_uint64()) return std::to_string(value->get_uint64());
    return std::nullopt;
}

std::size_t code_points(std::string_view utf8) {
    std::size_t n = 0;
    for (const char c : utf8) {
        if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) ++n;
    }
    return n;
}

}  // namespace flowstack::sandbox
