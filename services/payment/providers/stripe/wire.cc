#include "services/payment/providers/stripe/wire.h"

#include <algorithm>
#include <charconv>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/url.h"
#include "common/text/utf8.h"
#include "services/payment/domain/intent.h"
#include "services/payment/providers/json_text.h"

namespace flowstack::payment::stripe {
namespace {

constexpr std::size_t kTextKept = 200;
constexpr int kDecimalsMax = 3;

std::string front(std::string_view text) {
    return std::string(text::front_of_bytes(text, kTextKept));
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc() || stop != end) return {};
    return value;
}

std::int64_t power_of_ten(int exponent) {
    std::int64_t power = 1;
    for (int i = 0; i < exponent; ++i) power *= 10;
    return power;
}

std::string upper(std::string_view text) {
    std::string all(text);
    for (char& c : all)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return all;
}

std::string lower(std::string_view text) {
    std::string all(text);
    for (char& c : all)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return all;
}

const CurrencyForm* form_of(const CurrencyForms& forms, Currency currency) {
    const auto found = std::ranges::find(forms, currency, &CurrencyForm::currency);
    return found == forms.end() ? nullptr : &*found;
}

// The text of a string member; empty when it is missing, null or anything else.
std::string text_of(const JsonText& object, std::string_view name) {
    const auto* found = object.member(name);
    return found && found->kind == JsonText::Kind::string ? found->text : std::string();
}

// A member that is an object with an id, or the id itself: Stripe expands some of them.
std::string id_of(const JsonText& object, std::string_view name) {
    const auto* found = object.member(name);
    if (found && found->kind == JsonText::Kind::object) return text_of(*found, "id");
    return text_of(object, name);
}

std::optional<Session> session_in(const JsonText& object) {
    for (const auto* name : {"id", "status", "payment_status", "amount_total", "currency",
                             "payment_intent", "metadata"})
        if (object.count(name) > 1) return {};
    Session session{.id = text_of(object, "id"),
                    .url = text_of(object, "url"),
                    .status = text_of(object, "status"),
                    .payment_status = text_of(object, "payment_status"),
                    .payment_intent = id_of(object, "payment_intent"),
                    .amount_total = {},
                    .currency = text_of(object, "currency"),
                    .token = {}};
    if (text_of(object, "object") != "checkout.session" || !is_id(session.id)) return {};
    if (const auto* amount = object.member("amount_total");
        amount && amount->kind == JsonText::Kind::number)
        session.amount_total = whole_number(amount->text);
    if (const auto* metadata = object.member("metadata"))
        session.token = text_of(*metadata, kTokenMember);
    return session;
}

struct Error {
    std::string type;
    std::string code;
    std::string message;
};

Error error_in(std::string_view body) {
    const auto answer = parse_json_text(body);
    const auto* error = answer ? answer->member("error") : nullptr;
    if (!error) return {};
    return {text_of(*error, "type"), text_of(*error, "code"), text_of(*error, "message")};
}

// One name and value of a form. Names are ours and need no encoding.
void add(std::string& form, std::string_view name, std::string_view value) {
    if (!form.empty()) form += '&';
    form.append(name).append("=").append(http::percent_encode(value));
}

}  // namespace

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= kIdMax && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_';
    });
}

// ---- amounts

std::optional<CurrencyForm> read_currency_form(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return {};
    const auto currency = parse_currency(text.substr(0, colon));
    const auto decimals = whole_number(text.substr(colon + 1));
    if (!currency || !decimals || *decimals < 0 || *decimals > kDecimalsMax) return {};
    return CurrencyForm{*currency, static_cast<int>(*decimals)};
}

std::optional<std::int64_t> stripe_amount(const CurrencyForms& forms, Money amount) {
    const auto* form = form_of(forms, amount.currency);
    if (!form || amount.minor_units <= 0) return {};
    const int more = form->decimals - currency_exponent(amount.currency);
    if (more < 0) {
        const auto step = power_of_ten(-more);
        if (amount.minor_units % step != 0) return {};
        const auto whole = amount.minor_units / step;
        return whole > kAmountMax ? std::nullopt : std::optional(whole);
    }
    const auto factor = power_of_ten(more);
    if (amount.minor_units > kAmountMax / factor) return {};
    return amount.minor_units * factor;
}

std::optional<Money> money_of(const CurrencyForms& forms, std::int64_t amount,
                              std::string_view currency) {
    const auto known = parse_currency(upper(currency));
    const auto* form = known ? form_of(forms, *known) : nullptr;
    if (!form || amount < 0 || amount > kAmountMax) return {};
    const int more = form->decimals - currency_exponent(*known);
    if (more < 0) return Money{amount * power_of_ten(-more), *known};
    const auto factor = power_of_ten(more);
    if (amount % factor != 0) return {};
    return Money{amount / factor, *known};
}

std::vector<AmountRange> ranges(const CurrencyForms& forms) {
    std::vector<AmountRange> all;
    for (const auto& form : forms) {
        const int more = form.decimals - currency_exponent(form.currency);
        const auto step = more < 0 ? power_of_ten(-more) : 1;
        const auto most = more < 0 ? kAmountMax * step : kAmountMax / power_of_ten(more);
        all.push_back(
            {.least = {step, form.currency}, .most = {most, form.currency}, .step = step});
    }
    return all;
}

// ---- the session

std::optional<std::string> session_body(const CurrencyForms& forms, const Plan& plan) {
    const auto amount = stripe_amount(forms, plan.amount);
    if (!amount) return {};
    std::string form;
    add(form, "mode", "payment");
    add(form, "success_url", plan.return_url);
    add(form, "cancel_url", plan.return_url);
    add(form, "client_reference_id", plan.intent_id);
    add(form, "expires_at", std::to_string(unix_seconds(plan.payable_until)));
    add(form, "line_items[0][quantity]", "1");
    add(form, "line_items[0][price_data][currency]", lower(currency_code(plan.amount.currency)));
    add(form, "line_items[0][price_data][unit_amount]", std::to_string(*amount));
    add(form, "line_items[0][price_data][product_data][name]", plan.description);
    // A session's metadata is not copied to its payment.
    add(form, "payment_intent_data[metadata][payment_intent_id]", plan.intent_id);
    add(form, "payment_intent_data[metadata][tenant_id]", plan.tenant);
    add(form, "metadata[payment_intent_id]", plan.intent_id);
    add(form, "metadata[tenant_id]", plan.tenant);
    add(form, "metadata[" + std::string(kTokenMember) + "]", plan.callback_token);
    return form;
}

Said read_created(int status, std::string_view body, std::string_view should_retry) {
    if (status >= 200 && status < 300) {
        const auto answer = parse_json_text(body);
        const auto session = answer ? session_in(*answer) : std::nullopt;
        if (!session || session->url.empty())
            return {Unclear{"made, but the answer has no readable session"}, true};
        return {Accepted{.ref = {.provider = kProviderName, .id = session->id, .detail = {}},
                         .link = session->url},
                false, true};
    }
    const auto error = error_in(body);
    const auto code = !error.code.empty()   ? error.code
                      : !error.type.empty() ? error.type
                                            : std::to_string(status);
    const auto refused = [&](const std::string& reason) {
        return Refused{code, front(error.message), reason, {}};
    };
    const auto unclear = Unclear{"HTTP " + std::to_string(status) + " " + error_text(body)};
    // The key was used for another body: what became of that one is not said here.
    if (error.type == "idempotency_error") return {unclear, status == 409};
    if (status == 409 || status >= 500) return {unclear, should_retry != "false"};
    if (should_retry == "true") return {unclear, true};
    if (status == 429) {
        auto later = refused(failure::kBusy);
        later.wait = std::chrono::seconds(5);
        return {std::move(later)};
    }
    if (status == 400 || status == 404) {
        const bool size = error.code == "amount_too_small" || error.code == "amount_too_large";
        // Nothing is kept of a body that was not valid, and what was kept would have been repeated.
        return {refused(size ? failure::kLimit : failure::kRefused), false, true};
    }
    if (status >= 400) return {refused(failure::kRefused)};
    return {unclear};
}

std::optional<Session> read_session(int status, std::string_view body, std::string_view id) {
    if (status != 200) return {};
    const auto answer = parse_json_text(body);
    auto session = answer ? session_in(*answer) : std::nullopt;
    if (!session || session->id != id) return {};
    return session;
}

std::variant<SaysPaid, SaysFailed, SaysNothing, UnreadableAmount> meaning_of(
    const CurrencyForms& forms, const Session& session) {
    if (session.payment_status == "paid" || session.payment_status == "no_payment_required") {
        const auto amount = session.amount_total
                                ? money_of(forms, *session.amount_total, session.currency)
                                : std::nullopt;
        if (!amount) return UnreadableAmount{};
        const auto& receipt = session.payment_intent.empty() ? session.id : session.payment_intent;
        if (!is_id(receipt)) return UnreadableAmount{};
        return SaysPaid{.amount = *amount, .receipt = receipt};
    }
    if (session.status == "expired")
        return SaysFailed{.code = "expired", .reason = failure::kPageExpired};
    return SaysNothing{};
}

std::string error_text(std::string_view body) {
    const auto error = error_in(body);
    if (error.type.empty() && error.message.empty()) return {};
    return front(error.type + ": " + error.message);
}

// ---- events

std::variant<Event, MalformedCallback> read_event(std::string_view body) {
    const auto document = parse_json_text(body);
    if (!document) return MalformedCallback{"not JSON"};
    for (const auto* name : {"id", "type", "data", "account", "livemode"})
        if (document->count(name) > 1) return MalformedCallback{std::string("two of ") + name};
    Event event{.id = text_of(*document, "id"),
                .type = text_of(*document, "type"),
                .account = text_of(*document, "account"),
                .livemode = {},
                .session = {},
                .of_session = false};
    if (!is_id(event.id) || event.type.empty()) return MalformedCallback{"no event"};
    if (const auto* mode = document->member("livemode");
        mode && mode->kind == JsonText::Kind::boolean)
        event.livemode = mode->text == "true";
    if (!event.type.starts_with("checkout.session.")) return event;
    const auto* data = document->member("data");
    const auto* object = data ? data->member("object") : nullptr;
    if (!object || data->count("object") > 1) return MalformedCallback{"no data.object"};
    auto session = session_in(*object);
    if (!session) return MalformedCallback{"no readable session"};
    event.session = std::move(*session);
    event.of_session = true;
    return event;
}

std::variant<Callback, MalformedCallback> callback_of(const CurrencyForms& forms,
                                                      const Event& event) {
    if (!event.of_session) return MalformedCallback{"not about a session: " + front(event.type)};
    Callback callback{.ref = {.provider = kProviderName, .id = event.session.id, .detail = {}},
                      .says = SaysNothing{}};
    if (event.type == "checkout.session.async_payment_failed") {
        callback.says = SaysFailed{.code = "async_payment_failed", .reason = failure::kDeclined};
        return callback;
    }
    if (event.type == "checkout.session.expired") {
        callback.says = SaysFailed{.code = "expired", .reason = failure::kPageExpired};
        return callback;
    }
    const auto says = meaning_of(forms, event.session);
    if (std::holds_alternative<UnreadableAmount>(says))
        return MalformedCallback{"paid without a readable amount, currency or payment"};
    if (const auto* paid = std::get_if<SaysPaid>(&says)) callback.says = *paid;
    return callback;
}

bool is_signed_by(const std::vector<Secret>& secrets, std::string_view header,
                  std::string_view body, Time now, std::chrono::seconds tolerance) {
    std::optional<std::string_view> stamp;
    std::vector<std::string_view> signatures;
    for (std::size_t begin = 0; begin <= header.size();) {
        const auto end = std::min(header.find(',', begin), header.size());
        const auto part = header.substr(begin, end - begin);
        begin = end + 1;
        if (part.starts_with("t=")) {
            if (stamp) return false;
            stamp = part.substr(2);
        } else if (part.starts_with("v1=")) {
            signatures.push_back(part.substr(3));
        }
    }
    if (!stamp || stamp->empty() || stamp->front() == '-' || signatures.empty()) return false;
    const auto at = whole_number(*stamp);
    if (!at) return false;
    // A stamp of any size: no sum that could overflow.
    const auto here = unix_seconds(now);
    if (*at < here - tolerance.count() || *at > here + tolerance.count()) return false;
    const auto message = std::string(*stamp) + "." + std::string(body);
    bool good = false;
    for (const auto& secret : secrets) {
        if (secret.empty()) continue;
        const auto digest = crypto::hmac_sha256(secret.reveal(), message);
        const auto right = crypto::hex_encode(crypto::bytes_of(digest));
        for (const auto signature : signatures)
            good = crypto::constant_time_equal(right, signature) || good;
    }
    return good;
}

}  // namespace flowstack::payment::stripe
