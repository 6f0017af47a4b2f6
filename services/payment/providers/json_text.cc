#include "services/payment/providers/json_text.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <limits>

namespace flowstack::payment {
namespace {

namespace json = boost::json;

// Builds the tree from the parser's events. `open_` is the path from the root to where we are.
class Builder {
public:
    static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_key_size = 1024;
    static constexpr std::size_t max_string_size = kJsonBytesMax;

    using Error = json::error_code;
    using View = json::string_view;

    JsonText take() { return std::move(root_); }

    bool on_document_begin(Error&) { return true; }
    bool on_document_end(Error&) { return true; }
    bool on_object_begin(Error&) { return begin(JsonText::Kind::object); }
    bool on_object_end(std::size_t, Error&) { return end(); }
    bool on_array_begin(Error&) { return begin(JsonText::Kind::array); }
    bool on_array_end(std::size_t, Error&) { return end(); }

    bool on_key_part(View part, std::size_t, Error&) { return collect(part); }
    bool on_key(View part, std::size_t, Error&) {
        collect(part);
        keys_.back() = std::move(text_);
        text_.clear();
        return true;
    }
    bool on_string_part(View part, std::size_t, Error&) { return collect(part); }
    bool on_string(View part, std::size_t, Error&) { return scalar(JsonText::Kind::string, part); }
    bool on_number_part(View part, Error&) { return collect(part); }
    bool on_int64(std::int64_t, View part, Error&) { return scalar(JsonText::Kind::number, part); }
    bool on_uint64(std::uint64_t, View part, Error&) {
        return scalar(JsonText::Kind::number, part);
    }
    bool on_double(double, View part, Error&) { return scalar(JsonText::Kind::number, part); }
    bool on_bool(bool value, Error&) {
        return scalar(JsonText::Kind::boolean, value ? "true" : "false");
    }
    bool on_null(Error&) { return scalar(JsonText::Kind::null, ""); }
    bool on_comment_part(View, Error&) { return true; }
    bool on_comment(View, Error&) { return true; }

private:
    bool collect(View part) {
        text_.append(part.data(), part.size());
        return true;
    }

    void place(JsonText value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return;
        }
        auto& parent = open_.back();
        if (parent.kind == JsonText::Kind::object) parent.names.push_back(keys_.back());
        parent.items.push_back(std::move(value));
    }

    bool scalar(JsonText::Kind kind, View part) {
        collect(part);
        place({kind, std::move(text_), {}, {}});
        text_.clear();
        return true;
    }

    bool begin(JsonText::Kind kind) {
        open_.push_back({kind, {}, {}, {}});
        keys_.emplace_back();
        return true;
    }

    bool end() {
        auto done = std::move(open_.back());
        open_.pop_back();
        keys_.pop_back();
        place(std::move(done));
        return true;
    }

    JsonText root_;
    std::vector<JsonText> open_;
    std::vector<std::string> keys_;  // the member being read, one for each of open_
    std::string text_;
};

}  // namespace

const JsonText* JsonText::member(std::string_view name) const {
    for (auto i = names.size(); i > 0; --i)
        if (names[i - 1] == name) return &items[i - 1];
    return nullptr;
}

std::size_t JsonText::count(std::string_view name) const {
    return static_cast<std::size_t>(std::count(names.begin(), names.end(), name));
}

std::optional<std::string> JsonText::scalar(std::string_view name) const {
    const auto* found = member(name);
    if (!found || (found->kind != Kind::string && found->kind != Kind::number)) return {};
    return found->text;
}

std::optional<JsonText> parse_json_text(std::string_view body) {
    if (body.size() > kJsonBytesMax) return {};
    json::parse_options options;
    options.max_depth = kJsonDepthMax;
    json::basic_parser<Builder> parser(options);
    json::error_code error;
    const auto read = parser.write_some(false, body.data(), body.size(), error);
    if (error) return {};
    const auto rest = body.substr(read);
    if (rest.find_first_not_of(" \t\r\n") != std::string_view::npos) return {};
    return parser.handler().take();
}

}  // namespace flowstack::payment
