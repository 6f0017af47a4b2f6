#include "services/gateway/rest/wrong_secrets.h"

#include <arpa/inet.h>

#include <array>

namespace flowstack::gateway {
namespace {

using resilience::Gcra;

constexpr std::size_t kNetworkBytes = 8;

// Who counts as one guesser.
std::string network_of(const std::string& address) {
    std::array<char, 16> bytes{};
    if (::inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return address;
    return {bytes.data(), kNetworkBytes};
}

}  // namespace

Gcra WrongSecrets::fresh() const {
    constexpr double kMsPerSecond = 1000;
    return Gcra({.per_second = kMsPerSecond / static_cast<double>(options_.every.count()),
                 .burst = options_.at_once_max});
}

std::optional<resilience::Duration> WrongSecrets::wait_of(const std::string& address,
                                                          resilience::Instant now) {
    const std::lock_guard lock(mutex_);
    const auto found = limits_.find(network_of(address));
    const bool full = limits_.size() >= kAddressesMax;
    if (found == limits_.end() && !(full && options_.share_when_full)) return std::nullopt;
    const auto& limit = found == limits_.end() ? shared_ : found->second;
    const auto verdict = limit.peek(now);
    if (verdict.allowed) return std::nullopt;
    return verdict.retry_after;
}

void WrongSecrets::count(const std::string& address, resilience::Instant now) {
    const std::lock_guard lock(mutex_);
    if (auto* limit = limit_of(network_of(address), now)) limit->take(now);
}

Gcra* WrongSecrets::limit_of(const std::string& network, resilience::Instant now) {
    if (const auto found = limits_.find(network); found != limits_.end()) return &found->second;
    if (limits_.size() >= kAddressesMax)
        std::erase_if(limits_, [&](const auto& entry) { return entry.second.rested(now); });
    if (limits_.size() >= kAddressesMax) return options_.share_when_full ? &shared_ : nullptr;
    return &limits_.emplace(network, fresh()).first->second;
}

}  // namespace flowstack::gateway
