#include "common/http/url.h"

#include "common/core/hex.h"

namespace flowstack::http {
namespace {

bool unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
    std::string bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            bytes += static_cast<char>(high << 4 | low);
            i += 2;
        } else {
            bytes += plus_is_space && text[i] == '+' ? ' ' : text[i];
        }
    }
    return bytes;
}

}  // namespace

std::string percent_encode(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string text;
    text.reserve(bytes.size());
    for (const char c : bytes) {
        if (unreserved(c)) {
            text += c;
        } else {
            text += '%';
            text += kDigits[static_cast<unsigned char>(c) >> 4];
            text += kDigits[static_cast<unsigned char>(c) & 15];
        }
    }
    return text;
}

std::optional<std::string> percent_decode(std::string_view text) { return decode(text, false); }

std::optional<FormFields> parse_form(std::string_view text, std::size_t fields_max) {
    FormFields fields;
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto piece = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (piece.empty()) continue;
        if (fields.size() >= fields_max) return std::nullopt;
        const auto equals = piece.find('=');
        auto name = decode(piece.substr(0, equals), true);
        auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                      : decode(piece.substr(equals + 1), true);
        if (!name || !value) return std::nullopt;
        fields.emplace_back(std::move(*name), std::move(*value));
    }
    return fields;
}

std::string encode_form(const FormFields& fields) {
    std::string text;
    for (const auto& [name, value] : fields) {
        if (!text.empty()) text += '&';
        text += percent_encode(name) + '=' + percent_encode(value);
    }
    return text;
}

std::optional<std::string> form_field(const FormFields& fields, std::string_view name) {
    for (const auto& [field, value] : fields)
        if (field == name) return value;
    return std::nullopt;
}

bool reached_safely(std::string_view url) {
    if (url.starts_with("https://")) return true;
    for (const std::string_view host : {"http://127.0.0.1", "http://localhost", "http://[::1]"})
        if (url.starts_with(host)) {
            url.remove_prefix(host.size());
            return url.empty() || url.front() == ':' || url.front() == '/';
        }
    return false;
}

}  // namespace flowstack::http
