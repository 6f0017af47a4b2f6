#include <gtest/gtest.h>

#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/providers/meta/cloud_api.h"
#include "services/gateway/providers/meta/errors.h"
#include "services/gateway/providers/meta/renderer.h"
#include "tests/unit/gateway/meta_contents.h"

namespace flowstack::gateway::meta {
namespace {

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

TEST(MetaRenderer, RefusesTemplateParametersThatMetaRefuses) {
    const auto with = [](std::string parameter) {
        MessageContent content;
        content.mutable_template_()->set_name("order_update");
        content.mutable_template_()->set_language_code("en_US");
        content.mutable_template_()->add_body_parameters("Asha");
        content.mutable_template_()->add_body_parameters(std::move(parameter));
        return content;
    };
    EXPECT_TRUE(fields(with("Ann Lee")).empty());
    for (const auto* parameter : {"", "Ann\nLee", "Ann\tLee", "Ann      Lee", " Ann"})
        EXPECT_EQ(fields(with(parameter)).at(0), "content.template.body_parameters[1]")
            << parameter;
    auto many = with("x");
    for (int n = 2; n <= 100; ++n) many.mutable_template_()->add_body_parameters("x");
    EXPECT_EQ(fields(many), std::vector<std::string>{"content.template.body_parameters"});
}

// A content with one mistake, and the field that is named for it.
TEST(MetaRenderer, NamesTheFieldOfEveryMistake) {
    const auto broken = [](MessageContent content, auto breaks) {
        breaks(content);
        const auto found = fields(content);
        return found.empty() ? std::string("nothing") : found.front();
    };
    using C = MessageContent;
    EXPECT_EQ(broken(media_content("image"), [](C& c) { c.mutable_media()->set_kind("gif"); }),
              "content.media.kind");
    EXPECT_EQ(broken(media_content("image"), [](C& c) { c.mutable_media()->clear_link(); }),
              "content.media.link");
    EXPECT_EQ(
        broken(media_content("image"), [](C& c) { c.mutable_media()->set_media_id(kMediaId); }),
        "content.media.link");
    EXPECT_EQ(broken(media_content("image"),
                     [](C& c) {
                         c.mutable_media()->clear_link();
                         c.mutable_media()->set_media_id("ABC");
                     }),
              "content.media.media_id");
    EXPECT_EQ(broken(media_content("audio"), [](C& c) { c.mutable_media()->set_caption("x"); }),
              "content.media.caption");
    EXPECT_EQ(broken(media_content("image"), [](C& c) { c.mutable_media()->set_filename("x"); }),
              "content.media.filename");
    EXPECT_EQ(broken(location_content(), [](C& c) { c.mutable_location()->set_latitude(90.001); }),
              "content.location.latitude");
    EXPECT_EQ(broken(location_content(), [](C& c) { c.mutable_location()->set_longitude(-180.5); }),
              "content.location.longitude");
    EXPECT_EQ(broken(location_content(), [](C& c) { c.mutable_location()->clear_name(); }),
              "content.location.name");
    EXPECT_EQ(broken(contacts_content(),
                     [](C& c) { c.mutable_contacts()->mutable_cards(0)->clear_formatted_name(); }),
              "content.contacts.cards[0].formatted_name");
    EXPECT_EQ(broken(contacts_content(),
                     [](C& c) { c.mutable_contacts()->mutable_cards(0)->set_birthday("1990"); }),
              "content.contacts.cards[0].birthday");
    EXPECT_EQ(broken(reaction_content(), [](C& c) { c.mutable_reaction()->set_emoji("a b"); }),
              "content.reaction.emoji");
    EXPECT_EQ(broken(reaction_content(), [](C& c) { c.set_reply_to("wamid.B"); }),
              "content.reply_to");
    EXPECT_EQ(broken(link_button_content(), [](C& c) { c.mutable_link_button()->set_url("duka"); }),
              "content.link_button.url");
    EXPECT_EQ(broken(product_list_content(2, 1),
                     [](C& c) { c.mutable_product_list()->mutable_sections(1)->clear_title(); }),
              "content.product_list.sections[1].title");
    EXPECT_EQ(broken(form_content(),
                     [](C& c) { c.mutable_form()->mutable_start()->set_data_json("[1]"); }),
              "content.form.start.data_json");
    EXPECT_EQ(broken(list_content(2),
                     [](C& c) { c.mutable_list()->mutable_rows(1)->set_section_title("B"); }),
              "content.list.section_title");
    EXPECT_EQ(broken(buttons_content(),
                     [](C& c) {
                         c.mutable_buttons()->set_header("x");
                         *c.mutable_buttons()->mutable_header_media() =
                             media_content("image").media();
                     }),
              "content.buttons.header_media");
    EXPECT_EQ(broken(full_template_content(),
                     [](C& c) { c.mutable_template_()->mutable_buttons(1)->set_index(0); }),
              "content.template.buttons[1].index");
    EXPECT_EQ(
        broken(full_template_content(),
               [](C& c) { c.mutable_template_()->mutable_buttons(1)->set_url_suffix("a b"); }),
        "content.template.buttons[1].url_suffix");
    EXPECT_EQ(broken(named_template_content(),
                     [](C& c) {
                         c.mutable_template_()->mutable_named_body_parameters(0)->set_name("1 x");
                     }),
              "content.template.named_body_parameters[0].name");
    EXPECT_EQ(broken(named_template_content(),
                     [](C& c) { c.mutable_template_()->add_body_parameters("x"); }),
              "content.template.named_body_parameters");
    EXPECT_EQ(
        broken(location_template_content(),
               [](C& c) {
                   c.mutable_template_()->mutable_header()->mutable_location()->clear_address();
               }),
        "content.template.header.location.address");
    EXPECT_EQ(
        broken(carousel_content(2),
               [](C& c) { c.mutable_template_()->mutable_cards(1)->mutable_header_product(); }),
        "content.template.cards[1].header_media");
    EXPECT_EQ(fields(carousel_content(1)), std::vector<std::string>{"content.template.cards"});
}

TEST(MetaRenderer, TakesRecalledLimitsFromItsSettings) {
    auto content = template_content();
    content.mutable_template_()->add_buttons()->set_copy_code(std::string(16, 'x'));
    EXPECT_FALSE(faults_of(content).empty());
    EXPECT_TRUE(faults_of(content, {.copy_code_max = 16}).empty());
}

TEST(MetaRenderer, NamesAFileByMetasOwnId) {
    MessageContent content = media_content("document");
    content.mutable_media()->clear_link();
    content.mutable_media()->set_media_id(kMediaId);
    content.mutable_media()->set_filename("invoice.pdf");
    content.set_reply_to("wamid.B");
    EXPECT_EQ(
        render_send(content, "+16505551234", "m1", "cb", {{kMediaId, "42"}}),
        R"({"messaging_product":"whatsapp","recipient_type":"individual","to":"+16505551234","context":{"message_id":"wamid.B"},"type":"document","document":{"id":"42","filename":"invoice.pdf"},"biz_opaque_callback_data":"cb"})");
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
        EXPECT_EQ(std::get<Refused>(read_send_answer(status, body)).error,
                  (SendError{.error_class = ErrorClass::too_fast,
                             .code = "130429",
                             .title = "(#130429) Rate limit hit",
                             .details = ""}));
}

TEST(MetaAnswers, AnErrorKeepsItsDetails) {
    const auto outcome = read_send_answer(
        400,
        R"({"error":{"message":"(#131026) Undeliverable","code":131026,"error_data":{"messaging_product":"whatsapp","details":"Not on WhatsApp."}}})");
    const auto& error = std::get<Refused>(outcome).error;
    EXPECT_EQ(error.error_class, ErrorClass::rejected);
    EXPECT_EQ(error.code, "131026");
    EXPECT_EQ(error.details, "Not on WhatsApp.");
}

TEST(MetaErrors, HaveTheClassThatTheirMeaningAsksFor) {
    const auto of = [](int code) { return classified(code, "", "").error_class; };
    EXPECT_EQ(of(131026), ErrorClass::rejected);
    EXPECT_EQ(of(131049), ErrorClass::wait);
    EXPECT_EQ(classified(131049, "", "").retry_after, std::chrono::hours(24));
    EXPECT_EQ(of(131047), ErrorClass::window_closed);
    EXPECT_EQ(of(131050), ErrorClass::opted_out);
    EXPECT_EQ(of(131056), ErrorClass::recipient_too_fast);
    EXPECT_EQ(of(190), ErrorClass::unauthorised);
    EXPECT_EQ(of(131016), ErrorClass::provider_ill);
    EXPECT_EQ(of(4242), ErrorClass::rejected);
}

TEST(MetaAnswers, WhatCannotBeReadProvesNothing) {
    EXPECT_TRUE(std::holds_alternative<Lost>(read_send_answer(502, "<html>bad gateway</html>")));
    EXPECT_TRUE(std::holds_alternative<Lost>(read_send_answer(200, "")));
    EXPECT_TRUE(std::holds_alternative<Lost>(read_send_answer(200, R"({"messages":[]})")));
    const auto of = [](int status) {
        return std::get<Refused>(read_send_answer(status, "")).error.error_class;
    };
    EXPECT_EQ(of(404), ErrorClass::rejected);
    EXPECT_EQ(of(401), ErrorClass::unauthorised);
    EXPECT_EQ(of(429), ErrorClass::too_fast);
}

TEST(MetaCloudApi, TakesAChannelOfAnAppThatIsConfiguredAndOfNoOther) {
    http::Client client;
    const CloudApi api(client, {.base_url = "http://127.0.0.1:1",
                                .apps = {{"app1", Secret("secret")}},
                                .verify_token = Secret("verify")});
    ConnectChannel channel;
    channel.external_id = ExternalChannelId("106540352242922");
    EXPECT_TRUE(api.faults_of(channel).empty());
    channel.app_id = "app1";
    EXPECT_TRUE(api.faults_of(channel).empty());
    channel.app_id = "app2";
    ASSERT_EQ(api.faults_of(channel).size(), 1U);
    EXPECT_EQ(api.faults_of(channel).front().field, "app_id");
    channel.external_id = ExternalChannelId("1065 4035");
    EXPECT_EQ(api.faults_of(channel).size(), 2U);
}

TEST(MetaCloudApi, AnswersTheHandshakeOfWhoeverKnowsTheToken) {
    http::Client client;
    const auto shake = [&](const char* configured, const std::string& query) {
        const CloudApi api(client,
                           {.base_url = "", .apps = {}, .verify_token = Secret(configured)});
        http::Request request;
        request.query = query;
        return api.handshake(request);
    };
    const auto taken =
        shake("verify", "hub.mode=subscribe&hub.challenge=42&hub.verify_token=verify");
    EXPECT_EQ(taken.status, 200);
    EXPECT_EQ(taken.body, "42");
    EXPECT_EQ(shake("verify", "hub.mode=subscribe&hub.challenge=42&hub.verify_token=wrong").status,
              403);
    EXPECT_EQ(shake("verify", "hub.mode=subscribe&hub.verify_token=verify").status, 403);
    EXPECT_EQ(shake("", "hub.mode=subscribe&hub.challenge=42&hub.verify_token=").status, 403);
}

}  // namespace
}  // namespace flowstack::gateway::meta
