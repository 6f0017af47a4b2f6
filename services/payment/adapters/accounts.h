#pragma once

#include <optional>
#include <string>

#include "common/crypto/envelope.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/providers/provider.h"

// Tenants' accounts with providers: sealed in the log, opened for a call.
namespace flowstack::payment {

class Accounts {
public:
    Accounts(Books& books, crypto::KeyWrapper& keys) : books_(books), keys_(keys) {}

    // Whether the tenant has connected an account, also if it cannot be opened.
    bool connected(const std::string& tenant, const std::string& provider);

    // Nothing if the tenant has none, or if it was sealed under another master key (logged).
    std::optional<Account> open(const std::string& tenant, const std::string& provider);

    // Each call makes a new data key. The old sealed form stays in the log and is not used any
    // more.
    SealedAccount seal(const std::string& tenant, const Account& account);

private:
    Books& books_;
    crypto::KeyWrapper& keys_;
};

}  // namespace flowstack::payment
