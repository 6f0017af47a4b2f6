#pragma once

#include <chrono>
#include <vector>

#include "tools/isolation/values.h"
#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"

namespace flowstack::isolation {

inline constexpr int kTenants = 3;
inline constexpr int kMessagesEach = 10;

// How long something that must happen is waited for, and how often it is looked for.
inline constexpr std::chrono::seconds kPatience{30};
inline constexpr std::chrono::milliseconds kPoll{100};

// The door of /v1 and of the aliases, with a key.
struct Door {
    stack::Http& http;
    std::string url;

    stack::HttpAnswer ask(const std::string& method, const std::string& path,
                          const std::string& key, const std::string& body = "") const;
};

// Three shops with everything that a shop can have, and their customer's ten messages, of which
// the last six are a purchase. When it returns the purchases are settled and nothing is on its way.
std::vector<Tenant> make_tenants(const stack::Environment& environment, stack::Api& api,
                                 stack::Sandbox& sandbox, const Door& door,
                                 const std::string& customer_phone);

}  // namespace flowstack::isolation
