// Daraja's door: OAuth, STK push, STK query, and the callbacks that Safaricom sends.
#include <memory>

#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr std::string_view kTokenAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::size_t kTokenSize = 28;
constexpr Milliseconds kRuleAnswerDelay{50};

std::string result_code_of(const std::string& behaviour) {
    if (behaviour == "pay") return "0";
    if (behaviour == "cancel") return "1032";
    if (behaviour == "insufficient") return "1";
    if (behaviour == "wrong_pin") return "2001";
    return "1037";
}

}  // namespace

void Sandbox::daraja(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const bool oauth_path =
        path.size() == 3 && path[0] == "oauth" && path[1] == "v1" && path[2] == "generate";
    const bool push_path = path.size() == 4 && path[0] == "mpesa" && path[1] == "stkpush" &&
                           path[2] == "v1" && path[3] == "processrequest";
    const bool query_path = path.size() == 4 && path[0] == "mpesa" && path[1] == "stkpushquery" &&
                            path[2] == "v1" && path[3] == "query";
    const auto refuse_early = [&](const DarajaError& error) {
        note(fx, "daraja_rejected",
             {{"provider", "daraja"},
              {"call", call.path},
              {"code", error.code},
              {"http_status", error.http},
              {"reason", error.message}});
        reply(fx, answer, {error.http, daraja_error_body(error, new_request_id())});
    };
    if (!oauth_path && !push_path && !query_path) {
        return refuse_early({404, "404.001.01", "Resource not found"});
    }
    if (call.method != (oauth_path ? "GET" : "POST")) {
        return refuse_early({405, "405.001", "Method Not Allowed"});
    }
    if (oauth_path) return oauth(call, answer, fx);
    if (push_path) return stk_push(call, answer, fx);
    stk_query(call, answer, fx);
}

void Sandbox::oauth(const Call& call, const Answer& answer, Effects& fx) {
    const auto refuse_with = [&](const DarajaError& error, Milliseconds latency) {
        note(fx, "token_rejected",
             {{"provider", "daraja"},
              {"code", error.code},
              {"http_status", error.http},
              {"reason", error.message}});
        // Unknown keys are answered with an empty body, which is not JSON.
        const bool empty = error.code.empty();
        reply(fx, answer,
              {error.http, empty ? std::string{} : daraja_error_body(error, new_request_id())},
              latency);
    };
    const std::string header = call.header("authorization");
    constexpr std::string_view kPrefix = "Basic ";
    const auto pair =
        header.starts_with(kPrefix) ? from_base64(header.substr(kPrefix.size())) : std::nullopt;
    const Shortcode* owner = nullptr;
    if (pair) {
        for (const auto& [code, shortcode] : state_.shortcodes) {
            if (*pair == shortcode.consumer_key + ":" + shortcode.consumer_secret) {
                owner = &shortcode;
            }
        }
    }
    const Effect effect =
        state_.faults.take({"daraja", "oauth", "", "", owner == nullptr ? "" : owner->code});
    if (effect.cut == "before") {
        Reply cut;
        cut.cut = true;
        return reply(fx, answer, std::move(cut), effect.latency);
    }
    if (effect.error) {
        const FaultError& fault = *effect.error;
        if (!fault.body) {
            return refuse_with({fault.http.value_or(500), fault.code, fault.message},
                               effect.latency);
        }
        Reply foreign{fault.http.value_or(502), *fault.body, "text/html"};
        return reply(fx, answer, std::move(foreign), effect.latency);
    }
    if (!pair) {
        return refuse_with({400, "400.008.01", "Invalid Authentication passed"}, effect.latency);
    }
    if (call.parameter("grant_type") != "client_credentials") {
        return refuse_with({400, "400.008.02", "Invalid grant type passed"}, effect.latency);
    }
    if (owner == nullptr) {
        return refuse_with({400, "", "unknown consumer key or secret"}, effect.latency);
    }
    // The new token takes the old one's place: there is one per consumer key.
    Token& token = state_.tokens[owner->consumer_key];
    token.text = random_text(kTokenSize, kTokenAlphabet);
    token.expires_at = world_.now() + std::chrono::seconds{owner->token_ttl_s};
    note(fx, "token_issued", {{"provider", "daraja"}, {"consumer_key", owner->consumer_key}});
    json::object body{{"access_token", token.text}};
    if (owner->expires_in_is_text) {
        body["expires_in"] = std::to_string(owner->token_ttl_s);
    } else {
        body["expires_in"] = owner->token_ttl_s;
    }
    Reply accepted{200, compact(body)};
    accepted.cut = effect.cut == "after";
    reply(fx, answer, std::move(accepted), effect.latency);
}

std::optional<DarajaError> Sandbox::judge_token(const Call& call, std::string* consumer_key) {
    const std::string header = call.header("authorization");
    constexpr std::string_view kPrefix = "Bearer ";
    if (!header.starts_with(kPrefix)) {
        return DarajaError{404, "404.001.04", "Invalid Authentication Header"};
    }
    const std::string text = header.substr(kPrefix.size());
    for (const auto& [key, token] : state_.tokens) {
        if (token.text == text && token.expires_at > world_.now()) {
            *consumer_key = key;
            return std::nullopt;
        }
    }
    return DarajaError{404, "404.001.03", "Invalid Access Token"};
}

std::optional<DarajaError> Sandbox::judge_shortcode(const std::string& code,
                                                    const std::string& password,
                                                    const std::string& timestamp,
                                                    const std::string& consumer_key) {
    const auto it = state_.shortcodes.find(code);
    if (it == state_.shortcodes.end() || it->second.consumer_key != consumer_key) {
        return DarajaError{500, "500.001.1001", "Merchant does not exist"};
    }
    if (password != stk_password(code, it->second.passkey, timestamp)) {
        return DarajaError{500, "500.001.1001", "Wrong credentials"};
    }
    return std::nullopt;
}

void Sandbox::stk_push(const Call& call, const Answer& answer, Effects& fx) {
    auto judged = judge_push(call.header("content-type"), call.body);
    const auto* asked = std::get_if<PushRequest>(&judged);
    const Effect effect =
        state_.faults.take({"daraja", "stkpush", "", asked == nullptr ? "" : asked->phone,
                            asked == nullptr ? "" : asked->shortcode});
    const auto refuse_with = [&](const DarajaError& error) {
        note(fx, "push_rejected",
             {{"provider", "daraja"},
              {"shortcode", asked == nullptr ? "" : asked->shortcode},
              {"phone", asked == nullptr ? "" : asked->phone},
              {"code", error.code},
              {"http_status", error.http},
              {"reason", error.message},
              {"raw", call.body}});
        reply(fx, answer, {error.http, daraja_error_body(error, new_request_id())}, effect.latency);
    };
    if (effect.cut == "before") {
        note(fx, "push_rejected",
             {{"provider", "daraja"},
              {"phone", asked == nullptr ? "" : asked->phone},
              {"reason", "connection cut before the request was looked at (knob)"}});
        Reply cut;
        cut.cut = true;
        return reply(fx, answer, std::move(cut), effect.latency);
    }
    if (effect.error) {
        const FaultError& fault = *effect.error;
        if (!fault.body) {
            return refuse_with({fault.http.value_or(fault.code.starts_with("4") ? 400 : 500),
                                fault.code, fault.message});
        }
        note(fx, "push_rejected",
             {{"provider", "daraja"},
              {"phone", asked == nullptr ? "" : asked->phone},
              {"http_status", fault.http.value_or(502)},
              {"reason", "answered with a foreign body (knob)"}});
        Reply foreign{fault.http.value_or(502), *fault.body, "text/html"};
        return reply(fx, answer, std::move(foreign), effect.latency);
    }
    std::string consumer_key;
    if (const auto error = judge_token(call, &consumer_key)) return refuse_with(*error);
    if (asked == nullptr) return refuse_with(std::get<DarajaError>(judged));
    if (const auto error =
            judge_shortcode(asked->shortcode, asked->password, asked->timestamp, consumer_key)) {
        return refuse_with(*error);
    }
    Shortcode& shortcode = state_.shortcodes.at(asked->shortcode);
    if (shortcode.https_only && !asked->callback_url.starts_with("https://")) {
        return refuse_with({400, "400.002.02", "Bad Request - Invalid CallBackURL"});
    }
    if (state_.open_prompts.contains(asked->phone)) {
        return refuse_with({500, "500.001.1001",
                            "Unable to lock subscriber, a transaction is already in process for "
                            "the current subscriber"});
    }

    const Time now = world_.now();
    Prompt prompt;
    prompt.id = checkout_request_id(now, asked->phone);
    for (Time at = now; state_.prompts.contains(prompt.id);) {
        at += Milliseconds{1};
        prompt.id = checkout_request_id(at, asked->phone);
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    prompt.merchant_request_id = random_text(4, kHex) + "-" + random_text(4, kHex) + "-" +
                                 random_text(4, kHex) + "-" + random_text(16, kHex);
    prompt.push = *asked;
    prompt.business = shortcode.name;
    prompt.at = now;
    prompt.callback = effect.callback;
    const std::string id = prompt.id;

    note(fx, "push_accepted",
         {{"provider", "daraja"},
          {"shortcode", asked->shortcode},
          {"phone", asked->phone},
          {"amount", asked->amount},
          {"account_reference", asked->account_reference},
          {"checkout_request_id", id},
          {"merchant_request_id", prompt.merchant_request_id},
          {"callback_url", asked->callback_url},
          {"body", parse(call.body).value_or(nullptr)}});

    // Judges what the network answers by itself, without a prompt.
    Time& last = state_.last_push[asked->phone][asked->amount];
    std::string refused;
    if (shortcode.same_amount_window.count() > 0 && last.time_since_epoch().count() != 0 &&
        last + shortcode.same_amount_window > now) {
        refused = "17";
    } else if (asked->transaction_type == "CustomerPayBillOnline" &&
               asked->party_b != asked->shortcode) {
        refused = "2028";
    }
    last = now;
    const Milliseconds timeout = shortcode.prompt_timeout;
    Prompt& kept = state_.prompts.emplace(id, std::move(prompt)).first->second;
    if (refused.empty()) state_.open_prompts[kept.push.phone] = id;
    state_.prompt_order.push_back(id);
    auto& of_phone = state_.phone_prompts[kept.push.phone];
    of_phone.push_back(id);
    if (of_phone.size() > State::kPromptsOfPhoneMax) of_phone.erase(of_phone.begin());
    if (state_.prompt_order.size() > State::kPromptsMax) {
        // The oldest ended long ago: a prompt is open for its timeout at most.
        const auto oldest = state_.prompts.find(state_.prompt_order.front());
        if (oldest != state_.prompts.end() && !oldest->second.open) state_.prompts.erase(oldest);
        state_.prompt_order.pop_front();
    }
    wake(fx);

    json::object body;
    body["MerchantRequestID"] = kept.merchant_request_id;
    body["CheckoutRequestID"] = id;
    body["ResponseCode"] = "0";
    body["ResponseDescription"] = "Success. Request accepted for processing";
    body["CustomerMessage"] = "Success. Request accepted for processing";
    Reply accepted{200, compact(body)};
    accepted.cut = effect.cut == "after";

    const auto open_prompt = [this, id](Effects& inner) -> Prompt* {
        (void)inner;
        const auto it = state_.prompts.find(id);
        return it == state_.prompts.end() || !it->second.open ? nullptr : &it->second;
    };
    if (effect.callback.before_answer) {
        // The payer may be quicker than the network's own answer.
        const std::string behaviour = effect.payer.empty() ? "pay" : effect.payer;
        answer_prompt(
            kept, refused.empty() ? result_code_of(behaviour) : refused, "knob",
            [this, answer, accepted, latency = effect.latency](Effects& inner) {
                reply(inner, answer, accepted, latency);
            },
            fx);
        return;
    }
    reply(fx, answer, std::move(accepted), effect.latency);
    if (!refused.empty()) {
        later(fx, kRuleAnswerDelay, [this, open_prompt, refused](Effects& inner) {
            if (Prompt* still = open_prompt(inner)) {
                answer_prompt(*still, refused, "network", nullptr, inner);
            }
        });
        return;
    }
    later(fx, timeout, [this, open_prompt](Effects& inner) {
        if (Prompt* still = open_prompt(inner)) {
            answer_prompt(*still, "1037", "no answer", nullptr, inner);
        }
    });
    if (effect.payer.empty()) {
        const auto payer = state_.payers.find(kept.push.phone);
        Payer& who = payer == state_.payers.end() ? state_.payers["default"] : payer->second;
        std::string behaviour = who.behaviour;
        if (!who.script.empty()) {
            behaviour = who.script.front();
            who.script.erase(who.script.begin());
        }
        behave(kept, behaviour, fx);
    } else {
        behave(kept, effect.payer, fx);
    }
}

void Sandbox::behave(Prompt& prompt, const std::string& behaviour, Effects& fx) {
    // "no_answer" is left to the prompt's own timeout, as "manual" is to the person.
    if (behaviour == "manual" || behaviour == "no_answer") return;
    const auto payer = state_.payers.find(prompt.push.phone);
    const Payer& who = payer == state_.payers.end() ? state_.payers["default"] : payer->second;
    later(fx, who.delay, [this, id = prompt.id, behaviour](Effects& inner) {
        const auto it = state_.prompts.find(id);
        if (it == state_.prompts.end() || !it->second.open) return;
        answer_prompt(it->second, result_code_of(behaviour), "automatic", nullptr, inner);
    });
}

void Sandbox::answer_prompt(Prompt& prompt, const std::string& result_code, const std::string& how,
                            std::function<void(Effects&)> then, Effects& fx) {
    std::string code = result_code;
    if (code == "0") {
        const auto payer = state_.payers.find(prompt.push.phone);
        if (payer != state_.payers.end() && payer->second.balance) {
            if (*payer->second.balance < prompt.push.amount) {
                code = "1";
            } else {
                *payer->second.balance -= prompt.push.amount;
            }
        }
    }
    const Time now = world_.now();
    prompt.open = false;
    prompt.result = stk_result(code);
    prompt.ended_at = now;
    if (code == "0") prompt.receipt = receipt_number(now, ++state_.receipts);
    const auto open = state_.open_prompts.find(prompt.push.phone);
    if (open != state_.open_prompts.end() && open->second == prompt.id) {
        state_.open_prompts.erase(open);
    }
    note(fx, "prompt_ended",
         {{"provider", "daraja"},
          {"shortcode", prompt.push.shortcode},
          {"phone", prompt.push.phone},
          {"checkout_request_id", prompt.id},
          {"result_code", code},
          {"how", how}});
    if (code == "0") {
        note(fx, "payment_made",
             {{"provider", "daraja"},
              {"shortcode", prompt.push.shortcode},
              {"phone", prompt.push.phone},
              {"checkout_request_id", prompt.id},
              {"receipt", prompt.receipt},
              {"amount", prompt.push.amount},
              {"account_reference", prompt.push.account_reference}});
    }
    Milliseconds pause{0};
    if (const auto it = state_.shortcodes.find(prompt.push.shortcode);
        it != state_.shortcodes.end()) {
        Shortcode& shortcode = it->second;
        pause = shortcode.callback_delay;
        if (prompt.callback.receipt == "repeat" && !shortcode.last_receipt.empty()) {
            prompt.callback.receipt = shortcode.last_receipt;
        } else if (code == "0") {
            shortcode.last_receipt = prompt.receipt;
        }
    }
    wake(fx);
    if (prompt.callback.lose) {
        note(fx, "callback_lost",
             {{"provider", "daraja"},
              {"shortcode", prompt.push.shortcode},
              {"phone", prompt.push.phone},
              {"checkout_request_id", prompt.id}});
        if (prompt.callback.forge.empty()) {
            if (then) then(fx);
            return;
        }
    }
    if (then) pause = Milliseconds{0};
    later(fx, pause + prompt.callback.delay,
          [this, id = prompt.id, then = std::move(then)](Effects& inner) {
              const auto it = state_.prompts.find(id);
              if (it != state_.prompts.end()) send_callback(it->second, then, inner);
          });
}

void Sandbox::send_callback(const Prompt& prompt, std::function<void(Effects&)> then, Effects& fx) {
    StkCallback callback;
    callback.merchant_request_id = prompt.merchant_request_id;
    callback.checkout_request_id = prompt.id;
    callback.result = *prompt.result;
    callback.amount_text =
        prompt.callback.amount.value_or(amount_with_decimals(prompt.push.amount));
    callback.receipt = prompt.callback.receipt.value_or(prompt.receipt);
    if (callback.receipt == "repeat") callback.receipt = prompt.receipt;
    callback.paid_at = prompt.ended_at;
    callback.phone = prompt.push.phone;
    const std::string body = stk_callback_body(callback);
    const std::string& url = prompt.push.callback_url;

    if (!prompt.callback.forge.empty()) {
        StkCallback forged = callback;
        forged.result = stk_result("0");
        forged.receipt = receipt_number(world_.now(), ++state_.receipts);
        std::string forged_url = url;
        if (prompt.callback.forge == "unknown_checkout") {
            forged.checkout_request_id =
                checkout_request_id(world_.now() - std::chrono::hours{1}, prompt.push.phone);
        } else if (!forged_url.empty()) {
            // Another digit, not the same one in the other case: that would be no forgery.
            forged_url.back() = forged_url.back() == '0' ? '1' : '0';
        }
        post_callback(prompt, forged_url, stk_callback_body(forged), "forged", nullptr, fx);
    }
    if (prompt.callback.lose) {
        if (then) then(fx);
        return;
    }
    post_callback(prompt, url, body, "callback", std::move(then), fx);
    for (int copy = 0; copy < prompt.callback.duplicates; ++copy) {
        post_callback(prompt, url, body, "duplicate", nullptr, fx);
    }
}

void Sandbox::post_callback(const Prompt& prompt, const std::string& url, const std::string& body,
                            const std::string& what, std::function<void(Effects&)> then,
                            Effects& fx) {
    Outgoing out{url,
                 {{"Content-Type", "application/json;charset=UTF-8"},
                  {"Businessshortcode", prompt.push.shortcode}},
                 body};
    // One try, whatever the answer: Safaricom does not repeat a callback.
    post(fx, std::move(out),
         [this, id = prompt.id, shortcode = prompt.push.shortcode, phone = prompt.push.phone, url,
          body, what, then = std::move(then)](const PostResult& result, Effects& inner) {
             note(inner, "callback_sent",
                  {{"provider", "daraja"},
                   {"shortcode", shortcode},
                   {"phone", phone},
                   {"checkout_request_id", id},
                   {"what", what},
                   {"url", url},
                   {"http_status", result.status},
                   {"error", result.error},
                   {"body", body}});
             if (then) then(inner);
         });
}

void Sandbox::stk_query(const Call& call, const Answer& answer, Effects& fx) {
    auto judged = judge_query(call.header("content-type"), call.body);
    const auto* asked = std::get_if<QueryRequest>(&judged);
    const auto prompt =
        asked == nullptr ? state_.prompts.end() : state_.prompts.find(asked->checkout_request_id);
    const std::string phone = prompt == state_.prompts.end() ? "" : prompt->second.push.phone;
    const Effect effect = state_.faults.take(
        {"daraja", "stkquery", "", phone, asked == nullptr ? "" : asked->shortcode});
    const auto answer_with = [&](int status, std::string body) {
        note(fx, "query_answered",
             {{"provider", "daraja"},
              {"shortcode", asked == nullptr ? "" : asked->shortcode},
              {"phone", phone},
              {"checkout_request_id", asked == nullptr ? "" : asked->checkout_request_id},
              {"http_status", status},
              {"body", body}});
        Reply out{status, std::move(body)};
        out.cut = effect.cut == "after";
        reply(fx, answer, std::move(out), effect.latency);
    };
    const auto refuse_with = [&](const DarajaError& error) {
        answer_with(error.http, daraja_error_body(error, new_request_id()));
    };
    if (effect.cut == "before") {
        Reply cut;
        cut.cut = true;
        return reply(fx, answer, std::move(cut), effect.latency);
    }
    if (effect.error) {
        const FaultError& fault = *effect.error;
        if (fault.body) return answer_with(fault.http.value_or(502), *fault.body);
        return refuse_with({fault.http.value_or(500), fault.code, fault.message});
    }
    std::string consumer_key;
    if (const auto error = judge_token(call, &consumer_key)) return refuse_with(*error);
    if (asked == nullptr) return refuse_with(std::get<DarajaError>(judged));
    if (const auto error =
            judge_shortcode(asked->shortcode, asked->password, asked->timestamp, consumer_key)) {
        return refuse_with(*error);
    }
    Shortcode& shortcode = state_.shortcodes.at(asked->shortcode);
    if (!shortcode.queries.allows(world_.now(), shortcode.queries_per_s_max)) {
        return refuse_with({500, "500.003.02", "Spike Arrest Violation"});
    }
    shortcode.queries.take(world_.now());
    if (prompt == state_.prompts.end() || prompt->second.push.shortcode != asked->shortcode) {
        return refuse_with({500, "500.001.1001", "The transaction does not Exist"});
    }
    StkResult result = stk_result("4999");
    if (prompt->second.result) {
        result = *prompt->second.result;
    } else if (shortcode.pending_query != "4999") {
        const bool empty = shortcode.pending_query == "empty_500";
        return refuse_with({shortcode.pending_query == "processing_200" ? 200 : 500, "500.001.1001",
                            empty ? "" : "The transaction is being processed"});
    }
    json::object body;
    body["ResponseCode"] = "0";
    body["ResponseDescription"] = "The service request has been accepted successfully";
    body["MerchantRequestID"] = prompt->second.merchant_request_id;
    body["CheckoutRequestID"] = prompt->second.id;
    body["ResultCode"] = result.code;
    body["ResultDesc"] = result.text;
    answer_with(200, compact(body));
}

}  // namespace flowstack::sandbox
