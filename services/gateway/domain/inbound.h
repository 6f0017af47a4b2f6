#pragma once

#include <string>

// What somebody wrote to a tenant, in no provider's words.
namespace flowstack::gateway {

// Only text, button and list_row are an answer in words. A provider's type that we do not know is
// `unsupported`, whatever it will be called next year.
enum class InboundKind {
    text,
    button,    // a template's quick reply or an interactive message's button
    list_row,  // a row of a list
    media,
    location,
    contacts,
    order,  // a cart of the provider's catalog
    form,
    reaction,
    edit,
    revoke,
    system,  // the provider's own news about the customer
    unsupported,
};

// A pin on the map.
struct Location {
    double latitude = 0;
    double longitude = 0;
    std::string name;
    std::string address;
    bool operator==(const Location&) const = default;
};

}  // namespace flowstack::gateway
