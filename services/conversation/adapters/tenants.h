#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "common/service/tenants.h"
#include "services/conversation/domain/step.h"

// What gateway says about a tenant, kept by settings version.
namespace flowstack::conversation {

class Tenants {
public:
    virtual ~Tenants() = default;
    // At least as new as `version`. Throws eventlog::TryLater when gateway is away, and
    // std::invalid_argument when it knows no such tenant.
    virtual TenantFacts at_least(const std::string& tenant, std::int64_t version) = 0;
};
// Newer than whatever is kept: gateway is asked.
inline constexpr std::int64_t kNewestSettings = std::numeric_limits<std::int64_t>::max();

// What the rules need of gateway's answer.
TenantFacts facts_of(const gateway::v1::Tenant& tenant, const std::string& id);

// As gateway says. Thread-safe.
class GatewayTenants final : public Tenants {
public:
    explicit GatewayTenants(std::shared_ptr<grpc::Channel> gateway)
        : tenants_(std::move(gateway)) {}
    TenantFacts at_least(const std::string& tenant, std::int64_t version) override;

private:
    service::GatewayTenants tenants_;
};

}  // namespace flowstack::conversation
