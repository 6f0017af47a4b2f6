#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/core/time.h"

namespace flowstack {

// 128 bits in network order (RFC 9562). Ordered as bytes, so version 7 ids sort by their time.
struct Uuid {
    std::array<std::uint8_t, 16> bytes{};

    friend auto operator<=>(const Uuid&, const Uuid&) = default;

    // "018f5a2c-7b3e-7c41-9a55-0123456789ab", always lower case.
    std::string text() const;
    // The 36 character form in either case, nothing else.
    static std::optional<Uuid> parse(std::string_view text);
    // Sixteen raw bytes, as a `uuid` column or a protobuf `bytes` field carries them.
    static std::optional<Uuid> from_bytes(std::string_view raw);
    std::string_view raw() const {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    bool is_nil() const { return *this == Uuid{}; }
};

// A version 7 id made of a time (to the millisecond) and 74 of the 80 bits given. Pure: ids that a
// retry must make again are made of their cause's time and a hash, not of randomness.
Uuid uuid_v7(Time at, std::span<const std::uint8_t, 10> random);

// The time inside a version 7 id, to the millisecond.
Time time_of(const Uuid& id);

}  // namespace flowstack

template <>
struct std::hash<flowstack::Uuid> {
    std::size_t operator()(const flowstack::Uuid& id) const noexcept {
        return std::hash<std::string_view>{}(id.raw());
    }
};
