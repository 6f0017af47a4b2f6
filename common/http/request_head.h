#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "common/http/message.h"

// What a request's header block means, as a pure function of its bytes (internal).
namespace flowstack::http {

// Why a request is answered by the door itself.
struct Refusal {
    int status;
    const char* title;
    std::string detail;
    const char* reason;
};

Refusal malformed(std::string detail);      // 400
Refusal body_too_large(std::size_t limit);  // 413

// How the body is delimited, and what happens to the connection afterwards.
struct Framing {
    std::size_t length = 0;  // if not chunked
    bool chunked = false;
    bool expects_continue = false;
    bool keep_alive = true;
};

struct RequestHead {
    Request request;  // without body and remote address
    Framing framing;
};

// `head` is everything up to and with the empty line. Stricter than RFC 9112 wherever a proxy in
// front of us could read the same bytes differently: two lengths, a length and a coding, folded
// headers, a transfer coding that is not just "chunked", other than one Host, a path or a header
// that is not UTF-8.
std::variant<RequestHead, Refusal> parse_head(std::string_view head);

// Can this byte begin a request (RFC 9110 tchar)?
bool token_char(char c);

}  // namespace flowstack::http
