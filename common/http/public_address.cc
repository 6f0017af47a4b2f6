#include "common/http/public_address.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <span>

namespace flowstack::http {
namespace {

using Bytes4 = std::array<std::uint8_t, 4>;
using Bytes16 = std::array<std::uint8_t, 16>;

struct Range4 {
    Bytes4 first;
    int bits;
    const char* what;
};
// IANA's special-purpose registry, multicast, and one address of a cloud that is none of these.
constexpr Range4 kRanges4[] = {
    {{0, 0, 0, 0}, 8, "this network"},
    {{10, 0, 0, 0}, 8, "private"},
    {{100, 64, 0, 0}, 10, "shared by a provider"},
    {{127, 0, 0, 0}, 8, "loopback"},
    {{169, 254, 0, 0}, 16, "link-local"},
    {{172, 16, 0, 0}, 12, "private"},
    {{192, 0, 0, 0}, 24, "reserved"},
    {{192, 0, 2, 0}, 24, "for documentation"},
    {{192, 88, 99, 0}, 24, "reserved"},
    {{192, 168, 0, 0}, 16, "private"},
    {{198, 18, 0, 0}, 15, "for benchmarks"},
    {{198, 51, 100, 0}, 24, "for documentation"},
    {{203, 0, 113, 0}, 24, "for documentation"},
    {{224, 0, 0, 0}, 4, "multicast"},
    {{240, 0, 0, 0}, 4, "reserved"},
    {{168, 63, 129, 16}, 32, "of a cloud's own services"},
};

struct Range6 {
    Bytes16 first;
    int bits;
    const char* what;
};
// Of the range in which global addresses are, 2000::/3, what is not.
constexpr Range6 kRanges6[] = {
    {{0x20, 0x01, 0x00}, 23, "reserved"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "for documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x3f, 0xff}, 20, "for documentation"},
};
constexpr Range6 kGlobal{{0x20}, 3, ""};
constexpr Range6 kMapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, ""};
constexpr Range6 kTranslated{{0x00, 0x64, 0xff, 0x9b}, 96, ""};

bool is_within(std::span<const std::uint8_t> address, std::span<const std::uint8_t> first,
               int bits) {
    const auto whole = static_cast<std::size_t>(bits / 8);
    for (std::size_t i = 0; i < whole; ++i)
        if (address[i] != first[i]) return false;
    const int rest = bits % 8;
    return rest == 0 || (address[whole] ^ first[whole]) >> (8 - rest) == 0;
}

std::string why_not_public(const Bytes4& address) {
    for (const auto& range : kRanges4)
        if (is_within(address, range.first, range.bits)) return range.what;
    return {};
}

std::string why_not_public(const Bytes16& address) {
    for (const auto* carrier : {&kMapped, &kTranslated})
        if (is_within(address, carrier->first, carrier->bits))
            return why_not_public(Bytes4{address[12], address[13], address[14], address[15]});
    if (!is_within(address, kGlobal.first, kGlobal.bits)) return "not global";
    for (const auto& range : kRanges6)
        if (is_within(address, range.first, range.bits)) return range.what;
    return {};
}

}  // namespace

std::string why_not_public(std::string_view address) {
    const std::string text(address);
    Bytes4 four{};
    Bytes16 sixteen{};
    if (inet_pton(AF_INET, text.c_str(), four.data()) == 1) return why_not_public(four);
    if (inet_pton(AF_INET6, text.c_str(), sixteen.data()) == 1) return why_not_public(sixteen);
    return "no address";
}

}  // namespace flowstack::http
