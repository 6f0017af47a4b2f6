#include "services/gateway/providers/provider.h"

#include <stdexcept>

namespace flowstack::gateway {

Providers::Providers(std::vector<const MessagingProvider*> all) : all_(std::move(all)) {
    if (all_.empty()) throw std::invalid_argument("gateway needs at least one messaging provider");
}

const MessagingProvider* Providers::find(std::string_view kind) const {
    for (const auto* provider : all_)
        if (provider->kind() == kind) return provider;
    return nullptr;
}

const MessagingProvider* Providers::named(std::string_view name) const {
    for (const auto* provider : all_)
        if (provider->name() == name) return provider;
    return nullptr;
}

std::string Providers::kinds() const {
    std::string names;
    for (const auto* provider : all_)
        names += (names.empty() ? "" : ", ") + std::string(provider->kind());
    return names;
}

}  // namespace flowstack::gateway
