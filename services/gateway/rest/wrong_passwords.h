#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/resilience/gcra.h"

namespace flowstack::gateway {

// A limit on guessing: so many wrong passwords an address may send at once, and one more each
// kWrongPasswordEvery after that. While an address is over the limit its passwords are not looked
// at, the right one included, since an answer would tell which one is right.
//
// Thread-safe. At most kAddressesMax addresses are remembered; when more send wrong passwords at
// the same time, the new ones share one limit.
class WrongPasswords {
public:
    static constexpr int kAtOnceMax = 10;
    static constexpr std::chrono::seconds kWrongPasswordEvery{30};
    static constexpr std::size_t kAddressesMax = 10'000;

    // How long this address must wait; nothing when its password may be looked at.
    std::optional<resilience::Duration> wait_of(const std::string& address,
                                                resilience::Instant now);
    // This address has sent a wrong password.
    void count(const std::string& address, resilience::Instant now);

private:
    static resilience::Gcra fresh();
    resilience::Gcra& limit_of(const std::string& address, resilience::Instant now);

    std::mutex mutex_;
    std::unordered_map<std::string, resilience::Gcra> limits_;
    resilience::Gcra shared_ = fresh();
};

}  // namespace flowstack::gateway
