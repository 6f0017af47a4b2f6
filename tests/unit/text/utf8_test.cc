#include "common/text/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace flowstack::text {
namespace {

TEST(Utf8, IsWellFormedOrNot) {
    for (const char* good : {"", "abc", "é", "👋", "\u0000", "\U0010ffff"})
        EXPECT_TRUE(is_valid_utf8(good)) << good;
    for (const char* bad : {"\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                            "a\x80", "\xf0\x9f\x91"})
        EXPECT_FALSE(is_valid_utf8(bad)) << bad;
}

TEST(Utf8, IsRepairedWithReplacementCharacters) {
    EXPECT_EQ(repaired("a\xff"
                       "b"),
              "a\ufffdb");
    EXPECT_EQ(repaired("cut \xf0\x9f\x91"), "cut \ufffd");
    EXPECT_EQ(repaired("\xed\xa0\x80!"), "\ufffd\ufffd\ufffd!");
    EXPECT_EQ(repaired("Karibu 👋"), "Karibu 👋");
    EXPECT_TRUE(rc::check("any bytes become well-formed", [] {
        const auto bytes = *rc::gen::arbitrary<std::string>();
        const auto text = repaired(bytes);
        RC_ASSERT(is_valid_utf8(text));
        RC_ASSERT(is_valid_utf8(bytes) == (text == bytes));
    }));
}

TEST(Utf8, IsCountedInCodePoints) {
    EXPECT_EQ(code_points("Karibu 👋"), 8u);
    EXPECT_EQ(code_points("a\xff\xfe"), 3u);
    EXPECT_EQ(code_points(""), 0u);
}

TEST(Utf8, IsShortenedBetweenCharacters) {
    EXPECT_EQ(shortened("äöüäöü", 4), "äöü…");
    EXPECT_EQ(shortened("äöü", 3), "äöü");
    EXPECT_EQ(shortened("abc", 0), "");
    EXPECT_EQ(shortened("abc", 1), "…");
    // A family is five code points, a flag two: half of one would be another picture.
    EXPECT_EQ(shortened("ab👩\u200d👩\u200d👧cd", 6), "ab…");
    EXPECT_EQ(shortened("ab🇰🇪cd", 4), "ab…");
    EXPECT_EQ(shortened("ne\u0301e", 3), "n…");
    EXPECT_EQ(shortened("👩\u200d👩\u200d👧👧", 4), "👩\u200d👩…");
}

TEST(Utf8, IsShortenedInTheMiddleWhereItsEndMatters) {
    EXPECT_EQ(shortened_in_the_middle("Premium Arabica Coffee 500 g", 16, 5), "Premium Ar…500 g");
    EXPECT_EQ(shortened_in_the_middle("Soap", 16, 5), "Soap");
    EXPECT_EQ(shortened_in_the_middle("Premium Arabica", 5, 5), "Prem…");
}

TEST(Utf8, FrontPartNeverEndsInsideACodePoint) {
    EXPECT_EQ(front_of_bytes("aé", 2), "a");
    EXPECT_EQ(front_of_bytes("aé", 3), "aé");
    EXPECT_EQ(front_of_bytes("👋", 3), "");
}

TEST(Utf8, ShortenedTextKeepsItsLimit) {
    EXPECT_TRUE(rc::check("at most that many code points, and the text's own front", [] {
        const auto bytes = repaired(*rc::gen::arbitrary<std::string>());
        const auto max = static_cast<std::size_t>(*rc::gen::inRange(0, 40));
        const auto text = shortened(bytes, max);
        RC_ASSERT(code_points(text) <= max);
        RC_ASSERT(is_valid_utf8(text));
    }));
}

}  // namespace
}  // namespace flowstack::text
