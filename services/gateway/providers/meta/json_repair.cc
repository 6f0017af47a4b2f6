#include "services/gateway/providers/meta/json_repair.h"

#include <optional>

#include "common/text/utf8.h"

namespace flowstack::gateway {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The four hex digits at the front of `text`.
std::optional<unsigned> hex4(std::string_view text) {
    if (text.size() < 4) return std::nullopt;
    unsigned value = 0;
    for (const char c : text.substr(0, 4)) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return std::nullopt;
        value = value * 16 + static_cast<unsigned>(digit);
    }
    return value;
}

bool is_high_surrogate(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low_surrogate(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

// How many bytes the escape at the front of `text` has; 0 for one that means nothing.
std::size_t escape_length(std::string_view text) {
    if (text.size() < 2) return 0;
    if (text[1] != 'u')
        return std::string_view("\"\\/bfnrt").find(text[1]) != std::string_view::npos ? 2 : 0;
    const auto unit = hex4(text.substr(2));
    if (!unit || is_low_surrogate(*unit)) return 0;
    if (!is_high_surrogate(*unit)) return 6;
    if (text.size() < 12 || text[6] != '\\' || text[7] != 'u') return 0;
    const auto low = hex4(text.substr(8));
    return low && is_low_surrogate(*low) ? 12 : 0;
}

// How many bytes of a meaningless escape are replaced: never a quote, which may close the string.
std::size_t bad_escape_length(std::string_view text) {
    if (text.size() < 2 || text[1] == '"') return 1;
    if (text[1] != 'u') return text::sequence_length(text.substr(1)) == 1 ? 2 : 1;
    return hex4(text.substr(2)) ? 6 : 2;
}

class Repair {
public:
    explicit Repair(std::string_view body) : body_(body) {}

    RepairedJson run() {
        out_.text.reserve(body_.size() + 16);
        while (at_ < body_.size()) in_string_ ? string_byte() : structure_byte();
        out_.closed = ok_ && seen_ && !in_string_ && open_.empty();
        return std::move(out_);
    }

private:
    void keep(std::size_t bytes) {
        out_.text.append(body_.substr(at_, bytes));
        at_ += bytes;
    }
    void replace(std::size_t bytes) {
        out_.places.push_back(out_.text.size());
        out_.text += kReplacement;
        at_ += bytes;
    }

    void string_byte() {
        const auto rest = body_.substr(at_);
        if (rest.front() == '"') {
            in_string_ = false;
            keep(1);
        } else if (rest.front() == '\\') {
            const auto length = escape_length(rest);
            length > 0 ? keep(length) : replace(bad_escape_length(rest));
        } else if (static_cast<unsigned char>(rest.front()) < 0x20) {
            replace(1);
        } else if (const auto length = text::sequence_length(rest); length > 0) {
            keep(length);
        } else {
            replace(1);
        }
    }

    void structure_byte() {
        const char c = body_[at_];
        const bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
        // A second value after the first.
        if (!space && seen_ && open_.empty()) ok_ = false;
        if (c == '"') {
            in_string_ = true;
        } else if (c == '{' || c == '[') {
            open_ += c;
        } else if (c == '}' || c == ']') {
            if (open_.empty() || open_.back() != (c == '}' ? '{' : '[')) {
                ok_ = false;
            } else {
                open_.pop_back();
            }
        }
        if (!space) seen_ = true;
        static_cast<unsigned char>(c) < 0x80 ? keep(1) : replace(1);
    }

    std::string_view body_;
    std::size_t at_ = 0;
    bool in_string_ = false;
    bool seen_ = false;  // a value began
    bool ok_ = true;
    std::string open_;  // the brackets that are open
    RepairedJson out_;
};

}  // namespace

RepairedJson repair_json(std::string_view body) { return Repair(body).run(); }

}  // namespace flowstack::gateway
