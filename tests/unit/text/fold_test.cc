#include "common/text/fold.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "common/text/utf8.h"
#include "tests/support/decorated.h"

namespace flowstack::text {
namespace {

TEST(Fold, DropsWhatKeyboardsAndCopiedContactsAdd) {
    EXPECT_EQ(fold("\u202a0712 000 111\u202c"), "0712 000 111");
    EXPECT_EQ(fold("0712\u00a0000\u00a0111"), "0712 000 111");
    EXPECT_EQ(fold("0712\u2011000\u2011111"), "0712-000-111");
    EXPECT_EQ(fold("\u200e2 coffee and 3 soap"), "2 coffee and 3 soap");
    EXPECT_EQ(fold("me\u00adnu\ufeff"), "menu");
    EXPECT_EQ(fold("st\u200bop\u0007"), "stop");
}

TEST(Fold, WritesDigitsQuotesDashesAndSpacesInAscii) {
    EXPECT_EQ(fold("2\ufe0f\u20e3"), "2");
    EXPECT_EQ(fold("٢ ३ ４ 𝟓 ②"), "2 3 4 5 2");
    EXPECT_EQ(fold("don’t “do” it"), "don't \"do\" it");
    EXPECT_EQ(fold("don´t"), "don't");
    EXPECT_EQ(fold("M–Pesa — m−pesa"), "m-pesa - m-pesa");
    EXPECT_EQ(fold("\u3000a \t\r\n\u2028 b\u2800"), "a b");
}

TEST(Fold, IsCompatibilityNormalizedAndCaseFolded) {
    EXPECT_EQ(fold("ＭＥＮＵ"), "menu");
    EXPECT_EQ(fold("ÉCOLE"), fold("e\u0301cole"));
    EXPECT_EQ(fold("Straße"), "strasse");
    EXPECT_EQ(fold("ﬁne"), "fine");
    EXPECT_EQ(fold("ПРИВЕТ"), "привет");
}

TEST(Fold, NeverMakesOneNumberOfTwo) {
    EXPECT_EQ(fold("1½ coffee"), "1 1⁄2 coffee");
    EXPECT_EQ(fold("5²"), "5 2");
    EXPECT_EQ(fold("②3"), "2 3");
}

TEST(Fold, TakesAnyBytes) {
    EXPECT_EQ(fold("A\xff\xfe"), "a\ufffd\ufffd");
    EXPECT_EQ(fold(std::string_view("\0x\0", 3)), "x");
    EXPECT_EQ(fold(""), "");
    EXPECT_EQ(fold("\u200b \u2800"), "");
}

TEST(Fold, DecoratedEqualsPlain) {
    EXPECT_TRUE(rc::check("decorated words fold to the plain ones", [] {
        const auto plain = *test::words();
        RC_ASSERT(fold(test::decorated(plain)) == fold(plain));
    }));
}

TEST(Fold, OnceIsAsGoodAsTwice) {
    EXPECT_TRUE(rc::check("fold(fold(x)) is fold(x), for any bytes", [] {
        const auto bytes = *rc::gen::arbitrary<std::string>();
        const auto once = fold(bytes);
        RC_ASSERT(fold(once) == once);
        RC_ASSERT(is_valid_utf8(once));
    }));
    EXPECT_TRUE(rc::check("fold(fold(x)) is fold(x), for any code points", [] {
        std::string text;
        for (const auto c : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0x80, 0x3000))) {
            if (c < 0x800) {
                text += static_cast<char>(0xC0 | (c >> 6));
            } else {
                text += static_cast<char>(0xE0 | (c >> 12));
                text += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
            }
            text += static_cast<char>(0x80 | (c & 0x3F));
        }
        const auto once = fold(text);
        RC_ASSERT(fold(once) == once);
    }));
}

TEST(Digits, AreThoseOfAnyScript) {
    EXPECT_EQ(digits("Order ORD-٤2, twice"), "42");
    EXPECT_EQ(digits("none"), "");
}

TEST(Clean, KeepsWhatWasMeant) {
    EXPECT_EQ(clean("  Ann\u00a0 \tLee "), "Ann Lee");
    EXPECT_EQ(clean("Plot 7\r\n\r\n\r\nOpposite the  mosque \n"), "Plot 7\n\nOpposite the mosque");
    EXPECT_EQ(clean("\u202eeman\u202c\u0000\u200b"), "eman");
    EXPECT_EQ(clean("e\u200b\u0301"), "é");
    const std::string family = "👩\u200d👩\u200d👧 ❤\ufe0f 2\ufe0f\u20e3";
    EXPECT_EQ(clean(family), family);
    EXPECT_EQ(clean("می\u200cخواهم"), "می\u200cخواهم");
    EXPECT_EQ(clean("“Ann” – Lee"), "“Ann” – Lee");
    EXPECT_EQ(clean("ok\xff"), "ok\ufffd");
}

TEST(Clean, IsEmptyWhenNothingCanBeSeen) {
    for (const char* invisible : {"", " ", "\u200d", "\ufe0f \u2800", "\u202a\u202c", "\u3164"})
        EXPECT_EQ(clean(invisible), "") << invisible;
}

TEST(OneLine, HasNoLineBreaks) {
    EXPECT_EQ(one_line("Ann\nLee"), "Ann Lee");
    EXPECT_EQ(one_line("Ann\tLee"), "Ann Lee");
    EXPECT_EQ(one_line("Ann      Lee"), "Ann Lee");
    EXPECT_EQ(one_line("\r\nAnn\u2028\u2029Lee\r\n"), "Ann Lee");
}

}  // namespace
}  // namespace flowstack::text
