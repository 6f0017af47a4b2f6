#include "common/http/message.h"

#include <algorithm>
#include <cstdint>

#include "common/http/url.h"
#include "common/text/json_string.h"
#include "common/text/utf8.h"

namespace flowstack::http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

void append_member(std::string& out, std::string_view name, std::string_view value) {
    if (out.back() != '{') out += ',';
    text::append_json_string(out, name);
    out += ':';
    text::append_json_string(out, value);
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Headers::get(std::string_view name) const {
    for (const Header& line : lines_)
        if (equal_ignoring_case(line.name, name)) return line.value;
    return {};
}

bool Headers::has(std::string_view name) const { return count(name) > 0; }

std::size_t Headers::count(std::string_view name) const {
    return static_cast<std::size_t>(
        std::count_if(lines_.begin(), lines_.end(),
                      [&](const Header& line) { return equal_ignoring_case(line.name, name); }));
}

void Headers::add(std::string name, std::string value) {
    lines_.push_back({std::move(name), std::move(value)});
}

void Headers::set(std::string_view name, std::string value) {
    const auto same = [&](const Header& line) { return equal_ignoring_case(line.name, name); };
    const auto first = std::find_if(lines_.begin(), lines_.end(), same);
    if (first == lines_.end()) {
        lines_.push_back({std::string(name), std::move(value)});
        return;
    }
    first->value = std::move(value);
    lines_.erase(std::remove_if(first + 1, lines_.end(), same), lines_.end());
}

void Headers::remove(std::string_view name) {
    std::erase_if(lines_, [&](const Header& line) { return equal_ignoring_case(line.name, name); });
}

std::optional<std::string> Request::query_param(std::string_view name) const {
    const auto fields = parse_form(query);
    return fields ? form_field(*fields, name) : std::nullopt;
}

Response Response::text(int status, std::string body) {
    return {.status = status,
            .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
            .body = std::move(body)};
}

Response Response::json(int status, std::string body) {
    return {.status = status,
            .headers = {{"Content-Type", "application/json"}},
            .body = std::move(body)};
}

Response Response::problem(const Problem& problem) {
    std::string body = "{";
    append_member(body, "type", "about:blank");
    append_member(body, "title", problem.title);
    body += ",\"status\":" + std::to_string(problem.status);
    append_member(body, "detail", problem.detail);
    append_member(body, "reason", problem.reason);
    if (!problem.violations.empty()) {
        body += ",\"violations\":[";
        for (const Violation& violation : problem.violations) {
            body += body.back() == '[' ? "{" : ",{";
            append_member(body, "field", violation.field);
            append_member(body, "description", violation.description);
            body += '}';
        }
        body += ']';
    }
    if (!problem.trace_id.empty()) append_member(body, "trace_id", problem.trace_id);
    for (const auto& [name, value] : problem.extra_members) append_member(body, name, value);
    body += '}';
    return {.status = problem.status,
            .headers = {{"Content-Type", "application/problem+json"}},
            .body = std::move(body)};
}

Response Response::problem(int status, std::string title, std::string detail, std::string reason) {
    return problem({.status = status,
                    .title = std::move(title),
                    .detail = std::move(detail),
                    .reason = std::move(reason)});
}

std::string_view status_text(int status) {
    switch (status) {
        case 100:
            return "Continue";
        case 101:
            return "Switching Protocols";
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 206:
            return "Partial Content";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 308:
            return "Permanent Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 402:
            return "Payment Required";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 406:
            return "Not Acceptable";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 425:
            return "Too Early";
        case 428:
            return "Precondition Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 499:
            return "Client Closed Request";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        default:
            return "Unknown";
    }
}

std::string json_string(std::string_view text) { return text::json_string(text); }

bool valid_utf8(std::string_view bytes) { return text::is_valid_utf8(bytes); }

std::string_view trace_id_of(const Headers& headers) {
    // version "-" trace-id (32) "-" parent-id (16) "-" flags (2)
    const std::string_view value = headers.get("traceparent");
    constexpr std::size_t kLength = 55;
    if (value.size() < kLength || (value.size() > kLength && value[kLength] != '-')) return {};
    if (value[2] != '-' || value[35] != '-' || value[52] != '-') return {};
    if (value.substr(0, 2) == "ff") return {};
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    const auto trace_id = value.substr(3, 32);
    if (!std::all_of(trace_id.begin(), trace_id.end(), is_hex)) return {};
    if (trace_id.find_first_not_of('0') == std::string_view::npos) return {};
    return trace_id;
}

}  // namespace flowstack::http
