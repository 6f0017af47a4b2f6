#pragma once

#include <memory>
#include <optional>
#include <string>

namespace grpc {
class Channel;
}
namespace flowstack::gateway::v1 {
class Contact;
}

// What gateway says about a contact now, for services that are asked about a contact, or decide
// about one, before they have read the newest events about it.
namespace flowstack::service {

class Contacts {
public:
    virtual ~Contacts() = default;
    // Finds by customer id; a closed contact names the one that continues it. Nothing: the tenant
    // has no such contact. Both throw eventlog::TryLater when gateway is away.
    virtual std::optional<gateway::v1::Contact> find(const std::string& tenant,
                                                     const std::string& customer_id) = 0;
    // Finds by phone number, E.164 with +.
    virtual std::optional<gateway::v1::Contact> with_phone(const std::string& tenant,
                                                           const std::string& phone) = 0;
};

// Asks gateway's ContactService every time. Thread-safe.
class GatewayContacts final : public Contacts {
public:
    explicit GatewayContacts(std::shared_ptr<grpc::Channel> gateway);
    std::optional<gateway::v1::Contact> find(const std::string& tenant,
                                             const std::string& customer_id) override;
    std::optional<gateway::v1::Contact> with_phone(const std::string& tenant,
                                                   const std::string& phone) override;

private:
    std::shared_ptr<grpc::Channel> gateway_;
};

}  // namespace flowstack::service
