#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace flowstack::identity {

// What somebody is in a tenant.
enum class Role : std::uint8_t {
    viewer,   // sees
    auditor,  // sees, history and raw webhooks too
    agent,    // sees, and works with customers: conversations, messages, orders, payments
    admin,    // everything in the tenant
};

std::optional<Role> parse_role(std::string_view word);
std::string_view name_of(Role role);

struct Grants {
    bool platform_admin = false;                                 // everything, in every tenant
    std::map<std::string, std::set<Role>, std::less<>> tenants;  // by id
    bool operator==(const Grants&) const = default;
};

// "platform_admin" and "<tenant>:<role>" of a token's claim. Other texts mean something to others,
// and nothing here.
Grants parse_grants(const std::vector<std::string>& texts);

}  // namespace flowstack::identity
