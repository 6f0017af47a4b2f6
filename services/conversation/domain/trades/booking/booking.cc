#include "services/conversation/domain/trades/booking/booking.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "services/conversation/domain/trades/booking/draft.h"

namespace flowstack::conversation {

// --- State

std::string_view text_of(BookingNews news) {
    constexpr std::array<std::string_view, 5> kNews{"made", "refused", "moved", "move_refused",
                                                    "cancelled"};
    return kNews[static_cast<std::size_t>(news)];
}

void apply(BookingState& bookings, const Dialogue& dialogue, const BookingRequested& fact) {
    must_be_open(dialogue);
    bookings.asked = fact.booking_id;
}

void apply(BookingState& bookings, const Dialogue& dialogue, const BookingCancelRequested& fact) {
    must_be_open(dialogue);
    bookings.asked = fact.booking_id;
}

void apply(BookingState& bookings, const Dialogue&, const BookingNoted& fact) {
    if (bookings.asked == fact.booking_id) bookings.asked = {};
    const bool stands = fact.news == BookingNews::made || fact.news == BookingNews::moved;
    if (!stands && fact.news != BookingNews::cancelled) return;
    std::erase_if(bookings.known,
                  [&](const auto& known) { return known.booking_id == fact.booking_id; });
    if (stands) bookings.known.push_back(fact);
    if (bookings.known.size() > kKnownBookingsMax) bookings.known.pop_front();
}

// --- Words for moments

namespace {

struct DateWords {
    std::array<std::string_view, 7> weekdays;  // Sunday first
    std::array<std::string_view, 7> short_weekdays;
    std::array<std::string_view, 12> months;
    std::array<std::string_view, 12> short_months;
};
constexpr DateWords kEnglish{
    {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
    {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
    {"January", "February", "March", "April", "May", "June", "July", "August", "September",
     "October", "November", "December"},
    {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}};
constexpr DateWords kSwahili{
    {"Jumapili", "Jumatatu", "Jumanne", "Jumatano", "Alhamisi", "Ijumaa", "Jumamosi"},
    {"Jumapili", "Jumatatu", "Jumanne", "Jumatano", "Alhamisi", "Ijumaa", "Jumamosi"},
    {"Januari", "Februari", "Machi", "Aprili", "Mei", "Juni", "Julai", "Agosti", "Septemba",
     "Oktoba", "Novemba", "Desemba"},
    {"Jan", "Feb", "Mac", "Apr", "Mei", "Jun", "Jul", "Ago", "Sep", "Okt", "Nov", "Des"}};

const DateWords& words_for(const std::string& language) {
    return language == "sw" ? kSwahili : kEnglish;
}

std::string two_digits(std::int64_t value) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%02d", static_cast<int>(value));
    return text.data();
}
std::string clock_text(std::int64_t minutes) {
    return two_digits(minutes / 60) + ":" + two_digits(minutes % 60);
}

// "saa 4:00 asubuhi": the same moment as people say it.
std::string swahili_clock(std::int64_t minutes) {
    const auto hour = minutes / 60;
    const auto said = (hour + 5) % 12 + 1;
    const auto* part = hour >= 4 && hour < 12    ? "asubuhi"
                       : hour >= 12 && hour < 16 ? "mchana"
                       : hour >= 16 && hour < 19 ? "jioni"
                                                 : "usiku";
    return "saa " + std::to_string(said) + ":" + two_digits(minutes % 60) + " " + part;
}

}  // namespace

std::string day_text(WallDay day, const std::string& language) {
    const auto& words = words_for(language);
    const std::chrono::year_month_day date(day);
    return std::string(words.weekdays[std::chrono::weekday(day).c_encoding()]) + " " +
           std::to_string(static_cast<unsigned>(date.day())) + " " +
           std::string(words.months[static_cast<unsigned>(date.month()) - 1]) + " " +
           std::to_string(static_cast<int>(date.year()));
}

std::string moment_text(WallTime at, const std::string& language) {
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const auto minutes = (at - day).count();
    auto clock = clock_text(minutes);
    if (language == "sw") clock = swahili_clock(minutes) + " (" + clock + ")";
    return day_text(day, language) + ", " + clock;
}

std::string short_moment_text(WallTime at, const std::string& language) {
    const auto& words = words_for(language);
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    return std::string(words.short_weekdays[std::chrono::weekday(day).c_encoding()]) + " " +
           std::to_string(static_cast<unsigned>(date.day())) + " " +
           std::string(words.short_months[static_cast<unsigned>(date.month()) - 1]) + ", " +
           clock_text((at - day).count());
}

std::string hours_text(const BookingSettings& settings, const std::string& language) {
    std::string text;
    for (int weekday = 1; weekday <= 7; ++weekday) {
        std::string day;
        for (const auto& hours : settings.hours)
            if (hours.weekday == weekday)
                day += (day.empty() ? " " : ", ") + clock_text(hours.opens) + "–" +
                       clock_text(hours.closes);
        if (day.empty()) continue;
        text += (text.empty() ? "" : "\n") +
                std::string(words_for(language).weekdays[static_cast<std::size_t>(weekday % 7)]) +
                day;
    }
    return text;
}

Values values_of(const BookingNoted& booking, const BookingZone& zone,
                 const std::string& language) {
    return {{"booking_number", booking.number},
            {"booking_service", booking.service_name},
            {"booking_time", moment_text(zone.wall(booking.starts_at), language)}};
}

// --- The trade

const std::vector<BookableService>& BookingTrade::services() const {
    static const std::vector<BookableService> kNone;
    return context_.services ? *context_.services : kNone;
}

const BookableService* BookingTrade::service(const std::string& id) const {
    const auto found = std::ranges::find_if(
        services(), [&](const auto& known) { return known.active && known.service_id == id; });
    return found == services().end() ? nullptr : &*found;
}

const BookingSettings& BookingTrade::settings() const {
    static const BookingSettings kNone;
    return context_.settings ? *context_.settings : kNone;
}

const Calendar& BookingTrade::calendar(const ServiceId& service_id) const {
    static const Calendar kEmpty;
    if (!context_.calendars) return kEmpty;
    const auto found = context_.calendars->find(service_id);
    return found == context_.calendars->end() ? kEmpty : found->second;
}

void BookingTrade::forget_draft() const {
    for (const auto* name : kDraft)
        if (!draft(name).empty()) set_draft(name, "");
}

std::vector<BookingNoted> BookingTrade::coming() const {
    const auto& dialogue = flow_.dialogue();
    const auto now = flow_.context().now;
    const auto& known = record_.bookings().known;
    std::vector<BookingNoted> all;
    for (const auto& offered : services())
        for (const auto& [id, held] : calendar(offered.service_id).held)
            if (held.customer_id == dialogue.customer_id.text() && held.starts_at > now)
                all.push_back({.booking_id = id,
                               .news = BookingNews::made,
                               .number = held.number,
                               .service_id = offered.service_id,
                               .service_name = text_in(offered, dialogue.language).name,
                               .starts_at = held.starts_at,
                               .reminder_task_id = {}});
    // What the tenant's content does not show yet.
    for (const auto& booking : known)
        if (booking.starts_at > now &&
            std::ranges::find(all, booking.booking_id, &BookingNoted::booking_id) == all.end())
            all.push_back(booking);
    std::ranges::stable_sort(all, {}, &BookingNoted::starts_at);
    return all;
}

void BookingTrade::add_values(Values& values) const {
    const auto& language = flow_.dialogue().language;
    if (const auto* chosen = service(draft(kDraftService))) {
        values["booking_service"] = text_in(*chosen, language).name;
        if (chosen->price.minor_units > 0) values["booking_price"] = format_money(chosen->price);
    }
    if (const auto at = drafted_moment(draft(kDraftAt)))
        values["booking_time"] = moment_text(zone().wall(*at), language);
    if (const auto day = parse_day(draft(kDraftDay)))
        values["booking_day"] = day_text(*day, language);
}

void BookingTrade::add_follow_up_values(const FollowUpDue& task, Values& values) const {
    if (task.kind != "booking") return;
    const auto all = coming();
    const BookingNoted* about = all.empty() ? nullptr : &all.front();
    for (const auto& known : record_.bookings().known)
        if (known.reminder_task_id == task.task_id) about = &known;
    if (!about) return;
    for (auto& [name, value] : values_of(*about, zone(), flow_.dialogue().language))
        values[name] = value;
}

void BookingTrade::on(const BookingAnswered& input) {
    const auto& noted = input.noted;
    const bool asked = record_.bookings().asked == noted.booking_id;
    emit(noted);
    auto extra = values_of(noted, zone(), flow_.dialogue().language);
    extra["booking_refusal"] =
        noted.news == BookingNews::refused || noted.news == BookingNews::move_refused
            ? std::string(text_of(input.refusal))
            : "";
    const auto occasion = "booking_" + std::string(text_of(noted.news));
    // A person did it. The customer is told, also where the dialogue about it is over.
    if (!asked) {
        flow_.say_on(occasion, extra);
        return;
    }
    // What was refused is asked for again with another time; anything else is done.
    if (extra["booking_refusal"].empty()) {
        forget_draft();
    } else {
        set_draft(kDraftAt, "");
        set_draft(kDraftClock, "");
    }
    flow_.say_or_run(occasion, extra);
}

}  // namespace flowstack::conversation
