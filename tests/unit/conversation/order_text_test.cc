#include "services/conversation/domain/order_text.h"

#include <gtest/gtest.h>

#include <random>

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

struct Case {
    std::string text;
    std::vector<OrderedLine> lines;
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
    };
    const auto products = catalog();
    for (const auto& c : cases) EXPECT_EQ(parse_order(c.text, products).lines, c.lines) << c.text;
}

TEST(OrderText, AnExactNameWithANumberIsAName) {
    const auto products = catalog();
    EXPECT_EQ(parse_order("cement 50", products).lines, (std::vector<OrderedLine>{{"c50", 1}}));
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

TEST(OrderText, WhatComesAfterTenThingsIsOneThingToAskAbout) {
    const auto products = catalog();
    std::string things, numbers;
    for (int i = 0; i < 1000; ++i) {
        things += "2 unicorns, ";
        numbers += std::to_string(i % 10) + ",";
    }
    const auto strange = parse_order(things, products);
    ASSERT_EQ(strange.unclear.size(), kOrderTextLinesMax + 1);
    EXPECT_TRUE(strange.unclear.back().words.starts_with("2 unicorns"));
    EXPECT_EQ(parse_order(numbers, products).unclear.size(), kOrderTextLinesMax + 1);
    const auto mixed = parse_order("2 coffee, " + things + "3 soap", products);
    EXPECT_EQ(mixed.lines, (std::vector<OrderedLine>{{"coffee", 2}}));
    EXPECT_TRUE(mixed.unclear.back().words.ends_with("3 soap"));
}

TEST(OrderText, SentencesAreNoOrders) {
    const auto products = catalog();
    for (const std::string text :
         {"hi", "how are you?", "where is your shop", "", "   ", "12", "x", "coffee"})
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

}  // namespace
}  // namespace flowstack::conversation
