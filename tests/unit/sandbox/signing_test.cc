#include "services/sandbox/signing.h"

#include <gtest/gtest.h>

#include "services/sandbox/json.h"

namespace flowstack::sandbox {
namespace {

constexpr std::string_view kSecret = "flowstack_test_app_secret_0123456789";

// Vectors V1 and V2 of the Meta fact sheet, §3.1.
constexpr std::string_view kV1 =
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Sheena Nelson"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=","timestamp":"1749416383","type":"text","text":{"body":"Does it come in another color?"}}]},"field":"messages"}]}]})";
constexpr std::string_view kV2 =
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"255700000001","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Am\u00edna"},"wa_id":"255712345678"}],"messages":[{"from":"255712345678","id":"wamid.TEST0002","timestamp":"1749416384","type":"text","text":{"body":"Asante sana \ud83d\ude4f bei ni 1\/2?"}}]},"field":"messages"}]}]})";

constexpr std::string_view kV3 =
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"statuses":[{"id":"wamid.TEST0003","status":"failed","timestamp":"1749416390","recipient_id":"16505551234","biz_opaque_callback_data":"out-42","errors":[{"code":131047,"title":"Re-engagement message","message":"Re-engagement message","error_data":{"details":"Message failed to send because more than 24 hours have passed since the customer last replied to this number."},"href":"https:\/\/developers.facebook.com\/docs\/whatsapp\/cloud-api\/support\/error-codes\/"}]}]},"field":"messages"}]}]})";
constexpr std::string_view kV4 =
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"A"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.TEST0004","timestamp":"1749416391","type":"text","text":{"body":"one"}},{"from":"16505551234","id":"wamid.TEST0005","timestamp":"1749416392","type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"btn_pay","title":"Pay"}},"context":{"from":"15550783881","id":"wamid.TEST0003"}}]},"field":"messages"}]},{"id":"102290129340399","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"255700000001","phone_number_id":"106540352249999"},"statuses":[{"id":"wamid.TEST0006","status":"delivered","timestamp":"1749416393","recipient_id":"255712345678"}]},"field":"messages"}]}]})";

TEST(HubSignature, ReproducesTheSheetsVectors) {
    EXPECT_EQ(kV1.size(), 499U);
    EXPECT_EQ(hub_signature(kSecret, kV1),
              "sha256=4057b83b6b50035bd30c8d22b4686a3badec708efb58993d8d1a559933f9c3dc");
    EXPECT_EQ(kV3.size(), 702U);
    EXPECT_EQ(hub_signature(kSecret, kV3),
              "sha256=ae371806f1de3fc441313f268bfaef19b06ab2269ba5f7f27dc238f2e84436c0");
    EXPECT_EQ(kV4.size(), 941U);
    EXPECT_EQ(hub_signature(kSecret, kV4),
              "sha256=48025f237ed21d68b589222005497494b0385f88de41c9afc884d5130d09f633");
    EXPECT_EQ(kV2.size(), 458U);
    EXPECT_EQ(hub_signature(kSecret, kV2),
              "sha256=84a81f670c215c62dfd4802d74940f314a6cf165d327f71e1b8341a2f7726a24");
}

TEST(HubSignature, OfTheDecodedTextIsAnother) {
    const std::string decoded = compact(*parse(kV2));
    EXPECT_EQ(decoded.size(), 445U);
    EXPECT_EQ(hub_signature(kSecret, decoded),
              "sha256=40b9eabe5d2fb2bcc6c9efc1923eb700ea5d03b84b61b311918bb9f574baac0c");
}

TEST(MetaText, EscapesAsMetaDoes) {
    // Parsing and writing again in Meta's manner gives back Meta's bytes.
    EXPECT_EQ(meta_text(*parse(kV1)), kV1);
    EXPECT_EQ(meta_text(*parse(kV2)), kV2);
    EXPECT_EQ(meta_text(*parse(kV3)), kV3);
    EXPECT_EQ(meta_text(*parse(kV4)), kV4);
}

TEST(MetaText, KeepsNumbersAsPeopleWriteThem) {
    EXPECT_EQ(meta_text(*parse(R"({"item_price":30.5,"quantity":2,"latitude":-122.425332})")),
              R"({"item_price":30.5,"quantity":2,"latitude":-122.425332})");
}

TEST(StkPassword, ReproducesTheSheetsVectors) {
    EXPECT_EQ(
        stk_password("174379", "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919",
                     "20210628092408"),
        "MTc0Mzc5YmZiMjc5ZjlhYTliZGJjZjE1OGU5N2RkNzFhNDY3Y2QyZTBjODkzMDU5YjEwZjc4ZTZiNzJhZGEx"
        "ZWQyYzkxOTIwMjEwNjI4MDkyNDA4");
    EXPECT_EQ(stk_password("600000", "passkeyABC", "20260102030405"),
              "NjAwMDAwcGFzc2tleUFCQzIwMjYwMTAyMDMwNDA1");
}

TEST(Base64, ReadsBackWhatItWrote) {
    EXPECT_EQ(base64("ck:cs"), "Y2s6Y3M=");
    for (const std::string text : {"a", "ab", "abc", "abcd"}) {
        EXPECT_EQ(from_base64(base64(text)), text);
    }
    EXPECT_EQ(from_base64("not base64!"), std::nullopt);
}

}  // namespace
}  // namespace flowstack::sandbox
