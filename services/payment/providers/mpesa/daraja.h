#pragma once

#include <chrono>
#include <optional>

#include "common/core/clock.h"
#include "common/http/client.h"
#include "services/payment/providers/mpesa/tokens.h"

// The calls to Daraja. Blocking: use a thread that may wait.
namespace flowstack::payment::mpesa {

struct DarajaOptions {
    std::string base_url;
    std::chrono::milliseconds push_timeout{20'000};
    std::chrono::milliseconds query_timeout{10'000};
    std::chrono::milliseconds not_sent_wait{2'000};
};

class Daraja {
public:
    Daraja(http::Client& client, Tokens& tokens, const Clock& clock, DarajaOptions options)
        : client_(client), tokens_(tokens), clock_(clock), options_(std::move(options)) {}

    // One push. It is sent at most once with effect: only after a refused token, when nobody was
    // asked, is it sent again with a new one. Not begun after `not_after`. Never TokenRefused.
    PushAnswer push(const Account& account, const Tokens::Held& token, const Push& push,
                    std::chrono::steady_clock::time_point not_after);

    // Never TokenRefused: without a token the answer is "nothing".
    QueryAnswer query(const Account& account, const std::string& checkout_id);

private:
    http::ClientResult post(std::string_view path, const Secret& token, std::string body,
                            std::chrono::milliseconds timeout,
                            std::optional<std::chrono::steady_clock::time_point> not_after);
    PushAnswer push_once(const Account& account, const Secret& token, const Push& push,
                         std::chrono::steady_clock::time_point not_after);

    http::Client& client_;
    Tokens& tokens_;
    const Clock& clock_;
    DarajaOptions options_;
};

}  // namespace flowstack::payment::mpesa
