#include "common/eventlog/vault.h"

namespace flowstack::eventlog {
namespace {

class ClearVault final : public Vault {
public:
    std::optional<std::string> seal(const StreamName&, const Routing&,
                                    const NewEvent&) const override {
        return std::nullopt;
    }
    std::optional<std::string> open(const Recorded&) const override { return std::nullopt; }
};

}  // namespace

const Recorded& in_clear(const Vault& vault, const Recorded& event, std::optional<Recorded>& copy) {
    auto payload = vault.open(event);
    if (!payload) return event;
    copy = event;
    copy->payload = std::move(*payload);
    return *copy;
}

const Vault& clear_vault() {
    static const ClearVault vault;
    return vault;
}

}  // namespace flowstack::eventlog
