#include "common/resilience/keyed_limits.h"

#include <stdexcept>

namespace flowstack::resilience {
namespace {

// Looking through all keys costs their number, so a flood of new ones must not cause it each time.
constexpr Duration kSweepInterval = std::chrono::seconds(1);

}  // namespace

KeyedLimits::KeyedLimits(GcraLimit limit, std::size_t keys_max)
    : limit_(limit), keys_max_(keys_max), shared_(limit) {
    if (keys_max == 0) throw std::invalid_argument("KeyedLimits: keys_max must be at least 1");
}

std::optional<Duration> KeyedLimits::take(const std::string& key, Instant now) {
    const std::lock_guard lock(mutex_);
    const auto verdict = limit_of(key, now).take(now);
    if (verdict.allowed) return std::nullopt;
    return verdict.retry_after;
}

std::size_t KeyedLimits::size() const {
    const std::lock_guard lock(mutex_);
    return limits_.size();
}

Gcra& KeyedLimits::limit_of(const std::string& key, Instant now) {
    if (const auto found = limits_.find(key); found != limits_.end()) return found->second;
    if (limits_.size() >= keys_max_ && now - swept_at_ >= kSweepInterval) {
        swept_at_ = now;
        std::erase_if(limits_, [&](const auto& entry) { return entry.second.rested(now); });
    }
    if (limits_.size() >= keys_max_) return shared_;
    return limits_.emplace(key, Gcra(limit_)).first->second;
}

}  // namespace flowstack::resilience
