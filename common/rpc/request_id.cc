#include "common/rpc/request_id.h"

#include <algorithm>

#include "common/rpc/error.h"

namespace flowstack::rpc {

void check_request_id(std::string_view request_id) {
    if (request_id.size() > kRequestIdBytesMax)
        throw invalid_field("request_id", "must have at most 200 bytes");
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    if (std::ranges::any_of(request_id, control))
        throw invalid_field("request_id", "must have no control characters");
}

}  // namespace flowstack::rpc
