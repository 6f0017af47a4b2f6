#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace flowstack::crypto {

using Digest = std::array<std::uint8_t, 32>;

// The bytes of a digest as text, to compare or to append; valid as long as the digest.
inline std::string_view bytes_of(const Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Digest sha256(std::string_view bytes);

// RFC 2104 with SHA-256. Any key length.
Digest hmac_sha256(std::string_view key, std::string_view bytes);

// Takes the same time wherever the difference is. The lengths are not secret.
bool constant_time_equal(std::string_view a, std::string_view b);

// From the operating system's generator. Throws std::runtime_error if it fails.
std::string random_bytes(std::size_t count);

}  // namespace flowstack::crypto
