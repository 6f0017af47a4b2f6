#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/crypto/envelope.h"
#include "common/keys/transit.h"

namespace flowstack::config {
class Reader;
}

namespace flowstack::keys {

// What wraps a service's data keys, by settings: MASTER_KEY, Vault, or both while an installation
// changes from one to the other.
class KeySettings {
public:
    // Reads MASTER_KEY, MASTER_KEY_OTHER, KEYS_WRAPPED_BY and VAULT_*, and reports under their
    // names what does not fit.
    explicit KeySettings(config::Reader& reader);

    // Asks nobody yet. After the reader's finish().
    std::unique_ptr<crypto::KeyWrapper> wrapper() const;

private:
    std::vector<crypto::MasterKey> master_keys_;  // the one that wraps first
    std::optional<TransitOptions> transit_;
    bool transit_wraps_ = false;
};

}  // namespace flowstack::keys
