#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/money.h"
#include "common/core/secret.h"
#include "common/core/time.h"
#include "services/payment/providers/provider.h"

// Stripe's wire formats: what is sent, and what answers and events mean. Pure; stripe.h does the
// calls.
//
// Sources: Stripe's API reference (Checkout Sessions, errors, idempotent requests), its pages about
// webhooks and signatures, and its library for Node.
namespace flowstack::payment::stripe {

inline const std::string kProviderName = "stripe";
inline constexpr std::string_view kSessionsPath = "/v1/checkout/sessions";
inline constexpr std::string_view kSignatureHeader = "Stripe-Signature";
// The member of a session's metadata that carries CallbackTokens' token.
inline constexpr std::string_view kTokenMember = "flowstack";

inline constexpr std::size_t kIdMax = 255;
inline constexpr std::int64_t kAmountMax = 99'999'999;  // in Stripe's units: eight digits

// ---- amounts

// A currency that is taken, with the decimals of Stripe's amounts. Not always those of ISO 4217:
// Stripe writes UGX with two.
struct CurrencyForm {
    Currency currency = Currency::usd;
    int decimals = 2;
    bool operator==(const CurrencyForm&) const = default;
};
using CurrencyForms = std::vector<CurrencyForm>;

// "KES:2" of the setting STRIPE_CURRENCIES.
std::optional<CurrencyForm> read_currency_form(std::string_view text);
// UGX 2,000 → 200000. Nothing for a currency that is not taken, and for an amount that is no whole
// number of Stripe's units.
std::optional<std::int64_t> stripe_amount(const CurrencyForms& forms, Money amount);
// 200000 ugx → UGX 2,000. A currency that is not taken, or more than its own decimals: nothing.
std::optional<Money> money_of(const CurrencyForms& forms, std::int64_t amount,
                              std::string_view currency);
// Which amounts can be asked for.
std::vector<AmountRange> ranges(const CurrencyForms& forms);

// ---- the session

// The form that POST kSessionsPath wants, with the brackets of its names unencoded. Nothing when
// the amount cannot be asked for.
std::optional<std::string> session_body(const CurrencyForms& forms, const Plan& plan);

struct Session {
    std::string id;
    std::string url;
    std::string status;          // open | complete | expired
    std::string payment_status;  // paid | unpaid | no_payment_required
    std::string payment_intent;
    std::optional<std::int64_t> amount_total;
    std::string currency;  // lower case
    std::string token;     // of the metadata
};

// What came of a call that makes a session.
struct Said {
    AskAnswer answer;
    // The same call with the same key may bring the answer: Stripe keeps the first result of a key.
    bool again = false;
    // It says what became of every call with this key, not only of this one.
    bool of_the_key = false;
};
// `should_retry` is the header of that name, which wins over the status.
Said read_created(int status, std::string_view body, std::string_view should_retry);

// A session as it is looked up, or nothing when the answer is none. `id` is the one that was asked
// for.
std::optional<Session> read_session(int status, std::string_view body, std::string_view id);

struct UnreadableAmount {};
// What a session says of its payment.
std::variant<SaysPaid, SaysFailed, SaysNothing, UnreadableAmount> meaning_of(
    const CurrencyForms& forms, const Session& session);

// An id as Stripe makes them: letters, digits and '_'. It goes into a path.
bool is_id(std::string_view text);

// "invalid_request_error: No such checkout session", cut; for records.
std::string error_text(std::string_view body);

// ---- events

// An event about a session. Others are not read.
struct Event {
    std::string id;
    std::string type;
    std::string account;           // of Connect
    std::optional<bool> livemode;  // nothing: it does not say
    Session session;               // empty when it is about something else
    bool of_session = false;
};
std::variant<Event, MalformedCallback> read_event(std::string_view body);

// The callback that an event of a session is.
std::variant<Callback, MalformedCallback> callback_of(const CurrencyForms& forms,
                                                      const Event& event);

// Whether one of `secrets` signed t + "." + body, with t at most `tolerance` from `now` on either
// side. Several v1 come while a secret is rolled; other schemes are passed over.
bool is_signed_by(const std::vector<Secret>& secrets, std::string_view header,
                  std::string_view body, Time now, std::chrono::seconds tolerance);

}  // namespace flowstack::payment::stripe
