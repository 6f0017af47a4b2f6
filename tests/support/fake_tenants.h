#pragma once

#include <map>

#include "common/eventlog/turn.h"
#include "common/service/tenants.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"

namespace flowstack::testing {

// Stands in for gateway, as far as gateway tells about tenants.
struct FakeTenants final : service::Tenants {
    std::shared_ptr<const gateway::v1::Tenant> at_least(const std::string& tenant,
                                                        std::int64_t) override {
        ++calls;
        if (away) throw eventlog::TryLater("gateway is away");
        const auto found = all.find(tenant);
        if (found == all.end()) throw service::NoSuchTenant("no tenant " + tenant);
        return std::make_shared<gateway::v1::Tenant>(found->second);
    }
    std::map<std::string, gateway::v1::Tenant> all;
    bool away = false;
    int calls = 0;
};

}  // namespace flowstack::testing
