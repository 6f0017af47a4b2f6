#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include "services/sandbox/twilio.h"  // forms

// The rules of Stripe's Checkout Sessions, as values: what a form must look like, how refusals are
// worded, how webhooks are signed. What depends on state (account, key of an earlier call, the
// session's end) is judged by the caller. Source: Stripe's API reference and its library for Node.
namespace flowstack::sandbox {

struct StripeError {
    int http = 400;
    std::string type = "invalid_request_error";
    std::string code;
    std::string message;
    std::string param{};
};
std::string stripe_error_body(const StripeError& error);

struct StripeAsk {
    std::int64_t amount = 0;  // of one item times its quantity, in the currency's smallest unit
    std::string currency;     // lower case
    std::string name;
    std::string success_url;
    std::string cancel_url;
    std::string client_reference_id;
    std::int64_t expires_at = 0;  // unix seconds
    std::map<std::string, std::string> metadata;
    std::map<std::string, std::string> payment_metadata;
};
inline constexpr std::int64_t kStripeAmountMax = 99'999'999;
inline constexpr std::int64_t kStripePageMin = 30 * 60;  // seconds
inline constexpr std::int64_t kStripePageMax = 24 * 3600;

// `now` in unix seconds. Names that Checkout Sessions do not have here are refused.
std::variant<StripeAsk, StripeError> judge_stripe_session(const Form& form, std::int64_t now);

// "t=1767225600,v1=49b5…"; with `other` a second v1, as while a secret is rolled.
std::string stripe_signature(std::string_view secret, std::string_view other, std::int64_t at,
                             std::string_view body);

}  // namespace flowstack::sandbox
