#include "common/http/response_head.h"

#include <algorithm>

#include "common/http/request_head.h"

namespace flowstack::http {
namespace {

bool safe(const Header& line) {
    return !line.name.empty() && std::all_of(line.name.begin(), line.name.end(), token_char) &&
           line.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

bool written_by_us(std::string_view name) {
    for (const char* own :
         {"Content-Length", "Connection", "Transfer-Encoding", "Date", "Server", "Keep-Alive"})
        if (equal_ignoring_case(name, own)) return true;
    return false;
}

}  // namespace

void write_response_head(std::string& out, const Response& response, const ResponseFrame& frame) {
    out.clear();
    out += "HTTP/1.1 ";
    out += std::to_string(response.status);
    out += ' ';
    out += status_text(response.status);
    out += "\r\nDate: ";
    out += frame.date;
    if (!frame.server.empty()) {
        out += "\r\nServer: ";
        out += frame.server;
    }
    const auto add = [&](const Header& line) {
        if (written_by_us(line.name) || !safe(line)) return;
        out += "\r\n";
        out += line.name;
        out += ": ";
        out += line.value;
    };
    for (const Header& line : response.headers) add(line);
    for (const Header& line : frame.standing)
        if (!response.headers.has(line.name)) add(line);
    if (!frame.bodiless) {
        out += "\r\nContent-Length: ";
        out += std::to_string(response.body.size());
    }
    if (frame.close) out += "\r\nConnection: close";
    out += "\r\n\r\n";
}

}  // namespace flowstack::http
