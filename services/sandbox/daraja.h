#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "services/sandbox/json.h"
#include "services/sandbox/values.h"

// The rules of Safaricom's Daraja for M-Pesa Express (STK push), as values: what a body must look
// like, how refusals and callbacks are worded. What depends on state (tokens, locks, quirks) is
// judged by the caller. Source: the Daraja 3.0 portal pages.
namespace flowstack::sandbox {

struct DarajaError {
    int http = 400;
    std::string code;     // "400.002.02"
    std::string message;  // "Bad Request - Invalid Amount"
};
std::string daraja_error_body(const DarajaError& error, const std::string& request_id);

// What an STK push asked for. Amounts are whole shillings.
struct PushRequest {
    std::string shortcode;
    std::string password;
    std::string timestamp;
    std::string transaction_type;
    std::int64_t amount = 0;
    std::string party_a;
    std::string party_b;
    std::string phone;
    std::string callback_url;
    std::string account_reference;
    std::string description;
};
inline constexpr std::int64_t kAmountMax = 250'000;
inline constexpr std::size_t kAccountReferenceMax = 12;
inline constexpr std::size_t kDescriptionMax = 13;

// `content_type` and `body` as received. Numbers may be JSON numbers or strings.
std::variant<PushRequest, DarajaError> judge_push(const std::string& content_type,
                                                  const std::string& body);

struct QueryRequest {
    std::string shortcode;
    std::string password;
    std::string timestamp;
    std::string checkout_request_id;
};
std::variant<QueryRequest, DarajaError> judge_query(const std::string& content_type,
                                                    const std::string& body);

// How a prompt ended. Codes are text, since some are alphanumeric.
struct StkResult {
    std::string code;  // "0", "1032", "SFC_IC0003"
    std::string text;
};
StkResult stk_result(const std::string& code);

struct StkCallback {
    std::string merchant_request_id;
    std::string checkout_request_id;
    StkResult result;
    // On success only:
    std::string amount_text;  // a JSON number as written: "1.00"
    std::string receipt;
    Time paid_at{};
    std::string phone;
};
// The callback's body, byte for byte as Safaricom writes it: numbers as numbers, a Balance
// without Value before TransactionDate, no CallbackMetadata on failure.
std::string stk_callback_body(const StkCallback& callback);

// YYYYMMDDHHmmss in Nairobi (UTC+3, no summer time).
std::string nairobi_stamp(Time at);
// "ws_CO_" DDMMYYYYHHmmssSSS + the last nine digits of the phone.
std::string checkout_request_id(Time at, const std::string& phone);
// Ten characters as M-Pesa makes them: three for the date, seven that count on.
std::string receipt_number(Time at, std::uint64_t serial);

// Amounts in a callback come with decimals: 1500 → "1500.00".
std::string amount_with_decimals(std::int64_t shillings);

}  // namespace flowstack::sandbox
