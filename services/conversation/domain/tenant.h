#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/core/money.h"

namespace flowstack::conversation {

// What the rules need to know of a tenant, as of the settings version it was read at.
struct TenantFacts {
    std::string id;
    std::string display_name;
    std::string country = "KE";
    std::string time_zone = "Africa/Nairobi";  // IANA
    Currency currency = Currency::kes;
    std::int64_t tax_rate_bp = 0;
    std::vector<std::string> languages{"en"};
    std::vector<std::string> providers;  // of payments, that are on
    // May a customer pay for something else while the outcome of an earlier payment is unclear?
    bool orders_while_unclear = true;
    std::string pack;
    std::string status = "ACTIVE";
    std::int64_t settings_version = 0;
};

}  // namespace flowstack::conversation
