#include "common/text/width.h"

#include <gtest/gtest.h>

namespace flowstack::text {
namespace {

TEST(Width, IsThatOfATerminal) {
    EXPECT_EQ(columns("Ann"), 3u);
    EXPECT_EQ(columns("Zoe\u0308"), 3u);
    EXPECT_EQ(columns("محمد"), 4u);
    EXPECT_EQ(columns("مُحَمَّد"), 4u);
    EXPECT_EQ(columns("李小龙"), 6u);
    EXPECT_EQ(columns("Ann 👋"), 6u);
    EXPECT_EQ(columns("❤\ufe0f"), 2u);
    EXPECT_EQ(columns("👩\u200d👩\u200d👧"), 2u);
    EXPECT_EQ(columns("🇰🇪"), 2u);
    EXPECT_EQ(columns("👍🏿"), 2u);
    EXPECT_EQ(columns("\u202aAnn\u202c\u200b"), 3u);
    EXPECT_EQ(columns(""), 0u);
}

TEST(Width, OfATablesCellIsExact) {
    EXPECT_EQ(in_columns("Ann", 5), "Ann  ");
    EXPECT_EQ(in_columns("Ann 👋", 8), "Ann 👋  ");
    EXPECT_EQ(in_columns("ReservationEndRequested", 10), "Reservati…");
    EXPECT_EQ(in_columns("李小龙", 4), "李… ");
    EXPECT_EQ(in_columns("Zoe\u0308 Ann", 4), "Zoe\u0308…");
    EXPECT_EQ(in_columns("Ann", 0), "");
    for (const char* name : {"Ann", "李小龙", "مُحَمَّد", "👩\u200d👩\u200d👧 family", "🇰🇪🇰🇪🇰🇪"})
        for (std::size_t width = 0; width < 12; ++width)
            EXPECT_EQ(columns(in_columns(name, width)), width) << name;
}

}  // namespace
}  // namespace flowstack::text
