#include "common/text/json_string.h"

#include "common/text/utf8.h"

namespace flowstack::text {

void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += '"';
    while (!text.empty()) {
        const char c = text.front();
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
            text.remove_prefix(1);
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            switch (c) {
                case '\n':
                    out += "\\n";
                    break;
                case '\r':
                    out += "\\r";
                    break;
                case '\t':
                    out += "\\t";
                    break;
                default:
                    out += "\\u00";
                    out += kDigits[static_cast<unsigned char>(c) >> 4];
                    out += kDigits[static_cast<unsigned char>(c) & 15];
            }
            text.remove_prefix(1);
        } else if (static_cast<unsigned char>(c) < 0x80) {
            out += c;
            text.remove_prefix(1);
        } else if (const std::size_t length = sequence_length(text); length > 0) {
            out += text.substr(0, length);
            text.remove_prefix(length);
        } else {
            out += "\xef\xbf\xbd";  // U+FFFD
            text.remove_prefix(1);
        }
    }
    out += '"';
}

std::string json_string(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    append_json_string(out, text);
    return out;
}

}  // namespace flowstack::text
