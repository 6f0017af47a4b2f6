#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flowstack::gateway {

struct KeyOwner {
    std::string tenant;
    std::string key_id;
};

// What an alias must know of a tenant before it can translate.
struct TenantInRest {
    std::string language;       // the default one
    std::string currency_code;  // ISO 4217
};

// Whom the REST door lets in, and for which tenants. Thread-safe.
class Keys {
public:
    virtual ~Keys() = default;
    // The API key with this SHA-256; nothing for one that was never made or is revoked.
    virtual std::optional<KeyOwner> owner_of(std::string_view key_sha256) const = 0;
    virtual std::optional<TenantInRest> tenant(std::string_view id) const = 0;
};

}  // namespace flowstack::gateway
