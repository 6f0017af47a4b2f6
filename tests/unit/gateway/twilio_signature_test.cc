#include <gtest/gtest.h>

#include "common/http/url.h"
#include "services/gateway/providers/twilio/signature.h"

// The vectors of Twilio's fact sheet, which were checked with Twilio's own library.
namespace flowstack::gateway::twilio {
namespace {

const Secret kToken("0123456789abcdef0123456789abcdef");

constexpr std::string_view kText =
    "SmsMessageSid=SM8824d91645395b17594d92659b878468&NumMedia=0&ProfileName=Am%C3%ADna&"
    "MessageType=text&SmsSid=SM8824d91645395b17594d92659b878468&WaId=255712345678&"
    "SmsStatus=received&Body=Habari+%F0%9F%99%8F+1%2F2&To=whatsapp%3A%2B14155238886&"
    "NumSegments=1&ReferralNumMedia=0&MessageSid=SM8824d91645395b17594d92659b878468&"
    "AccountSid=AC00000000000000000000000000000001&From=whatsapp%3A%2B255712345678&"
    "ApiVersion=2010-04-01";
const std::string kTextUrl = "https://flow.example.com/whatsapp/webhook/tenant-a";
constexpr std::string_view kTextSignature = "lufKj1Z/LlkroIteXUxrDAuBx9o=";

http::FormFields form(std::string_view body) { return http::parse_form(body).value(); }

bool verifies(const std::string& url, std::string_view body, std::string_view signature,
              const std::vector<Secret>& tokens = {kToken}) {
    const auto question = url.find('?');
    const auto query = question == std::string::npos ? std::string() : url.substr(question + 1);
    return is_signed(tokens, {.url = url, .query = query, .body = body, .fields = form(body)},
                     signature);
}

TEST(TwilioSignature, IsThatOfTwiliosOwnExamples) {
    const Secret token("12345");
    const std::string url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const http::FormFields fields{{"CallSid", "CA1234567890ABCDE"},
                                  {"Caller", "+12349013030"},
                                  {"Digits", "1234"},
                                  {"From", "+12349013030"},
                                  {"To", "+18005551212"}};
    EXPECT_EQ(signature_of(token, signed_text(url, fields)), "0/KCTR6DLpKmkAf8muzZqo1nDgQ=");
    auto other = fields;
    other[1].second = other[3].second = "+14158675309";
    EXPECT_EQ(signature_of(token, signed_text(url, other)), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
}

TEST(TwilioSignature, CoversTheDecodedFormAndTheUrl) {
    EXPECT_EQ(signed_text(kTextUrl, form(kText)),
              "https://flow.example.com/whatsapp/webhook/tenant-aAccountSid"
              "AC00000000000000000000000000000001ApiVersion2010-04-01BodyHabari 🙏 1/2From"
              "whatsapp:+255712345678MessageSidSM8824d91645395b17594d92659b878468MessageTypetext"
              "NumMedia0NumSegments1ProfileNameAmínaReferralNumMedia0SmsMessageSid"
              "SM8824d91645395b17594d92659b878468SmsSidSM8824d91645395b17594d92659b878468"
              "SmsStatusreceivedTowhatsapp:+14155238886WaId255712345678");
    EXPECT_TRUE(verifies(kTextUrl, kText, kTextSignature));
    // Of a status, whose URL has a query.
    EXPECT_TRUE(
        verifies("https://flow.example.com/twilio/status?tenant=a",
                 "SmsSid=SM11112222333344445555666677778888&SmsStatus=undelivered&"
                 "MessageStatus=undelivered&To=whatsapp%3A%2B255712345678&"
                 "MessageSid=SM11112222333344445555666677778888&"
                 "AccountSid=AC00000000000000000000000000000001&From=whatsapp%3A%2B14155238886&"
                 "ApiVersion=2010-04-01&ChannelPrefix=whatsapp&ErrorCode=63016",
                 "EVdh6KUwSxoIm/GjBzIKiXyBwiY="));
}

TEST(TwilioSignature, TakesTheUrlWithAndWithoutTheDefaultPort) {
    const std::string with_port = "https://flow.example.com:443/whatsapp/webhook/tenant-a";
    EXPECT_TRUE(verifies(with_port, kText, kTextSignature));
    const auto signed_with_port = signature_of(kToken, signed_text(with_port, form(kText)));
    EXPECT_TRUE(verifies(kTextUrl, kText, signed_with_port));
    const auto plain = signature_of(kToken, signed_text("http://a.example:80/x", form(kText)));
    EXPECT_TRUE(verifies("http://a.example/x", kText, plain));
    // Another port is another door.
    EXPECT_FALSE(
        verifies("https://flow.example.com:8443/whatsapp/webhook/tenant-a", kText, kTextSignature));
    EXPECT_FALSE(
        verifies("https://flow.example.com:80/whatsapp/webhook/tenant-a", kText, kTextSignature));
}

TEST(TwilioSignature, OfABodyThatIsCoveredByItsHash) {
    const std::string body = "{\"hello\":\"wörld\"}";
    const std::string hash = "15fe936d5a5c4a564c8dc9002280009263c0cc0bd0f28e16652529a9f83b2d23";
    const auto check = [&](const std::string& the_body, const std::string& the_hash,
                           std::string_view signature) {
        const auto query = "bodySHA256=" + the_hash;
        return is_signed({kToken},
                         {.url = "https://flow.example.com/twilio/json?" + query,
                          .query = query,
                          .body = the_body,
                          .fields = {{"hello", "wörld"}}},
                         signature);
    };
    EXPECT_TRUE(check(body, hash, "mYRd39/LYC8Le974pjdWcS25fH4="));
    EXPECT_FALSE(check(body + " ", hash, "mYRd39/LYC8Le974pjdWcS25fH4="));
    EXPECT_FALSE(check(body, hash.substr(1), "mYRd39/LYC8Le974pjdWcS25fH4="));
    EXPECT_FALSE(check(body, hash, "mYRd39/LYC8Le974pjdWcS25fH5="));
}

TEST(TwilioSignature, SortsValuesOfOneNameAndCountsEqualOnesOnce) {
    EXPECT_TRUE(verifies("https://flow.example.com/d", "Body=x&MediaUrl=b&MediaUrl=a&MediaUrl=a",
                         "stALbye1Uwi30ez63UeKA+bWq0c="));
}

TEST(TwilioSignature, SortsNamesAsUtf16) {
    // U+FF21 is one unit of 0xFF21; U+1F64F begins with the surrogate 0xD83D, which is smaller.
    EXPECT_EQ(signed_text(
                  "u", {{"\xEF\xBC\xA1", "1"}, {"\xF0\x9F\x99\x8F", "2"}, {"b", "3"}, {"A", "4"}}),
              "uA4b3\xF0\x9F\x99\x8F"
              "2\xEF\xBC\xA1"
              "1");
}

TEST(TwilioSignature, OfAnythingElseIsRefused) {
    EXPECT_FALSE(
        verifies("https://flow.example.org/whatsapp/webhook/tenant-a", kText, kTextSignature));
    EXPECT_FALSE(
        verifies("http://flow.example.com/whatsapp/webhook/tenant-a", kText, kTextSignature));
    EXPECT_FALSE(verifies(kTextUrl + "/", kText, kTextSignature));
    EXPECT_FALSE(verifies(kTextUrl + "?a=1", kText, kTextSignature));
    EXPECT_FALSE(verifies(kTextUrl, std::string(kText) + "&Extra=1", kTextSignature));
    EXPECT_FALSE(verifies(kTextUrl, kText, ""));
    EXPECT_FALSE(verifies(kTextUrl, kText, "lufKj1Z/LlkroIteXUxrDAuBx9o"));
    EXPECT_FALSE(verifies(kTextUrl, kText, kTextSignature, {Secret("another tenant's")}));
    EXPECT_FALSE(verifies(kTextUrl, kText, kTextSignature, {}));
    // A token that is not there signs nothing, not even what the empty key signs.
    EXPECT_FALSE(verifies(kTextUrl, kText,
                          signature_of(Secret(), signed_text(kTextUrl, form(kText))), {Secret()}));
    // A blank that was left as '+' is another value.
    const http::FormFields undecoded{{"Body", "a+b"}};
    const auto signature =
        signature_of(kToken, signed_text("https://a.example/", {{"Body", "a b"}}));
    EXPECT_FALSE(is_signed(
        {kToken}, {.url = "https://a.example/", .query = "", .body = "", .fields = undecoded},
        signature));
}

TEST(TwilioSignature, MayBeOfEitherTokenWhileTheyAreRotated) {
    EXPECT_TRUE(verifies(kTextUrl, kText, kTextSignature, {Secret("the new one"), kToken}));
    EXPECT_TRUE(verifies(kTextUrl, kText, kTextSignature, {kToken, Secret("the old one")}));
}

TEST(TwilioSignature, CountsAnEmptyParameter) {
    EXPECT_EQ(signed_text("u", form("Body=&To=x")), "uBodyTox");
}

}  // namespace
}  // namespace flowstack::gateway::twilio
