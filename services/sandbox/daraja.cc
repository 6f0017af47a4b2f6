#include "services/sandbox/daraja.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace flowstack::sandbox {
namespace {

DarajaError invalid(const std::string& field) {
    return {400, "400.002.02", "Bad Request - Invalid " + field};
}

bool digits_only(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// 12 digits: 2547XXXXXXXX or 2541XXXXXXXX.
bool is_msisdn(std::string_view text) {
    return text.size() == 12 && digits_only(text) &&
           (text.starts_with("2547") || text.starts_with("2541"));
}

bool is_shortcode(std::string_view text) {
    return digits_only(text) && text.size() >= 5 && text.size() <= 7;
}

bool is_timestamp(std::string_view text) {
    if (text.size() != 14 || !digits_only(text)) return false;
    const auto number = [&](std::size_t at) {
        return (text[at] - '0') * 10 + (text[at + 1] - '0');
    };
    return number(4) >= 1 && number(4) <= 12 && number(6) >= 1 && number(6) <= 31 &&
           number(8) <= 23 && number(10) <= 59 && number(12) <= 59;
}

bool is_callback_url(std::string_view text) {
    std::string_view rest = text;
    if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
    } else if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    } else {
        return false;
    }
    const std::string_view host = rest.substr(0, rest.find_first_of("/?"));
    return !host.empty() && text.find(' ') == std::string_view::npos &&
           std::none_of(host.begin(), host.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

struct Opened {
    std::optional<json::value> body;
    std::optional<DarajaError> error;
};
Opened open_body(const std::string& content_type, const std::string& body) {
    // A wrong content type means that nothing of the body is seen, so the first field is missed.
    if (!content_type.starts_with("application/json")) {
        return {std::nullopt, invalid("BusinessShortCode")};
    }
    auto value = parse(body);
    if (!value || !value->is_object()) {
        return {std::nullopt,
                DarajaError{400, "400.002.05", "Bad Request - Invalid Request Payload"}};
    }
    return {std::move(value), std::nullopt};
}

struct NairobiTime {
    int year, month, day, hour, minute, second, millisecond;
};
NairobiTime nairobi(Time at) {
    using namespace std::chrono;
    const auto local = at + hours{3};
    const auto day = floor<days>(local);
    const year_month_day date{day};
    const hh_mm_ss time{floor<milliseconds>(local - day)};
    return {static_cast<int>(date.year()),
            static_cast<int>(static_cast<unsigned>(date.month())),
            static_cast<int>(static_cast<unsigned>(date.day())),
            static_cast<int>(time.hours().count()),
            static_cast<int>(time.minutes().count()),
            static_cast<int>(time.seconds().count()),
            static_cast<int>(time.subseconds().count())};
}

}  // namespace

std::string daraja_error_body(const DarajaError& error, const std::string& request_id) {
    return compact(json::object{
        {"requestId", request_id}, {"errorCode", error.code}, {"errorMessage", error.message}});
}

std::variant<PushRequest, DarajaError> judge_push(const std::string& content_type,
                                                  const std::string& body) {
    const Opened opened = open_body(content_type, body);
    if (opened.error) return *opened.error;
    const json::value& value = *opened.body;
    const auto field = [&](const char* name) {
        return scalar_text(member(value, name)).value_or("");
    };

    PushRequest push;
    push.shortcode = field("BusinessShortCode");
    if (!is_shortcode(push.shortcode)) return invalid("BusinessShortCode");
    push.password = field("Password");
    if (push.password.empty()) return invalid("Password");
    push.timestamp = field("Timestamp");
    if (!is_timestamp(push.timestamp)) return invalid("Timestamp");
    push.transaction_type = field("TransactionType");
    if (push.transaction_type != "CustomerPayBillOnline" &&
        push.transaction_type != "CustomerBuyGoodsOnline") {
        return invalid("TransactionType");
    }
    const std::string amount = field("Amount");
    if (!digits_only(amount) || amount.size() > 9) return invalid("Amount");
    push.amount = std::stoll(amount);
    if (push.amount < 1 || push.amount > kAmountMax) return invalid("Amount");
    push.party_a = field("PartyA");
    if (!is_msisdn(push.party_a)) return invalid("PartyA");
    push.party_b = field("PartyB");
    if (!is_shortcode(push.party_b)) return invalid("PartyB");
    push.phone = field("PhoneNumber");
    if (!is_msisdn(push.phone)) return invalid("PhoneNumber");
    push.callback_url = field("CallBackURL");
    if (!is_callback_url(push.callback_url)) return invalid("CallBackURL");
    push.account_reference = field("AccountReference");
    if (push.account_reference.empty() ||
        code_points(push.account_reference) > kAccountReferenceMax) {
        return invalid("AccountReference");
    }
    push.description = field("TransactionDesc");
    if (push.description.empty()) return invalid("Remarks");
    if (code_points(push.description) > kDescriptionMax) return invalid("TransactionDesc");
    return push;
}

std::variant<QueryRequest, DarajaError> judge_query(const std::string& content_type,
                                                    const std::string& body) {
    const Opened opened = open_body(content_type, body);
    if (opened.error) return *opened.error;
    const json::value& value = *opened.body;
    QueryRequest query;
    query.shortcode = scalar_text(member(value, "BusinessShortCode")).value_or("");
    if (!is_shortcode(query.shortcode)) return invalid("BusinessShortCode");
    query.password = scalar_text(member(value, "Password")).value_or("");
    if (query.password.empty()) return invalid("Password");
    query.timestamp = scalar_text(member(value, "Timestamp")).value_or("");
    if (!is_timestamp(query.timestamp)) return invalid("Timestamp");
    query.checkout_request_id = text_or(value, "CheckoutRequestID", "");
    if (query.checkout_request_id.empty()) return invalid("CheckoutRequestID");
    return query;
}

StkResult stk_result(const std::string& code) {
    struct Known {
        std::string_view code, text;
    };
    static constexpr std::array kKnown{
        Known{"0", "The service request is processed successfully."},
        Known{"1", "The balance is insufficient for the transaction."},
        Known{"2", "The amount is below the minimum allowed."},
        Known{"3", "The amount is above the maximum allowed."},
        Known{"4", "The transaction would exceed the daily limit."},
        Known{"8", "The transaction would exceed the maximum balance."},
        Known{"17", "Rule limited."},
        Known{"26", "System busy. The service request is rejected."},
        Known{"1001",
              "Unable to lock subscriber, a transaction is already in process for the current "
              "subscriber"},
        Known{"1019", "Transaction has expired"},
        Known{"1025", "An error occurred while sending a push request"},
        Known{"1031", "Request cancelled by user"},
        Known{"1032", "Request cancelled by user"},
        Known{"1036", "SMSC ACK timeout."},
        Known{"1037", "DS timeout user cannot be reached."},
        Known{"2001", "The initiator information is invalid."},
        Known{"2028", "The request is not permitted according to product assignment."},
        Known{"4999", "The transaction is still under processing"},
        Known{"8006", "The security credential is locked."},
        Known{"9999", "An error occurred while sending a push request"},
        Known{"SFC_IC0003", "The operator does not exist."},
    };
    const auto* found = std::find_if(kKnown.begin(), kKnown.end(),
                                     [&](const Known& known) { return known.code == code; });
    return {code, found == kKnown.end() ? "Failed" : std::string{found->text}};
}

std::string stk_callback_body(const StkCallback& callback) {
    const auto quoted = [](const std::string& text) { return compact(json::value(text)); };
    // Alphanumeric codes cannot be numbers, so those alone are quoted.
    const std::string code =
        digits_only(callback.result.code) ? callback.result.code : quoted(callback.result.code);
    std::string body = R"({"Body":{"stkCallback":{"MerchantRequestID":)" +
                       quoted(callback.merchant_request_id) + R"(,"CheckoutRequestID":)" +
                       quoted(callback.checkout_request_id) + R"(,"ResultCode":)" + code +
                       R"(,"ResultDesc":)" + quoted(callback.result.text);
    if (callback.result.code == "0") {
        body += R"(,"CallbackMetadata":{"Item":[{"Name":"Amount","Value":)" + callback.amount_text +
                R"(},{"Name":"MpesaReceiptNumber","Value":)" + quoted(callback.receipt) +
                R"(},{"Name":"Balance"},{"Name":"TransactionDate","Value":)" +
                nairobi_stamp(callback.paid_at) + R"(},{"Name":"PhoneNumber","Value":)" +
                callback.phone + "}]}";
    }
    return body + "}}}";
}

std::string nairobi_stamp(Time at) {
    const NairobiTime t = nairobi(at);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%04d%02d%02d%02d%02d%02d", t.year, t.month, t.day,
                  t.hour, t.minute, t.second);
    return text.data();
}

std::string checkout_request_id(Time at, const std::string& phone) {
    const NairobiTime t = nairobi(at);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "ws_CO_%02d%02d%04d%02d%02d%02d%03d", t.day, t.month,
                  t.year, t.hour, t.minute, t.second, t.millisecond);
    return text.data() + (phone.size() > 9 ? phone.substr(phone.size() - 9) : phone);
}

std::string receipt_number(Time at, std::uint64_t serial) {
    // Real receipts begin with letters for year and month and a character for the day.
    const NairobiTime t = nairobi(at);
    constexpr std::string_view kAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    std::string receipt;
    receipt += static_cast<char>('A' + (t.year - 2007) % 26);
    receipt += static_cast<char>('A' + t.month - 1);
    receipt += kAlphabet[static_cast<std::size_t>(t.day)];
    // Seven characters by a bijection of the serial (an odd factor), so that consecutive receipts
    // do not look alike and none repeats before the serial does.
    constexpr std::uint64_t kSpace = 78'364'164'096;   // 36^7
    constexpr std::uint64_t kFactor = 31'415'926'531;  // shares no divisor with 36
    constexpr std::uint64_t kSerialMax = 100'000'000;  // the product stays below 2^64
    std::uint64_t number = serial % kSerialMax * kFactor % kSpace;
    std::string tail(7, '0');
    for (std::size_t i = 7; i-- > 0; number /= 36) tail[i] = kAlphabet[number % 36];
    return receipt + tail;
}

std::string amount_with_decimals(std::int64_t shillings) {
    return std::to_string(shillings) + ".00";
}

}  // namespace flowstack::sandbox
