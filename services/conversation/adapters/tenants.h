#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/core/guarded.h"
#include "services/conversation/domain/engine.h"

namespace grpc {
class Channel;
}

// What gateway says about a tenant, kept by settings version.
namespace flowstack::conversation {

class Tenants {
public:
    virtual ~Tenants() = default;
    // At least as new as `version`. Throws eventlog::TryLater when gateway is away, and
    // std::invalid_argument when it knows no such tenant.
    virtual TenantFacts at_least(const std::string& tenant, std::int64_t version) = 0;
};

// Asks gateway's TenantService, and again when an event names a newer version. Thread-safe.
class GatewayTenants final : public Tenants {
public:
    explicit GatewayTenants(std::shared_ptr<grpc::Channel> gateway);
    ~GatewayTenants() override;
    TenantFacts at_least(const std::string& tenant, std::int64_t version) override;

private:
    std::shared_ptr<grpc::Channel> gateway_;
    Guarded<std::map<std::string, TenantFacts>> known_;
};

}  // namespace flowstack::conversation
