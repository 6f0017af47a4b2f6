#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/core/money.h"
#include "common/core/secret.h"
#include "common/core/time.h"

// Daraja's wire formats: what is sent, and what answers mean. Pure; daraja.h does the calls.
//
// Sources: Safaricom's Daraja 3.0 pages (Authorization, MpesaExpressSimulate, MpesaExpressQuery)
// and what integrators have observed. Where the two differ, both are accepted.
namespace flowstack::payment::mpesa {

// A tenant's pay bill or till.
struct Account {
    std::string short_code;        // BusinessShortCode
    std::string party_b;           // who receives: the short code or a till
    std::string transaction_type;  // CustomerPayBillOnline | CustomerBuyGoodsOnline
    Secret passkey;
    Secret consumer_key;
    Secret consumer_secret;
};
inline constexpr std::string_view kPayBill = "CustomerPayBillOnline";
inline constexpr std::string_view kBuyGoods = "CustomerBuyGoodsOnline";

inline constexpr std::string_view kTokenPath = "/oauth/v1/generate?grant_type=client_credentials";
inline constexpr std::string_view kPushPath = "/mpesa/stkpush/v1/processrequest";
inline constexpr std::string_view kQueryPath = "/mpesa/stkpushquery/v1/query";

inline constexpr std::int64_t kShillingsMin = 1;
inline constexpr std::int64_t kShillingsMax = 250'000;
inline constexpr std::size_t kAccountReferenceMax = 12;
inline constexpr std::size_t kDescriptionMax = 13;
inline constexpr std::size_t kCheckoutIdMax = 100;
inline constexpr std::size_t kReceiptMin = 6;
inline constexpr std::size_t kReceiptMax = 32;

// ---- tokens

// "Basic Y2s6Y3M=" for ck:cs.
std::string basic_authorization(const Secret& key, const Secret& secret);

struct Token {
    Secret value;
    std::chrono::seconds lifetime{0};
};
// expires_in may be a number or a string. Nothing if the answer is no token.
std::optional<Token> read_token(int status, std::string_view body);

// ---- the push

// "20210628092408": Nairobi's time, which is UTC+3 all year.
std::string nairobi_timestamp(Time at);
// base64(short code + passkey + timestamp).
std::string password(std::string_view short_code, const Secret& passkey,
                     std::string_view timestamp);

// 07…, 01…, +254…, 254…, 00254…, +254 (0)7… → "2547XXXXXXXX" or "2541XXXXXXXX". Blanks, dashes,
// dots, brackets and what keyboards and copied contacts add are ignored. Nothing for any other
// number: only Kenyan mobile numbers can be asked.
std::optional<std::string> msisdn(std::string_view phone);

// A receipt as a person types it: " nlj7rt61sv " → "NLJ7RT61SV". Nothing unless it has 6 to 32
// letters and digits.
std::optional<std::string> receipt_of(std::string_view text);

// A word that Daraja does not allow in a callback URL, or nothing. Case does not matter.
std::optional<std::string> forbidden_word(std::string_view url);

// Letters, digits and dashes of `text`; the last 12 of them, since the end of a number tells most.
std::string account_reference(std::string_view text);
// At most 13 letters, digits and blanks; "Payment" if nothing is left.
std::string description(std::string_view text);

// Whole shillings within Daraja's limits, e.g. 1000.00 → 1000. Nothing for any other amount.
std::optional<std::int64_t> shillings(Money amount);

struct Push {
    std::int64_t shillings = 0;
    std::string msisdn;
    std::string callback_url;
    std::string account_reference;
    std::string description;
};
// The body of POST kPushPath.
std::string push_body(const Account& account, const Push& push, Time now);

struct Accepted {
    std::string checkout_id;
    std::string merchant_request_id;
};
// The provider said no: nobody was asked.
struct Refused {
    std::string code;
    std::string message;
    std::string reason;                        // a failure word of domain/intent.h
    std::optional<std::chrono::seconds> wait;  // may be tried again after this
};
// The token was not taken: refresh it once and try once more.
struct TokenRefused {
    std::string code;
};
// It may have happened.
struct Unclear {
    std::string why;
};
using PushAnswer = std::variant<Accepted, Refused, TokenRefused, Unclear>;
// For a whole answer; a cut or missing one is Unclear by itself.
PushAnswer read_push_answer(int status, std::string_view body);

// ---- result codes (callback and query)

struct ResultMeaning {
    bool known = false;
    bool is_final = true;
    std::string reason;  // a failure word; empty for success
};
// `code` as text: "0", "1032", "SFC_IC0003".
ResultMeaning meaning_of(std::string_view code);

// ---- the callback

struct Callback {
    std::string checkout_id;
    std::string merchant_request_id;
    std::string code;
    std::string text;             // for people, never to decide by
    std::optional<Money> amount;  // set on success
    std::string receipt;          // set on success
};
struct Malformed {
    std::string detail;
};
// Items are read by name; "Balance" without a value is normal. A success without a readable amount
// and receipt, and a body whose repeated members contradict each other, are malformed: never
// settled by themselves.
std::variant<Callback, Malformed> read_callback(std::string_view body);

// ---- the query

// The body of POST kQueryPath.
std::string query_body(const Account& account, std::string_view checkout_id, Time now);

struct QuerySaysPaid {};
struct QuerySaysFailed {
    std::string code;
    std::string reason;
};
// In progress, overloaded, not understood: ask again. With `code`: a result code that nobody knows.
struct QuerySaysNothing {
    std::string code;
};
struct QueryAnswer {
    std::variant<QuerySaysPaid, QuerySaysFailed, QuerySaysNothing, TokenRefused> says;
    std::string code;         // as received, for the record
    std::string description;  // as received, cut
};
QueryAnswer read_query_answer(int status, std::string_view body, std::string_view checkout_id);

}  // namespace flowstack::payment::mpesa
