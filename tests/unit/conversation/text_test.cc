#include "services/conversation/domain/text.h"

#include <gtest/gtest.h>

#include "services/conversation/domain/templates.h"

namespace flowstack::conversation {
namespace {

TEST(Text, IsCountedAndCutInCharacters) {
    EXPECT_EQ(utf8_length("Karibu 👋"), 8u);
    EXPECT_EQ(utf8_cut("äöüäöü", 4), "äöü…");
    EXPECT_EQ(utf8_cut("äöü", 3), "äöü");
    EXPECT_EQ(utf8_cut("abc", 0), "");
}

TEST(Text, PlainIsWhatListsCompare) {
    EXPECT_EQ(plain("  Good   Morning!! "), "good morning");
    EXPECT_EQ(plain("ÉCOLE"), "école");
    EXPECT_EQ(plain("?!"), "");
}

TEST(Text, CountsAreWholeNumbersInTheirRange) {
    EXPECT_EQ(parse_count(" 2 ", 1, 999), 2);
    EXPECT_EQ(parse_count("x3", 1, 999), 3);
    EXPECT_EQ(parse_count("007", 1, 999), 7);
    for (const char* bad :
         {"", "0", "1000", "-1", "2.5", "two", "1 2", "1e2", "99999999999999999999"})
        EXPECT_FALSE(parse_count(bad, 1, 999)) << bad;
}

TEST(Text, PhonesBecomeE164) {
    for (const char* good : {"0712345678", "0712 345 678", "712345678", "254712345678",
                             "+254712345678", "+254-712-345-678"})
        EXPECT_EQ(parse_phone(good, "KE"), "+254712345678") << good;
    EXPECT_EQ(parse_phone("0712345678", "TZ"), "+255712345678");
    for (const char* bad :
         {"", "12345", "phone", "07123456789", "+25471234567", "0712345678 or 9", "++254712345678"})
        EXPECT_FALSE(parse_phone(bad, "KE")) << bad;
}

TEST(Text, VariablesAreFilledOnceAndUnknownOnesVanish) {
    EXPECT_EQ(fill("Hi {{name}}, {{ what }}{{nothing}}!", {{"name", "{{what}}"}, {"what", "x"}}),
              "Hi {{what}}, x!");
    EXPECT_EQ(fill("a{{#t}}[{{t}}]{{/t}}b", {{"t", "1"}}), "a[1]b");
    EXPECT_EQ(fill("a{{#t}}[{{t}}]{{/t}}b", {}), "ab");
    EXPECT_EQ(fill("{{open", {}), "{{open");
    EXPECT_EQ(names_in("{{a}} {{#b}}{{a}}{{/b}}"), (std::vector<std::string>{"a", "b"}));
}

Template buttons(std::size_t count) {
    Template t;
    t.kind = TemplateKind::interactive_button;
    t.variants["en"].body = "Choose";
    for (std::size_t i = 0; i < count; ++i)
        t.variants["en"].buttons.push_back({.title = "Button " + std::to_string(i)});
    return t;
}
const auto kKnowsNothing = [](const std::string&) { return false; };

TEST(Template, HasOneToThreeButtonsWithTitlesOfTwentyCharacters) {
    EXPECT_TRUE(check(buttons(3), kKnowsNothing).empty());
    EXPECT_EQ(check(buttons(4), kKnowsNothing).at(0).field, "variants[0].buttons");
    EXPECT_EQ(check(buttons(0), kKnowsNothing).at(0).field, "variants[0].buttons");
    auto t = buttons(2);
    t.variants["en"].buttons[1].title = "";
    EXPECT_EQ(check(t, kKnowsNothing).at(0).field, "variants[0].buttons[1].title");
    t.variants["en"].buttons[1].title = std::string(21, 'x');
    EXPECT_EQ(check(t, kKnowsNothing).at(0).field, "variants[0].buttons[1].title");
    t.variants["en"].buttons[1].title = "ääääääääääääääääääää";  // twenty characters, forty bytes
    EXPECT_TRUE(check(t, kKnowsNothing).empty());
    t.variants["en"].buttons[1].title = "Button 0";
    EXPECT_EQ(check(t, kKnowsNothing).at(0).field, "variants[0].buttons[1].title");
}

TEST(Template, LeadsOnlyToTemplatesOfItsOwnTenant) {
    auto t = buttons(1);
    t.variants["en"].buttons[0].next_template_key = "tmpl_of_another";
    EXPECT_EQ(check(t, kKnowsNothing).at(0).field, "variants[0].buttons[0].next_template_key");
    EXPECT_TRUE(check(t, [](const std::string& key) { return key == "tmpl_of_another"; }).empty());
}

TEST(Template, ListsHaveTenRows) {
    Template t;
    t.kind = TemplateKind::interactive_list;
    t.variants["en"].body = "Choose";
    t.variants["en"].list_button = "Open";
    for (int i = 0; i < 11; ++i)
        t.variants["en"].rows.push_back({.title = "Row " + std::to_string(i)});
    EXPECT_EQ(check(t, kKnowsNothing).at(0).field, "variants[0].rows");
    t.variants["en"].rows.pop_back();
    EXPECT_TRUE(check(t, kKnowsNothing).empty());
    t.variants["en"].rows[0].description = std::string(73, 'x');
    EXPECT_EQ(check(t, kKnowsNothing).at(0).field, "variants[0].rows[0].description");
}

TEST(Template, RenderingKeepsWhatsAppsLimits) {
    auto t = buttons(3);
    t.variants["en"].body = std::string(2000, 'b');
    const std::vector<Choice> many(5, {.title = std::string(30, 't'), .action = "a"});
    const auto rendered = render(t, "en", {}, &many);
    EXPECT_EQ(utf8_length(rendered.content.body), kInteractiveBodyMax);
    EXPECT_EQ(rendered.content.titles.size(), 3u);
    EXPECT_EQ(utf8_length(rendered.content.titles[0]), kButtonTitleMax);
    EXPECT_EQ(rendered.taps[2].n, 2);
    const std::vector<Choice> none;
    EXPECT_EQ(render(t, "en", {}, &none).content.kind, TemplateKind::text);
}

}  // namespace
}  // namespace flowstack::conversation
