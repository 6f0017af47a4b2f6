#include "services/payment/providers/mpesa/wire.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "common/crypto/encoding.h"
#include "common/http/message.h"
#include "common/text/fold.h"
#include "common/text/phone.h"
#include "common/text/utf8.h"
#include "services/payment/domain/intent.h"
#include "services/payment/providers/json_text.h"

namespace flowstack::payment::mpesa {
namespace {

constexpr std::size_t kDescriptionKept = 200;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string quoted(std::string_view text) { return http::json_string(text); }

// Half of a character would be stored and could not be read again.
std::string cut(std::string_view text) {
    return std::string(text::front_of_bytes(text, kDescriptionKept));
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

// What went wrong, in any of Daraja's shapes.
struct Error {
    std::string code;
    std::string message;
};

std::optional<Error> error_in(const JsonText& answer) {
    if (const auto code = answer.scalar("errorCode"))
        return Error{*code, answer.scalar("errorMessage").value_or("")};
    // The gateway in front of Daraja has a shape of its own.
    if (const auto* fault = answer.member("fault")) {
        const auto* detail = fault->member("detail");
        return Error{detail ? detail->scalar("errorcode").value_or("fault") : "fault",
                     fault->scalar("faultstring").value_or("")};
    }
    return {};
}

bool is_token_error(const Error& error) {
    return error.code == "404.001.03" || error.code == "400.003.01" ||
           contains(error.code, "invalid_access_token") ||
           contains(error.code, "InvalidAccessToken");
}

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

PushAnswer read_push_error(int status, const Error& error) {
    using namespace std::chrono_literals;
    const auto& [code, message] = error;
    if (is_token_error(error)) return TokenRefused{code};
    if (code == "500.001.1001") {
        // One code for three things: only the text tells them apart here.
        if (contains(message, "Unable to lock subscriber"))
            return Refused{code, message, failure::kBusy, 60s};
        if (contains(message, "Merchant does not exist") || contains(message, "Wrong credentials"))
            return Refused{code, message, failure::kRefused, {}};
        return Unclear{code + " " + message};
    }
    if (code == "500.003.02" || contains(code, "SpikeArrest"))
        return Refused{code, message, failure::kBusy, 5s};
    if (code == "500.003.03" || contains(code, "QuotaViolation"))
        return Refused{code, message, failure::kBusy, 300s};
    if (is_one_of(code, {"400.002.02", "400.002.05", "400.003.02", "404.001.04", "404.001.01",
                         "404.003.01", "405.001"}))
        return Refused{code, message, failure::kRefused, {}};
    if (status >= 400 && status < 500) return Refused{code, message, failure::kRefused, {}};
    return Unclear{code + " " + message};
}

// 0, "0" and 0.0 are the same code.
std::optional<std::string> code_of(const JsonText& object) {
    auto code = object.scalar("ResultCode");
    if (!code || code->empty() || code->size() > 32) return {};
    const auto dot = code->find('.');
    if (dot != std::string::npos && dot > 0 && dot + 1 < code->size() &&
        code->find_first_not_of("0123456789") == dot &&
        code->find_first_not_of('0', dot + 1) == std::string::npos)
        code->erase(dot);
    return code;
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

struct Metadata {
    std::string amount;
    std::string receipt;
    std::string contradiction;  // the name of an item that is there twice with two values
};

Metadata metadata_of(const JsonText& callback) {
    Metadata found;
    const auto* metadata = callback.member("CallbackMetadata");
    const auto* items = metadata ? metadata->member("Item") : nullptr;
    if (!items || items->kind != JsonText::Kind::array) return found;
    for (const auto& item : items->items) {
        const auto name = item.scalar("Name");
        const auto value = item.scalar("Value");  // Balance has none
        if (!name || !value) continue;
        auto* target = *name == "Amount"               ? &found.amount
                       : *name == "MpesaReceiptNumber" ? &found.receipt
                                                       : nullptr;
        if (!target) continue;
        if (!target->empty() && *target != *value) found.contradiction = *name;
        *target = *value;
    }
    return found;
}

}  // namespace

std::string basic_authorization(const Secret& key, const Secret& secret) {
    return "Basic " + crypto::base64_encode(key.reveal() + ":" + secret.reveal());
}

std::optional<Token> read_token(int status, std::string_view body) {
    if (status != 200) return {};
    const auto answer = parse_json_text(body);
    if (!answer) return {};
    const auto value = answer->scalar("access_token");
    const auto lifetime = answer->scalar("expires_in");
    if (!value || value->empty() || !lifetime) return {};
    long seconds = 0;
    const auto* end = lifetime->data() + lifetime->size();
    const auto [stop, error] = std::from_chars(lifetime->data(), end, seconds);
    if (error != std::errc() || stop != end || seconds < 0) return {};
    return Token{Secret(*value), std::chrono::seconds(seconds)};
}

std::string nairobi_timestamp(Time at) {
    using namespace std::chrono;
    const auto local = floor<seconds>(at) + hours(3);
    const auto day = floor<days>(local);
    const year_month_day date{day};
    const hh_mm_ss time{local - day};
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%04d%02u%02u%02d%02d%02d",
                  static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                  static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return text.data();
}

std::string password(std::string_view short_code, const Secret& passkey,
                     std::string_view timestamp) {
    return crypto::base64_encode(std::string(short_code) + passkey.reveal() +
                                 std::string(timestamp));
}

std::optional<std::string> msisdn(std::string_view phone) {
    constexpr std::string_view kKenya = "+254";
    const auto number = text::e164(phone, "KE");
    if (!number || !number->starts_with(kKenya)) return {};
    const char first = (*number)[kKenya.size()];
    if (first != '7' && first != '1') return {};
    return number->substr(1);
}

std::optional<std::string> receipt_of(std::string_view text) {
    std::string receipt;
    for (const char c : text::fold(text)) {
        if (c == ' ') continue;
        if (!is_digit(c) && !is_letter(c)) return {};
        receipt += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    if (receipt.size() < kReceiptMin || receipt.size() > kReceiptMax) return {};
    return receipt;
}

std::optional<std::string> forbidden_word(std::string_view url) {
    std::string lower(url);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    for (const auto* word : {"mpesa", "m-pesa", "safaricom", "sql", "query", "cmd", "exe"})
        if (lower.find(word) != std::string::npos) return word;
    return {};
}

std::string account_reference(std::string_view text) {
    std::string kept;
    for (const char c : text)
        if (is_digit(c) || is_letter(c) || c == '-') kept += c;
    if (kept.size() > kAccountReferenceMax) kept = kept.substr(kept.size() - kAccountReferenceMax);
    while (!kept.empty() && kept.front() == '-') kept.erase(0, 1);
    return kept.empty() ? "FLOWSTACK" : kept;
}

std::string description(std::string_view text) {
    std::string kept;
    for (const char c : text)
        if ((is_digit(c) || is_letter(c) || c == ' ' || c == '-') && kept.size() < kDescriptionMax)
            kept += c;
    return kept.empty() ? "Payment" : kept;
}

std::optional<std::int64_t> shillings(Money amount) {
    if (amount.currency != Currency::kes || amount.minor_units % 100 != 0) return {};
    const auto whole = amount.minor_units / 100;
    if (whole < kShillingsMin || whole > kShillingsMax) return {};
    return whole;
}

std::string push_body(const Account& account, const Push& push, Time now) {
    const auto timestamp = nairobi_timestamp(now);
    return "{\"BusinessShortCode\":" + quoted(account.short_code) +
           ",\"Password\":" + quoted(password(account.short_code, account.passkey, timestamp)) +
           ",\"Timestamp\":" + quoted(timestamp) +
           ",\"TransactionType\":" + quoted(account.transaction_type) +
           ",\"Amount\":" + std::to_string(push.shillings) + ",\"PartyA\":" + quoted(push.msisdn) +
           ",\"PartyB\":" + quoted(account.party_b) + ",\"PhoneNumber\":" + quoted(push.msisdn) +
           ",\"CallBackURL\":" + quoted(push.callback_url) +
           ",\"AccountReference\":" + quoted(push.account_reference) +
           ",\"TransactionDesc\":" + quoted(push.description) + "}";
}

PushAnswer read_push_answer(int status, std::string_view body) {
    const auto answer = parse_json_text(body);
    const auto error = answer ? error_in(*answer) : std::nullopt;
    if (status == 401) return TokenRefused{error ? error->code : "401"};
    if (error) return read_push_error(status, *error);
    if (status == 200) {
        if (!answer) return Unclear{"200 with a body that is not JSON"};
        const auto code = answer->scalar("ResponseCode");
        if (!code) return Unclear{"200 without ResponseCode"};
        if (*code != "0")
            return Refused{
                *code, answer->scalar("ResponseDescription").value_or(""), failure::kRefused, {}};
        const auto checkout = answer->scalar("CheckoutRequestID").value_or("");
        if (checkout.empty() || checkout.size() > kCheckoutIdMax || !is_printable(checkout))
            return Unclear{"accepted without a readable CheckoutRequestID"};
        return Accepted{checkout, answer->scalar("MerchantRequestID").value_or("")};
    }
    using namespace std::chrono_literals;
    if (status == 429) return Refused{"429", "", failure::kBusy, 5s};
    // Wrong keys are answered with 400 and nothing else: still a no.
    if (status >= 400 && status < 500)
        return Refused{std::to_string(status), "", failure::kRefused, {}};
    return Unclear{"HTTP " + std::to_string(status)};
}

ResultMeaning meaning_of(std::string_view code) {
    struct Known {
        std::string_view code;
        const std::string& reason;
    };
    static const std::string kNone;
    static const std::array kTable{
        Known{"0", kNone},
        Known{"1", failure::kInsufficientFunds},
        Known{"2", failure::kLimit},  // below the minimum
        Known{"3", failure::kLimit},  // above the maximum
        Known{"4", failure::kLimit},  // of a day
        Known{"8", failure::kLimit},  // of the balance
        Known{"17", failure::kBusy},  // same amount and customer within 2 minutes
        Known{"26", failure::kBusy},
        Known{"1001", failure::kBusy},  // another session of this customer
        Known{"1019", failure::kNoAnswer},
        Known{"1025", failure::kRefused},
        Known{"9999", failure::kRefused},
        Known{"1031", failure::kCancelled},
        Known{"1032", failure::kCancelled},
        Known{"1036", failure::kNoAnswer},
        Known{"1037", failure::kNoAnswer},
        Known{"2001", failure::kWrongPin},
        Known{"2028", failure::kRefused},        // our configuration
        Known{"SFC_IC0003", failure::kRefused},  // our configuration
        Known{"8006", failure::kRefused},
        Known{"E3008", failure::kRefused},
    };
    if (code == "4999") return {true, false, ""};
    const auto found =
        std::find_if(kTable.begin(), kTable.end(), [&](const Known& k) { return k.code == code; });
    if (found == kTable.end()) return {false, false, failure::kOther};
    return {true, true, found->reason};
}

std::variant<Callback, Malformed> read_callback(std::string_view body) {
    const auto document = parse_json_text(body);
    if (!document) return Malformed{"not JSON"};
    const auto* outer = document->member("Body");
    const auto* said = outer ? outer->member("stkCallback") : nullptr;
    if (!said || said->kind != JsonText::Kind::object) return Malformed{"no Body.stkCallback"};
    if (document->count("Body") > 1 || outer->count("stkCallback") > 1)
        return Malformed{"two callbacks in one body"};
    for (const auto* name : {"ResultCode", "CheckoutRequestID", "CallbackMetadata"})
        if (said->count(name) > 1) return Malformed{std::string("two of ") + name};

    Callback callback;
    callback.checkout_id = said->scalar("CheckoutRequestID").value_or("");
    if (callback.checkout_id.empty() || callback.checkout_id.size() > kCheckoutIdMax ||
        !is_printable(callback.checkout_id))
        return Malformed{"no readable CheckoutRequestID"};
    const auto code = code_of(*said);
    if (!code) return Malformed{"no readable ResultCode"};
    callback.code = *code;
    callback.merchant_request_id = said->scalar("MerchantRequestID").value_or("");
    callback.text = cut(said->scalar("ResultDesc").value_or(""));
    if (callback.code != "0") return callback;

    const auto metadata = metadata_of(*said);
    if (!metadata.contradiction.empty())
        return Malformed{"two values of " + metadata.contradiction};
    callback.amount = parse_money(metadata.amount, Currency::kes);
    if (!callback.amount) return Malformed{"a success without a readable Amount"};
    if (metadata.receipt.empty() || metadata.receipt.size() > kReceiptMax ||
        !is_printable(metadata.receipt))
        return Malformed{"a success without a readable MpesaReceiptNumber"};
    callback.receipt = metadata.receipt;
    return callback;
}

std::string query_body(const Account& account, std::string_view checkout_id, Time now) {
    const auto timestamp = nairobi_timestamp(now);
    return "{\"BusinessShortCode\":" + quoted(account.short_code) +
           ",\"Password\":" + quoted(password(account.short_code, account.passkey, timestamp)) +
           ",\"Timestamp\":" + quoted(timestamp) + ",\"CheckoutRequestID\":" + quoted(checkout_id) +
           "}";
}

QueryAnswer read_query_answer(int status, std::string_view body, std::string_view checkout_id) {
    const auto answer = parse_json_text(body);
    const auto nothing = [](std::string code, std::string description) {
        return QueryAnswer{QuerySaysNothing{}, std::move(code), std::move(description)};
    };
    const auto error = answer ? error_in(*answer) : std::nullopt;
    if (error && is_token_error(*error))
        return {TokenRefused{error->code}, error->code, error->message};
    if (status == 401) return {TokenRefused{"401"}, "401", ""};
    // 500.001.1001 comes with HTTP 500 and 200, with and without a message, also for payments that
    // went through: no error answer is ever a result.
    if (error) return nothing(error->code, cut(error->message));
    if (!answer || status != 200) return nothing(std::to_string(status), "");
    const auto code = code_of(*answer);
    if (answer->scalar("ResponseCode").value_or("") != "0" || !code)
        return nothing(code.value_or(""), "no result in it");
    if (const auto about = answer->scalar("CheckoutRequestID"); about && *about != checkout_id)
        return nothing(*code, "about another checkout id");
    const auto description = cut(answer->scalar("ResultDesc").value_or(""));
    const auto meaning = meaning_of(*code);
    if (!meaning.known) return {QuerySaysNothing{*code}, *code, description};
    if (!meaning.is_final) return nothing(*code, description);
    if (*code == "0") return {QuerySaysPaid{}, *code, description};
    return {QuerySaysFailed{*code, meaning.reason}, *code, description};
}

}  // namespace flowstack::payment::mpesa
