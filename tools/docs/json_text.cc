#include "tools/docs/json_text.h"

#include <algorithm>

namespace flowstack::docs {
namespace {

namespace json = boost::json;

constexpr std::size_t kLineMax = 100;

// Whether it may stand on one line: no object or list in it that is not empty.
bool is_flat(const json::value& value) {
    const auto plain = [](const json::value& each) {
        return !(each.is_object() && !each.as_object().empty()) &&
               !(each.is_array() && !each.as_array().empty());
    };
    if (value.is_array()) return std::ranges::all_of(value.as_array(), plain);
    return !value.is_object() || value.as_object().empty() ||
           (value.as_object().size() == 1 && plain(value.as_object().begin()->value()));
}

void write(const json::value& value, std::size_t depth, std::string& out) {
    const auto flat = is_flat(value) ? json::serialize(value) : std::string();
    if (!flat.empty() && (flat.size() < kLineMax || value.is_primitive())) {
        out += flat;
        return;
    }
    const std::string margin(2 * (depth + 1), ' ');
    bool first = true;
    const auto next = [&] {
        out += first ? "\n" : ",\n";
        out += margin;
        first = false;
    };
    if (value.is_array()) {
        out += '[';
        for (const auto& each : value.as_array()) {
            next();
            write(each, depth + 1, out);
        }
    } else {
        out += '{';
        for (const auto& member : value.as_object()) {
            next();
            out += json::serialize(json::string(member.key())) + ": ";
            write(member.value(), depth + 1, out);
        }
    }
    out += '\n' + std::string(2 * depth, ' ') + (value.is_array() ? ']' : '}');
}

}  // namespace

std::string pretty_json(const json::value& value) {
    std::string out;
    write(value, 0, out);
    return out + '\n';
}

}  // namespace flowstack::docs
