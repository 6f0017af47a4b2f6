#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/resilience/gcra.h"

namespace flowstack::resilience {

// One rate limit for each caller, tenant or whatever else the keys are. Thread-safe.
//
// At most `keys_max` keys are remembered. A key whose limit is at rest may be forgotten, since it
// would begin at rest again. When all that are remembered are in use, the ones that come anew share
// one limit.
class KeyedLimits {
public:
    static constexpr std::size_t kKeysMax = 10'000;

    // Throws std::invalid_argument if the limit is not positive, or keys_max is 0.
    explicit KeyedLimits(GcraLimit limit, std::size_t keys_max = kKeysMax);

    // Takes one unit of this key. Nothing is taken when the key must wait: then the answer says how
    // long.
    std::optional<Duration> take(const std::string& key, Instant now);
    // Keys that are remembered.
    std::size_t size() const;

    const GcraLimit& limit() const { return limit_; }

private:
    Gcra& limit_of(const std::string& key, Instant now);

    const GcraLimit limit_;
    const std::size_t keys_max_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Gcra> limits_;
    Gcra shared_;
    Instant swept_at_{};
};

}  // namespace flowstack::resilience
