#include "services/payment/adapters/accounts.h"

#include <boost/json.hpp>

#include "common/observability/log.h"

namespace flowstack::payment {
namespace {

std::string purpose_of(const std::string& provider) { return "provider_account/" + provider; }

std::optional<std::map<std::string, Secret>> secrets_in(const Secret& text) {
    boost::system::error_code error;
    const auto json = boost::json::parse(text.reveal(), error);
    if (error || !json.is_object()) return {};
    std::map<std::string, Secret> secrets;
    for (const auto& [name, value] : json.get_object()) {
        if (!value.is_string()) return {};
        secrets.emplace(std::string(name), Secret(std::string(value.get_string())));
    }
    return secrets;
}

}  // namespace

bool Accounts::connected(const std::string& tenant, const std::string& provider) {
    return books_.accounts.load(account_stream(tenant, provider)).state.has_value();
}

std::optional<Account> Accounts::open(const std::string& tenant, const std::string& provider) {
    const auto sealed = books_.accounts.load(account_stream(tenant, provider)).state;
    if (!sealed) return {};
    std::string why =
        "its data key is gone from the table data_keys, or is not the one that "
        "sealed it";
    std::optional<std::map<std::string, Secret>> secrets;
    try {
        const auto envelope = data_keys_.find(tenant);
        const auto text = envelope
                              ? envelope->open(sealed->sealed_credentials, purpose_of(provider))
                              : std::optional<Secret>{};
        if (text) secrets = secrets_in(*text);
    } catch (const crypto::KeysRefused& refused) {
        why = refused.what();
    }
    if (!secrets) {
        log::error("a provider account cannot be opened",
                   {{"tenant", tenant}, {"provider", provider}, {"why", why}});
        return {};
    }
    return Account{.provider = provider,
                   .account = sealed->account,
                   .details = sealed->details,
                   .secrets = std::move(*secrets)};
}

SealedAccount Accounts::seal(const std::string& tenant, const Account& account) {
    boost::json::object json;
    for (const auto& [name, value] : account.secrets) json[name] = value.reveal();
    return {.provider = account.provider,
            .account = account.account,
            .details = account.details,
            .sealed_credentials = data_keys_.of(tenant)->seal(Secret(boost::json::serialize(json)),
                                                              purpose_of(account.provider))};
}

}  // namespace flowstack::payment
