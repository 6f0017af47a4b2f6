#include "services/payment/providers/mpesa/tokens.h"

#include <thread>

#include "common/crypto/aead.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/observability/log.h"

namespace flowstack::payment::mpesa {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLookAgainAfter{50};
constexpr std::chrono::milliseconds kLeastLifetime{1000};

// A row per short code and keys, so that new keys do not use the token of the old ones.
std::string row_of(const Account& account) {
    const auto digest = crypto::sha256(account.consumer_key.reveal());
    return "mpesa-token/" + account.short_code + "/" +
           crypto::hex_encode(crypto::bytes_of(digest).substr(0, 8));
}

}  // namespace

Tokens::Tokens(Leases& leases, http::Client& client, const crypto::RootKey& root,
               TokenOptions options)
    : leases_(leases), client_(client), root_(root), options_(std::move(options)) {}

Secret Tokens::key() const { return root_.derive("flowstack.payment.token.v1"); }

std::optional<Tokens::Held> Tokens::stored(const std::string& name, std::int64_t dead_version) {
    const auto row = leases_.read(name);
    if (!row || !row->fresh || row->version <= dead_version) return {};
    auto token = crypto::open(key(), row->bytes, name);
    if (!token) return {};  // sealed under another root key
    return Held{std::move(*token), row->version};
}

Tokens::Answer Tokens::get(const Account& account, std::int64_t dead_version) {
    const auto name = row_of(account);
    const auto refresh = name + "/refresh";
    const auto deadline = Steady::now() + 2 * options_.timeout;
    while (true) {
        if (auto held = stored(name, dead_version)) return std::move(*held);
        if (leases_.take(refresh, options_.timeout + options_.timeout / 2)) {
            // Another one may have finished between our look and our lease.
            if (auto held = stored(name, dead_version)) {
                leases_.release(refresh);
                return std::move(*held);
            }
            auto answer = fetch(account, name);
            leases_.release(refresh);
            return answer;
        }
        if (Steady::now() > deadline) return Away{"another replica is fetching the token"};
        std::this_thread::sleep_for(kLookAgainAfter);
    }
}

Tokens::Answer Tokens::fetch(const Account& account, const std::string& name) {
    http::ClientRequest request;
    request.method = "GET";
    request.url = options_.base_url + std::string(kTokenPath);
    request.headers = {
        {"Authorization", basic_authorization(account.consumer_key, account.consumer_secret)}};
    request.timeout_ms = static_cast<int>(options_.timeout.count());
    const auto result = client_.call_and_wait(std::move(request));
    if (result.outcome != http::ClientResult::Outcome::answered) return Away{result.error};
    const auto status = result.response.status;
    if (status == 400 || status == 401 || status == 403) {
        log::error("M-Pesa refuses the consumer key",
                   {{"short_code", account.short_code}, {"status", status}});
        return KeysRefused{status};
    }
    auto token = read_token(status, result.response.body);
    if (!token) return Away{"no token in the answer, HTTP " + std::to_string(status)};
    const auto lifetime =
        std::max<std::chrono::milliseconds>(token->lifetime - options_.margin, kLeastLifetime);
    const auto version =
        leases_.write(name, crypto::seal(key(), token->value.reveal(), name), lifetime);
    return Held{std::move(token->value), version};
}

}  // namespace flowstack::payment::mpesa
