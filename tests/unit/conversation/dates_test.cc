#include "services/conversation/domain/trades/booking/dates.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

// What people write for a day and a time. It is Wednesday, 2 December 2026, nine in the morning.
namespace flowstack::conversation {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr WallDay kToday{std::chrono::year{2026} / 12 / 2};
constexpr WallTime kNow = WallTime(kToday) + 9h;

std::string two(auto value) {
    std::string text = std::to_string(static_cast<int>(value));
    return text.size() == 1 ? "0" + text : text;
}

// "2026-12-03 10:00", "2026-12-03", "10:00"; "?" unclear, "past", "" nothing.
std::string read(std::string_view words, WallTime now = kNow) {
    const auto reading = read_date(words, now);
    using enum DateReading::Standing;
    switch (reading.standing) {
        case nothing:
            return "";
        case unclear:
            return "?";
        case past:
            return "past";
        case understood:
            break;
    }
    std::string text;
    if (reading.day) {
        const std::chrono::year_month_day date(*reading.day);
        text = std::to_string(static_cast<int>(date.year())) + "-" +
               two(static_cast<unsigned>(date.month())) + "-" +
               two(static_cast<unsigned>(date.day()));
    }
    if (reading.clock)
        text += (text.empty() ? "" : " ") + two(reading.clock->count() / 60) + ":" +
                two(reading.clock->count() % 60);
    return text;
}

struct Row {
    const char* words;
    const char* read;
};

constexpr Row kSwahili[] = {
    {"kesho saa nne", "2026-12-03 10:00"},
    {"Kesho Saa Nne.", "2026-12-03 10:00"},
    {"kesho saa nne asubuhi", "2026-12-03 10:00"},
    {"kesho asubuhi saa nne", "2026-12-03 10:00"},
    {"kesho saa nne usiku", "2026-12-03 22:00"},
    {"kesho saa nne mchana", "2026-12-03 10:00"},
    {"kesho saa moja", "2026-12-03 07:00"},
    {"kesho saa moja asubuhi", "2026-12-03 07:00"},
    {"kesho saa moja usiku", "2026-12-03 19:00"},
    {"kesho saa moja jioni", "2026-12-03 19:00"},
    {"kesho saa mbili asubuhi", "2026-12-03 08:00"},
    {"kesho saa mbili usiku", "2026-12-03 20:00"},
    {"kesho saa tatu", "2026-12-03 09:00"},
    {"kesho saa tano", "2026-12-03 11:00"},
    {"kesho saa sita", "2026-12-03 12:00"},
    {"kesho saa sita mchana", "2026-12-03 12:00"},
    {"kesho saa saba mchana", "2026-12-03 13:00"},
    {"kesho saa nane", "2026-12-03 14:00"},
    {"kesho saa tisa alasiri", "2026-12-03 15:00"},
    {"kesho saa kumi", "2026-12-03 16:00"},
    {"kesho saa kumi jioni", "2026-12-03 16:00"},
    {"kesho saa kumi na moja", "2026-12-03 17:00"},
    {"kesho saa kumi na moja jioni", "2026-12-03 17:00"},
    {"kesho saa kumi na mbili asubuhi", "2026-12-03 06:00"},
    {"kesho saa kumi na mbili jioni", "2026-12-03 18:00"},
    {"kesho saa kumi na mbili", "?"},
    {"kesho saa tatu na nusu", "2026-12-03 09:30"},
    {"kesho saa nne na robo", "2026-12-03 10:15"},
    {"kesho saa nne kasoro robo", "2026-12-03 09:45"},
    {"kesho saa nne na dakika kumi", "2026-12-03 10:10"},
    {"kesho saa tano kasoro dakika tano", "2026-12-03 10:55"},
    {"kesho saa kumi na nusu", "2026-12-03 16:30"},
    {"kesho saa kumi na moja na nusu", "2026-12-03 17:30"},
    {"kesho saa 4", "2026-12-03 10:00"},
    {"kesho saa 4:30", "2026-12-03 10:30"},
    {"kesho saa 4.30 asubuhi", "2026-12-03 10:30"},
    {"kesho saa 8 mchana", "2026-12-03 14:00"},
    {"kesho saa 10", "2026-12-03 16:00"},
    {"kesho saa 10 jioni", "2026-12-03 16:00"},
    {"kesho saa 10 asubuhi", "?"},
    {"kesho saa 10:00", "?"},
    {"kesho saa 14:30", "2026-12-03 14:30"},
    {"leo", "2026-12-02"},
    {"leo saa nane", "2026-12-02 14:00"},
    {"leo saa mbili", "past"},
    {"leo saa tatu", "past"},
    {"leo usiku saa mbili", "2026-12-02 20:00"},
    {"leo saa sita usiku", "?"},
    {"leo jioni", "2026-12-02"},
    {"kesho kutwa", "2026-12-04"},
    {"keshokutwa saa tatu", "2026-12-04 09:00"},
    {"jana", "past"},
    {"juzi saa nne", "past"},
    {"saa nne", "10:00"},
    {"saa ngapi", ""},
    {"kesho saa ngapi?", "2026-12-03"},
    {"Ijumaa", "2026-12-04"},
    {"ijumaa saa nane mchana", "2026-12-04 14:00"},
    {"Alhamisi saa nne", "2026-12-03 10:00"},
    {"Jumamosi saa tatu asubuhi", "2026-12-05 09:00"},
    {"Jumapili", "2026-12-06"},
    {"Jumatatu", "2026-12-07"},
    {"Jumanne", "2026-12-08"},
    {"Jumatano", "?"},
    {"jumatano ijayo", "2026-12-09"},
    {"jumatatu ijayo", "2026-12-07"},
    {"ijumaa ijayo", "?"},
    {"ijumaa hii", "2026-12-04"},
    {"wiki ijayo jumatatu", "2026-12-07"},
    {"ijumaa wiki ijayo", "2026-12-11"},
    {"wiki ijayo", "?"},
    {"baada ya siku tatu", "2026-12-05"},
    {"baada ya siku tatu saa nne", "2026-12-05 10:00"},
    {"baada ya wiki 2", "2026-12-16"},
    {"tarehe 5", "2026-12-05"},
    {"tarehe 1", "2027-01-01"},
    {"tarehe 12 mei saa nne", "2027-05-12 10:00"},
    {"tarehe 12 mwezi wa 5", "2027-05-12"},
    {"tarehe 12 mwezi wa tano", "2027-05-12"},
    {"tarehe 20 mwezi wa kumi na mbili", "2026-12-20"},
    {"tarehe 5 mwezi ujao", "2027-01-05"},
    {"tarehe 31 mwezi wa 2", "?"},
    {"mwezi ujao", "?"},
    {"12 desemba", "2026-12-12"},
    {"Habari za asubuhi, nataka kesho saa tisa", "2026-12-03 15:00"},
    {"habari za jioni", ""},
    {"nataka kunyoa kesho saa nne tafadhali", "2026-12-03 10:00"},
};

constexpr Row kEnglish[] = {
    {"tomorrow 10am", "2026-12-03 10:00"},
    {"Tomorrow at 10 AM", "2026-12-03 10:00"},
    {"10am tomorrow", "2026-12-03 10:00"},
    {"tomorrow 10:30am", "2026-12-03 10:30"},
    {"tomorrow 3 p.m.", "2026-12-03 15:00"},
    {"tomorrow 12pm", "2026-12-03 12:00"},
    {"tomorrow 12am", "2026-12-03 00:00"},
    {"tomorrow at 10", "?"},
    {"tomorrow 5", "?"},
    {"tomorrow at 10 in the morning", "2026-12-03 10:00"},
    {"tomorrow at 3 in the afternoon", "2026-12-03 15:00"},
    {"tomorrow evening at 7", "2026-12-03 19:00"},
    {"tomorrow night at 8", "2026-12-03 20:00"},
    {"tomorrow noon", "2026-12-03 12:00"},
    {"tomorrow at noon", "2026-12-03 12:00"},
    {"tomorrow midnight", "?"},
    {"tomorrow half past ten in the morning", "2026-12-03 10:30"},
    {"tomorrow quarter to 3 in the afternoon", "2026-12-03 14:45"},
    {"tomorrow quarter past 9 in the morning", "2026-12-03 09:15"},
    {"tomorrow ten am", "2026-12-03 10:00"},
    {"tomorrow ten o'clock", "?"},
    {"tomorrow 14:30", "2026-12-03 14:30"},
    {"14:30", "14:30"},
    {"tomorrow 08:00", "2026-12-03 08:00"},
    {"tomorrow 8:00", "2026-12-03 08:00"},
    {"tomorrow 03:30", "2026-12-03 03:30"},
    {"tomorrow 3:30", "?"},
    {"tomorrow 3:30pm", "2026-12-03 15:30"},
    {"tomorrow 10.30", "2026-12-03 10:30"},
    {"tomorrow 10.05", "?"},
    {"tomorrow 13pm", "?"},
    {"tomorrow 25:00", "?"},
    {"tomorrow 10:75", "?"},
    {"today 2pm", "2026-12-02 14:00"},
    {"today 8am", "past"},
    {"today 9am", "past"},
    {"today", "2026-12-02"},
    {"tonight at 8", "2026-12-02 20:00"},
    {"tonight", "2026-12-02"},
    {"yesterday", "past"},
    {"day after tomorrow 9am", "2026-12-04 09:00"},
    {"in 3 days", "2026-12-05"},
    {"in two weeks at 2pm", "2026-12-16 14:00"},
    {"12/5", "2027-05-12"},
    {"12/5 14:30", "2027-05-12 14:30"},
    {"12/5/2027 10am", "2027-05-12 10:00"},
    {"12/5/27", "2027-05-12"},
    {"12-5-2027", "2027-05-12"},
    {"12.5.2027", "2027-05-12"},
    {"2027-05-12", "2027-05-12"},
    {"2027/05/12 9am", "2027-05-12 09:00"},
    {"12.5", "2027-05-12"},
    {"12.05", "?"},
    {"12-5", "?"},
    {"5/13", "?"},
    {"31/2", "?"},
    {"32/1", "?"},
    {"31/12", "2026-12-31"},
    {"1/12", "past"},
    {"24/11", "past"},
    {"2/1/2028", "?"},
    {"1/1/2020", "past"},
    {"May 12", "2027-05-12"},
    {"12 May 2027 at 10am", "2027-05-12 10:00"},
    {"12th of May", "2027-05-12"},
    {"the 5th", "2026-12-05"},
    {"5th at 10am", "2026-12-05 10:00"},
    {"the 5th of next month", "2027-01-05"},
    {"next month", "?"},
    {"Dec 24 3pm", "2026-12-24 15:00"},
    {"24 dec", "2026-12-24"},
    {"I may come tomorrow", "2026-12-03"},
    {"Friday", "2026-12-04"},
    {"fri 2pm", "2026-12-04 14:00"},
    {"on Friday at 14:30", "2026-12-04 14:30"},
    {"this friday", "2026-12-04"},
    {"next friday", "?"},
    {"friday next week", "2026-12-11"},
    {"next monday 3pm", "2026-12-07 15:00"},
    {"next week monday", "2026-12-07"},
    {"next week", "?"},
    {"monday", "2026-12-07"},
    {"this monday", "?"},
    {"Wednesday", "?"},
    {"next wednesday", "2026-12-09"},
    {"this wednesday 3pm", "2026-12-02 15:00"},
    {"next thursday", "?"},
    {"sunday", "2026-12-06"},
    {"Wednesday 12/5", "2027-05-12"},
    {"Friday 12/5", "?"},
    {"Friday 4/12", "2026-12-04"},
    {"Monday or Tuesday", "?"},
    {"tomorrow or friday", "?"},
    {"Friday 10am or 11am", "?"},
    {"10am", "10:00"},
    {"good morning", ""},
    {"Good morning, tomorrow 3pm please", "2026-12-03 15:00"},
    {"hello", ""},
    {"", ""},
    {"haircut", ""},
    {"5", ""},
    {"0712345678", ""},
    {"kesho 10am", "2026-12-03 10:00"},
    {"tomorrow saa nne", "2026-12-03 10:00"},
    {"Ijumaa 2pm", "2026-12-04 14:00"},
    {"tomorrow morning", "2026-12-03"},
    {"tomorrow 10am usiku", "?"},
};

TEST(Dates, OfTheSwahiliTable) {
    for (const auto& row : kSwahili) EXPECT_EQ(read(row.words), row.read) << row.words;
}

TEST(Dates, OfTheEnglishTable) {
    for (const auto& row : kEnglish) EXPECT_EQ(read(row.words), row.read) << row.words;
}

TEST(Dates, TheTablesAreLarge) {
    EXPECT_GE(std::size(kSwahili), 80u);
    EXPECT_GE(std::size(kSwahili) + std::size(kEnglish), 120u);
}

TEST(Dates, AreReadInFullWidthAndWithAnyBlanks) {
    EXPECT_EQ(read("tomorrow\u00a010am"), "2026-12-03 10:00");
    EXPECT_EQ(read("  TOMORROW ,  １０:３０ am "), "2026-12-03 10:30");
}

// Whatever is written: no crash, and nothing that is over, or further ahead than a year.
TEST(DatesProperty, AnyWordsMakeATimeToComeOrNone) {
    const std::vector<std::string> parts{
        "kesho",    "leo",   "saa",     "nne",  "kumi",   "na",   "moja",  "usiku",  "tomorrow",
        "at",       "10",    "10am",    "12/5", "31",     "2026", "14:30", "4.30",   "friday",
        "next",     "week",  "may",     "th",   "tarehe", "wiki", "ijayo", "kasoro", "robo",
        "-",        "//",    "1:2:3",   "half", "past",   "dec",  "the",   "99/99",  "0:00",
        "12.05",    "24:00", "mwezi",   "wa",   "jana",   "in",   "days",  "3",      "ujao",
        "\xc3\x28", "🙂",    "o'clock", "pm",   "."};
    for (unsigned seed = 0; seed < 20'000; ++seed) {
        std::mt19937 random(seed);
        std::string words;
        for (auto n = random() % 9; n > 0; --n)
            words += parts[random() % parts.size()] + (random() % 4 ? " " : "");
        const auto now = kNow + std::chrono::minutes{random() % (400 * 24 * 60)};
        const auto reading = read_date(words, now);
        if (reading.standing != DateReading::Standing::understood) {
            EXPECT_FALSE(reading.day || reading.clock) << words;
            continue;
        }
        ASSERT_TRUE(reading.day || reading.clock) << words;
        if (reading.clock) {
            EXPECT_GE(*reading.clock, 0min) << words;
            EXPECT_LT(*reading.clock, 24h) << words;
        }
        if (!reading.day) continue;
        const auto ends = reading.clock ? WallTime(*reading.day) + *reading.clock
                                        : WallTime(*reading.day) + days{1};
        EXPECT_GT(ends, now) << words;
        EXPECT_LE(*reading.day - std::chrono::floor<days>(now), kDateAheadMax) << words;
    }
}

// Every hour of the Swahili clock is six hours from the same words of the other one.
TEST(DatesProperty, TheSwahiliClockCountsFromSix) {
    const std::vector<std::string> hours{"moja", "mbili", "tatu", "nne",  "tano",        "sita",
                                         "saba", "nane",  "tisa", "kumi", "kumi na moja"};
    for (std::size_t i = 0; i < hours.size(); ++i) {
        const auto reading = read_date("kesho saa " + hours[i], kNow);
        ASSERT_TRUE(reading.clock) << hours[i];
        EXPECT_EQ(*reading.clock, std::chrono::hours{i + 1 + 6}) << hours[i];
    }
}

}  // namespace
}  // namespace flowstack::conversation
