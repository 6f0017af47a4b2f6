#pragma once

#include <memory>
#include <string>

#include "common/core/time.h"

namespace grpc {
class Channel;
}

// Gateway's contacts. Gateway mints customer ids, and only gateway knows when a service window
// closes.
namespace flowstack::conversation {

struct KnownContact {
    std::string customer_id;
    std::string channel_id;
    Time window_closes_at{};  // epoch: they never wrote
};

class ContactBook {
public:
    virtual ~ContactBook() = default;
    // The contact with this phone (E.164 with +). If there is none, gateway makes one, on
    // `channel_id` if that is given. Throws rpc::Failure if gateway refuses or is away.
    virtual KnownContact of_phone(const std::string& tenant, const std::string& phone,
                                  const std::string& channel_id) = 0;
};

// Asks gateway's ContactService. Thread-safe.
class GatewayContacts final : public ContactBook {
public:
    explicit GatewayContacts(std::shared_ptr<grpc::Channel> gateway)
        : gateway_(std::move(gateway)) {}
    KnownContact of_phone(const std::string& tenant, const std::string& phone,
                          const std::string& channel_id) override;

private:
    std::shared_ptr<grpc::Channel> gateway_;
};

}  // namespace flowstack::conversation
