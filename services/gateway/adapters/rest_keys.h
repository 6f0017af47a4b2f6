#pragma once

#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/key_uses.h"
#include "services/gateway/rest/keys.h"

namespace flowstack::gateway {

// The directory, as far as the REST door asks it.
class DirectoryKeys final : public Keys {
public:
    // Each use of a key is noted in `uses`.
    DirectoryKeys(const Directory& directory, KeyUses& uses) : directory_(directory), uses_(uses) {}

    std::optional<KeyOwner> owner_of(std::string_view key_sha256) const override {
        auto owner = directory_.owner_of_key(key_sha256);
        if (!owner) return std::nullopt;
        uses_.note(owner->tenant, owner->key_id.text());
        return KeyOwner{std::move(owner->tenant), owner->key_id};
    }
    std::optional<TenantInRest> tenant(std::string_view id) const override {
        const auto entry = directory_.tenant(id);
        if (!entry) return std::nullopt;
        const auto& settings = entry->tenant.settings;
        return TenantInRest{settings.languages.empty() ? "en" : settings.languages.front(),
                            settings.currency_code};
    }

private:
    const Directory& directory_;
    KeyUses& uses_;
};

}  // namespace flowstack::gateway
