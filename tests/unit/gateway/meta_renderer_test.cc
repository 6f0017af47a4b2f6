#include "services/gateway/adapters/meta_renderer.h"

#include <gtest/gtest.h>

#include "flowstack/common/v1/message_content.pb.h"

namespace flowstack::gateway {
namespace {

using common::v1::MessageContent;

MessageContent text(std::string body) {
    MessageContent content;
    content.mutable_text()->set_body(std::move(body));
    return content;
}
MessageContent buttons(std::vector<std::string> titles) {
    MessageContent content;
    content.mutable_buttons()->set_body("How can we help?");
    for (auto& title : titles) content.mutable_buttons()->add_titles(std::move(title));
    return content;
}
std::vector<std::string> fields(const MessageContent& content) {
    std::vector<std::string> found;
    for (const auto& fault : faults_of(content)) found.push_back(fault.field);
    return found;
}

TEST(MetaRenderer, RendersTextAndButtonsAsTheGraphApiTakesThem) {
    EXPECT_EQ(
        render_send(text("Hi \"you\"\n"), "+16505551234", "m1", "cb"),
        R"({"messaging_product":"whatsapp","recipient_type":"individual","to":"+16505551234","type":"text","text":{"body":"Hi \"you\"\n","preview_url":false},"biz_opaque_callback_data":"cb"})");
    EXPECT_EQ(
        render_send(buttons({"M-Pesa", "Card"}), "TZ.134", "m1", "cb"),
        R"({"messaging_product":"whatsapp","recipient_type":"individual","recipient":"TZ.134","type":"interactive","interactive":{"type":"button","body":{"text":"How can we help?"},"action":{"buttons":[{"type":"reply","reply":{"id":"m1:0","title":"M-Pesa"}},{"type":"reply","reply":{"id":"m1:1","title":"Card"}}]}},"biz_opaque_callback_data":"cb"})");
}

TEST(MetaRenderer, RendersAListAndATemplate) {
    MessageContent list;
    list.mutable_list()->set_body("Choose");
    list.mutable_list()->set_button("View Products");
    auto* row = list.mutable_list()->add_rows();
    row->set_title("Premium Coffee");
    row->set_description("KES 1500");
    EXPECT_TRUE(faults_of(list).empty());
    EXPECT_EQ(
        render_send(list, "+1650555", "m1", "cb"),
        R"({"messaging_product":"whatsapp","recipient_type":"individual","to":"+1650555","type":"interactive","interactive":{"type":"list","body":{"text":"Choose"},"action":{"button":"View Products","sections":[{"rows":[{"id":"m1:0","title":"Premium Coffee","description":"KES 1500"}]}]}},"biz_opaque_callback_data":"cb"})");
    MessageContent hsm;
    hsm.mutable_template_()->set_name("order_update");
    hsm.mutable_template_()->set_language_code("en_US");
    hsm.mutable_template_()->add_body_parameters("Asha");
    EXPECT_TRUE(faults_of(hsm).empty());
    EXPECT_EQ(
        render_send(hsm, "+1650555", "m1", "cb"),
        R"({"messaging_product":"whatsapp","recipient_type":"individual","to":"+1650555","type":"template","template":{"name":"order_update","language":{"code":"en_US"},"components":[{"type":"body","parameters":[{"type":"text","text":"Asha"}]}]},"biz_opaque_callback_data":"cb"})");
}

TEST(MetaRenderer, NamesTheFieldThatIsTooLong) {
    EXPECT_TRUE(faults_of(text(std::string(4096, 'x'))).empty());
    EXPECT_EQ(fields(text(std::string(4097, 'x'))), std::vector<std::string>{"content.text.body"});
    // Counted in code points, not in bytes.
    std::string letters;
    for (int i = 0; i < 20; ++i) letters += "\xC3\xA4";
    EXPECT_TRUE(faults_of(buttons({letters})).empty());
    EXPECT_EQ(fields(buttons({letters + "x"})),
              std::vector<std::string>{"content.buttons.titles[0]"});
    EXPECT_EQ(fields(buttons({"a", "b", "c", "d"})),
              std::vector<std::string>{"content.buttons.titles"});
    EXPECT_EQ(fields(buttons({"a", "a"})), std::vector<std::string>{"content.buttons.titles[1]"});
    EXPECT_EQ(fields(MessageContent()), std::vector<std::string>{"content"});
}

TEST(MetaAnswers, AnIdIsAcceptance) {
    const auto outcome = read_send_answer(
        200,
        R"({"messaging_product":"whatsapp","contacts":[{"input":"+1","wa_id":"1"}],"messages":[{"id":"wamid.HBg","message_status":"accepted"}]})");
    EXPECT_EQ(std::get<Accepted>(outcome).provider_message_id, "wamid.HBg");
}

TEST(MetaAnswers, AnErrorIsItsCodeWhateverTheStatus) {
    const auto* body =
        R"({"error":{"message":"(#130429) Rate limit hit","type":"OAuthException","code":130429}})";
    for (const int status : {400, 429, 500, 200})
        EXPECT_EQ(std::get<Refused>(read_send_answer(status, body)).error_code, 130429);
}

TEST(MetaAnswers, WhatCannotBeReadProvesNothing) {
    EXPECT_TRUE(std::holds_alternative<Lost>(read_send_answer(502, "<html>bad gateway</html>")));
    EXPECT_TRUE(std::holds_alternative<Lost>(read_send_answer(200, "")));
    EXPECT_TRUE(std::holds_alternative<Lost>(read_send_answer(200, R"({"messages":[]})")));
    EXPECT_EQ(std::get<Refused>(read_send_answer(404, "")).error_code, 0);
    EXPECT_EQ(std::get<Refused>(read_send_answer(401, "")).error_code, 190);
}

}  // namespace
}  // namespace flowstack::gateway
