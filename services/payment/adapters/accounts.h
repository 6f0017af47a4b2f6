#pragma once

#include <optional>
#include <string>

#include "common/keys/data_keys.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/providers/provider.h"

// Tenants' accounts with providers: sealed in the log, opened for a call.
namespace flowstack::payment {

class Accounts {
public:
    Accounts(Books& books, keys::DataKeys& data_keys) : books_(books), data_keys_(data_keys) {}

    // Whether the tenant has connected an account, also if it cannot be opened.
    bool connected(const std::string& tenant, const std::string& provider);

    // Nothing if the tenant has none, or if its data key does not open it (logged). Throws
    // flowstack::Unavailable.
    std::optional<Account> open(const std::string& tenant, const std::string& provider);

    // The old sealed form stays in the log and is not used any more.
    SealedAccount seal(const std::string& tenant, const Account& account);

private:
    Books& books_;
    keys::DataKeys& data_keys_;
};

}  // namespace flowstack::payment
