#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "services/gateway/domain/contact.h"

// Which customer an identity belongs to, remembered: the door's way to append a known customer's
// message without a read. Bounded, least recently used goes first. Thread-safe.
namespace flowstack::gateway {

struct KnownCustomer {
    CustomerId customer_id;
    std::string phone;  // empty when it is not known
    friend bool operator==(const KnownCustomer&, const KnownCustomer&) = default;
};

class Customers {
public:
    explicit Customers(std::size_t entries_max) : entries_max_(entries_max) {}

    // The one customer that all of these identities are known to belong to.
    std::optional<KnownCustomer> find(std::string_view tenant,
                                      const std::vector<Identity>& identities);
    void remember(std::string_view tenant, const std::vector<Identity>& identities,
                  const KnownCustomer& customer);
    // Every identity of that customer.
    void forget(std::string_view tenant, const CustomerId& customer_id);

private:
    struct Entry {
        std::string key;
        KnownCustomer customer;
    };
    std::size_t entries_max_;
    std::mutex mutex_;
    std::list<Entry> recent_;
    std::unordered_map<std::string, std::list<Entry>::iterator> index_;
};

}  // namespace flowstack::gateway
