// Stripe's Checkout Sessions, the page on which the payer pays, and the signed webhooks about it.
#include <algorithm>
#include <memory>

#include "services/sandbox/control_values.h"
#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr std::string_view kStripeAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr const char* kStripeVersion = "2026-10-28.endive";
constexpr int kStripeTriesMax = 5;
constexpr Milliseconds kStripeTryAgain{500};  // doubled each time
constexpr std::size_t kStripeKeyMax = 255;
constexpr std::int64_t kStripeOldSeconds = 600;

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

json::object as_object(const std::map<std::string, std::string>& all) {
    json::object out;
    for (const auto& [name, value] : all) out[name] = value;
    return out;
}

std::string html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

}  // namespace

json::object Sandbox::describe(const StripeSession& session) const {
    const bool live = session.live;
    json::object out{{"id", session.id},
                     {"object", "checkout.session"},
                     {"amount_total", session.ask.amount},
                     {"client_reference_id", text_or_null(session.ask.client_reference_id)},
                     {"created", session.created},
                     {"currency", session.ask.currency},
                     {"expires_at", session.ask.expires_at},
                     {"livemode", live},
                     {"metadata", as_object(session.ask.metadata)},
                     {"mode", "payment"},
                     {"payment_intent", text_or_null(session.payment_intent)},
                     {"payment_status", session.payment_status},
                     {"status", session.status},
                     {"success_url", session.ask.success_url},
                     {"cancel_url", text_or_null(session.ask.cancel_url)}};
    // The page's address goes away with the page.
    out["url"] = session.status == "open" ? json::value(session.url) : json::value(nullptr);
    return out;
}

// ---------------------------------------------------------------- what it is called with

void Sandbox::stripe(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const bool sessions = path.size() >= 3 && path[1] == "checkout" && path[2] == "sessions";
    const bool create = sessions && path.size() == 3 && call.method == "POST";
    const bool list = sessions && path.size() == 3 && call.method == "GET";
    const bool retrieve = sessions && path.size() == 4 && call.method == "GET";
    const bool expire =
        sessions && path.size() == 5 && path[4] == "expire" && call.method == "POST";

    StripeAccount* account = nullptr;
    for (auto& [id, each] : state_.stripe_accounts) {
        if (call.header("authorization") == "Bearer " + each.secret_key) account = &each;
    }
    const Effect effect = state_.faults.take({"stripe",
                                              create     ? "sessions"
                                              : retrieve ? "retrieve"
                                              : expire   ? "expire"
                                                         : "",
                                              "", "", account == nullptr ? "" : account->id});
    const auto respond = [&](int status, std::string body) {
        Reply out{status, std::move(body)};
        out.headers.emplace_back("Request-Id", "req_" + random_text(14, kStripeAlphabet));
        out.cut = effect.cut == "after";
        return out;
    };
    const auto refuse_with = [&](const StripeError& error) {
        note(fx, "checkout_rejected",
             {{"provider", "stripe"},
              {"shortcode", account == nullptr ? "" : account->id},
              {"call", call.path},
              {"code", error.code},
              {"http_status", error.http},
              {"reason", error.message},
              {"raw", call.body}});
        return respond(error.http, stripe_error_body(error));
    };
    if (effect.cut == "before") {
        Reply cut;
        cut.cut = true;
        return reply(fx, answer, std::move(cut), effect.latency);
    }
    if (account == nullptr) {
        return reply(fx, answer,
                     refuse_with({401, "invalid_request_error", "", "Invalid API Key provided"}),
                     effect.latency);
    }
    if (!create && !list && !retrieve && !expire) {
        return reply(
            fx, answer,
            refuse_with({404, "invalid_request_error", "",
                         "Unrecognized request URL (" + call.method + ": " + call.path + ")."}),
            effect.latency);
    }
    const std::string key = call.header("idempotency-key");
    if (call.method == "POST") {
        if (key.size() > kStripeKeyMax) {
            return reply(fx, answer,
                         refuse_with({400, "idempotency_error", "",
                                      "Keys have at most 255 "
                                      "characters."}),
                         effect.latency);
        }
        const auto kept = state_.stripe_replies.find({account->id, key});
        if (!key.empty() && kept != state_.stripe_replies.end()) {
            if (kept->second.asked != call.path + "\n" + call.body) {
                return reply(
                    fx, answer,
                    refuse_with({400, "idempotency_error", "",
                                 "Keys for idempotent requests can only be used with the same "
                                 "parameters they were first used with."}),
                    effect.latency);
            }
            Reply again = respond(kept->second.status, kept->second.body);
            again.headers.emplace_back("Idempotent-Replayed", "true");
            return reply(fx, answer, std::move(again), effect.latency);
        }
    }
    const auto keep = [&](const Reply& out) {
        if (call.method == "POST" && !key.empty())
            state_.stripe_replies[{account->id, key}] = {call.path + "\n" + call.body, out.status,
                                                         out.body};
    };
    if (effect.error) {
        const FaultError& fault = *effect.error;
        const int status = fault.http.value_or(500);
        Reply out = fault.body ? respond(status, *fault.body)
                               : refuse_with({status, status >= 500 ? "api_error" : "card_error",
                                              fault.code, fault.message});
        // The first result of a key is kept, also when it is a failure of Stripe's own.
        if (status >= 500) keep(out);
        return reply(fx, answer, std::move(out), effect.latency);
    }
    if (list) {
        return reply(fx, answer,
                     respond(200, R"({"object":"list","url":"/v1/checkout/sessions",)"
                                  R"("has_more":false,"data":[]})"),
                     effect.latency);
    }
    if (retrieve || expire) {
        const auto found = state_.stripe_sessions.find(path[3]);
        if (found == state_.stripe_sessions.end() || found->second.account != account->id) {
            return reply(fx, answer,
                         refuse_with({404, "invalid_request_error", "resource_missing",
                                      "No such checkout session: " + path[3], "session"}),
                         effect.latency);
        }
        StripeSession& session = found->second;
        if (expire && session.status != "open") {
            return reply(fx, answer,
                         refuse_with({400, "invalid_request_error", "",
                                      "Only Checkout Sessions with a status in [\"open\"] can be "
                                      "expired."}),
                         effect.latency);
        }
        if (expire) end_stripe(session, "expire", nullptr, fx);
        const Reply out = respond(200, compact(describe(session)));
        if (expire) keep(out);
        return reply(fx, answer, out, effect.latency);
    }

    std::optional<Form> form;
    if (call.header("content-type").starts_with("application/x-www-form-urlencoded")) {
        form = read_form(call.body);
    }
    if (!form) {
        return reply(fx, answer,
                     refuse_with({400, "invalid_request_error", "", "The body is not a form."}),
                     effect.latency);
    }
    const Time now = world_.now();
    const auto judged = judge_stripe_session(*form, seconds(now));
    if (const auto* error = std::get_if<StripeError>(&judged)) {
        return reply(fx, answer, refuse_with(*error), effect.latency);
    }
    StripeSession session;
    session.live = account->secret_key.find("_live_") != std::string::npos;
    session.id = (session.live ? "cs_live_" : "cs_test_") + random_text(40, kStripeAlphabet);
    session.account = account->id;
    session.ask = std::get<StripeAsk>(judged);
    session.created = seconds(now);
    session.url = "http://" + call.header("host") + "/c/pay/" + session.id;
    session.callback = effect.callback;
    const std::string id = session.id;
    note(fx, "checkout_created",
         {{"provider", "stripe"},
          {"shortcode", account->id},
          {"session", id},
          {"amount", session.ask.amount},
          {"currency", session.ask.currency},
          {"client_reference_id", session.ask.client_reference_id},
          {"idempotency_key", key},
          {"stripe_version", call.header("stripe-version")},
          {"url", session.url}});
    const std::int64_t open_for = session.ask.expires_at - session.created;
    StripeSession& kept = state_.stripe_sessions.emplace(id, std::move(session)).first->second;
    state_.stripe_order.push_back(id);
    if (state_.stripe_order.size() > State::kPromptsMax) {
        state_.stripe_sessions.erase(state_.stripe_order.front());
        state_.stripe_order.pop_front();
    }
    wake(fx);
    Reply made = respond(200, compact(describe(kept)));
    keep(made);
    const auto on_open = [this, id](const char* action) {
        return [this, id, action](Effects& inner) {
            const auto it = state_.stripe_sessions.find(id);
            if (it != state_.stripe_sessions.end() && it->second.status == "open") {
                end_stripe(it->second, action, nullptr, inner);
            }
        };
    };
    later(fx, std::chrono::seconds{open_for}, on_open("expire"));
    if (effect.callback.before_answer) {
        end_stripe(
            kept, "pay",
            [this, answer, made, latency = effect.latency](Effects& inner) {
                reply(inner, answer, made, latency);
            },
            fx);
        return;
    }
    if (account->payer == "pay") later(fx, account->payer_delay, on_open("pay"));
    reply(fx, answer, std::move(made), effect.latency);
}

// ---------------------------------------------------------------- how it ends

bool Sandbox::end_stripe(StripeSession& session, const std::string& action,
                         std::function<void(Effects&)> then, Effects& fx) {
    const bool open = session.status == "open";
    const bool waits = session.status == "complete" && session.payment_status == "unpaid";
    std::string type;
    if (open && (action == "pay" || action == "pay_later")) {
        session.status = "complete";
        session.payment_intent = "pi_" + random_text(24, kStripeAlphabet);
        if (action == "pay") session.payment_status = "paid";
        type = "checkout.session.completed";
    } else if (open && action == "decline") {
        // The page says so and stays open.
        ++session.declines;
    } else if (open && action == "expire") {
        session.status = "expired";
        type = "checkout.session.expired";
    } else if (waits && action == "succeed") {
        session.payment_status = "paid";
        type = "checkout.session.async_payment_succeeded";
    } else if (waits && action == "fail") {
        type = "checkout.session.async_payment_failed";
    } else {
        return false;
    }
    note(fx, "checkout_ended",
         {{"provider", "stripe"},
          {"shortcode", session.account},
          {"session", session.id},
          {"action", action},
          {"status", session.status},
          {"payment_status", session.payment_status}});
    if (session.payment_status == "paid") {
        note(fx, "payment_made",
             {{"provider", "stripe"},
              {"shortcode", session.account},
              {"session", session.id},
              {"receipt", session.payment_intent},
              {"amount", session.ask.amount},
              {"currency", session.ask.currency},
              {"client_reference_id", session.ask.client_reference_id}});
    }
    wake(fx);
    if (type.empty()) return true;
    StripeEvent made;
    made.session = session.id;
    made.account = session.account;
    made.id = "evt_" + random_text(24, kStripeAlphabet);
    made.type = type;
    json::object object = describe(session);
    const CallbackFault& fault = session.callback;
    if (fault.amount) object["amount_total"] = whole(*fault.amount, 1);
    if (fault.receipt) object["payment_intent"] = *fault.receipt;
    const auto body_of = [&](const StripeEvent& event, const json::object& content) {
        return compact(json::object{{"id", event.id},
                                    {"object", "event"},
                                    {"api_version", kStripeVersion},
                                    {"created", seconds(world_.now())},
                                    {"data", {{"object", content}}},
                                    {"livemode", session.live},
                                    {"pending_webhooks", 1},
                                    {"request", {{"id", nullptr}, {"idempotency_key", nullptr}}},
                                    {"type", event.type}});
    };
    made.body = body_of(made, object);
    if (!fault.forge.empty()) {
        // Says paid, whatever happened; nobody with the secret signed it.
        StripeEvent forged = made;
        forged.id = "evt_" + random_text(24, kStripeAlphabet);
        forged.type = "checkout.session.completed";
        json::object lie = object;
        lie["status"] = "complete";
        lie["payment_status"] = "paid";
        lie["payment_intent"] = "pi_" + random_text(24, kStripeAlphabet);
        forged.body = body_of(forged, lie);
        forged.what = "forged";
        forged.sign = fault.forge;
        forged.tries = kStripeTriesMax;
        post_stripe(std::move(forged), nullptr, fx);
    }
    if (fault.lose) {
        note(fx, "callback_lost",
             {{"provider", "stripe"}, {"shortcode", session.account}, {"session", session.id}});
        if (then) then(fx);
        return true;
    }
    const auto account = state_.stripe_accounts.find(session.account);
    const Milliseconds pause = then || account == state_.stripe_accounts.end()
                                   ? Milliseconds{0}
                                   : account->second.webhook_delay;
    later(fx, pause + fault.delay,
          [this, made, copies = fault.duplicates, then = std::move(then)](Effects& inner) {
              post_stripe(made, then, inner);
              for (int i = 0; i < copies; ++i) {
                  StripeEvent copy = made;
                  copy.what = "duplicate";
                  post_stripe(std::move(copy), nullptr, inner);
              }
          });
    return true;
}

void Sandbox::post_stripe(StripeEvent event, std::function<void(Effects&)> then, Effects& fx) {
    const auto account = state_.stripe_accounts.find(event.account);
    if (account == state_.stripe_accounts.end()) {
        if (then) then(fx);
        return;
    }
    const StripeAccount& owner = account->second;
    std::int64_t at = seconds(world_.now());
    std::string secret = owner.webhook_secret;
    std::string other = owner.webhook_secret_other;
    if (event.sign == "old_signature") at -= kStripeOldSeconds;
    if (event.sign == "wrong_signature") {
        secret += "x";
        other.clear();
    }
    Outgoing out{owner.webhook_url,
                 {{"Content-Type", "application/json; charset=utf-8"},
                  {"Stripe-Signature", stripe_signature(secret, other, at, event.body)}},
                 event.body};
    if (event.sign == "no_signature") out.headers.pop_back();
    post(fx, std::move(out),
         [this, event = std::move(event), url = owner.webhook_url, then = std::move(then)](
             const PostResult& result, Effects& inner) {
             note(inner, "callback_sent",
                  {{"provider", "stripe"},
                   {"shortcode", event.account},
                   {"session", event.session},
                   {"what", event.what},
                   {"type", event.type},
                   {"event", event.id},
                   {"url", url},
                   {"http_status", result.status},
                   {"error", result.error},
                   {"body", event.body}});
             if (then) then(inner);
             const bool taken = result.status >= 200 && result.status < 300;
             if (taken || event.tries + 1 >= kStripeTriesMax) return;
             StripeEvent again = event;
             ++again.tries;
             later(inner, kStripeTryAgain * (1 << event.tries),
                   [this, again](Effects& next) { post_stripe(again, nullptr, next); });
         });
}

// ---------------------------------------------------------------- the page

void Sandbox::stripe_page(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const auto found =
        path.size() >= 3 ? state_.stripe_sessions.find(path[2]) : state_.stripe_sessions.end();
    if (found == state_.stripe_sessions.end()) {
        return reply(fx, answer, {404, "There is no such page.", "text/plain"});
    }
    StripeSession& session = found->second;
    if (path.size() == 4 && call.method == "POST") {
        end_stripe(session, path[3], nullptr, fx);
        Reply onwards{303, "", "text/plain"};
        onwards.headers.emplace_back("Location", session.status == "complete"
                                                     ? session.ask.success_url
                                                     : "/c/pay/" + session.id);
        return reply(fx, answer, std::move(onwards));
    }
    std::string page =
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>Checkout</title><body "
        "style=\"font-family:sans-serif;max-width:24em;margin:3em auto\"><h1>" +
        html(session.ask.name) + "</h1><p>" + html(session.ask.currency) + " " +
        std::to_string(session.ask.amount) + " (smallest units)</p>";
    if (session.declines > 0) page += "<p>The card was declined. Try another one.</p>";
    if (session.status == "open") {
        for (const auto& [action, title] :
             {std::pair{"pay", "Pay"}, {"decline", "Pay with a card that is declined"}}) {
            page += "<form method=\"post\" action=\"/c/pay/" + session.id + "/" + action +
                    "\"><button style=\"font-size:1.2em;margin:.5em 0\">" + title +
                    "</button></form>";
        }
    } else {
        page += "<p>This page is closed: " + session.status + ".</p>";
    }
    reply(fx, answer, {200, std::move(page), "text/html; charset=utf-8"});
}

// ---------------------------------------------------------------- control

void Sandbox::control_checkouts(const Call& call, const Path& path, const Answer& answer,
                                Effects& fx) {
    const auto described = [this](const StripeSession& session) {
        json::object out = describe(session);
        out["account"] = session.account;
        out["url"] = session.url;
        out["declines"] = session.declines;
        return out;
    };
    if (path.size() == 2) {
        const std::string account = call.parameter("account");
        const std::string reference = call.parameter("reference");
        const bool all = call.parameter("all") == "true";
        return wait(
            Milliseconds{whole(call.parameter("wait_ms"), 0)},
            [this, account, reference, all,
             described](bool last_chance) -> std::optional<std::string> {
                json::array list;
                for (const auto& id : state_.stripe_order) {
                    const auto it = state_.stripe_sessions.find(id);
                    if (it == state_.stripe_sessions.end()) continue;
                    const StripeSession& session = it->second;
                    if ((all || session.status == "open") &&
                        (account.empty() || session.account == account) &&
                        (reference.empty() || session.ask.client_reference_id == reference)) {
                        list.emplace_back(described(session));
                    }
                }
                if (list.empty() && !last_chance) return std::nullopt;
                return compact(json::object{{"checkouts", std::move(list)}});
            },
            answer, fx);
    }
    const auto found = state_.stripe_sessions.find(path[2]);
    if (found == state_.stripe_sessions.end()) {
        return reply(fx, answer, wrong(404, "no such checkout"));
    }
    StripeSession& session = found->second;
    if (path.size() == 4 && call.method == "POST") {
        if (!end_stripe(session, path[3], nullptr, fx)) {
            return reply(fx, answer,
                         wrong(409,
                               "not now: pay, pay_later, decline and expire want an open page, "
                               "succeed and fail one that was paid later"));
        }
    }
    reply(fx, answer, {200, compact(described(session))});
}

}  // namespace flowstack::sandbox
