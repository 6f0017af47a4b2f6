#include <gtest/gtest.h>

#include <algorithm>

#include "services/gateway/providers/meta/meta_parser.h"
#include "services/gateway/providers/meta/templates.h"
#include "services/sandbox/templates.h"

// Templates as Meta is sent them and answers them: against the fact sheet's shapes, and against the
// sandbox's Graph API, which shares no code with the product.
namespace flowstack::gateway::meta {
namespace {

TemplateSpec spec(std::string body, std::vector<std::string> examples = {}) {
    TemplateSpec made{
        .name = "order_ready", .language_code = "en_US", .category = "UTILITY", .parts = {}};
    made.parts.body = std::move(body);
    for (auto& value : examples)
        made.parts.body_examples.push_back({.name = "", .value = std::move(value)});
    return made;
}

TemplateButtonPart button(std::string kind, std::string text) {
    TemplateButtonPart part;
    part.kind = std::move(kind);
    part.text = std::move(text);
    return part;
}

// With everything that can be made here.
TemplateSpec whole() {
    auto made = spec("Hi {{1}}, your order {{2}} is ready for you.", {"Asha", "ORD-0042"});
    made.parts.header = {.format = "text",
                         .text = "Order {{1}}",
                         .examples = {{.name = "", .value = "ORD-0042"}},
                         .sample_handle = ""};
    made.parts.footer = "Duka la Asha";
    made.parts.buttons.push_back(button("quick_reply", "Stop"));
    made.parts.buttons.push_back(button("url", "See it"));
    made.parts.buttons.back().url = "https://duka.example/o/{{1}}";
    made.parts.buttons.back().url_example = "https://duka.example/o/42";
    made.parts.buttons.push_back(button("phone_number", "Call"));
    made.parts.buttons.back().phone_number = "+254700000001";
    made.parts.buttons.push_back(button("copy_code", ""));
    made.parts.buttons.back().code_example = "ASHA10";
    return made;
}

std::vector<std::string> wrong_fields(const TemplateSpec& spec) {
    std::vector<std::string> found;
    for (const auto& fault : template_faults(spec, {})) found.push_back(fault.field);
    return found;
}
using Fields = std::vector<std::string>;

// The stand-in's refusal; empty when it takes the template.
std::string refusal_of(const TemplateSpec& spec) {
    const auto body = sandbox::parse(render_template(spec));
    if (!body) return "no JSON: " + render_template(spec);
    const auto judged = sandbox::judge_new_template(*body);
    if (const auto* error = std::get_if<sandbox::GraphError>(&judged))
        return error->message + " " + error->user_message;
    return "";
}

TEST(MetaTemplates, AreWrittenAsTheGraphApiTakesThem) {
    EXPECT_EQ(
        render_template(spec("Hi {{1}}, come.", {"Asha"})),
        R"({"name":"order_ready","language":"en_US","category":"UTILITY","components":[{"type":"BODY","text":"Hi {{1}}, come.","example":{"body_text":[["Asha"]]}}]})");
    auto named = spec("Hi {{first_name}}, come.");
    named.parts.body_examples = {{.name = "first_name", .value = "Asha"}};
    EXPECT_EQ(
        render_template(named),
        R"({"name":"order_ready","language":"en_US","category":"UTILITY","parameter_format":"NAMED","components":[{"type":"BODY","text":"Hi {{first_name}}, come.","example":{"body_text_named_params":[{"param_name":"first_name","example":"Asha"}]}}]})");
    EXPECT_EQ(
        render_template(whole()),
        R"({"name":"order_ready","language":"en_US","category":"UTILITY","components":[{"type":"HEADER","format":"TEXT","text":"Order {{1}}","example":{"header_text":["ORD-0042"]}},{"type":"BODY","text":"Hi {{1}}, your order {{2}} is ready for you.","example":{"body_text":[["Asha","ORD-0042"]]}},{"type":"FOOTER","text":"Duka la Asha"},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Stop"},{"type":"URL","text":"See it","url":"https://duka.example/o/{{1}}","example":["https://duka.example/o/42"]},{"type":"PHONE_NUMBER","text":"Call","phone_number":"+254700000001"},{"type":"COPY_CODE","example":"ASHA10"}]}]})");
    EXPECT_EQ(render_template_edit(spec("Come.")),
              R"({"category":"UTILITY","components":[{"type":"BODY","text":"Come."}]})");
}

TEST(MetaTemplates, WhatIsWithoutFaultsTheStandInTakes) {
    auto image = spec("Come.");
    image.parts.header = {.format = "image", .text = "", .examples = {}, .sample_handle = "4::a"};
    auto place = spec("Come.");
    place.parts.header.format = "location";
    auto named = spec("Hi {{first_name}}, come to us.");
    named.parts.body_examples = {{.name = "first_name", .value = "Asha"}};
    auto form = spec("Come.");
    form.parts.buttons.push_back(button("flow", "Book"));
    form.parts.buttons.back().flow_id = "123";
    form.parts.buttons.back().screen = "START";
    auto catalog = spec("Come.");
    catalog.parts.buttons.push_back(button("catalog", "Look"));
    for (const auto& one : {whole(), spec("Come."), image, place, named, form, catalog}) {
        EXPECT_EQ(wrong_fields(one), Fields{}) << render_template(one);
        EXPECT_EQ(refusal_of(one), "") << render_template(one);
    }
}

TEST(MetaTemplates, AreRefusedByTheFieldThatIsWrong) {
    const auto fields = [](auto change) {
        auto one = whole();
        change(one);
        return wrong_fields(one);
    };
    EXPECT_EQ(fields([](auto& s) { s.name = "Order"; }), Fields{"name"});
    EXPECT_EQ(fields([](auto& s) { s.name = std::string(513, 'a'); }), Fields{"name"});
    EXPECT_EQ(fields([](auto& s) { s.name = std::string(512, 'a'); }), Fields{});
    EXPECT_EQ(fields([](auto& s) { s.language_code = "english!"; }), Fields{"language_code"});
    EXPECT_EQ(fields([](auto& s) { s.category = "AUTHENTICATION"; }), Fields{"category"});
    EXPECT_EQ(fields([](auto& s) { s.category = "NEWS"; }), Fields{"category"});
    EXPECT_EQ(fields([](auto& s) { s.parts.header.text = std::string(61, 'x'); }),
              (Fields{"parts.header.text", "parts.header.examples"}));
    EXPECT_EQ(fields([](auto& s) {
                  s.parts.header.text = "{{1}} {{2}}";
                  s.parts.header.examples.push_back({.name = "", .value = "b"});
              }),
              Fields{"parts.header.text"});
    EXPECT_EQ(fields([](auto& s) {
                  s.parts.header = {"image", "", {}, ""};
              }),
              Fields{"parts.header.sample_handle"});
    EXPECT_EQ(fields([](auto& s) {
                  s.parts.header = {"sticker", "", {}, ""};
              }),
              Fields{"parts.header.format"});
    EXPECT_EQ(fields([](auto& s) { s.parts.footer = std::string(61, 'x'); }),
              Fields{"parts.footer"});
    EXPECT_EQ(fields([](auto& s) { s.parts.footer = "by {{1}}"; }), Fields{"parts.footer"});
    EXPECT_EQ(fields([](auto& s) { s.parts.buttons[0].text = std::string(26, 'x'); }),
              Fields{"parts.buttons[0].text"});
    EXPECT_EQ(fields([](auto& s) { s.parts.buttons[0].kind = "dance"; }),
              Fields{"parts.buttons[0].kind"});
    EXPECT_EQ(fields([](auto& s) { s.parts.buttons[1].url = "https://a/{{1}}/b"; }),
              Fields{"parts.buttons[1].url"});
    EXPECT_EQ(fields([](auto& s) { s.parts.buttons[1].url_example.clear(); }),
              Fields{"parts.buttons[1].url_example"});
    EXPECT_EQ(fields([](auto& s) { s.parts.buttons[2].phone_number = "call me"; }),
              Fields{"parts.buttons[2].phone_number"});
    EXPECT_EQ(fields([](auto& s) { s.parts.buttons[3].code_example = std::string(16, 'x'); }),
              Fields{"parts.buttons[3].code_example"});
    EXPECT_EQ(fields([](auto& s) {
                  while (s.parts.buttons.size() <= 10)
                      s.parts.buttons.push_back(button("quick_reply", "More"));
              }),
              Fields{"parts.buttons"});
    EXPECT_EQ(fields([](auto& s) { s.parts.cards = 2; }), Fields{"parts.cards"});
}

TEST(MetaTemplates, VariablesAreJudgedAsTheSheetSays) {
    const auto body = [](std::string text, std::vector<std::string> examples) {
        return wrong_fields(spec(std::move(text), std::move(examples)));
    };
    EXPECT_EQ(body("", {}), Fields{"parts.body"});
    EXPECT_EQ(body(std::string(1024, 'x'), {}), Fields{});
    EXPECT_EQ(body(std::string(1025, 'x'), {}), Fields{"parts.body"});
    EXPECT_EQ(body("{{1}} is ready.", {"a"}), Fields{"parts.body"});
    EXPECT_EQ(body("Ready: {{1}}", {"a"}), Fields{"parts.body"});
    EXPECT_EQ(body("Hi {{1}}{{2}} there.", {"a", "b"}), Fields{"parts.body"});
    EXPECT_EQ(body("Hi {{2}} there.", {"a"}), Fields{"parts.body"});
    EXPECT_EQ(body("Hi {{1}} and {{name}}.", {"a", "b"}).front(), "parts.body");
    EXPECT_EQ(body("Hi {{Name}} there.", {}), Fields{"parts.body"});
    EXPECT_EQ(body("Hi {{1}} there.", {}), Fields{"parts.body_examples"});
    EXPECT_EQ(body("Hi {{1}} there, {{1}}.", {"a"}), Fields{}) << "the same one twice";
    EXPECT_EQ(body("Hi there.", {"a"}), Fields{"parts.body_examples"});
}

TEST(MetaTemplates, AnswersAreRead) {
    const auto made = read_template_answer(
        200, R"({"id":"594425479261596","status":"PENDING","category":"MARKETING"})");
    EXPECT_EQ(std::get<TemplateTaken>(made),
              (TemplateTaken{.provider_template_id = "594425479261596",
                             .status = "PENDING",
                             .category = "MARKETING"}));
    EXPECT_TRUE(
        std::holds_alternative<TemplateTaken>(read_template_success(200, R"({"success":true})")));
    const auto refused = read_template_answer(
        400,
        R"({"error":{"message":"(#100) Invalid parameter","type":"OAuthException","code":2388299,"error_user_title":"No","error_user_msg":"Variables can't be at the start or end of the template.","fbtrace_id":"A"}})");
    const auto& error = std::get<Refused>(refused).error;
    EXPECT_EQ(error.code, "2388299");
    EXPECT_EQ(error.error_class, ErrorClass::rejected);
    EXPECT_EQ(error.details, "Variables can't be at the start or end of the template.");
    // Nobody knows what became of these.
    for (const auto* body : {"", "<html>", "{}", R"({"success":false})", "[]"})
        EXPECT_TRUE(std::holds_alternative<Lost>(read_template_answer(200, body))) << body;
    EXPECT_TRUE(std::holds_alternative<Lost>(read_template_answer(502, "<html>")));
    EXPECT_TRUE(std::holds_alternative<Refused>(read_template_answer(401, "")));
}

TEST(MetaTemplates, ThePageOfTheOfficialExampleIsRead) {
    const auto read = read_template_page(
        200,
        R"({"data":[{"name":"2023_april_promo","previous_category":"ACCOUNT_UPDATE","components":[{"type":"HEADER","format":"TEXT","text":"Fall Sale"},{"type":"BODY","text":"Hi {{1}}, our Fall Sale is on! Use promo code {{2}} Get an extra 25% off every order above $350!","example":{"body_text":[["Mark","FALL25"]]}},{"type":"FOOTER","text":"Not interested in any of our sales? Tap Stop Promotions"},{"type":"BUTTONS","buttons":[{"type":"QUICK_REPLY","text":"Stop promotions"}]}],"language":"en_US","status":"REJECTED","category":"MARKETING","rejected_reason":"PROMOTIONAL","quality_score":{"score":"GREEN","date":1700000000},"id":"920070352646140"}],"paging":{"cursors":{"before":"MAZDZD","after":"MjQZD"}}})");
    const auto& page = std::get<TemplatePage>(read);
    EXPECT_EQ(page.next, "") << "without paging.next it is the last page";
    ASSERT_EQ(page.templates.size(), 1u);
    const auto& one = page.templates.front();
    EXPECT_EQ(one.key.name, "2023_april_promo");
    EXPECT_EQ(one.key.language_code, "en_US");
    EXPECT_EQ(one.provider_template_id, "920070352646140");
    EXPECT_EQ(one.status, "REJECTED");
    EXPECT_EQ(one.reason, "PROMOTIONAL");
    EXPECT_EQ(one.quality, "GREEN");
    EXPECT_EQ(one.parts.header.text, "Fall Sale");
    EXPECT_EQ(one.parts.body_examples.size(), 2u);
    EXPECT_EQ(one.parts.buttons.front().kind, "quick_reply");
    const auto more = read_template_page(
        200,
        R"({"data":[],"paging":{"cursors":{"after":"QVFI"},"next":"https://graph.facebook.com/x"}})");
    EXPECT_EQ(std::get<TemplatePage>(more).next, "QVFI");
    EXPECT_TRUE(std::holds_alternative<Lost>(read_template_page(200, R"({"paging":{}})")));
}

TEST(MetaTemplates, WordsOfNextYearAreKept) {
    const auto parts = read_template_parts(
        R"([{"type":"LIMITED_TIME_OFFER","limited_time_offer":{"text":"x"}},{"type":"body","text":"b","add_security_recommendation":true},{"type":"HEADER","format":"HOLOGRAM"},{"type":"BUTTONS","buttons":[{"type":"OTP","otp_type":"COPY_CODE","text":"Copy"}]},{"type":"CAROUSEL","cards":[{},{}]},7])");
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->other_parts, std::vector<std::string>{"limited_time_offer"});
    EXPECT_EQ(parts->header.format, "hologram");
    EXPECT_EQ(parts->buttons.front().kind, "otp");
    EXPECT_EQ(parts->cards, 2);
    EXPECT_FALSE(read_template_parts("{}"));
}

TEST(MetaTemplates, WhatWasMadeIsListedAsItWasMade) {
    for (const auto& one : {whole(), spec("Come."), spec("Hi {{1}} there.", {"Asha"})}) {
        auto judged = sandbox::judge_new_template(*sandbox::parse(render_template(one)));
        auto& made = std::get<sandbox::Template>(judged);
        made.id = "1689556908129832";
        sandbox::TemplateAccount account;
        account.templates.emplace(made.name, made);
        const auto listed = sandbox::list_templates(
            account, {.name = "", .status = "", .after = "", .fields = {}}, "http://x?limit=25");
        const auto read =
            read_template_page(200, sandbox::compact(std::get<sandbox::json::object>(listed)));
        const auto& page = std::get<TemplatePage>(read);
        ASSERT_EQ(page.templates.size(), 1u);
        EXPECT_EQ(page.templates.front().parts, one.parts) << render_template(one);
    }
}

// ---- webhooks, as the sheet and the documentation write them

Notice notice_in(const std::string& field, const std::string& value) {
    const auto parsed = parse_meta_webhook(
        R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","time":1751247548,"changes":[{"field":")" +
        field + R"(","value":)" + value + "}]}]}");
    EXPECT_EQ(parsed.elements.size(), 1u);
    EXPECT_EQ(parsed.elements.front().business_account_id, "102290129340398");
    EXPECT_EQ(parsed.elements.front().provider_time, from_unix_seconds(1'751'247'548));
    return *parsed.elements.front().notice;
}

TEST(MetaTemplates, EveryStatusOfTheSheetIsReadFromItsWebhook) {
    const auto status_of = [](const std::string& event) {
        return notice_in(
                   "message_template_status_update",
                   R"({"event":")" + event +
                       R"(","message_template_id":1689556908129832,"message_template_name":"order_confirmation","message_template_language":"en_US","reason":"NONE","message_template_category":"UTILITY"})")
            .about_template.status;
    };
    for (const auto* word : {"APPROVED", "REJECTED", "PAUSED", "DISABLED", "PENDING", "IN_APPEAL",
                             "PENDING_DELETION", "DELETED", "ARCHIVED"})
        EXPECT_EQ(status_of(word), word);
    // Events that do not say which status counts.
    for (const auto* word :
         {"FLAGGED", "REINSTATED", "UNARCHIVED", "LOCKED", "LIMIT_EXCEEDED", "A_NEW_ONE"})
        EXPECT_EQ(status_of(word), "") << word;
}

TEST(MetaTemplates, IdsAreNumbersInWebhooksAndTextsHere) {
    const auto status = notice_in(
        "message_template_status_update",
        R"({"event":"REJECTED","message_template_id":1689556908129835,"message_template_name":"abandoned_cart","message_template_language":"en","reason":"INVALID_FORMAT","message_template_category":"MARKETING","rejection_info":{"reason":"Your template has parameters placed next to each other","recommendation":"Separate them."}})");
    EXPECT_EQ(status.about_template.provider_template_id, "1689556908129835");
    EXPECT_EQ(status.reason, "INVALID_FORMAT");
    EXPECT_EQ(status.about_template.category, "MARKETING");
    const auto as_text = notice_in(
        "message_template_status_update",
        R"({"event":"APPROVED","message_template_id":"1689556908129835","message_template_name":"a","message_template_language":"en"})");
    EXPECT_EQ(as_text.about_template.provider_template_id, "1689556908129835");
    const auto quality = notice_in(
        "message_template_quality_update",
        R"({"previous_quality_score":"GREEN","new_quality_score":"YELLOW","message_template_id":806312974732579,"message_template_name":"welcome_template","message_template_language":"en_US"})");
    EXPECT_EQ(quality.about_template.quality, "YELLOW");
    EXPECT_EQ(quality.about_template.status, "");
    const auto category = notice_in(
        "template_category_update",
        R"({"message_template_id":12345678,"message_template_name":"my_message_template","message_template_language":"he","new_category":"MARKETING"})");
    EXPECT_EQ(category.about_template.category, "MARKETING");
    EXPECT_EQ(category.about_template.language_code, "he");
}

}  // namespace
}  // namespace flowstack::gateway::meta
