#include "common/text/phone.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/support/decorated.h"

namespace flowstack::text {
namespace {

TEST(Phone, OfAPersonOfTheShopsCountryBecomesE164) {
    for (const char* typed :
         {"0712345678", "0712 345 678", "712345678", "254712345678", "+254712345678",
          "+254-712-345-678", "(0712) 345.678", "00254 712 345 678", "+254 (0)712 345 678",
          "254 0712 345 678", "+254 0712345678", "00254(0)712345678"})
        EXPECT_EQ(e164(typed, "KE"), "+254712345678") << typed;
    EXPECT_EQ(e164("0712345678", "TZ"), "+255712345678");
}

// Copied from a contact: direction marks around it, no-break spaces and dashes inside.
TEST(Phone, MayBeCopiedFromAContact) {
    for (const char* copied :
         {"\u202a0712 000 111\u202c", "0712\u00a0000\u00a0111", "0712\u2011000\u2011111",
          "00254 712 000 111", "+254 (0)712 000 111", "\u200e+254\u00a0712\u2007000111",
          "٠٧١٢٠٠٠١١١", "＋２５４７１２０００１１１"})
        EXPECT_EQ(e164(copied, "KE"), "+254712000111") << copied;
}

TEST(Phone, OfAnotherCountryIsInternational) {
    EXPECT_EQ(e164("+255754000001", "KE"), "+255754000001");
    EXPECT_EQ(e164("255754000001", "KE"), "+255754000001");
    EXPECT_EQ(e164("0044 20 7946 0018", "KE"), "+442079460018");
    EXPECT_EQ(e164("+255 (0)754 000 001", "KE"), "+255754000001");
    EXPECT_FALSE(e164("0712345678", "DE"));
}

TEST(Phone, IsNothingElse) {
    for (const char* bad :
         {"", "12345", "phone", "07123456789", "+25471234567", "0712345678 or 9", "++254712345678",
          "+254007123456", "00254", "(0)", "+0712345678", "0712½45678"})
        EXPECT_FALSE(e164(bad, "KE")) << bad;
}

TEST(Phone, DecoratedEqualsPlain) {
    EXPECT_TRUE(rc::check("a decorated number is the plain one", [] {
        const auto plain = *rc::gen::elementOf(std::vector<std::string>{
            "0712 345 678", "+254 712-345-678", "00254712345678", "+254 (0)712 345678"});
        RC_ASSERT(e164(test::decorated(plain), "KE") == "+254712345678");
    }));
}

}  // namespace
}  // namespace flowstack::text
