#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A request and an answer as plain values. Nothing here knows a socket.
namespace flowstack::http {

struct Header {
    std::string name;
    std::string value;
};

// Header lines in the order in which they were received or added. Names compare case-insensitively.
// A name may occur several times (`add`); `get` answers the first one.
class Headers {
public:
    Headers() = default;
    Headers(std::initializer_list<Header> lines) : lines_(lines) {}

    // The first value of `name`, or an empty view. Valid until the headers change.
    std::string_view get(std::string_view name) const;
    bool has(std::string_view name) const;
    std::size_t count(std::string_view name) const;

    void add(std::string name, std::string value);
    // Replaces every line of that name by one.
    void set(std::string_view name, std::string value);
    void remove(std::string_view name);

    auto begin() const { return lines_.begin(); }
    auto end() const { return lines_.end(); }
    std::size_t size() const { return lines_.size(); }
    bool empty() const { return lines_.empty(); }

private:
    std::vector<Header> lines_;
};

struct Request {
    std::string method;  // upper case as sent: "POST"
    std::string target;  // as sent: "/v1/a%20b?x=1"
    std::string path;    // percent-decoded, without the query: "/v1/a b"
    std::string query;   // raw, without '?': "x=1"
    Headers headers;
    std::string body;  // the exact bytes received (chunked coding removed); sign these
    // Of the client: "127.0.0.1". Behind a proxy that is not in HTTP_TRUSTED_PROXIES, the proxy's.
    std::string remote_address;
    std::map<std::string, std::string> params;  // filled by Router: {"tenant": "…"}, decoded

    // First value of a query parameter, decoded. Nothing if it is absent or wrongly encoded.
    std::optional<std::string> query_param(std::string_view name) const;
};

// One thing that is wrong with one field of a request.
struct Violation {
    std::string field;        // path of the field as the caller wrote it: "items[0].quantity"
    std::string description;  // what is allowed: "must be from 1 to 999"
};

// RFC 9457 problem details, plus `reason` for programs.
struct Problem {
    int status = 500;
    std::string title;   // the same for every problem of this reason
    std::string detail;  // what was wrong here, what is allowed, whether to try again
    std::string reason;  // SCREAMING_SNAKE_CASE, one of the documented reasons
    std::vector<Violation> violations = {};
    std::string trace_id = {};                                            // left out if empty
    std::vector<std::pair<std::string, std::string>> extra_members = {};  // string members
};

struct Response {
    int status = 200;
    Headers headers = {};
    std::string body = {};

    static Response text(int status, std::string body);
    // `body` is a finished JSON document.
    static Response json(int status, std::string body);
    static Response problem(const Problem& problem);
    static Response problem(int status, std::string title, std::string detail, std::string reason);
};

// The standard reason phrase, e.g. "Not Found"; "Unknown" for a status that has none.
std::string_view status_text(int status);

// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

bool valid_utf8(std::string_view bytes);

// The trace id of a W3C `traceparent` header (32 hex digits), or empty if there is no valid one.
std::string_view trace_id_of(const Headers& headers);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace flowstack::http
