#pragma once

#include <optional>
#include <string>

#include "common/crypto/envelope.h"
#include "services/payment/adapters/mpesa/wire.h"
#include "services/payment/adapters/settlement.h"

// Tenants' accounts with providers: sealed in the log, opened for a call.
namespace flowstack::payment {

class Accounts {
public:
    Accounts(Books& books, crypto::KeyWrapper& keys) : books_(books), keys_(keys) {}

    // Nothing if the tenant has none, or if it was sealed under another master key (logged).
    std::optional<mpesa::Account> mpesa(const std::string& tenant);

    // A new data key each time; the old sealed form stays in the log and is not used any more.
    SealedAccount seal(const std::string& tenant, const mpesa::Account& account);

private:
    Books& books_;
    crypto::KeyWrapper& keys_;
};

}  // namespace flowstack::payment
