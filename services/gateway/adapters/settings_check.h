#pragma once

#include <memory>
#include <string>

#include "services/gateway/domain/tenant.h"

namespace flowstack::metrics {
class Registry;
}

namespace flowstack::gateway {

// Settings were stored before this build checked them, or under another configuration. A tenant
// whose settings would be refused now is named in a warning, and counted in
// flowstack_gateway_tenants_with_faulty_settings until it is mended. A pack is not looked at: it
// may be a flow of the tenant's own, and conversation raises the alarm for one that it cannot find.
class SettingsCheck {
public:
    SettingsCheck(metrics::Registry& metrics, Installation installation);
    ~SettingsCheck();

    // Thread-safe.
    void operator()(const KnownTenant& tenant);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::gateway
