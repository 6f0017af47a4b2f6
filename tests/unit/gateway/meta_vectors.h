#pragma once

#include <string_view>

// The signature vectors of the Cloud API sheet, section 3.1.
namespace flowstack::gateway::vectors {

inline constexpr std::string_view kSecret = "flowstack_test_app_secret_0123456789";

inline constexpr std::string_view kBody1 =
    R"json({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Sheena Nelson"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=","timestamp":"1749416383","type":"text","text":{"body":"Does it come in another color?"}}]},"field":"messages"}]}]})json";
inline constexpr std::string_view kSignature1 =
    "sha256=4057b83b6b50035bd30c8d22b4686a3badec708efb58993d8d1a559933f9c3dc";

inline constexpr std::string_view kBody2 =
    R"json({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"255700000001","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Am\u00edna"},"wa_id":"255712345678"}],"messages":[{"from":"255712345678","id":"wamid.TEST0002","timestamp":"1749416384","type":"text","text":{"body":"Asante sana \ud83d\ude4f bei ni 1\/2?"}}]},"field":"messages"}]}]})json";
inline constexpr std::string_view kSignature2 =
    "sha256=84a81f670c215c62dfd4802d74940f314a6cf165d327f71e1b8341a2f7726a24";

inline constexpr std::string_view kBody3 =
    R"json({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"statuses":[{"id":"wamid.TEST0003","status":"failed","timestamp":"1749416390","recipient_id":"16505551234","biz_opaque_callback_data":"out-42","errors":[{"code":131047,"title":"Re-engagement message","message":"Re-engagement message","error_data":{"details":"Message failed to send because more than 24 hours have passed since the customer last replied to this number."},"href":"https:\/\/developers.facebook.com\/docs\/whatsapp\/cloud-api\/support\/error-codes\/"}]}]},"field":"messages"}]}]})json";
inline constexpr std::string_view kSignature3 =
    "sha256=ae371806f1de3fc441313f268bfaef19b06ab2269ba5f7f27dc238f2e84436c0";

inline constexpr std::string_view kBody4 =
    R"json({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"A"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.TEST0004","timestamp":"1749416391","type":"text","text":{"body":"one"}},{"from":"16505551234","id":"wamid.TEST0005","timestamp":"1749416392","type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"btn_pay","title":"Pay"}},"context":{"from":"15550783881","id":"wamid.TEST0003"}}]},"field":"messages"}]},{"id":"102290129340399","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"255700000001","phone_number_id":"106540352249999"},"statuses":[{"id":"wamid.TEST0006","status":"delivered","timestamp":"1749416393","recipient_id":"255712345678"}]},"field":"messages"}]}]})json";
inline constexpr std::string_view kSignature4 =
    "sha256=48025f237ed21d68b589222005497494b0385f88de41c9afc884d5130d09f633";

}  // namespace flowstack::gateway::vectors
