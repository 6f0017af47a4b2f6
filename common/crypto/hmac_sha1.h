#pragma once

#include <string>
#include <string_view>

namespace flowstack::crypto {

// RFC 2104 with SHA-1: 20 bytes. Only for providers whose signatures are made of it; what is ours
// uses hmac_sha256 (hash.h).
std::string hmac_sha1(std::string_view key, std::string_view bytes);

}  // namespace flowstack::crypto
