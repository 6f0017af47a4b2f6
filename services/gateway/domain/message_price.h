#pragma once

#include <string>

namespace flowstack::gateway {

// For what the provider charges a message, in its own words.
struct MessagePrice {
    std::string category;
    std::string type;
    std::string model;
    std::string calling_code;  // of the recipient, without +
    bool operator==(const MessagePrice&) const = default;
};

}  // namespace flowstack::gateway
