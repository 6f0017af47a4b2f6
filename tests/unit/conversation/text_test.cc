#include "services/conversation/domain/flow/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "common/text/utf8.h"
#include "services/conversation/domain/flow/templates.h"
#include "tests/support/decorated.h"

namespace flowstack::conversation {
namespace {

using ::testing::ElementsAre;

TEST(Text, PlainIsWhatListsCompare) {
    EXPECT_EQ(plain("  Good   Morning!! "), "good morning");
    EXPECT_EQ(plain("ÉCOLE"), "école");
    EXPECT_EQ(plain("?!"), "");
    EXPECT_EQ(plain("¿Menu?"), "menu");
    EXPECT_EQ(plain("\u200eMENU\u00a0"), "menu");
    EXPECT_EQ(plain("‘start\u2011over’"), "start-over");
    EXPECT_EQ(plain(".5"), ".5");
}

TEST(Text, ACommaOrSlashBetweenDigitsBelongsToTheNumber) {
    EXPECT_EQ(words_of("1,5 coffee, 1/2 tea/soap"),
              (std::vector<std::string>{"1,5", "coffee", "1/2", "tea", "soap"}));
}

TEST(Text, CountsAreWholeNumbersInTheirRange) {
    EXPECT_EQ(parse_count(" 2 ", 1, 999), 2);
    EXPECT_EQ(parse_count("x3", 1, 999), 3);
    EXPECT_EQ(parse_count("007", 1, 999), 7);
    for (const char* typed :
         {"2\u00a0", "\u200f2", "\u202a2\u202c", "２", "٢", "2\ufe0f\u20e3", "②"})
        EXPECT_EQ(parse_count(typed, 1, 999), 2) << typed;
    for (const char* bad : {"", "0", "1000", "-1", "2.5", "two", "1 2", "1e2", ".5", "1½", "5²",
                            "99999999999999999999"})
        EXPECT_FALSE(parse_count(bad, 1, 999)) << bad;
}

TEST(Text, DecoratedEqualsPlain) {
    EXPECT_TRUE(rc::check("words and numbers are compared as people see them", [] {
        const auto words = *test::words();
        const auto typed = test::decorated(words);
        RC_ASSERT(plain(typed) == plain(words));
        RC_ASSERT(words_of(typed) == words_of(words));
        const auto number = std::to_string(*rc::gen::inRange(0, 2000));
        RC_ASSERT(parse_count(test::decorated(number), 1, 999) == parse_count(number, 1, 999));
    }));
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
    EXPECT_EQ(text::code_points(rendered.content.body), kInteractiveBodyMax);
    EXPECT_EQ(rendered.content.titles.size(), 3u);
    EXPECT_EQ(text::code_points(rendered.content.titles[0]), kButtonTitleMax);
    EXPECT_EQ(rendered.taps[2].n, 2);
    const std::vector<Choice> none;
    EXPECT_EQ(render(t, "en", {}, &none).content.kind, TemplateKind::text);
}

TEST(Template, ATapThatOnlySetsALabelKeepsIt) {
    auto t = buttons(3);
    t.variants["en"].buttons[0].next_state = "asked";
    t.variants["en"].buttons[1].next_template_key = "welcome";
    const auto taps = render(t, "en", {}).taps;
    EXPECT_EQ(taps[0].action, kSendTemplateAction);
    EXPECT_EQ(taps[0].argument, "|asked");
    EXPECT_EQ(taps[1].argument, "welcome|");
    EXPECT_EQ(taps[2].action, "");
}

Template approved(const std::string& body) {
    Template t;
    t.kind = TemplateKind::whatsapp_template;
    t.variants["en"].body = t.variants["sw"].body = body;
    t.variants["en"].whatsapp_template = t.variants["sw"].whatsapp_template = "reminder";
    return t;
}

// P05: a name with a line break made one parameter more, and Meta refused the message (132000).
TEST(ApprovedTemplate, HasAsManyParametersWhateverANameContains) {
    const auto t = approved("{{name}}\nYour order {{order_id}}\n{{business_name}}");
    for (const char* name : {"Ann      Lee", "Ann\tLee", "Ann\nLee", "\r\nAnn\u00a0\u2028 Lee\n\n"})
        EXPECT_THAT(render(t, "en", {{"name", name}, {"order_id", "7"}, {"business_name", "Duka"}})
                        .content.parameters,
                    ElementsAre("Ann Lee", "Your order 7", "Duka"))
            << name;
    EXPECT_TRUE(rc::check("always three", [&] {
        const auto name = *rc::gen::arbitrary<std::string>();
        const auto parameters = render(t, "en", {{"name", name}}).content.parameters;
        RC_ASSERT(parameters.size() == 3u);
        for (const auto& parameter : parameters) {
            RC_ASSERT(!parameter.empty());
            RC_ASSERT(parameter.find_first_of("\n\r\t") == std::string::npos);
            RC_ASSERT(parameter.find("  ") == std::string::npos);
        }
    }));
}

// P06: without a profile name there was one parameter instead of two, and Meta refused the message.
TEST(ApprovedTemplate, FillsAnEmptyValueWithANeutralWord) {
    const auto t = approved("{{name}}\n{{business_name}}");
    const std::map<std::string, std::string> nameless{{"business_name", "Duka"}};
    EXPECT_THAT(render(t, "en", nameless).content.parameters, ElementsAre("customer", "Duka"));
    EXPECT_THAT(render(t, "sw", nameless).content.parameters, ElementsAre("mteja", "Duka"));
    EXPECT_THAT(render(t, "en", {{"name", "\u200b"}}).content.parameters,
                ElementsAre("customer", "-"));
    EXPECT_EQ(render(t, "en", nameless).content.body, "customer\nDuka");
}

TEST(ApprovedTemplate, RefusesSectionsOverLines) {
    EXPECT_TRUE(check(approved("{{#name}}{{name}}{{/name}}\n{{total}}"), kKnowsNothing).empty());
    const auto problems = check(approved("{{#name}}{{name}}\n{{/name}}{{total}}"), kKnowsNothing);
    ASSERT_EQ(problems.size(), 2u);
    EXPECT_EQ(problems[0].field, "variants[0].body");
}

Template list() {
    Template t;
    t.kind = TemplateKind::interactive_list;
    t.variants["en"].body = "Choose";
    t.variants["en"].list_button = "Open";
    return t;
}

// P29: names that are equal up to the 24th character.
TEST(Template, RowsThatTheCutMakesEqualStayDistinguishable) {
    const std::vector<Choice> rows{{.title = "Premium Arabica Coffee Beans 250 g"},
                                   {.title = "Premium Arabica Coffee Beans 500 g"},
                                   {.title = "Premium Arabica Coffee Beans 1 kg"},
                                   {.title = "Soap"},
                                   {.title = "Soap"}};
    const auto rendered = render(list(), "en", {}, &rows);
    std::set<std::string> titles;
    for (const auto& row : rendered.content.rows) {
        titles.insert(row.title);
        EXPECT_LE(text::code_points(row.title), kRowTitleMax);
    }
    EXPECT_EQ(titles.size(), rows.size());
    EXPECT_EQ(rendered.taps[1].title, rendered.content.rows[1].title);
    EXPECT_EQ(rendered.content.rows[4].title, "Soap (2)");
}

TEST(Template, RowsKeepTheirEndsWhereTheyDiffer) {
    const std::vector<Choice> rows{{.title = "Premium Arabica Coffee Beans 250 g"},
                                   {.title = "Premium Arabica Coffee Beans 500 g"}};
    const auto rendered = render(list(), "en", {}, &rows);
    EXPECT_EQ(rendered.content.rows[0].title, "Premium Arabica…ns 250 g");
    EXPECT_EQ(rendered.content.rows[1].title, "Premium Arabica…ns 500 g");
}

// P29: a long list of long names pushed the total out of the message.
TEST(Template, ALongListOfLinesNeverHidesTheTotal) {
    auto t = buttons(1);
    t.variants["en"].body = "Order\n{{lines}}\nTotal: {{total}}\nConfirm?";
    std::string lines;
    for (int i = 0; i < 20; ++i)
        lines += (i ? "\n" : "") +
                 std::string("The finest hand picked product of the house, number ") +
                 std::to_string(i) + " × 12 = KES 10,200.00";
    const auto body = render(t, "en", {{"lines", lines}, {"total", "KES 204,000.00"}}).content.body;
    EXPECT_LE(text::code_points(body), kInteractiveBodyMax);
    EXPECT_THAT(body, ::testing::EndsWith("\nTotal: KES 204,000.00\nConfirm?"));
    std::size_t shown = 0;
    constexpr std::string_view kAmount = " × 12 = KES 10,200.00";
    for (std::size_t at = 0; (at = body.find(kAmount, at)) != std::string::npos; ++at) ++shown;
    EXPECT_EQ(shown, 20u);
    // Names that differ at their ends only are still told apart.
    for (int i = 0; i < 20; ++i)
        EXPECT_THAT(body, ::testing::HasSubstr(" " + std::to_string(i) + std::string(kAmount)));
}

}  // namespace
}  // namespace flowstack::conversation
