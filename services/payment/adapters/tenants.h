#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/core/money.h"
#include "common/core/time.h"
#include "common/service/tenants.h"

// What gateway says about a tenant, kept by version.
namespace flowstack::payment {

struct TenantView {
    std::int64_t version = 0;
    Currency currency = Currency::kes;
    std::string time_zone;  // IANA
    std::int64_t tax_rate_bp = 0;
    std::string order_prefix = "ORD";
    std::string invoice_prefix = "INV";
    std::string language = "en";
};

class Tenants {
public:
    virtual ~Tenants() = default;
    // At least as new as `version`. Throws eventlog::TryLater when gateway is away, and
    // std::invalid_argument when it knows no such tenant.
    virtual TenantView at_least(const std::string& tenant, std::int64_t version) = 0;
};

// As gateway says. Thread-safe.
class GatewayTenants final : public Tenants {
public:
    explicit GatewayTenants(std::shared_ptr<grpc::Channel> gateway)
        : tenants_(std::move(gateway)) {}
    TenantView at_least(const std::string& tenant, std::int64_t version) override;

private:
    service::GatewayTenants tenants_;
};

}  // namespace flowstack::payment
