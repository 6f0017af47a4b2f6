#include "services/payment/config.h"

#include <algorithm>

#include "common/config/config.h"
#include "services/payment/providers/mpesa/wire.h"

namespace flowstack::payment {
namespace {

bool is_number(const std::string& text) {
    return !text.empty() && text.size() < 10 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

PaymentConfig payment_config(config::Reader& reader) {
    PaymentConfig c;
    c.http_address = reader.text("HTTP_ADDRESS", "127.0.0.1", "address of the callbacks' door");
    c.http_port = reader.port("HTTP_PORT", 0, "the callbacks' door");
    c.callback_bytes_max = static_cast<std::size_t>(
        reader.integer("CALLBACK_BYTES_MAX", 65'536, 1024, 1 << 20, "a larger callback gets 413"));
    const auto base =
        reader.text("PUBLIC_BASE_URL", "http://127.0.0.1:8080",
                    "the address at which customers and providers reach this installation");
    c.public_base_url = reader.text("PAYMENT_PUBLIC_BASE_URL", base,
                                    "the address for payment callbacks, when it is another one");
    if (const auto word = mpesa::forbidden_word(c.public_base_url))
        reader.mistake("PAYMENT_PUBLIC_BASE_URL: contains '" + *word +
                       "', which Daraja does not allow in a callback URL");

    c.daraja_base_url =
        reader.text("DARAJA_BASE_URL", "https://sandbox.safaricom.co.ke", "M-Pesa's API");
    c.stripe_base_url =
        reader.text("STRIPE_BASE_URL", "https://api.stripe.com", "Stripe's API, for cards");
    c.stripe_api_version = reader.text("STRIPE_API_VERSION", "2026-10-28.endive",
                                       "the version of Stripe's API that is asked for");
    for (const auto& part : reader.list(
             "STRIPE_CURRENCIES",
             "KES:2,USD:2,EUR:2,GBP:2,TZS:2,ZAR:2,NGN:2,GHS:2,ZMW:2,AED:2,CAD:2,INR:2,UGX:2,RWF:0,"
             "JPY:0,XAF:0,XOF:0",
             "currencies that cards are charged in, each with the decimals of Stripe's amounts")) {
        if (const auto form = stripe::read_currency_form(part))
            c.stripe_currencies.push_back(*form);
        else
            reader.mistake("STRIPE_CURRENCIES: '" + part +
                           "' is not a known ISO 4217 currency with its decimals, e.g. KES:2");
    }
    c.signature_tolerance = reader.duration_ms(
        "WEBHOOK_TOLERANCE_MS", 300'000,
        "how far the time that a webhook is signed with may be from ours", 1'000);
    c.same_key_wait = reader.duration_ms("SAME_KEY_WAIT_MS", 500,
                                         "before a call to Stripe whose answer was lost is made "
                                         "again with its key; doubled each time",
                                         1);
    c.push_timeout =
        reader.duration_ms("PUSH_TIMEOUT_MS", 20'000,
                           "the outcome of an STK push without an answer by then is unknown", 10);
    c.query_timeout =
        reader.duration_ms("QUERY_TIMEOUT_MS", 10'000, "for one status query or token", 10);
    c.attempt_start_max =
        reader.duration_ms("ATTEMPT_START_MS_MAX", 2'000,
                           "a push that has not started within this time of being recorded is not "
                           "sent at all",
                           10);
    c.attempt_resolve_within = reader.duration_ms(
        "ATTEMPT_RESOLVE_MS", 60'000,
        "a recorded push without an outcome by then (its process died) has an unknown outcome", 10);
    c.push_retry_after =
        reader.duration_ms("PUSH_RETRY_MS", 2'000, "least wait after a push that was not sent", 1);
    c.unclear_after = reader.duration_ms(
        "PAYMENT_UNCLEAR_AFTER_MS", 600'000,
        "when the outcome of a payment is still unknown so long after the provider's answer was "
        "lost, the customer is told and a person is needed",
        1);
    c.poll_first_after = reader.duration_ms("PUSH_POLL_FIRST_MS", 30'000,
                                            "from an accepted push to the first query", 1);
    for (const auto& wait : reader.list("PUSH_POLL_PLAN_MS", "10000,20000,40000,60000",
                                        "between queries; the last one repeats")) {
        if (!is_number(wait) || wait == "0")
            reader.mistake("PUSH_POLL_PLAN_MS: '" + wait + "' is not a number of milliseconds");
        else
            c.poll_plan.emplace_back(std::stol(wait));
    }
    if (c.poll_plan.empty()) c.poll_plan.emplace_back(60'000);
    c.late_poll_interval = reader.duration_ms(
        "LATE_POLL_MS", 900'000,
        "between queries of a payment that expired before anybody knew its outcome", 1);
    c.late_polls_for =
        reader.duration_ms("LATE_POLLS_FOR_MS", 86'400'000,
                           "how long after its expiry such a payment is queried, 0 = never");
    c.query_interval = reader.duration_ms("QUERY_INTERVAL_MS", 1'000,
                                          "between two queries of one short code, all replicas");
    c.intent_expires_after =
        reader.duration_ms("INTENT_EXPIRY_MS", 1'800'000, "a payment not made by then expires", 1);
    c.invoice_due_after =
        reader.duration_ms("INVOICE_DUE_MS", 7LL * 24 * 3600 * 1000, "when an invoice is due");
    c.token_margin = reader.duration_ms("TOKEN_MARGIN_MS", 60'000,
                                        "a provider's token is renewed so long before its end");
    c.push_wait = reader.duration_ms("PUSH_WAIT_MS", 3'000,
                                     "InitiateStkPush waits so long for the provider's answer");
    c.provider_calls_max = static_cast<int>(
        reader.integer("PROVIDER_CALLS_MAX", 16, 1, 256, "calls to providers at once"));
    if (c.attempt_resolve_within < c.push_timeout)
        reader.mistake("ATTEMPT_RESOLVE_MS: must not be less than PUSH_TIMEOUT_MS");
    return c;
}

std::optional<Time> next_poll(const PaymentConfig& config, int polls, Time now, Time expires_at) {
    const auto last = config.poll_plan.size() - 1;
    const auto wait =
        config.poll_plan[std::min(static_cast<std::size_t>(std::max(polls, 0)), last)];
    const auto at = now + wait;
    if (at >= expires_at) return {};
    return at;
}

std::optional<Time> next_late_poll(const PaymentConfig& config, Time now, Time expires_at) {
    const auto at = now + config.late_poll_interval;
    if (at > expires_at + config.late_polls_for) return {};
    return at;
}

}  // namespace flowstack::payment
