// The only file that includes Beast: it splits the header block into fields. What they mean is
// decided here.
#include "common/http/request_head.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/http/url.h"

namespace flowstack::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;

// Writes what Beast finds straight into a Request.
class HeaderParser final : public beast::http::basic_parser<true> {
public:
    Request request;
    int version = 0;

private:
    using Text = beast::string_view;
    static std::string copy(Text text) { return {text.data(), text.size()}; }

    void on_request_impl(beast::http::verb, Text method, Text target, int http_version,
                         error_code&) override {
        request.method = copy(method);
        request.target = copy(target);
        version = http_version;
    }
    void on_field_impl(beast::http::field, Text name, Text value, error_code&) override {
        request.headers.add(copy(name), copy(value));
    }
    void on_header_impl(error_code&) override {}
    void on_finish_impl(error_code&) override {}

    // Bodies are not read by Beast (skip): never called.
    void on_response_impl(int, Text, int, error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(Text, error_code&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text, error_code&) override { return 0; }
};

bool digits_only(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The one place that decides what a request is. Stricter than it must be wherever two readers of
// the same bytes (a proxy in front and we) could come to different ends of a request.
std::optional<Refusal> judge(Request& request, Framing& framing) {
    const Headers& headers = request.headers;
    // What a header says ends up in events and answers, and both are UTF-8.
    for (const auto& header : headers)
        if (!valid_utf8(header.value)) return malformed("A header is not UTF-8.");
    if (headers.count("Host") != 1) return malformed("Exactly one Host header is required.");

    std::string_view target = request.target;
    if (target.empty() || target == "*" || request.method == "CONNECT")
        return malformed("The request target must be a path.");
    if (target.front() != '/') {  // absolute form, as sent to a proxy
        const auto scheme = target.find("://");
        if (scheme == std::string_view::npos)
            return malformed("The request target must be a path.");
        const auto slash = target.find('/', scheme + 3);
        target = slash == std::string_view::npos ? "/" : target.substr(slash);
    }
    if (target.find('#') != std::string_view::npos)
        return malformed("A request target has no fragment.");
    const auto question = target.find('?');
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    auto path = percent_decode(target.substr(0, question));
    if (!path || path->find('\0') != std::string::npos || !valid_utf8(*path))
        return malformed("The path has a wrong percent escape or is not UTF-8.");
    request.path = std::move(*path);

    const auto codings = headers.count("Transfer-Encoding");
    const auto lengths = headers.count("Content-Length");
    if (codings > 0 && lengths > 0)
        return malformed("Content-Length and Transfer-Encoding exclude each other.");
    if (codings > 0) {
        if (codings != 1 || !equal_ignoring_case(headers.get("Transfer-Encoding"), "chunked")) {
            return Refusal{501, "Transfer coding not supported",
                           "The only transfer coding understood is chunked.",
                           "TRANSFER_CODING_NOT_SUPPORTED"};
        }
        framing.chunked = true;
    } else if (lengths > 0) {
        const auto value = headers.get("Content-Length");
        constexpr std::size_t kDigitsMax = 18;  // below 2^63
        if (lengths != 1 || !digits_only(value) || value.size() > kDigitsMax)
            return malformed("Content-Length must be one number.");
        framing.length = std::stoull(std::string(value));
    }
    if (headers.has("Expect")) {
        if (!equal_ignoring_case(headers.get("Expect"), "100-continue")) {
            return Refusal{417, "Expectation failed",
                           "The only expectation understood is 100-continue.",
                           "EXPECTATION_FAILED"};
        }
        framing.expects_continue = true;
    }
    return std::nullopt;
}

// A header continued on the next line (obs-fold): obsolete, and readers disagree on what it means.
bool has_folded_header(std::string_view head) {
    return head.find("\r\n ") != std::string_view::npos ||
           head.find("\r\n\t") != std::string_view::npos;
}

// "GET / HTTP/2.0": a well-formed line of another version deserves a better answer than 400.
bool names_another_version(std::string_view head) {
    const auto line = head.substr(0, head.find("\r\n"));
    if (line.size() < 9) return false;
    const auto tail = line.substr(line.size() - 9);
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return tail.starts_with(" HTTP/") && tail != " HTTP/1.1" && digit(tail[6]) && tail[7] == '.' &&
           digit(tail[8]) && std::count(line.begin(), line.end(), ' ') == 2;
}

Refusal other_version() {
    return {505, "HTTP version not supported", "This server speaks HTTP/1.1.",
            "HTTP_VERSION_NOT_SUPPORTED"};
}

}  // namespace

Refusal malformed(std::string detail) {
    return {400, "Malformed request", std::move(detail), "MALFORMED_REQUEST"};
}

Refusal body_too_large(std::size_t limit) {
    return {413, "Content too large",
            "The body is larger than the " + std::to_string(limit) + " bytes allowed here.",
            "BODY_TOO_LARGE"};
}

bool token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::variant<RequestHead, Refusal> parse_head(std::string_view head) {
    if (has_folded_header(head)) return malformed("A header line must not be folded.");
    HeaderParser parser;
    parser.skip(true);  // the body is ours
    parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
    error_code error;
    const std::size_t taken = parser.put(boost::asio::buffer(head.data(), head.size()), error);
    if (error || taken != head.size() || !parser.is_done()) {
        if (names_another_version(head)) return other_version();
        return malformed("The request line or a header is malformed" +
                         (error ? ": " + error.message() : std::string()) + ".");
    }
    RequestHead result;
    result.request = std::move(parser.request);
    result.framing.keep_alive = parser.keep_alive();
    if (parser.version != 11) return other_version();
    if (auto refusal = judge(result.request, result.framing)) return std::move(*refusal);
    return result;
}

}  // namespace flowstack::http
