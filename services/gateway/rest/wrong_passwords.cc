#include "services/gateway/rest/wrong_passwords.h"

namespace flowstack::gateway {

using resilience::Gcra;

Gcra WrongPasswords::fresh() {
    return Gcra({.per_second = 1.0 / static_cast<double>(kWrongPasswordEvery.count()),
                 .burst = kAtOnceMax});
}

std::optional<resilience::Duration> WrongPasswords::wait_of(const std::string& address,
                                                            resilience::Instant now) {
    const std::lock_guard lock(mutex_);
    const auto found = limits_.find(address);
    if (found == limits_.end() && limits_.size() < kAddressesMax) return std::nullopt;
    const auto& limit = found == limits_.end() ? shared_ : found->second;
    const auto verdict = limit.peek(now);
    if (verdict.allowed) return std::nullopt;
    return verdict.retry_after;
}

void WrongPasswords::count(const std::string& address, resilience::Instant now) {
    const std::lock_guard lock(mutex_);
    limit_of(address, now).take(now);
}

Gcra& WrongPasswords::limit_of(const std::string& address, resilience::Instant now) {
    if (const auto found = limits_.find(address); found != limits_.end()) return found->second;
    if (limits_.size() >= kAddressesMax)
        std::erase_if(limits_, [&](const auto& entry) { return entry.second.rested(now); });
    if (limits_.size() >= kAddressesMax) return shared_;
    return limits_.emplace(address, fresh()).first->second;
}

}  // namespace flowstack::gateway
