#pragma once

#include <memory>
#include <string>

namespace grpc {
class Channel;
}

// What conversation says about a customer: for a call that names one before this service has read
// of them.
namespace flowstack::followup {

class Customers {
public:
    virtual ~Customers() = default;
    // Throws eventlog::TryLater when conversation is away.
    virtual bool exists(const std::string& tenant, const std::string& customer_id) = 0;
};

// Asks conversation's CustomerService every time. Thread-safe.
class ConversationCustomers final : public Customers {
public:
    explicit ConversationCustomers(std::shared_ptr<grpc::Channel> conversation);
    bool exists(const std::string& tenant, const std::string& customer_id) override;

private:
    std::shared_ptr<grpc::Channel> conversation_;
};

}  // namespace flowstack::followup
