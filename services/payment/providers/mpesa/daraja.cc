#include "services/payment/providers/mpesa/daraja.h"

#include "services/payment/domain/intent.h"

namespace flowstack::payment::mpesa {

using Outcome = http::ClientResult::Outcome;

http::ClientResult Daraja::post(std::string_view path, const Secret& token, std::string body,
                                std::chrono::milliseconds timeout,
                                std::optional<std::chrono::steady_clock::time_point> not_after) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = options_.base_url + std::string(path);
    request.headers = {{"Authorization", "Bearer " + token.reveal()},
                       {"Content-Type", "application/json"}};
    request.body = std::move(body);
    request.timeout_ms = static_cast<int>(timeout.count());
    request.not_after = not_after;
    return client_.call_and_wait(std::move(request));
}

PushAnswer Daraja::push_once(const Account& account, const Secret& token, const Push& push,
                             std::chrono::steady_clock::time_point not_after) {
    const auto result = post(kPushPath, token, push_body(account, push, clock_.now()),
                             options_.push_timeout, not_after);
    switch (result.outcome) {
        case Outcome::answered:
            return read_push_answer(result.response.status, result.response.body);
        case Outcome::not_sent:
            return Refused{"not_sent", result.error, failure::kBusy,
                           std::chrono::ceil<std::chrono::seconds>(options_.not_sent_wait)};
        case Outcome::unknown:
            return Unclear{result.error};
    }
    return Unclear{"no outcome"};
}

PushAnswer Daraja::push(const Account& account, const Tokens::Held& token, const Push& push,
                        std::chrono::steady_clock::time_point not_after) {
    auto answer = push_once(account, token.value, push, not_after);
    if (!std::holds_alternative<TokenRefused>(answer)) return answer;
    const auto renewed = tokens_.get(account, token.version);
    if (const auto* held = std::get_if<Tokens::Held>(&renewed)) {
        // The refused try asked nobody, so this is still the first one; its start was only delayed.
        answer = push_once(account, held->value, push,
                           std::chrono::steady_clock::now() + options_.push_timeout);
        if (!std::holds_alternative<TokenRefused>(answer)) return answer;
    }
    if (std::holds_alternative<Tokens::KeysRefused>(renewed))
        return Refused{"keys_refused", "", failure::kRefused, {}};
    return Refused{"token_refused", "", failure::kBusy,
                   std::chrono::ceil<std::chrono::seconds>(options_.not_sent_wait)};
}

QueryAnswer Daraja::query(const Account& account, const std::string& checkout_id) {
    const auto nothing = [](std::string why) {
        return QueryAnswer{QuerySaysNothing{}, "", std::move(why)};
    };
    std::int64_t dead_version = 0;
    for (int attempt = 0; attempt < 2; ++attempt) {
        const auto token = tokens_.get(account, dead_version);
        const auto* held = std::get_if<Tokens::Held>(&token);
        if (!held) return nothing("no token");
        const auto result =
            post(kQueryPath, held->value, query_body(account, checkout_id, clock_.now()),
                 options_.query_timeout, {});
        if (result.outcome != Outcome::answered) return nothing(result.error.substr(0, 200));
        auto answer = read_query_answer(result.response.status, result.response.body, checkout_id);
        if (!std::holds_alternative<TokenRefused>(answer.says)) return answer;
        dead_version = held->version;
    }
    return nothing("token refused twice");
}

}  // namespace flowstack::payment::mpesa
