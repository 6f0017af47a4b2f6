#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/http/message.h"

namespace flowstack::http {

struct ResponseFrame {
    std::string_view date;                  // IMF-fixdate
    std::string_view server;                // left out if empty
    std::span<const Header> standing = {};  // for names that the answer does not bring itself
    bool bodiless = false;                  // 204, 304: no Content-Length either
    bool close = false;
};

// Writes status line and headers to `out`, replacing what it held (internal). A handler's header
// that could split the answer, or that follows from the answer itself, is left out.
void write_response_head(std::string& out, const Response& response, const ResponseFrame& frame);

}  // namespace flowstack::http
