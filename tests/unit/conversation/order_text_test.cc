#include "services/conversation/domain/trades/shop/order_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "tests/support/decorated.h"
#include "tests/unit/conversation/chat.h"

namespace flowstack::conversation {
namespace {

std::vector<Product> catalog() {
    return {product_of("coffee", "Coffee", 100, {"kahawa"}),
            product_of("soap", "Bar Soap", 100, {"soap"}),
            product_of("cement", "Cement", 100),
            product_of("tea", "Tea", 100, {"chai"}),
            product_of("crisps", "Salt and Vinegar Crisps", 100, {"crisps"}),
            product_of("sugar", "Sugar 2kg", 100, {"sukari"}),
            product_of("c50", "Cement 50", 100)};
}

using Lines = std::vector<std::pair<std::string, std::int64_t>>;  // product id, quantity

Lines lines_of(const OrderText& order) {
    Lines lines;
    for (const auto& line : order.lines) lines.emplace_back(line.product_id, line.quantity);
    return lines;
}

struct Case {
    std::string text;
    Lines lines;
};

TEST(OrderText, IsReadAsPeopleTypeIt) {
    const std::vector<Case> cases{
        {"Coffee x 2", {{"coffee", 2}}},
        {"coffee x2", {{"coffee", 2}}},
        {"COFFEE X 2", {{"coffee", 2}}},
        {"coffee × 2", {{"coffee", 2}}},
        {"coffee*2", {{"coffee", 2}}},
        {"coffee×2", {{"coffee", 2}}},
        {"2 coffee", {{"coffee", 2}}},
        {"2x coffee", {{"coffee", 2}}},
        {"2 x coffee", {{"coffee", 2}}},
        {"coffee 2", {{"coffee", 2}}},
        {"coffee: 2", {{"coffee", 2}}},
        {"2 coffees", {{"coffee", 2}}},
        {"Cement x 100", {{"cement", 100}}},
        {"2 coffee and 3 soap", {{"coffee", 2}, {"soap", 3}}},
        {"2 kahawa na 3 chai", {{"coffee", 2}, {"tea", 3}}},
        {"2 coffee, 3 soap; 1 tea", {{"coffee", 2}, {"soap", 3}, {"tea", 1}}},
        {"coffee x 2\nsoap x 3", {{"coffee", 2}, {"soap", 3}}},
        {"I want 2 coffee please", {{"coffee", 2}}},
        {"naomba 2 kahawa tafadhali", {{"coffee", 2}}},
        {"2 salt and vinegar crisps and 1 tea", {{"crisps", 2}, {"tea", 1}}},
        {"sugar 2kg x 3", {{"sugar", 3}}},
        {"2 coffee and 3 coffee", {{"coffee", 5}}},
        {"2 cofee", {{"coffee", 2}}},
        {"2 cemnet", {{"cement", 2}}},
        {"coffee and tea", {{"coffee", 1}, {"tea", 1}}},
        {"2 coffee 3 soap", {{"coffee", 2}, {"soap", 3}}},
        {"coffee 2 soap 3", {{"coffee", 2}, {"soap", 3}}},
        {"coffee x 2 soap x 3 tea x 1", {{"coffee", 2}, {"soap", 3}, {"tea", 1}}},
        {"2x coffee 3x soap", {{"coffee", 2}, {"soap", 3}}},
        {"2 cement 50 3 soap", {{"c50", 2}, {"soap", 3}}},
        {"2 sugar 2kg 3 soap", {{"sugar", 2}, {"soap", 3}}},
        {"2 sugar 2 kg", {{"sugar", 2}}},
        {"2 dozen soap", {{"soap", 24}}},
        {"soap 2 dozen", {{"soap", 24}}},
        {"a dozen of soap", {{"soap", 12}}},
        {"half a dozen soap", {{"soap", 6}}},
        {"2 dozen soap 3 coffee", {{"soap", 24}, {"coffee", 3}}},
        {"two coffees and three soaps", {{"coffee", 2}, {"soap", 3}}},
        {"kahawa mbili na chai tatu", {{"coffee", 2}, {"tea", 3}}},
        // As keyboards and copied texts write them.
        {"2\u00a0coffee", {{"coffee", 2}}},
        {"\u200e2 coffee and 3 soap", {{"coffee", 2}, {"soap", 3}}},
        {"2 coffee\u00a0and\u202f3 soap", {{"coffee", 2}, {"soap", 3}}},
        {"２ ｃｏｆｆｅｅ，３ soap", {{"coffee", 2}, {"soap", 3}}},
        {"٢ coffee", {{"coffee", 2}}},
        {"2\ufe0f\u20e3 coffee", {{"coffee", 2}}},
        {"coffee ✖\ufe0f 2", {{"coffee", 2}}},
        {"2 coffee\u20283 soap", {{"coffee", 2}, {"soap", 3}}},
    };
    const auto products = catalog();
    for (const auto& c : cases)
        EXPECT_EQ(lines_of(parse_order(c.text, products)), c.lines) << c.text;
}

TEST(OrderText, AnExactNameWithANumberIsAName) {
    const auto products = catalog();
    EXPECT_EQ(lines_of(parse_order("cement 50", products)), (Lines{{"c50", 1}}));
}

TEST(OrderText, WhatDoesNotMatchIsKeptToBeAskedAbout) {
    const auto products = catalog();
    const auto order = parse_order("2 coffee and 3 unicorns", products);
    EXPECT_EQ(order.lines.size(), 1u);
    ASSERT_EQ(order.unclear.size(), 1u);
    EXPECT_EQ(order.unclear[0], (UnclearItem{"unicorns", 3}));
}

TEST(OrderText, QuantitiesOutsideTheLimitAreUnclear) {
    const auto products = catalog();
    for (const std::string text :
         {"coffee x 0", "coffee x 1000", "coffee x 99999999", "0 coffee"}) {
        const auto order = parse_order(text, products);
        EXPECT_TRUE(order.lines.empty()) << text;
        EXPECT_EQ(order.unclear.size(), 1u) << text;
    }
    EXPECT_EQ(parse_order("999 coffee, 1 coffee", products).unclear.size(), 1u);
}

TEST(OrderText, WhatComesAfterTheLastThingIsOneThingToAskAbout) {
    const auto products = catalog();
    std::string things, numbers;
    for (int i = 0; i < 1000; ++i) {
        things += "2 unicorns, ";
        numbers += std::to_string(i % 10) + ", ";
    }
    const auto strange = parse_order(things, products);
    ASSERT_EQ(strange.unclear.size(), kOrderTextLinesMax + 1);
    EXPECT_TRUE(strange.unclear.back().words.starts_with("2 unicorns"));
    EXPECT_EQ(parse_order(numbers, products).unclear.size(), kOrderTextLinesMax + 1);
    const auto mixed = parse_order("2 coffee, " + things + "3 soap", products);
    EXPECT_EQ(lines_of(mixed), (Lines{{"coffee", 2}}));
    EXPECT_TRUE(mixed.unclear.back().words.ends_with("3 soap"));
}

// Each of these was answered with the greeting.
TEST(OrderText, ANumberThatIsNoQuantityIsAskedAbout) {
    const auto products = catalog();
    for (const std::string text :
         {"1.5 coffee", "1,5 coffee", ".5 coffee", "1½ coffee", "½ coffee", "1/2 coffee",
          "-2 coffee", "5000 coffee", "1,000 coffee", "coffee 5000", "2kg coffee", "coffee 500g",
          "2 kg coffee", "coffee 2 kg", "1.5 dozen soap", "100 dozen soap", "2 bags cement"}) {
        const auto order = parse_order(text, products);
        EXPECT_TRUE(order.is_order()) << text;
        EXPECT_TRUE(order.lines.empty()) << text;
        ASSERT_EQ(order.unclear.size(), 1u) << text;
    }
    for (const std::string text : {"1.5 coffee", "5000 coffee", "coffee x 5000", "2kg coffee"})
        EXPECT_EQ(
            product_named_in(parse_order(text, products).unclear.at(0).words, products).product->id,
            "coffee")
            << text;
}

TEST(OrderText, ANumberOfSomethingUnknownIsAskedAbout) {
    const auto products = catalog();
    const auto order = parse_order("2 unicorns", products);
    EXPECT_TRUE(order.is_order());
    EXPECT_EQ(order.unclear, (std::vector<UnclearItem>{{"unicorns", 2}}));
    EXPECT_EQ(parse_order("2 unicorns 3 dragons", products).unclear,
              (std::vector<UnclearItem>{{"unicorns", 2}, {"dragons", 3}}));
}

TEST(OrderText, ASizeThatTheProductDoesNotHaveIsAskedAbout) {
    const auto products = catalog();
    EXPECT_EQ(parse_order("2 sugar 5kg", products).unclear,
              (std::vector<UnclearItem>{{"sugar 5kg", 2}}));
    EXPECT_TRUE(parse_order("2 sugar 5kg", products).lines.empty());
}

TEST(OrderText, WhichNumberBelongsToWhichNameIsNeverGuessed) {
    const auto products = catalog();
    const auto order = parse_order("coffee 2 3 soap", products);
    EXPECT_TRUE(order.is_order());
    EXPECT_TRUE(order.lines.empty());
    EXPECT_EQ(order.unclear.size(), 1u);
}

TEST(OrderText, SentencesAreNoOrders) {
    const auto products = catalog();
    for (const std::string text :
         {"hi", "how are you?", "where is your shop", "", "   ", "12", "x", "coffee",
          "I am 25 years old and new here", "my order of 2 days ago has not come yet, where is it?",
          "0712345678 Wanjiru", "seven"})
        EXPECT_FALSE(parse_order(text, products).is_order()) << text;
}

TEST(Matching, ExactThenAliasThenLikeEnough) {
    const auto products = catalog();
    EXPECT_EQ(match_product("coffee", products).kind, MatchKind::exact);
    EXPECT_EQ(match_product("Kahawa!", products).kind, MatchKind::alias);
    EXPECT_EQ(match_product("cofffee", products).kind, MatchKind::fuzzy);
    EXPECT_FALSE(match_product("computer", products));
    EXPECT_FALSE(match_product("pea", products));  // short words are only like themselves
    EXPECT_FALSE(match_product("", products));
}

TEST(Matching, TwoThatAreEquallyLikeAreNone) {
    const std::vector<Product> products{product_of("a", "Red Shirt", 100),
                                        product_of("b", "Red Skirt", 100)};
    EXPECT_FALSE(match_product("red", products));
    EXPECT_EQ(suggestions("red", products).size(), 2u);
}

TEST(Matching, WhatIsNotActiveIsNotThere) {
    auto products = catalog();
    products[0].active = false;
    EXPECT_FALSE(match_product("coffee", products));
    EXPECT_TRUE(suggestions("coffee", products).empty());
}

// Whatever an order is written like, every thing in it is in the lines or asked about: quantities
// add up.
TEST(OrderTextProperty, NothingIsDropped) {
    const auto products = catalog();
    const std::vector<std::string> known{"coffee", "soap", "cement", "tea"};
    const std::vector<std::string> unknown{"unicorn", "zeppelin", "quagga"};
    const std::vector<std::string> between{" and ", ", ", "\n", " na ", "; ", " & ", " + "};
    for (unsigned seed = 1; seed <= 500; ++seed) {
        std::mt19937 random(seed);
        const auto upto = [&](std::size_t n) {
            return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
        };
        std::string text;
        std::int64_t wanted = 0;
        std::size_t strange = 0;
        const auto things = 1 + upto(6);
        for (std::size_t i = 0; i < things; ++i) {
            const bool is_known = upto(3) != 0;
            const auto name = is_known ? known[upto(known.size())] : unknown[upto(unknown.size())];
            const auto quantity = 1 + upto(20);
            if (i) text += between[upto(between.size())];
            const auto n = std::to_string(quantity);
            switch (upto(5)) {
                case 0:
                    text += name + " x " + n;
                    break;
                case 1:
                    text += n + " " + name;
                    break;
                case 2:
                    text += n + "x " + name;
                    break;
                case 3:
                    text += name + " " + n;
                    break;
                default:
                    text += "please " + n + " of " + name;
                    break;
            }
            if (is_known)
                wanted += static_cast<std::int64_t>(quantity);
            else
                ++strange;
        }
        const auto order = parse_order(text, products);
        std::int64_t found = 0;
        for (const auto& line : order.lines) found += line.quantity;
        EXPECT_EQ(found, wanted) << "seed " << seed << ": " << text;
        EXPECT_EQ(order.unclear.size(), strange) << "seed " << seed << ": " << text;
    }
}

TEST(OrderTextProperty, AnyBytesAreSurvived) {
    const auto products = catalog();
    for (unsigned seed = 1; seed <= 2000; ++seed) {
        std::mt19937 random(seed);
        std::string text(std::uniform_int_distribution<std::size_t>(0, 200)(random), ' ');
        const std::string alphabet = "xX× 0123456789,;\n&+andcofe*:-\xff\xc3(){}";
        for (auto& c : text)
            c = alphabet[std::uniform_int_distribution<std::size_t>(0,
                                                                    alphabet.size() - 1)(random)];
        const auto order = parse_order(text, products);
        for (const auto& line : order.lines) {
            EXPECT_GE(line.quantity, kQuantityMin) << "seed " << seed;
            EXPECT_LE(line.quantity, kQuantityMax) << "seed " << seed;
        }
        EXPECT_LE(order.lines.size(), products.size());
    }
}

TEST(OrderTextProperty, DecoratedEqualsPlain) {
    const auto products = catalog();
    EXPECT_TRUE(rc::check("what an order says does not depend on the keyboard", [&] {
        std::string text;
        const auto things = *rc::gen::inRange(1, 6);
        for (int i = 0; i < things; ++i) {
            if (i)
                text += *rc::gen::elementOf(std::vector<std::string>{" and ", ", ", " na ", " "});
            text += std::to_string(*rc::gen::inRange(1, 1200)) + " " +
                    *rc::gen::elementOf(std::vector<std::string>{
                        "coffee", "bar soap", "cement 50", "sugar 2kg", "unicorn", "dozen tea"});
        }
        const auto expected = parse_order(text, products);
        const auto order = parse_order(test::decorated(text), products);
        RC_ASSERT(order.lines == expected.lines);
        RC_ASSERT(order.unclear == expected.unclear);
        RC_ASSERT(order.is_order() == expected.is_order());
    }));
}

// --- In the dialogue

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// P37.
TEST(OrderDialogue, IsUnderstoodWithAnyBlanksAndMarks) {
    for (const std::string first : {"2\u00a0coffee", "\u200e2 coffee and 3 soap"}) {
        Chat chat;
        EXPECT_THAT(chat.says(first), ElementsAre(HasSubstr("Coffee × 2"))) << first;
    }
    for (const std::string quantity : {"2\u00a0", "\u200f2", "２"}) {
        Chat chat;
        chat.says("coffee");
        EXPECT_THAT(chat.says(quantity), ElementsAre(HasSubstr("address"))) << quantity;
        EXPECT_EQ(chat.now_in().value("quantity"), "2") << quantity;
        EXPECT_THAT(chat.says("\u202askip\u202c"), ElementsAre(HasSubstr("Coffee × 2")))
            << quantity;
    }
    Chat chat;
    chat.says("Hi");
    EXPECT_THAT(chat.says("ＬＡＮＧ\u00a0ＳＷ"), ::testing::Not(::testing::IsEmpty()));
    EXPECT_EQ(chat.now_in().language, "sw");
}

TEST(OrderDialogue, AsksAboutWhatItCannotCount) {
    for (const std::string first : {"1.5 coffee", "5000 coffee", "2kg coffee"}) {
        Chat chat;
        EXPECT_THAT(chat.says(first), ElementsAre(HasSubstr("We did not understand “" + first)))
            << first;
        EXPECT_THAT(chat.says("3"), ElementsAre(HasSubstr("Coffee × 3"))) << first;
    }
    Chat chat;
    EXPECT_THAT(chat.says("2 unicorns"), ElementsAre(HasSubstr("“unicorns”")));
    EXPECT_THAT(chat.says("coffee"), ElementsAre(HasSubstr("Coffee × 2")));
}

// P29: the 11th product was asked about, answered, and then missing.
TEST(OrderDialogue, TakesTwentyProductsAndSaysWhatIsLeftOut) {
    Chat chat;
    std::string text;
    for (int i = 0; i < 23; ++i) {
        const std::string name =
            "Hand Picked Product of the House " + std::string(1, static_cast<char>('A' + i));
        chat.products.push_back(product_of("p" + std::to_string(i), name, 10'000));
        text += (i ? "\n2 " : "2 ") + name;
    }
    const auto asked = chat.says(text);
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_THAT(asked[0], HasSubstr("2 hand picked product of the house u"));
    EXPECT_EQ(chat.now_in().shop.cart.size(), 20u);
    const auto told = chat.says("2 Hand Picked Product of the House U");
    ASSERT_EQ(told.size(), 2u);
    EXPECT_THAT(told[0], HasSubstr("left out: Hand Picked Product of the House U × 2"));
    EXPECT_THAT(told[1], HasSubstr("Total: KES 4,000.00"));
    for (int i = 0; i < 20; ++i)
        EXPECT_THAT(told[1],
                    HasSubstr(std::string(1, static_cast<char>('A' + i)) + " × 2 = KES 200"));
}

TEST(OrderDialogue, SaysThatMoreThan999OfOneProductAreLeftOut) {
    Chat chat;
    chat.says("900 coffee and 3 unicorns");
    const auto told = chat.says("200 coffee");
    ASSERT_EQ(told.size(), 2u);
    EXPECT_THAT(told[0], HasSubstr("left out: Coffee × 101"));
    EXPECT_THAT(told[1], HasSubstr("Coffee × 999"));
}

TEST(OrderDialogue, AButtonThatOnlySetsALabelKeepsItAndCountsAsItsWords) {
    Chat chat;
    Template t;
    t.kind = TemplateKind::interactive_button;
    t.variants["en"].body = "Hello";
    t.variants["en"].buttons = {{.title = "2 coffee", .next_state = "regular"}};
    chat.own_templates["welcome_template"] = t;
    chat.says("Hi");
    EXPECT_THAT(chat.taps("2 coffee"), ElementsAre(HasSubstr("Coffee × 2")));
    EXPECT_EQ(chat.now_in().value("state"), "regular");
}

}  // namespace
}  // namespace flowstack::conversation
