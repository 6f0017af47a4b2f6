#include <gtest/gtest.h>

#include <random>

#include "services/payment/adapters/callback_token.h"
#include "services/payment/providers/json_text.h"
#include "services/payment/providers/mpesa/wire.h"

namespace flowstack::payment::mpesa {
namespace {

using namespace std::chrono_literals;

const char kSandboxPasskey[] = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919";

Account account() {
    return {.short_code = "174379",
            .party_b = "174379",
            .transaction_type = std::string(kPayBill),
            .passkey = Secret(kSandboxPasskey),
            .consumer_key = Secret("ck"),
            .consumer_secret = Secret("cs")};
}

template <class T, class Variant>
const T* as(const Variant& v) {
    return std::get_if<T>(&v);
}

// ---- vectors of the provider sheet

TEST(MpesaPassword, EqualsTheOfficialExample) {
    EXPECT_EQ(password("174379", Secret(kSandboxPasskey), "20210628092408"),
              "MTc0Mzc5YmZiMjc5ZjlhYTliZGJjZjE1OGU5N2RkNzFhNDY3Y2QyZTBjODkzMDU5YjEwZjc4ZTZiNzJhZGEx"
              "ZWQyYzkxOTIwMjEwNjI4MDkyNDA4");
    EXPECT_EQ(password("600000", Secret("passkeyABC"), "20260102030405"),
              "NjAwMDAwcGFzc2tleUFCQzIwMjYwMTAyMDMwNDA1");
}

TEST(MpesaBasic, EqualsTheOfficialExample) {
    EXPECT_EQ(basic_authorization(Secret("ck"), Secret("cs")), "Basic Y2s6Y3M=");
    EXPECT_EQ(
        basic_authorization(Secret("CdmNbdt0iBN1oqDfKasm4dabdpKmtaNn"), Secret("DLKG7PBun720GZim")),
        "Basic Q2RtTmJkdDBpQk4xb3FEZkthc200ZGFiZHBLbXRhTm46RExLRzdQQnVuNzIwR1ppbQ==");
}

TEST(MpesaToken, TakesItsLifetimeAsNumberOrText) {
    for (const auto* body : {R"({"access_token":"c9SQ","expires_in":3599})",
                             R"({"access_token":"c9SQ","expires_in":"3599"})"}) {
        const auto token = read_token(200, body);
        ASSERT_TRUE(token) << body;
        EXPECT_EQ(token->value.reveal(), "c9SQ");
        EXPECT_EQ(token->lifetime, 3599s);
    }
}

TEST(MpesaToken, IsNothingWhenTheAnswerIsNone) {
    EXPECT_FALSE(read_token(400, ""));
    EXPECT_FALSE(read_token(200, ""));
    EXPECT_FALSE(read_token(200, "<html>"));
    EXPECT_FALSE(read_token(200, R"({"access_token":"","expires_in":3599})"));
    EXPECT_FALSE(read_token(200, R"({"access_token":"a","expires_in":"soon"})"));
    EXPECT_FALSE(read_token(200, R"({"expires_in":"3599"})"));
}

// ---- the push

TEST(MpesaPush, TimestampIsNairobiTime) {
    // 2021-06-28 06:24:08 UTC
    EXPECT_EQ(nairobi_timestamp(Time{1'624'861'448s}), "20210628092408");
    // The day turns three hours before UTC's.
    EXPECT_EQ(nairobi_timestamp(Time{1'798'750'800s}), "20270101000000");
}

TEST(MpesaPush, NormalisesKenyanMobileNumbers) {
    for (const auto* text :
         {"0712345678", "+254712345678", "254712345678", "712345678", "+254 712 345-678"})
        EXPECT_EQ(msisdn(text), "254712345678") << text;
    EXPECT_EQ(msisdn("0110345678"), "254110345678");
    for (const auto* text : {"", "07123", "+255712345678", "+254212345678", "254712345678+", "12",
                             "+2547123456789", "0712345678x", "+447911123456"})
        EXPECT_FALSE(msisdn(text)) << text;
}

// Field trials P09, P21 and P34: what keyboards and copied contacts add, and numbers that look
// Kenyan.
TEST(MpesaPush, UnderstandsNumbersAsPeopleTypeAndCopyThem) {
    for (const auto* text :
         {"\u202a0712 000 111\u202c", "0712\u00a0000\u00a0111", "0712\u2011000\u2011111",
          "00254 712 000 111", "+254 (0)712 000 111", "\u200e+254712000111", "(0712) 000.111",
          "\uff10\uff17\uff11\uff12000111", "\u0660\u0667\u0661\u0662000111", " 712000111 "})
        EXPECT_EQ(msisdn(text), "254712000111") << text;
    EXPECT_EQ(msisdn("+254110000001"), "254110000001");
    EXPECT_EQ(msisdn("0110 000 002"), "254110000002");
    EXPECT_EQ(msisdn("254110000002"), "254110000002");
    for (const auto* text : {"+255754000001", "00255 754 000 001", "+1 712 000 111", "0212000111",
                             "+254 20 271 2000", "my number", "07120001119"})
        EXPECT_FALSE(msisdn(text)) << text;
}

TEST(MpesaReceipt, IsOneTextHoweverAPersonTypesIt) {
    for (const auto* text : {"NLJ7RT61SV", " nlj7rt61sv ", "NLJ7 RT61 SV", "\u200eNlj7rt61sv",
                             "\uff2e\uff2c\uff2a7RT61SV"})
        EXPECT_EQ(receipt_of(text), "NLJ7RT61SV") << text;
    for (const auto* text : {"", "x", "NLJ7-RT61", "https://a.example", "the receipt!"})
        EXPECT_FALSE(receipt_of(text)) << text;
    EXPECT_FALSE(receipt_of(std::string(33, 'A')));
}

TEST(MpesaPush, KeepsTextsWithinTheirLimits) {
    EXPECT_EQ(account_reference("ORD-7K2M9Q"), "ORD-7K2M9Q");
    EXPECT_EQ(account_reference("LONGSHOPNAME-7K2M9Q"), "PNAME-7K2M9Q");
    EXPECT_LE(account_reference("ABCDEFGHIJKLMNOPQ").size(), kAccountReferenceMax);
    EXPECT_EQ(account_reference("#!é"), "FLOWSTACK");
    EXPECT_EQ(description("Order ORD-7K2M9Q"), "Order ORD-7K2");
    EXPECT_EQ(description(""), "Payment");
}

TEST(MpesaPush, TakesWholeShillingsOnly) {
    EXPECT_EQ(shillings({100, Currency::kes}), 1);
    EXPECT_EQ(shillings({25'000'000, Currency::kes}), 250'000);
    EXPECT_FALSE(shillings({25'000'100, Currency::kes}));
    EXPECT_FALSE(shillings({150, Currency::kes}));
    EXPECT_FALSE(shillings({0, Currency::kes}));
    EXPECT_FALSE(shillings({-100, Currency::kes}));
    EXPECT_FALSE(shillings({100, Currency::tzs}));
}

TEST(MpesaPush, BodyHasEveryFieldOfTheSheet) {
    const auto body = push_body(
        account(),
        {1000, "254712345678", "https://pay.example/hooks/pay/00ff", "ORD-7K2M9Q", "Order"},
        Time{1'624'861'448s});
    const auto read = parse_json_text(body);
    ASSERT_TRUE(read);
    const auto is = [&](const char* name, const char* value, JsonText::Kind kind) {
        const auto* member = read->member(name);
        ASSERT_TRUE(member) << name;
        EXPECT_EQ(member->text, value) << name;
        EXPECT_EQ(member->kind, kind) << name;
    };
    using Kind = JsonText::Kind;
    is("BusinessShortCode", "174379", Kind::string);
    is("Password",
       "MTc0Mzc5YmZiMjc5ZjlhYTliZGJjZjE1OGU5N2RkNzFhNDY3Y2QyZTBjODkzMDU5YjEwZjc4ZTZiNzJhZGEx"
       "ZWQyYzkxOTIwMjEwNjI4MDkyNDA4",
       Kind::string);
    is("Timestamp", "20210628092408", Kind::string);
    is("TransactionType", "CustomerPayBillOnline", Kind::string);
    is("Amount", "1000", Kind::number);
    is("PartyA", "254712345678", Kind::string);
    is("PartyB", "174379", Kind::string);
    is("PhoneNumber", "254712345678", Kind::string);
    is("CallBackURL", "https://pay.example/hooks/pay/00ff", Kind::string);
    is("AccountReference", "ORD-7K2M9Q", Kind::string);
    is("TransactionDesc", "Order", Kind::string);
    EXPECT_EQ(read->names.size(), 11U);
}

// ---- answers to the push

TEST(MpesaPushAnswer, AcceptedNamesTheCheckout) {
    const auto answer = read_push_answer(200, R"({"MerchantRequestID":"2654-4b64",
        "CheckoutRequestID":"ws_CO_1007202409152617172396192","ResponseCode":"0",
        "ResponseDescription":"Success. Request accepted for processing",
        "CustomerMessage":"Success. Request accepted for processing"})");
    ASSERT_TRUE(as<Accepted>(answer));
    EXPECT_EQ(as<Accepted>(answer)->checkout_id, "ws_CO_1007202409152617172396192");
    EXPECT_EQ(as<Accepted>(answer)->merchant_request_id, "2654-4b64");
    EXPECT_TRUE(
        as<Accepted>(read_push_answer(200, R"({"CheckoutRequestID":"ws_CO_1","ResponseCode":0})")));
}

std::string error(const std::string& code, const std::string& message) {
    return R"({"requestId":"1c5b","errorCode":")" + code + R"(","errorMessage":")" + message +
           "\"}";
}

TEST(MpesaPushAnswer, IsClassifiedByItsErrorCode) {
    enum class Is { final, retry, token, unclear };
    struct Case {
        int status;
        const char* code;
        const char* message;
        Is is;
    };
    for (const auto& c : {
             Case{400, "400.002.02", "Bad Request - Invalid BusinessShortCode", Is::final},
             Case{400, "400.002.05", "Invalid Request Payload", Is::final},
             Case{400, "400.003.02", "", Is::final},
             Case{404, "404.001.03", "Invalid Access Token", Is::token},
             Case{400, "400.003.01", "Invalid Access Token", Is::token},
             Case{401, "404.001.03", "Invalid Access Token", Is::token},
             Case{404, "404.001.04", "Invalid Authentication Header", Is::final},
             Case{404, "404.001.01", "Resource not found", Is::final},
             Case{404, "404.003.01", "", Is::final},
             Case{405, "405.001", "Method Not Allowed", Is::final},
             Case{500, "500.001.1001", "Merchant does not exist", Is::final},
             Case{500, "500.001.1001", "Wrong credentials", Is::final},
             Case{500, "500.001.1001",
                  "Unable to lock subscriber, a transaction is already in process", Is::retry},
             Case{500, "500.001.1001", "", Is::unclear},
             Case{500, "500.003.02", "System is busy. Please try again in few minutes.", Is::retry},
             Case{500, "500.003.02", "Error Occurred: Spike Arrest Violation", Is::retry},
             Case{500, "500.003.03", "Quota Violation", Is::retry},
             Case{500, "500.003.1001", "Internal Server Error", Is::unclear},
             Case{400, "400.999.99", "something new", Is::final},
             Case{500, "500.999.99", "something new", Is::unclear},
         }) {
        const auto answer = read_push_answer(c.status, error(c.code, c.message));
        const auto* refused = as<Refused>(answer);
        switch (c.is) {
            case Is::final:
                EXPECT_TRUE(refused && !refused->wait) << c.code << c.message;
                break;
            case Is::retry:
                EXPECT_TRUE(refused && refused->wait) << c.code << c.message;
                break;
            case Is::token:
                EXPECT_TRUE(as<TokenRefused>(answer)) << c.code;
                break;
            case Is::unclear:
                EXPECT_TRUE(as<Unclear>(answer)) << c.code << c.message;
                break;
        }
    }
}

TEST(MpesaPushAnswer, WaitsAMinuteForALockedSubscriber) {
    const auto answer =
        read_push_answer(500, error("500.001.1001", "Unable to lock subscriber, a transaction …"));
    EXPECT_GE(*as<Refused>(answer)->wait, 60s);
}

TEST(MpesaPushAnswer, KnowsTheShapeOfTheGatewayInFront) {
    EXPECT_TRUE(
        as<TokenRefused>(read_push_answer(401, R"({"fault":{"faultstring":"Invalid Access Token",
                 "detail":{"errorcode":"oauth.v2.InvalidAccessToken"}}})")));
    const auto spike = read_push_answer(429, R"({"fault":{"faultstring":"Spike arrest violation",
                 "detail":{"errorcode":"policies.ratelimit.SpikeArrestViolation"}}})");
    ASSERT_TRUE(as<Refused>(spike));
    EXPECT_TRUE(as<Refused>(spike)->wait);
}

TEST(MpesaPushAnswer, IsUnclearWheneverItMayHaveHappened) {
    EXPECT_TRUE(as<Unclear>(read_push_answer(200, "")));
    EXPECT_TRUE(as<Unclear>(read_push_answer(200, "<html>ok</html>")));
    EXPECT_TRUE(as<Unclear>(read_push_answer(200, R"({"ResponseCode":"0"})")));
    EXPECT_TRUE(as<Unclear>(read_push_answer(200, "{}")));
    EXPECT_TRUE(as<Unclear>(read_push_answer(502, "")));
    EXPECT_TRUE(as<Unclear>(read_push_answer(504, "<html>")));
}

TEST(MpesaPushAnswer, IsANoWhenItIsAFourHundredWithoutBody) {
    EXPECT_TRUE(as<Refused>(read_push_answer(400, "")));
    EXPECT_TRUE(as<Refused>(read_push_answer(404, "<html>")));
    EXPECT_TRUE(as<TokenRefused>(read_push_answer(401, "")));
    EXPECT_TRUE(as<Refused>(read_push_answer(200, R"({"ResponseCode":"1"})")));
}

// ---- the callback

const char kSuccess[] =
    R"({"Body":{"stkCallback":{"MerchantRequestID":"29115-34620561-1","CheckoutRequestID":"ws_CO_191220191020363925","ResultCode":0,"ResultDesc":"The service request is processed successfully.","CallbackMetadata":{"Item":[{"Name":"Amount","Value":1.00},{"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"},{"Name":"TransactionDate","Value":20191219102115},{"Name":"PhoneNumber","Value":254708374149}]}}}})";
const char kCancelled[] =
    R"({"Body":{"stkCallback":{"MerchantRequestID":"f1e2-4b95-a71d-b30d3cdbb7a7942864","CheckoutRequestID":"ws_CO_21072024125243250722943992","ResultCode":1032,"ResultDesc":"Request cancelled by user"}}})";

std::string with_items(const std::string& items) {
    return R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws_CO_1","ResultCode":0,"CallbackMetadata":{"Item":[)" +
           items + "]}}}}";
}

TEST(MpesaCallback, ReadsTheOfficialSuccess) {
    const auto read = read_callback(kSuccess);
    const auto* callback = as<Callback>(read);
    ASSERT_TRUE(callback);
    EXPECT_EQ(callback->checkout_id, "ws_CO_191220191020363925");
    EXPECT_EQ(callback->merchant_request_id, "29115-34620561-1");
    EXPECT_EQ(callback->code, "0");
    EXPECT_EQ(callback->amount, (Money{100, Currency::kes}));
    EXPECT_EQ(callback->receipt, "NLJ7RT61SV");
}

TEST(MpesaCallback, ReadsTheOfficialFailure) {
    const auto read = read_callback(kCancelled);
    const auto* callback = as<Callback>(read);
    ASSERT_TRUE(callback);
    EXPECT_EQ(callback->code, "1032");
    EXPECT_FALSE(callback->amount);
}

TEST(MpesaCallback, TakesAmountsInEveryWayTheyAreWritten) {
    const auto amount = [](const std::string& text) {
        const auto read = read_callback(with_items(
            R"({"Name":"Amount","Value":)" + text +
            R"(},{"Name":"Balance"},{"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"})"));
        const auto* callback = as<Callback>(read);
        return callback ? callback->amount->minor_units : -1;
    };
    EXPECT_EQ(amount("1.00"), 100);
    EXPECT_EQ(amount("1.0"), 100);
    EXPECT_EQ(amount("1"), 100);
    EXPECT_EQ(amount("\"1\""), 100);
    EXPECT_EQ(amount("1000.5"), 100050);
    EXPECT_EQ(amount("90071992547409.91"), 9007199254740991);  // more than a double can hold
    EXPECT_EQ(amount("1.005"), -1);
    EXPECT_EQ(amount("1e3"), -1);
    EXPECT_EQ(amount("null"), -1);
    EXPECT_EQ(amount("\"\""), -1);
    EXPECT_EQ(amount("99999999999999999999999999"), -1);
}

TEST(MpesaCallback, ReadsItemsByNameInAnyOrder) {
    const auto read = read_callback(with_items(
        R"({"Name":"Balance"},{"Name":"PhoneNumber","Value":254708374149},)"
        R"({"Value":"NLJ7RT61SV","Name":"MpesaReceiptNumber"},{"Name":"Amount","Value":7})"));
    ASSERT_TRUE(as<Callback>(read));
    EXPECT_EQ(as<Callback>(read)->amount->minor_units, 700);
}

TEST(MpesaCallback, TakesCodesAsNumberAndAsText) {
    const auto code = [](const std::string& text) {
        const auto read =
            read_callback(R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws_CO_1","ResultCode":)" +
                          text + "}}}");
        const auto* callback = as<Callback>(read);
        return callback ? callback->code : "malformed";
    };
    EXPECT_EQ(code("1032"), "1032");
    EXPECT_EQ(code("\"1032\""), "1032");
    EXPECT_EQ(code("\"SFC_IC0003\""), "SFC_IC0003");
    EXPECT_EQ(code("1032.0"), "1032");
    EXPECT_EQ(code("\"1032.00\""), "1032");
    EXPECT_EQ(code("1032.5"), "1032.5");
    EXPECT_EQ(code("null"), "malformed");
    EXPECT_EQ(code("[0]"), "malformed");
    EXPECT_EQ(code("\"\""), "malformed");
}

TEST(MpesaCallback, ThatIsBrokenIsMalformedAndNeverASuccess) {
    const char* bodies[] = {
        "",
        "{",
        "null",
        "[]",
        "{}",
        "{\"Body\":null}",
        "{\"Body\":{\"stkCallback\":[]}}",
        "{\"Body\":{\"stkCallback\":{}}}",
        R"({"Body":{"stkCallback":{"ResultCode":0}}})",
        R"({"Body":{"stkCallback":{"CheckoutRequestID":"","ResultCode":1}}})",
        R"({"Body":{"stkCallback":{"CheckoutRequestID":"a b","ResultCode":1}}})",
        R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws","ResultCode":0}}})",
        R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws","ResultCode":1,"ResultCode":0}}})",
        R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws","CheckoutRequestID":"wt","ResultCode":1}}})",
        R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws","ResultCode":1}}} x)",
        R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws","ResultCode":1}},"Body":{}})",
        "\xff\xfe",
    };
    for (const auto* body : bodies) EXPECT_TRUE(as<Malformed>(read_callback(body))) << body;
    EXPECT_TRUE(as<Malformed>(read_callback(with_items(R"({"Name":"Amount","Value":1})"))));
    EXPECT_TRUE(as<Malformed>(
        read_callback(with_items(R"({"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"})"))));
    EXPECT_TRUE(as<Malformed>(
        read_callback(with_items(R"({"Name":"Amount","Value":1},{"Name":"Amount","Value":2},)"
                                 R"({"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"})"))));
    EXPECT_TRUE(as<Malformed>(read_callback(std::string(1000, '['))));
    EXPECT_TRUE(as<Malformed>(read_callback(std::string(kJsonBytesMax + 1, ' '))));
}

TEST(MpesaCallback, DoesNotCrashOnAnyCutOrFlippedBody) {
    std::mt19937 random(11);
    const std::string whole = kSuccess;
    for (std::size_t cut = 0; cut < whole.size(); ++cut)
        EXPECT_TRUE(as<Malformed>(read_callback(whole.substr(0, cut)))) << cut;
    for (int i = 0; i < 20'000; ++i) {
        auto body = whole;
        for (std::size_t n = 1 + random() % 3; n > 0; --n)
            body[random() % body.size()] = static_cast<char>(random());
        static_cast<void>(read_callback(body));
    }
}

// ---- the query

const char kQueryPaid[] =
    R"({"ResponseCode":"0","ResponseDescription":"The service request has been accepted successfully","MerchantRequestID":"22205-34066-1","CheckoutRequestID":"ws_CO_1","ResultCode":"0","ResultDesc":"The service request is processed successfully."})";

std::string result(const std::string& code) {
    return R"({"ResponseCode":"0","CheckoutRequestID":"ws_CO_1","ResultDesc":"d","ResultCode":)" +
           code + "}";
}

TEST(MpesaQuery, ReadsASuccess) {
    EXPECT_TRUE(as<QuerySaysPaid>(read_query_answer(200, kQueryPaid, "ws_CO_1").says));
    EXPECT_TRUE(as<QuerySaysPaid>(read_query_answer(200, result("0"), "ws_CO_1").says));
}

TEST(MpesaQuery, ReadsADefiniteFailureWithItsReason) {
    const auto answer = read_query_answer(200, result("\"1032\""), "ws_CO_1");
    ASSERT_TRUE(as<QuerySaysFailed>(answer.says));
    EXPECT_EQ(as<QuerySaysFailed>(answer.says)->reason, "cancelled");
    EXPECT_TRUE(as<QuerySaysFailed>(read_query_answer(200, result("1037"), "ws_CO_1").says));
}

TEST(MpesaQuery, AsksAgainWheneverTheAnswerIsNotDefinite) {
    struct Case {
        int status;
        std::string body;
    };
    for (
        const auto& c : {
            Case{200, result("\"4999\"")},
            Case{200, result("4999")},
            Case{500, error("500.001.1001", "The transaction is being processed")},
            Case{200, error("500.001.1001", "The transaction is being processed")},
            Case{200, error("500.001.1001", "")},
            Case{500, error("500.001.1001", "The transaction does not Exist")},
            Case{500, error("500.003.02", "Spike Arrest Violation")},
            Case{500, ""},
            Case{200, ""},
            Case{200, "<html>"},
            Case{503, "x"},
            Case{400, error("400.002.02", "Invalid CheckoutRequestID")},
            Case{200, R"({"ResponseCode":"1","ResultCode":"0","CheckoutRequestID":"ws_CO_1"})"},
            Case{200, R"({"ResultCode":"0"})"},
            Case{200, R"({"ResponseCode":"0"})"},
            Case{
                429,
                R"({"fault":{"faultstring":"x","detail":{"errorcode":"policies.ratelimit.SpikeArrestViolation"}}})"},
        }) {
        const auto answer = read_query_answer(c.status, c.body, "ws_CO_1");
        const auto* nothing = as<QuerySaysNothing>(answer.says);
        ASSERT_TRUE(nothing) << c.status << c.body;
        EXPECT_EQ(nothing->code, "") << c.status << c.body;
    }
}

TEST(MpesaQuery, NamesACodeThatNobodyKnows) {
    const auto answer = read_query_answer(200, result("\"7777\""), "ws_CO_1");
    ASSERT_TRUE(as<QuerySaysNothing>(answer.says));
    EXPECT_EQ(as<QuerySaysNothing>(answer.says)->code, "7777");
}

TEST(MpesaQuery, DoesNotBelieveAnAnswerAboutSomebodyElse) {
    EXPECT_TRUE(as<QuerySaysNothing>(read_query_answer(200, kQueryPaid, "ws_CO_2").says));
}

TEST(MpesaQuery, SaysWhenItsTokenWasRefused) {
    EXPECT_TRUE(as<TokenRefused>(
        read_query_answer(404, error("404.001.03", "Invalid Access Token"), "ws_CO_1").says));
    EXPECT_TRUE(as<TokenRefused>(read_query_answer(401, "", "ws_CO_1").says));
}

// Field trial P14: every code that Daraja is known to send, as a number, as text and with decimals.
TEST(MpesaResultCode, IsKnownInEveryShapeItIsSentIn) {
    const char* codes[] = {"0",    "1",    "2",    "3",    "4",    "8",    "17",
                           "26",   "1001", "1019", "1025", "9999", "1031", "1032",
                           "1036", "1037", "2001", "2028", "8006", "4999"};
    for (const std::string number : codes)
        for (const auto& shape : {number, "\"" + number + "\"", number + ".0"}) {
            const auto read = read_callback(
                R"({"Body":{"stkCallback":{"CheckoutRequestID":"ws_CO_1","ResultCode":)" + shape +
                R"(,"CallbackMetadata":{"Item":[{"Name":"Amount","Value":1},)"
                R"({"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"}]}}}})");
            const auto* callback = as<Callback>(read);
            ASSERT_TRUE(callback) << shape;
            EXPECT_EQ(callback->code, number) << shape;
            EXPECT_TRUE(meaning_of(callback->code).known) << shape;
        }
    for (const auto* text : {"SFC_IC0003", "E3008"}) EXPECT_TRUE(meaning_of(text).known) << text;
}

TEST(MpesaResultCode, HasAReasonInPlainWords) {
    EXPECT_EQ(meaning_of("1").reason, "insufficient_funds");
    EXPECT_EQ(meaning_of("17").reason, "busy");
    EXPECT_EQ(meaning_of("1032").reason, "cancelled");
    EXPECT_EQ(meaning_of("1037").reason, "no_answer");
    EXPECT_EQ(meaning_of("2001").reason, "wrong_pin");
    EXPECT_EQ(meaning_of("SFC_IC0003").reason, "refused");
    EXPECT_TRUE(meaning_of("0").known);
    EXPECT_FALSE(meaning_of("4999").is_final);
    EXPECT_FALSE(meaning_of("7777").known);
    EXPECT_FALSE(meaning_of("").known);
}

// ---- the callback's path

TEST(CallbackToken, ComesBackAsItWasMade) {
    const crypto::RootKey root(Secret("k"));
    const CallbackTokens tokens(root);
    const CallbackTarget target{.tenant = "demo-shop",
                                .lane = 63,
                                .intent = *Uuid::parse("018f5a2c-7b3e-7c41-9a55-0123456789ab"),
                                .provider = "mpesa"};
    EXPECT_EQ(tokens.check(tokens.make(target)), target);
    const CallbackTarget wide{.tenant = std::string(100, 't'),
                              .lane = 40'000,
                              .intent = target.intent,
                              .provider = std::string(32, 'p')};
    EXPECT_EQ(tokens.check(tokens.make(wide)), wide);
}

TEST(CallbackToken, IsRefusedWhenAnythingOfItIsChanged) {
    const crypto::RootKey root(Secret("k"));
    const CallbackTokens tokens(root);
    const auto token = tokens.make({.tenant = "demo",
                                    .lane = 3,
                                    .intent = *Uuid::parse("018f5a2c-7b3e-7c41-9a55-0123456789ab"),
                                    .provider = "mpesa"});
    for (std::size_t i = 0; i < token.size(); ++i) {
        auto changed = token;
        changed[i] = changed[i] == '0' ? '1' : '0';
        EXPECT_FALSE(tokens.check(changed)) << i;
        EXPECT_FALSE(tokens.check(token.substr(0, i)));
    }
    EXPECT_FALSE(tokens.check(token + "00"));
    EXPECT_FALSE(tokens.check(""));
    EXPECT_FALSE(tokens.check(std::string(10'000, 'a')));
    const crypto::RootKey other(Secret("other"));
    EXPECT_FALSE(CallbackTokens(other).check(token));
}

TEST(CallbackToken, CannotSpellAForbiddenWord) {
    const crypto::RootKey root(Secret("k"));
    const CallbackTokens tokens(root);
    const auto url = callback_url("https://pay.example/",
                                  tokens.make({.tenant = "mpesa-sql-exec-query-cmd-safaricom",
                                               .lane = 1,
                                               .intent = Uuid{},
                                               .provider = "mpesa"}));
    EXPECT_EQ(forbidden_word(url), std::nullopt) << url;
    EXPECT_EQ(url.substr(0, 30), "https://pay.example/hooks/pay/");
    EXPECT_EQ(forbidden_word("https://MPesa.example/x"), "mpesa");
    EXPECT_EQ(forbidden_word("https://a.example/Executive"), "exe");
}

}  // namespace
}  // namespace flowstack::payment::mpesa
