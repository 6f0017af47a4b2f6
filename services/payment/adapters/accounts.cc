#include "services/payment/adapters/accounts.h"

#include "common/http/message.h"
#include "common/observability/log.h"
#include "services/payment/adapters/mpesa/json_text.h"

namespace flowstack::payment {
namespace {

const std::string kProvider = "mpesa";
const std::string kPurpose = "provider_account/mpesa";

}  // namespace

std::optional<mpesa::Account> Accounts::mpesa(const std::string& tenant) {
    const auto sealed = books_.accounts.load(account_stream(tenant, kProvider)).state;
    if (!sealed) return {};
    const auto envelope = crypto::Envelope::load(keys_, tenant, sealed->wrapped_data_key);
    const auto opened =
        envelope ? envelope->open(sealed->sealed_credentials, kPurpose) : std::optional<Secret>{};
    const auto json = opened ? mpesa::parse_json_text(opened->reveal()) : std::nullopt;
    if (!json) {
        log::error("a provider account cannot be opened: was the master key changed?",
                   {{"tenant", tenant}, {"provider", kProvider}});
        return {};
    }
    return mpesa::Account{sealed->account,
                          sealed->party_b.empty() ? sealed->account : sealed->party_b,
                          sealed->transaction_type,
                          Secret(json->scalar("passkey").value_or("")),
                          Secret(json->scalar("consumer_key").value_or("")),
                          Secret(json->scalar("consumer_secret").value_or(""))};
}

SealedAccount Accounts::seal(const std::string& tenant, const mpesa::Account& account) {
    const auto json =
        "{\"passkey\":" + http::json_string(account.passkey.reveal()) +
        ",\"consumer_key\":" + http::json_string(account.consumer_key.reveal()) +
        ",\"consumer_secret\":" + http::json_string(account.consumer_secret.reveal()) + "}";
    const auto created = crypto::Envelope::create(keys_, tenant);
    return {kProvider,           account.short_code,
            account.party_b,     account.transaction_type,
            created.wrapped_key, created.envelope.seal(Secret(json), kPurpose)};
}

}  // namespace flowstack::payment
