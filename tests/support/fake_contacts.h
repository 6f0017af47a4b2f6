#pragma once

#include <map>
#include <string>
#include <utility>

#include "common/eventlog/turn.h"
#include "common/service/contacts.h"
#include "flowstack/gateway/v1/contact_service.pb.h"

namespace flowstack::testing {

// Stands in for gateway, as far as gateway tells about contacts.
struct FakeContacts final : service::Contacts {
    std::optional<gateway::v1::Contact> find(const std::string& tenant,
                                             const std::string& customer_id) override {
        return looked_up(tenant, customer_id);
    }
    std::optional<gateway::v1::Contact> with_phone(const std::string& tenant,
                                                   const std::string& phone) override {
        return looked_up(tenant, phone);
    }
    // Makes a contact known by this id; `all` also holds what is found by a phone number.
    gateway::v1::Contact& know(const std::string& tenant, const std::string& customer_id) {
        auto& contact = all[{tenant, customer_id}];
        contact.set_customer_id(customer_id);
        return contact;
    }
    std::map<std::pair<std::string, std::string>, gateway::v1::Contact> all;
    bool away = false;
    int calls = 0;

private:
    std::optional<gateway::v1::Contact> looked_up(const std::string& tenant,
                                                  const std::string& name) {
        ++calls;
        if (away) throw eventlog::TryLater("gateway is away");
        const auto found = all.find({tenant, name});
        if (found == all.end()) return {};
        return found->second;
    }
};

}  // namespace flowstack::testing
