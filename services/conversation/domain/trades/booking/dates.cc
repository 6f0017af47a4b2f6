#include "services/conversation/domain/trades/booking/dates.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/text/fold.h"

namespace flowstack::conversation {
namespace {

using std::chrono::days;
using std::chrono::minutes;
using Standing = DateReading::Standing;

struct Word {
    std::string_view text;
    int value;
};

template <std::size_t n>
std::optional<int> value_of(const std::array<Word, n>& words, std::string_view text) {
    const auto found = std::ranges::find(words, text, &Word::text);
    return found == words.end() ? std::nullopt : std::optional(found->value);
}

constexpr std::array kRelative{Word{"today", 0},      Word{"leo", 0},        Word{"tomorrow", 1},
                               Word{"tommorow", 1},   Word{"tomorow", 1},    Word{"tommorrow", 1},
                               Word{"tmrw", 1},       Word{"tmr", 1},        Word{"kesho", 1},
                               Word{"kesh", 1},       Word{"overmorrow", 2}, Word{"keshokutwa", 2},
                               Word{"yesterday", -1}, Word{"jana", -1},      Word{"juzi", -2}};

// 0 is Sunday, as std::chrono::weekday has it.
constexpr std::array kWeekdays{
    Word{"sunday", 0}, Word{"sun", 0},      Word{"jumapili", 0},  Word{"monday", 1},
    Word{"mon", 1},    Word{"jumatatu", 1}, Word{"tuesday", 2},   Word{"tue", 2},
    Word{"tues", 2},   Word{"jumanne", 2},  Word{"wednesday", 3}, Word{"wed", 3},
    Word{"weds", 3},   Word{"jumatano", 3}, Word{"thursday", 4},  Word{"thu", 4},
    Word{"thur", 4},   Word{"thurs", 4},    Word{"alhamisi", 4},  Word{"alhamis", 4},
    Word{"friday", 5}, Word{"fri", 5},      Word{"ijumaa", 5},    Word{"saturday", 6},
    Word{"sat", 6},    Word{"jumamosi", 6}};

constexpr std::array kMonths{
    Word{"january", 1},  Word{"jan", 1},       Word{"januari", 1},   Word{"february", 2},
    Word{"feb", 2},      Word{"februari", 2},  Word{"march", 3},     Word{"mar", 3},
    Word{"machi", 3},    Word{"april", 4},     Word{"apr", 4},       Word{"aprili", 4},
    Word{"may", 5},      Word{"mei", 5},       Word{"june", 6},      Word{"jun", 6},
    Word{"juni", 6},     Word{"july", 7},      Word{"jul", 7},       Word{"julai", 7},
    Word{"august", 8},   Word{"aug", 8},       Word{"agosti", 8},    Word{"september", 9},
    Word{"sept", 9},     Word{"sep", 9},       Word{"septemba", 9},  Word{"october", 10},
    Word{"oct", 10},     Word{"oktoba", 10},   Word{"november", 11}, Word{"nov", 11},
    Word{"novemba", 11}, Word{"december", 12}, Word{"dec", 12},      Word{"desemba", 12}};

constexpr std::array kNumbers{Word{"one", 1},   Word{"two", 2},     Word{"three", 3},
                              Word{"four", 4},  Word{"five", 5},    Word{"six", 6},
                              Word{"seven", 7}, Word{"eight", 8},   Word{"nine", 9},
                              Word{"ten", 10},  Word{"eleven", 11}, Word{"twelve", 12}};

constexpr std::array kSwahiliNumbers{
    Word{"moja", 1}, Word{"mbili", 2}, Word{"tatu", 3}, Word{"nne", 4},  Word{"tano", 5},
    Word{"sita", 6}, Word{"saba", 7},  Word{"nane", 8}, Word{"tisa", 9}, Word{"kumi", 10}};

// The hours that a part of the day has, from the first to the last one.
struct Period {
    std::string_view text;
    int first, last;
};
constexpr std::array kPeriods{
    Period{"morning", 5, 11},    Period{"asubuhi", 5, 11},  Period{"alfajiri", 3, 6},
    Period{"dawn", 3, 6},        Period{"mchana", 9, 16},   Period{"adhuhuri", 12, 13},
    Period{"afternoon", 12, 17}, Period{"alasiri", 14, 17}, Period{"jioni", 15, 19},
    Period{"evening", 16, 22},   Period{"usiku", 19, 23},   Period{"night", 19, 23},
    Period{"tonight", 17, 23}};

constexpr std::array<std::string_view, 4> kOrdinals{"st", "nd", "rd", "th"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80; }

// Words, and numbers with what stands between their digits: "10am" is two, "10:30" one.
std::vector<std::string> tokens_of(std::string_view words) {
    const auto text = text::fold(words);
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < text.size();) {
        const auto begin = i;
        if (is_digit(text[i])) {
            constexpr std::string_view kWithin = ":./-";
            while (i < text.size() &&
                   (is_digit(text[i]) || (kWithin.find(text[i]) != std::string_view::npos &&
                                          i + 1 < text.size() && is_digit(text[i + 1]))))
                ++i;
        } else if (is_letter(text[i])) {
            while (i < text.size() && (is_letter(text[i]) || text[i] == '\'')) ++i;
        } else {
            ++i;
            continue;
        }
        tokens.push_back(text.substr(begin, i - begin));
    }
    return tokens;
}

// A time before it is known which half of the day is meant.
struct Clock {
    enum class Kind {
        exact,    // 3pm, 14:30
        written,  // 10:30, without more
        spoken,   // "half past ten", "at 10"
        swahili,  // counts from six
    };
    Kind kind = Kind::exact;
    int hour = 0;
    int minute = 0;  // after the hour; before it when it is below zero
    bool leading_zero = false;
    bool in_digits = false;  // "saa 10:00" may be the other clock
};

class Reader {
public:
    Reader(std::vector<std::string> tokens, WallTime now)
        : tokens_(std::move(tokens)),
          now_(now),
          today_(std::chrono::floor<days>(now)),
          calendar_(today_) {}

    DateReading run() {
        for (std::size_t i = 0; i < tokens_.size();) {
            std::size_t used = 0;
            for (const auto part : {&Reader::greeting, &Reader::relative, &Reader::week,
                                    &Reader::weekday, &Reader::saa, &Reader::spoken,
                                    &Reader::date_in_words, &Reader::numbers, &Reader::period})
                if ((used = (this->*part)(i)) > 0) break;
            i += std::max<std::size_t>(used, 1);
        }
        settle_weekday();
        const auto clock = settle_clock();
        if (days_.empty() && !clock && !unclear_)
            return {.standing = past_ ? Standing::past : Standing::nothing};
        // A number beside a day may be a time, or something else.
        if (bare_number_ && !days_.empty() && !clock) unclear_ = true;
        if (unclear_ || days_.size() > 1) return {.standing = Standing::unclear};
        DateReading reading{.standing = Standing::understood, .day = {}, .clock = clock};
        if (!days_.empty()) reading.day = *days_.begin();
        if (reading.day) {
            const auto until = reading.clock ? WallTime(*reading.day) + *reading.clock
                                             : WallTime(*reading.day) + days{1};
            if (past_ || until <= now_) return {.standing = Standing::past};
            if (*reading.day - today_ > kDateAheadMax) return {.standing = Standing::unclear};
        }
        return reading;
    }

private:
    bool is(std::size_t i, std::string_view text) const {
        return i < tokens_.size() && tokens_[i] == text;
    }
    bool is_any(std::size_t i, std::initializer_list<std::string_view> texts) const {
        return std::ranges::any_of(texts, [&](auto text) { return is(i, text); });
    }
    // A whole number in digits.
    std::optional<int> digits(std::size_t i) const {
        if (i >= tokens_.size()) return {};
        const auto& t = tokens_[i];
        if (t.empty() || t.size() > 4 || !std::ranges::all_of(t, is_digit)) return {};
        return std::stoi(t);
    }
    // In digits or as a word of either language.
    std::optional<int> number(std::size_t i) const {
        if (const auto value = digits(i)) return value;
        if (i >= tokens_.size()) return {};
        if (const auto value = value_of(kNumbers, tokens_[i])) return value;
        return value_of(kSwahiliNumbers, tokens_[i]);
    }
    std::optional<int> month(std::size_t i) const {
        return i < tokens_.size() ? value_of(kMonths, tokens_[i]) : std::nullopt;
    }

    void add_day(WallDay day) { days_.insert(day); }
    void add_date(std::chrono::year_month_day date) {
        if (date.ok())
            add_day(WallDay(date));
        else
            unclear_ = true;
    }
    // The year that was left out is the one in which the day comes next; a day that passed a few
    // weeks ago was meant to be that one.
    void add_date(int day, int month, std::optional<int> year) {
        using namespace std::chrono;
        const auto d = std::chrono::day(static_cast<unsigned>(day));
        const auto m = std::chrono::month(static_cast<unsigned>(month));
        if (day < 1 || month < 1) {
            unclear_ = true;
            return;
        }
        if (year) {
            if (*year < 100) *year += 2000;
            return add_date(year_month_day(std::chrono::year(*year), m, d));
        }
        constexpr std::chrono::days kJustPassed{60};
        auto date = year_month_day(calendar_.year(), m, d);
        if (date.ok() && WallDay(date) < today_ && today_ - WallDay(date) > kJustPassed)
            date = year_month_day(calendar_.year() + years{1}, m, d);
        // 29 February waits for its year.
        if (!date.ok() && day == 29 && month == 2)
            date = year_month_day(calendar_.year() + years{1}, m, d);
        add_date(date);
    }
    // "the 5th", "tarehe 5": of this month, or of the next one if it is over.
    void add_day_of_month(int day, bool next_month) {
        using namespace std::chrono;
        if (day < 1 || day > 31) {
            unclear_ = true;
            return;
        }
        const auto d = std::chrono::day(static_cast<unsigned>(day));
        auto of = year_month(calendar_.year(), calendar_.month());
        if (next_month || d < calendar_.day()) of += months{1};
        add_date(of / d);
    }

    // --- Each says how many tokens it took; 0: it is something else

    // "good morning", "habari za asubuhi" say nothing about when.
    std::size_t greeting(std::size_t i) {
        const auto is_period = [&](std::size_t at) {
            return at < tokens_.size() && std::ranges::find(kPeriods, std::string_view(tokens_[at]),
                                                            &Period::text) != kPeriods.end();
        };
        if (is(i, "good") && is_period(i + 1)) return 2;
        if (is(i, "habari") && is_any(i + 1, {"za", "ya"}) && is_period(i + 2)) return 3;
        return 0;
    }

    std::size_t relative(std::size_t i) {
        if (is(i, "day") && is(i + 1, "after") && is(i + 2, "tomorrow")) {
            add_day(today_ + days{2});
            return 3;
        }
        if (is(i, "kesho") && is(i + 1, "kutwa")) {
            add_day(today_ + days{2});
            return 2;
        }
        if (is(i, "tonight")) {
            add_day(today_);
            set_period(kPeriods.back());
            return 1;
        }
        if (const auto offset = value_of(kRelative, tokens_[i])) {
            if (*offset < 0) past_ = true;
            add_day(today_ + days{*offset});
            return 1;
        }
        // "in 3 days", "after two weeks"
        if (is_any(i, {"in", "after"}))
            if (const auto n = number(i + 1); n && *n > 0) {
                if (is_any(i + 2, {"day", "days"})) {
                    add_day(today_ + days{*n});
                    return 3;
                }
                if (is_any(i + 2, {"week", "weeks"})) {
                    add_day(today_ + days{7 * *n});
                    return 3;
                }
            }
        // "baada ya siku tatu"
        if (is(i, "baada") && is(i + 1, "ya") && is_any(i + 2, {"siku", "wiki"}))
            if (const auto n = number(i + 3); n && *n > 0) {
                add_day(today_ + days{is(i + 2, "wiki") ? 7 * *n : *n});
                return 4;
            }
        return 0;
    }

    // "next week" says which Monday is meant; alone it is seven days.
    std::size_t week(std::size_t i) {
        if ((is(i, "next") && is(i + 1, "week")) || (is(i, "wiki") && is(i + 1, "ijayo"))) {
            next_week_ = true;
            return 2;
        }
        if ((is(i, "this") && is(i + 1, "week")) || (is(i, "wiki") && is(i + 1, "hii"))) {
            this_ = true;
            return 2;
        }
        if ((is(i, "next") && is(i + 1, "month")) || (is(i, "mwezi") && is(i + 1, "ujao"))) {
            unclear_ = true;
            return 2;
        }
        return 0;
    }

    std::size_t weekday(std::size_t i) {
        std::size_t at = i;
        bool next = false, coming = false;
        if (is(at, "next")) next = true;
        if (is_any(at, {"this", "on", "coming"})) coming = is(at, "this") || is(at, "coming");
        if (is_any(at, {"next", "this", "on", "coming"})) ++at;
        if (at >= tokens_.size()) return 0;
        const auto named = value_of(kWeekdays, tokens_[at]);
        if (!named) return 0;
        ++at;
        if (is_any(at, {"ijayo", "lijalo", "next"}) && !is(at + 1, "week")) {
            next = true;
            ++at;
        } else if (is(at, "hii")) {
            coming = true;
            ++at;
        }
        if (weekday_ && *weekday_ != *named) unclear_ = true;
        weekday_ = *named;
        next_ = next_ || next;
        this_ = this_ || coming;
        return at - i;
    }

    // "saa nne na nusu", "saa 4:30", "saa kumi na moja kasoro robo"
    std::size_t saa(std::size_t i) {
        if (!is_any(i, {"saa", "sa"})) return 0;
        std::size_t at = i + 1;
        if (at >= tokens_.size()) return 0;
        Clock clock{.kind = Clock::Kind::swahili};
        if (const auto parts = split(tokens_[at]);
            parts.values.size() == 2 && (parts.between == ":" || parts.between == ".")) {
            clock.hour = parts.values[0];
            clock.minute = parts.values[1];
            clock.in_digits = true;
            ++at;
        } else if (const auto hour = number(at)) {
            clock.hour = *hour;
            ++at;
            if (clock.hour == 10 && !digits(at - 1) && is(at, "na") &&
                is_any(at + 1, {"moja", "mbili"})) {
                clock.hour += is(at + 1, "moja") ? 1 : 2;
                at += 2;
            }
        } else {
            return 0;  // "saa ngapi"
        }
        const bool before = is(at, "kasoro");
        if (before || is(at, "na")) {
            std::optional<int> extra;
            std::size_t used = 2;
            if (is(at + 1, "nusu")) extra = 30;
            if (is(at + 1, "robo")) extra = 15;
            if (is(at + 1, "dakika")) {
                extra = number(at + 2);
                used = 3;
            }
            if (extra && clock.minute == 0) {
                clock.minute = before ? -*extra : *extra;
                at += used;
            }
        }
        // "saa 4pm" and "saa 10 am" are the other clock.
        if (const auto [afternoon, used] = am_pm(at); used > 0) {
            clock.kind = Clock::Kind::exact;
            clock.hour = clock.hour % 12 + (afternoon ? 12 : 0);
            at += used;
        }
        clocks_.push_back(clock);
        return at - i;
    }

    // "half past ten", "quarter to 3", "ten o'clock", "at 10", "noon"
    std::size_t spoken(std::size_t i) {
        if (is_any(i, {"noon", "midday"})) {
            clocks_.push_back({.kind = Clock::Kind::exact, .hour = 12});
            return 1;
        }
        if (is(i, "midnight")) {
            unclear_ = true;  // the one before the day, or the one after it
            return 1;
        }
        std::size_t at = i;
        Clock clock{.kind = Clock::Kind::spoken};
        if (is(at, "half") && is(at + 1, "past")) clock.minute = 30;
        if (is(at, "quarter") && is(at + 1, "past")) clock.minute = 15;
        if (is(at, "quarter") && is(at + 1, "to")) clock.minute = -15;
        const bool counted = clock.minute != 0;
        if (counted) at += 2;
        const bool named = !counted && is_any(at, {"at", "by"});
        if (named) ++at;
        const auto hour = digits(at)            ? digits(at)
                          : at < tokens_.size() ? value_of(kNumbers, tokens_[at])
                                                : std::nullopt;
        if (!hour) return 0;
        ++at;
        const bool o_clock = is_any(at, {"o'clock", "oclock"});
        if (o_clock) ++at;
        const auto [afternoon, used] = am_pm(at);
        if (!counted && !named && !o_clock && used == 0) return 0;
        clock.hour = *hour;
        if (used > 0) {
            if (clock.hour < 1 || clock.hour > 12) unclear_ = true;
            clock.kind = Clock::Kind::exact;
            clock.hour = clock.hour % 12 + (afternoon ? 12 : 0);
            at += used;
        } else if (clock.hour > 12) {
            clock.kind = Clock::Kind::exact;
        }
        clocks_.push_back(clock);
        return at - i;
    }

    // After a number: whether it is after noon, and how many tokens say so.
    std::pair<bool, std::size_t> am_pm(std::size_t i) const {
        if (is_any(i, {"am", "pm"})) return {is(i, "pm"), 1};
        if (is_any(i, {"a", "p"}) && is(i + 1, "m")) return {is(i, "p"), 2};
        return {false, 0};
    }

    // "12 May", "May 12th 2027", "tarehe 12 mwezi wa tano", "the 5th"
    std::size_t date_in_words(std::size_t i) {
        std::size_t at = i;
        const bool said_so = is_any(at, {"tarehe", "tar", "the", "date"});
        if (said_so) ++at;
        if (const auto m = month(at)) {
            const auto day = digits(at + 1);
            if (!day || *day > 31) return 0;  // "may"
            at += 2;
            if (ordinal(at)) ++at;
            finish_date(*day, *m, at);
            return at - i;
        }
        const auto day = digits(at);
        if (!day || *day < 1 || *day > 31) return 0;
        ++at;
        const bool with_ordinal = ordinal(at);
        if (with_ordinal) ++at;
        auto name = at;
        if (is(name, "of")) ++name;
        if (const auto m = month(name)) {
            at = name + 1;
            finish_date(*day, *m, at);
            return at - i;
        }
        if (is(at, "mwezi")) {
            if (is(at + 1, "ujao")) {
                add_day_of_month(*day, true);
                return at + 2 - i;
            }
            auto which = at + 1;
            if (is(which, "wa")) ++which;
            if (auto m = number(which)) {
                at = which + 1;
                if (*m == 10 && is(at, "na") && is_any(at + 1, {"moja", "mbili"})) {
                    *m += is(at + 1, "moja") ? 1 : 2;
                    at += 2;
                }
                finish_date(*day, *m, at);
                return at - i;
            }
        }
        if ((is(at, "of") && is(at + 1, "next") && is(at + 2, "month")) ||
            (is(at, "next") && is(at + 1, "month"))) {
            add_day_of_month(*day, true);
            return at + (is(at, "of") ? 3 : 2) - i;
        }
        if (!with_ordinal && !is_any(i, {"tarehe", "tar", "date"})) return 0;
        add_day_of_month(*day, false);
        return at - i;
    }
    bool ordinal(std::size_t i) const {
        return i < tokens_.size() &&
               std::ranges::find(kOrdinals, std::string_view(tokens_[i])) != kOrdinals.end();
    }
    // A year may follow.
    void finish_date(int day, int month, std::size_t& at) {
        const auto year = digits(at);
        const bool has_year = year && tokens_[at].size() == 4 && *year >= 2000;
        if (has_year) ++at;
        add_date(day, month, has_year ? year : std::nullopt);
    }

    struct Parts {
        std::vector<int> values;
        std::string between;  // ":" or "//"
        std::size_t last_digits = 0;
        bool leading_zero = false;
        bool year_first = false;
    };
    static Parts split(const std::string& token) {
        Parts parts;
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= token.size(); ++i) {
            if (i < token.size() && is_digit(token[i])) continue;
            const auto text = token.substr(begin, i - begin);
            if (text.empty() || text.size() > 4 || !std::ranges::all_of(text, is_digit)) return {};
            if (parts.values.empty()) {
                parts.leading_zero = text.size() == 2 && text[0] == '0';
                parts.year_first = text.size() == 4;
            }
            parts.values.push_back(std::stoi(text));
            parts.last_digits = text.size();
            if (i < token.size()) parts.between += token[i];
            begin = i + 1;
        }
        return parts;
    }

    std::size_t numbers(std::size_t i) {
        if (!is_digit(tokens_[i].front())) return 0;
        const auto parts = split(tokens_[i]);
        const auto& v = parts.values;
        if (v.empty()) return 1;  // a telephone number
        if (v.size() == 1) {
            bare_number_ = bare_number_ || v[0] <= 31;
            return 1;
        }
        const auto [afternoon, used] = am_pm(i + 1);
        const bool is_clock = v.size() == 2 && (parts.between == ":" || parts.between == ".") &&
                              parts.last_digits == 2 && v[0] <= 24 && v[1] < 60;
        const bool is_date = v.size() == 2 && parts.between != ":" && parts.between != "-" &&
                             v[0] >= 1 && v[0] <= 31 && v[1] >= 1 && v[1] <= 12;
        if (is_clock && (used > 0 || !is_date)) {
            Clock clock{.kind = Clock::Kind::written,
                        .hour = v[0],
                        .minute = v[1],
                        .leading_zero = parts.leading_zero};
            if (used > 0) {
                if (v[0] < 1 || v[0] > 12) unclear_ = true;
                clock.kind = Clock::Kind::exact;
                clock.hour = v[0] % 12 + (afternoon ? 12 : 0);
            }
            clocks_.push_back(clock);
            return 1 + used;
        }
        if (is_date && !is_clock) {
            add_date(v[0], v[1], std::nullopt);
            return 1;
        }
        const bool one_kind =
            v.size() == 3 && parts.between[0] == parts.between[1] && parts.between[0] != ':';
        if (one_kind && parts.year_first)
            add_date(v[2], v[1], v[0]);
        else if (one_kind && (parts.last_digits == 4 || parts.last_digits == 2))
            add_date(v[0], v[1], v[2]);
        else
            unclear_ = true;  // "12.05", "10-12", "5/13"
        return 1;
    }

    std::size_t period(std::size_t i) {
        const auto found = std::ranges::find(kPeriods, std::string_view(tokens_[i]), &Period::text);
        if (found == kPeriods.end()) return 0;
        set_period(*found);
        return 1;
    }
    void set_period(const Period& period) {
        if (period_ && period_->text != period.text) unclear_ = true;
        period_ = period;
    }

    // --- What the parts mean together

    void settle_weekday() {
        if (!weekday_) {
            if (next_week_ && days_.empty()) unclear_ = true;
            return;
        }
        using std::chrono::weekday;
        const weekday wanted(static_cast<unsigned>(*weekday_));
        // It only confirms a date that was said too.
        if (!days_.empty()) {
            if (std::ranges::any_of(days_, [&](auto day) { return weekday(day) != wanted; }))
                unclear_ = true;
            return;
        }
        const auto monday = today_ - (weekday(today_) - std::chrono::Monday);
        const auto in_this_week = monday + (wanted - std::chrono::Monday);
        if (next_week_) return add_day(in_this_week + days{7});
        if (this_) {
            if (in_this_week < today_)
                unclear_ = true;
            else
                add_day(in_this_week);
            return;
        }
        const auto ahead = wanted - weekday(today_);
        // "Friday" on a Friday is today or in a week. "Next Friday" on a Monday is this one or the
        // one after it.
        if (ahead == days{0}) {
            if (next_)
                add_day(today_ + days{7});
            else
                unclear_ = true;
        } else if (next_ && (in_this_week > today_ || ahead == days{1})) {
            unclear_ = true;
        } else {
            add_day(today_ + ahead);
        }
    }

    std::optional<minutes> settle_clock() {
        std::set<minutes> found;
        for (const auto& clock : clocks_) {
            const auto at = moment_of(clock);
            if (at && *at >= minutes{0} && *at < minutes{24 * 60})
                found.insert(*at);
            else
                unclear_ = true;
        }
        if (found.size() > 1) unclear_ = true;
        if (found.empty() || unclear_) return {};
        return *found.begin();
    }

    std::optional<minutes> moment_of(const Clock& clock) const {
        using Kind = Clock::Kind;
        const auto at = [&](int hour) { return minutes{hour * 60 + clock.minute}; };
        const auto fits = [&](int hour) {
            return !period_ || (hour >= period_->first && hour <= period_->last);
        };
        if (clock.hour > 23 || clock.minute > 59) return {};
        if (clock.kind == Kind::exact || clock.hour > 12) {
            if (!fits(clock.hour)) return {};
            return at(clock.hour);
        }
        if (clock.hour < 1)
            return clock.kind == Kind::written && !period_ ? std::optional(at(clock.hour))
                                                           : std::nullopt;
        const int shift = clock.kind == Kind::swahili ? 6 : 0;
        const int one = (clock.hour + shift) % 24, other = (clock.hour + shift + 12) % 24;
        // Twelve is noon, and half a day away from it midnight.
        const int first = shift == 0 ? clock.hour % 12 : one;
        const int second = shift == 0 ? clock.hour % 12 + 12 : other;
        if (period_) {
            if (fits(first) == fits(second)) return {};
            return at(fits(first) ? first : second);
        }
        if (clock.kind == Kind::swahili)
            return clock.hour == 12 || (clock.in_digits && clock.hour >= 7)
                       ? std::nullopt
                       : std::optional(at(clock.hour + 6));
        if (clock.kind == Kind::written && (clock.hour >= 7 || clock.leading_zero))
            return at(clock.hour);
        return {};
    }

    std::vector<std::string> tokens_;
    WallTime now_;
    WallDay today_;
    std::chrono::year_month_day calendar_;
    std::set<WallDay> days_;
    std::vector<Clock> clocks_;
    std::optional<Period> period_;
    std::optional<int> weekday_;
    bool next_ = false, this_ = false, next_week_ = false;
    bool bare_number_ = false;
    bool unclear_ = false;
    bool past_ = false;
};

}  // namespace

DateReading read_date(std::string_view words, WallTime now) {
    return Reader(tokens_of(words), now).run();
}

}  // namespace flowstack::conversation
