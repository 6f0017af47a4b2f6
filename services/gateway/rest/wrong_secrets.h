#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/resilience/gcra.h"

namespace flowstack::gateway {

// A limit on guessing: how many wrong passwords or keys an address may send. While it is over the
// limit its guesses are not looked at, the right one included, since an answer would tell which one
// is right. Of IPv6 the first 64 bits count as the address: whoever has one has the others too.
//
// Thread-safe. At most kAddressesMax addresses are remembered.
class WrongSecrets {
public:
    static constexpr std::size_t kAddressesMax = 10'000;
    struct Options {
        int at_once_max = 10;                     // from one address
        std::chrono::milliseconds every{30'000};  // one more, after those
        // When more addresses guess at the same time than are remembered, the new ones share one
        // limit: nobody guesses on, and who comes anew with the right one may have to wait. False:
        // new ones are not limited, and nobody waits for what others did.
        bool share_when_full = true;
    };
    WrongSecrets() : WrongSecrets(Options{}) {}
    explicit WrongSecrets(Options options) : options_(options) {}

    // How long this address must wait; nothing when its guess may be looked at.
    std::optional<resilience::Duration> wait_of(const std::string& address,
                                                resilience::Instant now);
    // This address has sent a wrong one.
    void count(const std::string& address, resilience::Instant now);

private:
    resilience::Gcra fresh() const;
    resilience::Gcra* limit_of(const std::string& network, resilience::Instant now);

    const Options options_;
    std::mutex mutex_;
    std::unordered_map<std::string, resilience::Gcra> limits_;
    resilience::Gcra shared_ = fresh();
};

}  // namespace flowstack::gateway
