#include "services/payment/providers/stripe/stripe.h"

#include <algorithm>
#include <thread>

#include "common/core/overloaded.h"
#include "common/text/utf8.h"

namespace flowstack::payment::stripe {
namespace {

using Outcome = http::ClientResult::Outcome;

constexpr std::size_t kKeyMax = 255;
constexpr std::size_t kReferenceMax = 60;
constexpr std::size_t kShownOfKey = 4;
constexpr std::chrono::seconds kWaitMax{5};

// Printable ASCII without blanks: it goes into a header.
bool is_key(std::string_view text, std::initializer_list<std::string_view> beginnings) {
    const bool begins = std::ranges::any_of(
        beginnings, [&](std::string_view b) { return text.starts_with(b) && text != b; });
    return begins && text.size() <= kKeyMax &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_live(std::string_view key) {
    return key.starts_with("sk_live_") || key.starts_with("rk_live_");
}

Secret secret_in(const Account& account, const char* name) {
    const auto found = account.secrets.find(name);
    return found == account.secrets.end() ? Secret() : found->second;
}

std::string session_path(std::string_view id) {
    return std::string(kSessionsPath) + "/" + std::string(id);
}

}  // namespace

Stripe::Stripe(http::Client& client, StripeOptions options)
    : client_(client),
      options_(std::move(options)),
      capabilities_{.redirect = true,
                    .signed_webhooks = true,
                    .query = true,
                    .takes = ranges(options_.currencies)} {}

std::variant<Account, std::vector<FieldFault>> Stripe::read_account(
    const std::map<std::string, std::string>& fields) const {
    const auto given = [&](const char* name) {
        const auto found = fields.find(name);
        return found == fields.end() ? std::string() : found->second;
    };
    std::vector<FieldFault> wrong;
    const auto key = given("secret_key");
    if (!is_key(key, {"sk_test_", "sk_live_", "rk_test_", "rk_live_"}))
        wrong.push_back({"secret_key",
                         "must be a secret key of Stripe: sk_test_…, sk_live_…, rk_test_… or "
                         "rk_live_…"});
    if (!is_key(given("webhook_secret"), {"whsec_"}))
        wrong.push_back({"webhook_secret", "must be the signing secret of the endpoint: whsec_…"});
    if (!given("webhook_secret_other").empty() &&
        !is_key(given("webhook_secret_other"), {"whsec_"}))
        wrong.push_back({"webhook_secret_other", "must be a signing secret: whsec_…"});
    if (const auto id = given("account_id");
        !id.empty() && (!id.starts_with("acct_") || !is_id(id)))
        wrong.push_back({"account_id", "must be an account's id: acct_…"});
    if (!wrong.empty()) return wrong;

    Account account;
    account.provider = kProviderName;
    // Without an id the key's end names the account for people, as Stripe's own pages do.
    account.account = given("account_id");
    if (account.account.empty())
        account.account = key.substr(0, std::string_view("sk_live_").size()) + "…" +
                          key.substr(key.size() - std::min(key.size() / 4, kShownOfKey));
    account.details = {{"mode", is_live(key) ? "live" : "test"}};
    if (!given("account_id").empty()) account.details["account_id"] = given("account_id");
    for (const auto* name : {"secret_key", "webhook_secret", "webhook_secret_other"})
        if (!given(name).empty()) account.secrets.emplace(name, Secret(given(name)));
    return account;
}

std::optional<std::string> Stripe::usable_phone(std::string_view phone) const {
    return std::string(phone);
}

std::optional<std::string> Stripe::read_receipt(std::string_view text) const {
    if (!is_id(text)) return {};
    return std::string(text);
}

std::string Stripe::reference(std::string_view text) const {
    return text::shortened(text, kReferenceMax);
}

std::variant<Plan, CannotAsk> Stripe::plan(const PlanRequest& request) const {
    if (!stripe_amount(options_.currencies, request.amount))
        return CannotAsk{"amount", failure::kLimit};
    auto description = reference(request.reference);
    if (description.empty()) description = "Payment";
    return Plan{.amount = request.amount,
                .payer = {},
                .callback_url = request.callback_url,
                .reference = request.reference,
                .description = std::move(description),
                .attempt_id = request.attempt_id,
                .tenant = request.tenant,
                .intent_id = request.intent_id,
                .callback_token = request.callback_token,
                .return_url = request.return_url,
                .payable_until = request.payable_until};
}

std::variant<Callback, MalformedCallback> Stripe::read_callback(std::string_view body) const {
    const auto event = read_event(body);
    if (const auto* malformed = std::get_if<MalformedCallback>(&event)) return *malformed;
    return callback_of(options_.currencies, std::get<Event>(event));
}

std::variant<Webhook, MalformedCallback> Stripe::read_webhook(std::string_view body) const {
    const auto read = read_event(body);
    if (const auto* malformed = std::get_if<MalformedCallback>(&read)) return *malformed;
    const auto& event = std::get<Event>(read);
    return Webhook{.id = event.id, .account = event.account, .token = event.session.token};
}

bool Stripe::is_signed(const Account& account, std::string_view signature, std::string_view body,
                       Time now) const {
    if (!is_signed_by(
            {secret_in(account, "webhook_secret"), secret_in(account, "webhook_secret_other")},
            signature, body, now, options_.signature_tolerance))
        return false;
    // An endpoint of the test mode tells nothing about money.
    const auto event = read_event(body);
    const auto* read = std::get_if<Event>(&event);
    const auto mode = account.details.find("mode");
    return !read || !read->livemode || mode == account.details.end() ||
           *read->livemode == (mode->second == "live");
}

http::ClientResult Stripe::call(
    const Account& account, const std::string& method, const std::string& path, std::string body,
    const std::string& key, std::chrono::milliseconds timeout,
    std::optional<std::chrono::steady_clock::time_point> not_after) const {
    http::ClientRequest request;
    request.method = method;
    request.url = options_.base_url + path;
    request.headers = {{"Authorization", "Bearer " + secret_in(account, "secret_key").reveal()},
                       {"Stripe-Version", options_.api_version}};
    if (method == "POST") request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    if (!key.empty()) request.headers.set("Idempotency-Key", key);
    request.body = std::move(body);
    request.timeout_ms = static_cast<int>(timeout.count());
    request.not_after = not_after;
    return client_.call_and_wait(std::move(request));
}

Readiness Stripe::check(const Account& account) {
    const auto result = call(account, "GET", std::string(kSessionsPath) + "?limit=1", "", "",
                             options_.query_timeout, {});
    if (result.outcome != Outcome::answered) return Away{result.error};
    const auto status = result.response.status;
    if (status == 200) return Ready{};
    const auto why = "HTTP " + std::to_string(status) + " " + error_text(result.response.body);
    if (status == 401 || status == 403) return KeysRefused{why};
    return Away{why};
}

AskAnswer Stripe::ask(const Account& account, const Plan& plan,
                      std::chrono::steady_clock::time_point not_after) {
    const auto body = session_body(options_.currencies, plan);
    if (!body) return Refused{"amount", "", failure::kLimit, {}};
    // A call with this key may have had its effect although nobody knows its answer.
    bool unsure = false;
    std::string why;
    auto wait = options_.same_key_wait;
    for (int n = 1;; ++n) {
        const auto first = n == 1 ? std::optional(not_after) : std::nullopt;
        const auto result = call(account, "POST", std::string(kSessionsPath), *body,
                                 plan.attempt_id, options_.ask_timeout, first);
        if (result.outcome == Outcome::answered) {
            const auto said = read_created(result.response.status, result.response.body,
                                           result.response.headers.get("Stripe-Should-Retry"));
            const auto* unclear = std::get_if<Unclear>(&said.answer);
            if (!unclear && (said.of_the_key || !unsure)) return said.answer;
            if (unclear) {
                unsure = true;
                why = unclear->why;
                if (!said.again) return *unclear;
            }
        } else {
            if (result.outcome == Outcome::not_sent && !unsure)
                return Refused{"not_sent", result.error, failure::kBusy, options_.retry_wait};
            unsure = true;
            why = result.error;
        }
        if (n == kCallsMax) return Unclear{why};
        std::this_thread::sleep_for(wait);
        wait = std::min<std::chrono::milliseconds>(2 * wait, kWaitMax);
    }
}

QueryAnswer Stripe::query(const Account& account, const ProviderRef& ref) {
    const auto nothing = [](std::string code, std::string description) {
        return QueryAnswer{SaysNothing{}, std::move(code), std::move(description)};
    };
    if (!is_id(ref.id)) return nothing("", "not an id of Stripe");
    const auto result =
        call(account, "GET", session_path(ref.id), "", "", options_.query_timeout, {});
    if (result.outcome != Outcome::answered)
        return nothing("", std::string(text::front_of_bytes(result.error, 200)));
    const auto session = read_session(result.response.status, result.response.body, ref.id);
    if (!session)
        return nothing(std::to_string(result.response.status), error_text(result.response.body));
    QueryAnswer answer{.says = SaysNothing{},
                       .code = session->status + "/" + session->payment_status,
                       .description = {}};
    std::visit(
        Overloaded{[&](const SaysPaid& paid) { answer.says = paid; },
                   [&](const SaysFailed& no) { answer.says = no; }, [](const SaysNothing&) {},
                   [&](const UnreadableAmount&) {
                       answer.description = "paid without a readable amount or currency";
                   }},
        meaning_of(options_.currencies, *session));
    return answer;
}

bool Stripe::withdraw(const Account& account, const ProviderRef& ref) {
    if (!is_id(ref.id)) return false;
    const auto result = call(account, "POST", session_path(ref.id) + "/expire", "",
                             "expire/" + ref.id, options_.query_timeout, {});
    if (result.outcome != Outcome::answered) return false;
    const auto session = read_session(result.response.status, result.response.body, ref.id);
    return session && session->status == "expired" && session->payment_status == "unpaid";
}

}  // namespace flowstack::payment::stripe
