#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <functional>

#include "services/gateway/providers/meta/renderer.h"
#include "services/sandbox/graph.h"
#include "tests/unit/gateway/meta_contents.h"

// What the product renders, judged by the sandbox's Graph API, which shares no code with it.
namespace flowstack::gateway::meta {
namespace {

const UploadedMedia kUploaded{{kMediaId, "1003383421387256"}};

// The stand-in's refusal; empty when it takes the message.
std::string refusal_of(const MessageContent& content) {
    const auto json = render_send(content, "+254712345678", "m1", "cb", kUploaded);
    const auto body = sandbox::parse(json);
    if (!body) return "no JSON: " + json;
    const auto judged = sandbox::judge_message(*body);
    if (const auto* error = std::get_if<sandbox::GraphError>(&judged))
        return error->message + " " + error->details + " " + json;
    return "";
}

std::string faults_text(const MessageContent& content) {
    std::string text;
    for (const auto& fault : faults_of(content))
        text += fault.field + " " + fault.description + "; ";
    return text;
}

TEST(MetaStandIn, TakesEveryKindThatIsRendered) {
    for (const auto& content : every_content()) {
        EXPECT_EQ(faults_text(content), "") << content.ShortDebugString();
        EXPECT_EQ(refusal_of(content), "") << content.ShortDebugString();
    }
}

TEST(MetaStandIn, TakesReadMarks) {
    for (const bool typing : {false, true}) {
        const auto body = sandbox::parse(render_read_mark("wamid.A", typing));
        ASSERT_TRUE(body);
        const auto judged = sandbox::judge_message(*body);
        const auto* read = std::get_if<sandbox::ReadRequest>(&judged);
        ASSERT_NE(read, nullptr);
        EXPECT_EQ(read->message_id, "wamid.A");
        EXPECT_EQ(read->typing, typing);
    }
}

// A text of so many characters, with what JSON and UTF-8 make hard.
rc::Gen<std::string> text_of(int min, int max) {
    static const std::vector<std::string> letters{"a",  "Z",  "7", "é", "\"", "\\", "ñ",
                                                  "世", "😀", "/", "<", "{",  "."};
    return rc::gen::exec([=] {
        const auto size = *rc::gen::inRange(min, max + 1);
        std::string text;
        for (int i = 0; i < size; ++i) text += *rc::gen::elementOf(letters);
        return text;
    });
}

// Fills the texts of a content anew, within their limits.
MessageContent filled(MessageContent content) {
    using Content = MessageContent;
    switch (content.content_case()) {
        case Content::kText:
            content.mutable_text()->set_body(*text_of(1, 4096));
            break;
        case Content::kButtons:
            content.mutable_buttons()->set_body(*text_of(1, 1024));
            content.mutable_buttons()->set_footer(*text_of(0, 60));
            content.mutable_buttons()->set_titles(0, "1" + *text_of(0, 19));
            content.mutable_buttons()->set_titles(1, "2" + *text_of(0, 19));
            break;
        case Content::kList:
            content.mutable_list()->set_body(*text_of(1, 1024));
            content.mutable_list()->set_button(*text_of(1, 20));
            for (auto& row : *content.mutable_list()->mutable_rows()) {
                row.set_title(*text_of(1, 24));
                row.set_description(*text_of(0, 72));
            }
            break;
        case Content::kTemplate:
            for (auto& parameter : *content.mutable_template_()->mutable_body_parameters())
                parameter = *text_of(1, 1024);
            break;
        case Content::kMedia:
            if (content.media().kind() != "audio" && content.media().kind() != "sticker")
                content.mutable_media()->set_caption(*text_of(0, 1024));
            if (content.media().kind() == "document")
                content.mutable_media()->set_filename(*text_of(0, 240));
            break;
        case Content::kLocation:
            content.mutable_location()->set_latitude(*rc::gen::inRange(-9000000, 9000001) / 1e5);
            content.mutable_location()->set_longitude(*rc::gen::inRange(-18000000, 18000001) / 1e5);
            content.mutable_location()->set_name(*text_of(1, 200));
            break;
        case Content::kContacts:
            content.mutable_contacts()->mutable_cards(0)->set_formatted_name(*text_of(1, 200));
            content.mutable_contacts()->mutable_cards(0)->set_last_name(*text_of(0, 200));
            break;
        case Content::kLinkButton:
            content.mutable_link_button()->set_body(*text_of(1, 1024));
            content.mutable_link_button()->set_title(*text_of(1, 20));
            content.mutable_link_button()->set_header(*text_of(0, 60));
            break;
        case Content::kLocationRequest:
            content.mutable_location_request()->set_body(*text_of(1, 1024));
            break;
        case Content::kProduct:
            content.mutable_product()->set_body(*text_of(0, 1024));
            break;
        case Content::kProductList:
            content.mutable_product_list()->set_header(*text_of(1, 60));
            content.mutable_product_list()->set_body(*text_of(1, 1024));
            break;
        case Content::kCatalog:
            content.mutable_catalog()->set_body(*text_of(1, 1024));
            content.mutable_catalog()->set_footer(*text_of(0, 60));
            break;
        case Content::kForm:
            content.mutable_form()->set_body(*text_of(1, 1024));
            content.mutable_form()->set_button(*text_of(1, 20));
            break;
        case Content::kReaction:
        case Content::CONTENT_NOT_SET:
            break;
    }
    return content;
}

TEST(MetaStandIn, TakesWhateverHasNoFault) {
    const auto all = every_content();
    EXPECT_TRUE(rc::check("what has no fault is taken", [&] {
        const auto content = filled(*rc::gen::elementOf(all));
        RC_ASSERT(faults_text(content) == "");
        RC_ASSERT(refusal_of(content) == "");
    }));
}

// A limit: a content whose field has this size.
struct Limit {
    const char* field;
    std::function<MessageContent(std::size_t size)> sized;
    std::size_t max;
};

std::string letters(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += "é";  // counted in characters, not in bytes
    return text;
}

template <class Set>
std::function<MessageContent(std::size_t)> sized(const MessageContent& content, Set set) {
    return [content, set](std::size_t size) {
        auto changed = content;
        set(changed, size);
        return changed;
    };
}

std::vector<Limit> limits() {
    using C = MessageContent;
    return {
        {"content.text.body",
         sized(text_content(), [](C& c, std::size_t n) { c.mutable_text()->set_body(letters(n)); }),
         kTextMax},
        {"content.buttons.body",
         sized(buttons_content(),
               [](C& c, std::size_t n) { c.mutable_buttons()->set_body(letters(n)); }),
         kInteractiveBodyMax},
        {"content.buttons.header",
         sized(buttons_content(),
               [](C& c, std::size_t n) { c.mutable_buttons()->set_header(letters(n)); }),
         kHeaderMax},
        {"content.buttons.footer",
         sized(buttons_content(),
               [](C& c, std::size_t n) { c.mutable_buttons()->set_footer(letters(n)); }),
         kFooterMax},
        {"content.buttons.titles[0]",
         sized(buttons_content(),
               [](C& c, std::size_t n) { c.mutable_buttons()->set_titles(0, letters(n)); }),
         kButtonTitleMax},
        {"content.buttons.titles",
         sized(buttons_content(),
               [](C& c, std::size_t n) {
                   c.mutable_buttons()->clear_titles();
                   for (std::size_t i = 0; i < n; ++i)
                       c.mutable_buttons()->add_titles(std::to_string(i));
               }),
         static_cast<std::size_t>(kButtonsMax)},
        {"content.list.body",
         sized(list_content(), [](C& c, std::size_t n) { c.mutable_list()->set_body(letters(n)); }),
         kInteractiveBodyMax},
        {"content.list.header",
         sized(list_content(),
               [](C& c, std::size_t n) { c.mutable_list()->set_header(letters(n)); }),
         kHeaderMax},
        {"content.list.button",
         sized(list_content(),
               [](C& c, std::size_t n) { c.mutable_list()->set_button(letters(n)); }),
         kListLabelMax},
        {"content.list.rows[0].title",
         sized(
             list_content(),
             [](C& c, std::size_t n) { c.mutable_list()->mutable_rows(0)->set_title(letters(n)); }),
         kRowTitleMax},
        {"content.list.rows[0].description",
         sized(list_content(),
               [](C& c, std::size_t n) {
                   c.mutable_list()->mutable_rows(0)->set_description(letters(n));
               }),
         kRowDescriptionMax},
        {"content.list.section_title",
         sized(list_content(),
               [](C& c, std::size_t n) { c.mutable_list()->set_section_title(letters(n)); }),
         kSectionTitleMax},
        {"content.list.rows", [](std::size_t n) { return list_content(static_cast<int>(n)); },
         static_cast<std::size_t>(kRowsMax)},
        {"content.media.caption",
         sized(media_content("image"),
               [](C& c, std::size_t n) { c.mutable_media()->set_caption(letters(n)); }),
         kCaptionMax},
        {"content.link_button.title",
         sized(link_button_content(),
               [](C& c, std::size_t n) { c.mutable_link_button()->set_title(letters(n)); }),
         RecalledLimits{}.link_title_max},
        {"content.location_request.body",
         sized(location_request_content(),
               [](C& c, std::size_t n) { c.mutable_location_request()->set_body(letters(n)); }),
         kInteractiveBodyMax},
        {"content.product_list.sections",
         [](std::size_t n) { return product_list_content(1, static_cast<int>(n)); },
         static_cast<std::size_t>(kProductsMax)},
        {"content.product_list.sections",
         [](std::size_t n) { return product_list_content(static_cast<int>(n), 1); },
         static_cast<std::size_t>(kSectionsMax)},
        {"content.form.button",
         sized(form_content(),
               [](C& c, std::size_t n) { c.mutable_form()->set_button(letters(n)); }),
         RecalledLimits{}.form_button_max},
        {"content.template.name",
         sized(template_content(),
               [](C& c, std::size_t n) { c.mutable_template_()->set_name(std::string(n, 'a')); }),
         kTemplateNameMax},
        {"content.template.header.text",
         sized(template_content(),
               [](C& c, std::size_t n) {
                   c.mutable_template_()->mutable_header()->set_text(letters(n));
               }),
         kHeaderMax},
        {"content.template.buttons[0].quick_reply_payload",
         sized(template_content(),
               [](C& c, std::size_t n) {
                   c.mutable_template_()->add_buttons()->set_quick_reply_payload(letters(n));
               }),
         RecalledLimits{}.quick_reply_payload_max},
        {"content.template.buttons[0].url_suffix",
         sized(template_content(),
               [](C& c, std::size_t n) {
                   c.mutable_template_()->add_buttons()->set_url_suffix(letters(n));
               }),
         RecalledLimits{}.url_suffix_max},
        {"content.template.buttons[0].copy_code",
         sized(template_content(),
               [](C& c, std::size_t n) {
                   c.mutable_template_()->add_buttons()->set_copy_code(letters(n));
               }),
         RecalledLimits{}.copy_code_max},
        {"content.template.cards",
         [](std::size_t n) { return carousel_content(static_cast<int>(n)); },
         static_cast<std::size_t>(RecalledLimits{}.carousel_cards_max)},
    };
}

TEST(MetaStandIn, RefusesOneMoreThanEachLimitAsTheDoorDoes) {
    for (const auto& [field, make, max] : limits()) {
        EXPECT_EQ(faults_text(make(max)), "") << field;
        EXPECT_EQ(refusal_of(make(max)), "") << field;
        const auto faults = faults_of(make(max + 1));
        ASSERT_FALSE(faults.empty()) << field;
        EXPECT_EQ(faults.front().field, field);
        EXPECT_NE(refusal_of(make(max + 1)), "") << field;
    }
}

}  // namespace
}  // namespace flowstack::gateway::meta
