#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "common/core/clock.h"
#include "common/core/guarded.h"
#include "common/crypto/envelope.h"
#include "common/http/client.h"
#include "services/payment/adapters/leases.h"
#include "services/payment/providers/mpesa/wire.h"

// One access token per short code, for all replicas: a new token kills the old one, so it is kept
// in the database and made by one of them at a time, under a lease row.
namespace flowstack::payment::mpesa {

struct TokenOptions {
    std::string base_url;
    std::chrono::milliseconds timeout{10'000};
    std::chrono::milliseconds margin{60'000};  // renewed so long before its end
};

class Tokens {
public:
    struct Held {
        Secret value;
        std::int64_t version = 0;
    };
    // The keys are wrong: trying again does not help.
    struct KeysRefused {
        int status = 0;
    };
    // Nobody was asked for money; try later.
    struct Away {
        std::string why;
    };
    using Answer = std::variant<Held, KeysRefused, Away>;

    Tokens(Leases& leases, http::Client& client, const crypto::RootKey& root, TokenOptions options);

    // A token newer than `dead_version` (0 = any). Blocks while it or another replica fetches one.
    Answer get(const Account& account, std::int64_t dead_version = 0);

private:
    Answer fetch(const Account& account, const std::string& name);
    std::optional<Held> stored(const std::string& name, std::int64_t dead_version);

    Leases& leases_;
    http::Client& client_;
    Secret key() const;
    const crypto::RootKey& root_;
    TokenOptions options_;
};

}  // namespace flowstack::payment::mpesa
