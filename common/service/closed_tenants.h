#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "common/core/clock.h"
#include "common/core/guarded.h"

namespace grpc {
class Channel;
}

namespace flowstack::service {

// Which tenants are closed, for a gRPC door. gateway knows; the other services ask it and keep its
// answer: that a tenant is closed for ever, that it is not for `age_max`. While gateway does not
// answer, an older answer counts. Thread-safe; may block for as long as one call of gateway takes.
class ClosedTenants {
public:
    // Whether it is closed; false for one that does not exist. Throws flowstack::Unavailable.
    using Find = std::function<bool(const std::string& tenant)>;

    static constexpr std::size_t kKeptMax = 10'000;  // answers; beyond, all are forgotten

    ClosedTenants(Find find, std::chrono::milliseconds age_max, const Clock& clock);

    // Throws flowstack::Unavailable when gateway does not say and never has.
    bool closed(const std::string& tenant);

private:
    struct Kept {
        bool closed = false;
        Time asked_at{};
    };

    const Find find_;
    const std::chrono::milliseconds age_max_;
    const Clock& clock_;
    Guarded<std::unordered_map<std::string, Kept>> kept_;
    // After a question that was not answered nobody asks until then.
    Guarded<Time> ask_again_at_;
};

// Asks gateway's TenantService.
ClosedTenants::Find closed_at_gateway(std::shared_ptr<grpc::Channel> gateway);

}  // namespace flowstack::service
