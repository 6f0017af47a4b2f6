#include "services/gateway/inbound/customers.h"

#include "services/gateway/domain/phone.h"

namespace flowstack::gateway {
namespace {
std::string key_of(std::string_view tenant, const Identity& identity) {
    const auto spelling =
        identity.kind == IdentityKind::phone ? one_spelling(identity.value) : identity.value;
    return std::string(tenant) + '\n' + std::string(text_of(identity.kind)) + '\n' + spelling;
}
}  // namespace

std::optional<KnownCustomer> Customers::find(std::string_view tenant,
                                             const std::vector<Identity>& identities) {
    const std::lock_guard lock(mutex_);
    std::optional<KnownCustomer> customer;
    for (const auto& identity : identities) {
        const auto found = index_.find(key_of(tenant, identity));
        if (found == index_.end()) return std::nullopt;
        recent_.splice(recent_.begin(), recent_, found->second);
        const auto& known = found->second->customer;
        if (customer && customer->customer_id != known.customer_id) return std::nullopt;
        customer = known;
    }
    return customer;
}

void Customers::remember(std::string_view tenant, const std::vector<Identity>& identities,
                         const KnownCustomer& customer) {
    const std::lock_guard lock(mutex_);
    for (const auto& identity : identities) {
        auto key = key_of(tenant, identity);
        if (const auto found = index_.find(key); found != index_.end()) {
            found->second->customer = customer;
            recent_.splice(recent_.begin(), recent_, found->second);
            continue;
        }
        recent_.push_front({key, customer});
        index_[std::move(key)] = recent_.begin();
        if (index_.size() > entries_max_) {
            index_.erase(recent_.back().key);
            recent_.pop_back();
        }
    }
}

void Customers::forget(std::string_view tenant, const CustomerId& customer_id) {
    // Rare (two contacts turned out to be one person), so a walk over all is good enough.
    const auto prefix = std::string(tenant) + '\n';
    const std::lock_guard lock(mutex_);
    for (auto entry = recent_.begin(); entry != recent_.end();) {
        if (entry->customer.customer_id == customer_id && entry->key.starts_with(prefix)) {
            index_.erase(entry->key);
            entry = recent_.erase(entry);
        } else {
            ++entry;
        }
    }
}

}  // namespace flowstack::gateway
