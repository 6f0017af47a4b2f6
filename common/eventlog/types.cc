#include "common/eventlog/types.h"

#include <cstring>
#include <initializer_list>

#include "common/crypto/hash.h"

namespace flowstack::eventlog {
namespace {

using crypto::Digest;

// Parts joined by a zero byte, which none of them may hold.
Digest digest_of(std::initializer_list<std::string_view> parts) {
    std::string text;
    bool first = true;
    for (const auto part : parts) {
        if (!first) text.push_back('\0');
        text.append(part);
        first = false;
    }
    return crypto::sha256(text);
}

Uuid first_16(const Digest& digest) {
    Uuid id;
    std::memcpy(id.bytes.data(), digest.data(), id.bytes.size());
    return id;
}

// UUIDv7: 48 bits of milliseconds, then hash bits.
Uuid v7_from(std::uint64_t unix_ms, const Digest& digest) {
    Uuid id = first_16(digest);
    for (std::size_t i = 0; i < 6; ++i)
        id.bytes[i] = static_cast<std::uint8_t>(unix_ms >> (40 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(0x70 | (id.bytes[6] & 0x0f));
    id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

}  // namespace

int lane_of(const Routing& routing, std::string_view tenant, int lanes) {
    if (routing.kind == RoutingKind::lane) return std::stoi(routing.key) % lanes;
    const auto digest =
        digest_of({"flowstack.lane.v1", text_of(routing.kind), tenant, routing.key});
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) number = number << 8 | digest[i];
    return static_cast<int>(number % static_cast<std::uint64_t>(lanes));
}

Uuid stream_id(const StreamName& name) {
    return first_16(digest_of({name.tenant, name.category, name.key}));
}

Uuid claim_id(std::string_view scope, std::string_view kind, std::string_view key) {
    return first_16(digest_of({scope, kind, key}));
}

Uuid derive_id(const Uuid& cause, std::string_view handler, int n) {
    std::uint64_t unix_ms = 0;
    for (std::size_t i = 0; i < 6; ++i) unix_ms = unix_ms << 8 | cause.bytes[i];
    const std::string_view bytes(reinterpret_cast<const char*>(cause.bytes.data()), 16);
    return v7_from(unix_ms, digest_of({"flowstack.id.v1", bytes, handler, std::to_string(n)}));
}

Uuid derive_id(std::string_view cause, Time at, std::string_view handler, int n) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
    return v7_from(static_cast<std::uint64_t>(ms),
                   digest_of({"flowstack.id.v1", cause, handler, std::to_string(n)}));
}

std::string_view text_of(RoutingKind kind) {
    switch (kind) {
        case RoutingKind::customer:
            return "customer";
        case RoutingKind::tenant:
            return "tenant";
        case RoutingKind::named:
            return "named";
        case RoutingKind::lane:
            return "lane";
    }
    return "";
}

std::optional<RoutingKind> routing_kind_from(std::string_view text) {
    for (const auto kind :
         {RoutingKind::customer, RoutingKind::tenant, RoutingKind::named, RoutingKind::lane})
        if (text == text_of(kind)) return kind;
    return std::nullopt;
}

}  // namespace flowstack::eventlog
