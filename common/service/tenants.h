#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "common/core/guarded.h"

namespace grpc {
class Channel;
}
namespace flowstack::gateway::v1 {
class Tenant;
}

// What gateway says about a tenant, kept by settings version: for services that meet a tenant in an
// event or a call before they have read of it themselves.
namespace flowstack::service {

struct NoSuchTenant : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

class Tenants {
public:
    virtual ~Tenants() = default;
    // At least as new as `version`; 0 = whatever is kept, however old. Throws eventlog::TryLater
    // when gateway is away, and NoSuchTenant.
    virtual std::shared_ptr<const gateway::v1::Tenant> at_least(const std::string& tenant,
                                                                std::int64_t version) = 0;
};

// Asks gateway's TenantService, and again when an event names a newer version. Thread-safe.
class GatewayTenants final : public Tenants {
public:
    explicit GatewayTenants(std::shared_ptr<grpc::Channel> gateway);
    ~GatewayTenants() override;
    std::shared_ptr<const gateway::v1::Tenant> at_least(const std::string& tenant,
                                                        std::int64_t version) override;

private:
    std::shared_ptr<grpc::Channel> gateway_;
    Guarded<std::map<std::string, std::shared_ptr<const gateway::v1::Tenant>>> known_;
};

}  // namespace flowstack::service
