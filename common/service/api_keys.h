#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/core/clock.h"
#include "common/core/guarded.h"
#include "common/resilience/keyed_limits.h"
#include "common/rpc/caller.h"

namespace grpc {
class Channel;
}

namespace flowstack::service {

struct ApiKeyOwner {
    std::string tenant;
    std::string key_id;
};

// Whose API keys callers show at a gRPC door. gateway knows; the other services ask it and keep its
// answer for `age_max`, so that a revoked key opens nothing after that. Thread-safe; may block for
// as long as one call of gateway takes.
class ApiKeys {
public:
    // Nothing for a key that was never made or is revoked. Throws flowstack::Unavailable.
    using Find = std::function<std::optional<ApiKeyOwner>(const std::string& key_sha256)>;

    static constexpr std::size_t kKeptMax = 10'000;  // answers; beyond, all are forgotten

    struct Options {
        std::chrono::milliseconds age_max{5'000};  // 0: every call asks
        // Keys that open nothing which one address may send at once, and how often one more.
        int wrong_keys_max = 30;
        std::chrono::milliseconds wrong_key_every{2'000};
    };
    ApiKeys(Find find, Options options, const Clock& clock);

    // What this key's caller may do: what the tenant's admin may. Throws a Failure: UNAUTHENTICATED
    // for a key that opens nothing, RESOURCE_EXHAUSTED for an address that has sent too many of
    // those, UNAVAILABLE while gateway does not answer.
    rpc::Caller holder_of(std::string_view key, const std::string& source_address);

private:
    struct Kept {
        std::optional<ApiKeyOwner> owner;
        Time asked_at{};
    };
    std::optional<ApiKeyOwner> owner_of(const std::string& key_sha256);

    const Find find_;
    const Options options_;
    const Clock& clock_;
    Guarded<std::unordered_map<std::string, Kept>> kept_;
    // After a question that was not answered nobody asks until then, so that callers with keys do
    // not hold all workers of a door.
    Guarded<Time> ask_again_at_;
    resilience::KeyedLimits wrong_;
};

// Asks gateway's TenantService.
ApiKeys::Find find_at_gateway(std::shared_ptr<grpc::Channel> gateway);

}  // namespace flowstack::service
