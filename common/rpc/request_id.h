#pragma once

#include <cstddef>
#include <string_view>

namespace flowstack::rpc {

inline constexpr std::size_t kRequestIdBytesMax = 200;

// A caller's own name for what it asks, which the log keeps: at most kRequestIdBytesMax bytes and
// no control characters. Throws FIELD_INVALID that names request_id; empty is in order.
void check_request_id(std::string_view request_id);

}  // namespace flowstack::rpc
