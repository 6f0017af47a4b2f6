#include "services/conversation/domain/trades/booking/bookings.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <tuple>
#include <utility>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {

// --- What can be booked

namespace {

std::string from_to(std::int64_t least, std::int64_t most) {
    return "must be from " + std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace

std::vector<Problem> check(const ServiceSaved& service) {
    std::vector<Problem> problems;
    const auto name_wants = [&](const std::string& field, const std::string& value) {
        if (is_blank(value) || text::code_points(value) > kServiceNameMax)
            problems.push_back(
                {field, "must have 1 to " + std::to_string(kServiceNameMax) + " characters"});
    };
    const auto must_be = [&](const std::string& field, std::int64_t value, std::int64_t least,
                             std::int64_t most) {
        if (value < least || value > most) problems.push_back({field, from_to(least, most)});
    };
    if (service.text.empty()) problems.push_back({"text", "must have at least one language"});
    for (const auto& [language, text] : service.text) {
        if (language.size() != 2)
            problems.push_back({"text", "languages have two letters: en, sw"});
        name_wants("text[" + language + "].name", text.name);
        if (text::code_points(text.description) > kServiceDescriptionMax)
            problems.push_back(
                {"text[" + language + "].description",
                 "must have at most " + std::to_string(kServiceDescriptionMax) + " characters"});
    }
    if (service.aliases.size() > kServiceAliasesMax)
        problems.push_back({"aliases", "must be at most " + std::to_string(kServiceAliasesMax)});
    for (std::size_t i = 0; i < service.aliases.size(); ++i)
        name_wants("aliases[" + std::to_string(i) + "]", service.aliases[i]);
    must_be("duration_minutes", service.duration_minutes, 1, kServiceMinutesMax);
    must_be("capacity", service.capacity, 1, kServiceCapacityMax);
    if (service.price.minor_units < 0 || service.price.minor_units > kServicePriceMax)
        problems.push_back({"price", from_to(0, kServicePriceMax) + " minor units"});
    must_be("place", service.place, 0, 10'000);
    return problems;
}

const ServiceText& text_in(const BookableService& service, const std::string& language) {
    const auto own = service.text.find(language);
    return own != service.text.end() ? own->second : service.text.begin()->second;
}

std::vector<const BookableService*> shown_services(const std::vector<BookableService>& services,
                                                   const std::string& language) {
    std::vector<std::tuple<std::int64_t, std::string, const BookableService*>> named;
    for (const auto& service : services)
        if (service.active && !service.text.empty())
            named.emplace_back(service.place, plain(text_in(service, language).name), &service);
    std::ranges::stable_sort(named, [](const auto& a, const auto& b) {
        return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
    });
    std::vector<const BookableService*> shown;
    for (const auto& entry : named) shown.push_back(std::get<2>(entry));
    return shown;
}

ServiceMatch match_service(std::string_view words, const std::vector<BookableService>& services) {
    const auto said = " " + plain(words) + " ";
    std::size_t longest = 0;
    std::set<const BookableService*> best;
    std::string taken;
    const auto look = [&](const BookableService& service, const std::string& name) {
        const auto wanted = plain(name);
        if (wanted.empty() || wanted.size() < longest) return;
        const auto at = said.find(wanted);
        if (at == std::string::npos) return;
        // As a word of its own: "cut" is not in "haircut".
        const auto is_edge = [](char c) {
            return !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
                   static_cast<unsigned char>(c) < 0x80;
        };
        if (!is_edge(said[at - 1]) || !is_edge(said[at + wanted.size()])) return;
        if (wanted.size() > longest) best.clear();
        longest = wanted.size();
        best.insert(&service);
        taken = wanted;
    };
    for (const auto& service : services) {
        if (!service.active) continue;
        for (const auto& [language, text] : service.text) look(service, text.name);
        for (const auto& alias : service.aliases) look(service, alias);
    }
    if (best.size() != 1) return {.service = nullptr, .rest = std::string(words)};
    auto rest = said;
    rest.replace(rest.find(taken), taken.size(), " ");
    return {.service = *best.begin(), .rest = std::move(rest)};
}

// --- When it is open

std::vector<Problem> check(const BookingSettingsSaved& settings) {
    std::vector<Problem> problems;
    constexpr int kDay = 24 * 60;
    if (settings.hours.size() > kOpeningHoursMax)
        problems.push_back({"hours", "must be at most " + std::to_string(kOpeningHoursMax)});
    for (std::size_t i = 0; i < settings.hours.size(); ++i) {
        const auto& h = settings.hours[i];
        const auto field = "hours[" + std::to_string(i) + "]";
        if (h.weekday < 1 || h.weekday > 7)
            problems.push_back({field + ".weekday", "must be from 1 (Monday) to 7 (Sunday)"});
        if (h.opens < 0 || h.opens >= kDay)
            problems.push_back({field + ".opens", "must be a time such as 08:00"});
        if (h.closes <= h.opens || h.closes > kDay)
            problems.push_back({field + ".closes",
                                "must be a time after opens, at most 24:00; a night is two: until "
                                "24:00, and from 00:00 on the next day"});
    }
    if (settings.days_off.size() > kDaysOffMax)
        problems.push_back({"days_off", "must be at most " + std::to_string(kDaysOffMax)});
    for (std::size_t i = 0; i < settings.days_off.size(); ++i)
        if (!parse_day(settings.days_off[i]))
            problems.push_back(
                {"days_off[" + std::to_string(i) + "]", "must be a day such as 2026-12-25"});
    const auto short_enough = [&](const std::string& field, const std::string& value) {
        if (text::code_points(value) > kContactTextMax)
            problems.push_back(
                {field, "must have at most " + std::to_string(kContactTextMax) + " characters"});
    };
    short_enough("address", settings.address);
    short_enough("phone", settings.phone);
    if (settings.slot_minutes < kSlotMinutesMin || settings.slot_minutes > kSlotMinutesMax)
        problems.push_back({"slot_minutes", from_to(kSlotMinutesMin, kSlotMinutesMax)});
    if (settings.reminder_minutes < 0 || settings.reminder_minutes > kReminderMinutesMax)
        problems.push_back({"reminder_minutes", from_to(0, kReminderMinutesMax)});
    return problems;
}

std::string text_of(WallDay day) {
    const std::chrono::year_month_day date(day);
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    return text.data();
}

std::optional<WallDay> parse_day(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return {};
    const auto number = [&](std::size_t begin, std::size_t size) -> std::optional<int> {
        int value = 0;
        for (const char c : text.substr(begin, size)) {
            if (c < '0' || c > '9') return {};
            value = value * 10 + (c - '0');
        }
        return value;
    };
    const auto year = number(0, 4), month = number(5, 2), day = number(8, 2);
    if (!year || !month || !day) return {};
    const std::chrono::year_month_day date(std::chrono::year(*year),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day)));
    if (!date.ok()) return {};
    return WallDay(date);
}

// --- The calendar

Calendar evolve(Calendar calendar, const CalendarEvent& event, Time at) {
    std::visit(Overloaded{[&](const PlaceHeld& e) {
                              std::erase_if(calendar.held, [&](const auto& entry) {
                                  return entry.second.ends_at < at - kCalendarKept;
                              });
                              for (const auto& [id, other] : calendar.held)
                                  if (other.place == e.place && other.starts_at < e.ends_at &&
                                      e.starts_at < other.ends_at)
                                      throw CorruptStream("calendar: a place was given twice");
                              if (!calendar.held.emplace(e.booking_id, e).second)
                                  throw CorruptStream("calendar: held twice for one booking");
                          },
                          [&](const PlaceFreed& e) {
                              if (calendar.held.erase(e.booking_id) == 0)
                                  throw CorruptStream("calendar: freed what was not held");
                          }},
               event);
    return calendar;
}

namespace {

// The places that nobody has between the two: the first one, and how many.
Slot slot_between(Time starts_at, Time ends_at, const BookableService& service,
                  const Calendar& calendar, const BookingId& without) {
    std::set<std::int64_t> taken;
    for (const auto& [id, held] : calendar.held)
        if (id != without && held.starts_at < ends_at && starts_at < held.ends_at)
            taken.insert(held.place);
    Slot slot{.starts_at = starts_at, .ends_at = ends_at};
    for (std::int64_t place = 1; place <= service.capacity; ++place) {
        if (taken.contains(place)) continue;
        if (slot.place == 0) slot.place = place;
        ++slot.free;
    }
    return slot;
}

// Every beginning that the opening hours of the day have, taken or not.
std::vector<Slot> slots_of_day(const BookableService& service, const BookingSettings& settings,
                               const Calendar& calendar, WallDay day, const BookingZone& zone,
                               const BookingId& without) {
    using std::chrono::minutes;
    if (std::ranges::find(settings.days_off, text_of(day)) != settings.days_off.end()) return {};
    const auto weekday = static_cast<int>(std::chrono::weekday(day).iso_encoding());
    const minutes length{service.duration_minutes};
    std::map<Time, Slot> slots;
    for (const auto& hours : settings.hours) {
        if (hours.weekday != weekday) continue;
        const auto closes = WallTime(day) + minutes{hours.closes};
        for (auto at = WallTime(day) + minutes{hours.opens}; at + length <= closes;
             at += minutes{settings.slot_minutes}) {
            // An hour that the clocks skip has no beginning in it.
            const auto starts_at = zone.moment(at);
            if (!starts_at) continue;
            const auto ends_at = *starts_at + length;
            // Where they are put forward meanwhile, it would end later on the wall.
            if (zone.wall(ends_at) > closes) continue;
            slots.emplace(*starts_at,
                          slot_between(*starts_at, ends_at, service, calendar, without));
        }
    }
    std::vector<Slot> all;
    for (auto& [starts_at, slot] : slots) all.push_back(slot);
    return all;
}

}  // namespace

std::vector<Slot> free_slots(const BookableService& service, const BookingSettings& settings,
                             const Calendar& calendar, WallDay day, const BookingZone& zone,
                             Time now, const BookingId& without) {
    auto slots = slots_of_day(service, settings, calendar, day, zone, without);
    std::erase_if(slots, [&](const auto& slot) { return slot.starts_at <= now || slot.free == 0; });
    return slots;
}

// --- One booking

namespace {

constexpr std::array<std::pair<BookingStage, std::string_view>, 5> kStages{
    {{BookingStage::booked, "BOOKED"},
     {BookingStage::arrived, "ARRIVED"},
     {BookingStage::no_show, "NO_SHOW"},
     {BookingStage::cancelled, "CANCELLED"},
     {BookingStage::refused, "REFUSED"}}};

}  // namespace

std::string_view text_of(BookingStage stage) {
    for (const auto& [known, text] : kStages)
        if (known == stage) return text;
    return "";
}

std::optional<BookingStage> parse_booking_stage(std::string_view text) {
    for (const auto& [stage, known] : kStages)
        if (known == text) return stage;
    return {};
}

std::string_view text_of(BookingRefusal refusal) {
    constexpr std::array<std::string_view, 5> kWords{"no_service", "not_open", "past", "full",
                                                     "over"};
    return kWords[static_cast<std::size_t>(refusal)];
}

Booking evolve(Booking booking, const BookingEvent& event) {
    using enum BookingStage;
    const auto must_be = [&](BookingStage stage) {
        if (booking.stage != stage) throw CorruptStream("booking: event out of order");
    };
    std::visit(Overloaded{[&](const BookingMade& e) {
                              must_be(absent);
                              booking.stage = booked;
                              booking.made = e;
                          },
                          [&](const BookingRefused& e) {
                              // Of a booking that is there it changes nothing.
                              if (e.moving == (booking.stage == absent))
                                  throw CorruptStream("booking: event out of order");
                              if (!e.moving) booking.stage = refused;
                          },
                          [&](const BookingMoved& e) {
                              must_be(booked);
                              booking.made.starts_at = e.starts_at;
                              booking.made.ends_at = e.ends_at;
                              booking.made.place = e.place;
                              booking.made.reminder_task_id = e.reminder_task_id;
                              booking.made.reminder_at = e.reminder_at;
                              booking.made.reminder_template_key = e.reminder_template_key;
                              booking.made.reminder_text = e.reminder_text;
                          },
                          [&](const BookingCancelled& e) {
                              must_be(booked);
                              booking.stage = cancelled;
                              booking.cancel_reason = e.reason;
                          },
                          [&](const BookingAttended& e) {
                              must_be(booked);
                              booking.stage = e.arrived ? arrived : no_show;
                          }},
               event);
    return booking;
}

// --- Decisions

namespace {

using Outcome = std::variant<BookingDecision, BookingRejection>;

// The slot at that moment with a free place, or why there is none.
std::variant<Slot, BookingRefusal> slot_at(Time starts_at, const BookingWorld& world,
                                           const BookingId& without) {
    if (!world.service || !world.service->active) return BookingRefusal::no_service;
    if (starts_at <= world.now) return BookingRefusal::past;
    const auto day = std::chrono::floor<std::chrono::days>(world.zone.wall(starts_at));
    const auto slots =
        slots_of_day(*world.service, world.settings, world.calendar, day, world.zone, without);
    const auto found = std::ranges::find(slots, starts_at, &Slot::starts_at);
    if (found == slots.end()) return BookingRefusal::not_open;
    if (found->free == 0) return BookingRefusal::full;
    return *found;
}

// When a reminder would be said; nothing when there is none, or when that is over already.
std::optional<Time> reminder_at(Time starts_at, const BookingWorld& world) {
    if (world.settings.reminder_minutes <= 0) return {};
    const auto at = starts_at - std::chrono::minutes{world.settings.reminder_minutes};
    return at > world.now ? std::optional(at) : std::nullopt;
}

template <class Fact>
void remind(Fact& fact, TaskId task_id, const BookingWorld& world) {
    const auto at = reminder_at(fact.starts_at, world);
    fact.reminder_task_id = {};
    if (!at) return;
    fact.reminder_task_id = std::move(task_id);
    fact.reminder_at = *at;
    fact.reminder_template_key = world.settings.reminder_template_key;
    fact.reminder_text = world.reminder_text ? world.reminder_text(fact.starts_at) : "";
}

PlaceHeld held(const BookingMade& made, const Slot& slot) {
    return {.booking_id = made.booking_id,
            .customer_id = made.customer_id.text(),
            .number = made.number,
            .starts_at = slot.starts_at,
            .ends_at = slot.ends_at,
            .place = slot.place};
}

Outcome on(const Booking& booking, const MakeBooking& command, const BookingWorld& world) {
    if (booking.stage != BookingStage::absent) return BookingDecision{};
    auto made = command.wish;
    const auto slot = slot_at(made.starts_at, world, {});
    if (const auto* refusal = std::get_if<BookingRefusal>(&slot))
        return BookingDecision{.booking = {BookingRefused{.booking_id = made.booking_id,
                                                          .customer_id = made.customer_id,
                                                          .conversation_id = made.conversation_id,
                                                          .service_id = made.service_id,
                                                          .starts_at = made.starts_at,
                                                          .reason = *refusal}},
                               .calendar = {}};
    const auto& free = std::get<Slot>(slot);
    made.service_name = text_in(*world.service, made.language).name;
    made.price = world.service->price;
    made.ends_at = free.ends_at;
    made.place = free.place;
    remind(made, made.reminder_task_id, world);
    return BookingDecision{.booking = {made}, .calendar = {held(made, free)}};
}

Outcome on(const Booking& booking, const MoveBooking& command, const BookingWorld& world) {
    if (booking.stage == BookingStage::absent || booking.stage == BookingStage::refused)
        return BookingRejection::absent;
    if (booking.stage != BookingStage::booked) return BookingRejection::over;
    const auto& made = booking.made;
    const auto slot = slot_at(command.starts_at, world, made.booking_id);
    if (const auto* refusal = std::get_if<BookingRefusal>(&slot))
        return BookingDecision{
            .booking = {BookingRefused{.booking_id = made.booking_id,
                                       .customer_id = made.customer_id,
                                       .conversation_id = command.conversation_id,
                                       .service_id = made.service_id,
                                       .starts_at = command.starts_at,
                                       .reason = *refusal,
                                       .moving = true}},
            .calendar = {}};
    const auto& free = std::get<Slot>(slot);
    BookingMoved moved{.booking_id = made.booking_id,
                       .customer_id = made.customer_id,
                       .conversation_id = command.conversation_id,
                       .channel_id = command.channel_id,
                       .starts_at = free.starts_at,
                       .ends_at = free.ends_at,
                       .place = free.place,
                       .language = made.language,
                       .ended_task_id = made.reminder_task_id,
                       .reminder_task_id = {},
                       .reminder_at = {},
                       .reminder_template_key = {},
                       .reminder_text = {}};
    remind(moved, command.reminder_task_id, world);
    BookingDecision decision{.booking = {moved}, .calendar = {}};
    // A calendar that has forgotten the old time has nothing to free.
    if (world.calendar.held.contains(made.booking_id))
        decision.calendar.push_back(PlaceFreed{.booking_id = made.booking_id});
    decision.calendar.push_back(held(made, free));
    return decision;
}

Outcome on(const Booking& booking, const CancelBooking& command, const BookingWorld& world) {
    if (booking.stage == BookingStage::absent || booking.stage == BookingStage::refused)
        return BookingRejection::absent;
    // A second cancel has what it asked for; the place is freed once.
    if (booking.stage == BookingStage::cancelled) return BookingDecision{};
    if (booking.stage != BookingStage::booked) return BookingRejection::over;
    const auto& made = booking.made;
    BookingDecision decision{.booking = {BookingCancelled{.booking_id = made.booking_id,
                                                          .customer_id = made.customer_id,
                                                          .conversation_id = made.conversation_id,
                                                          .by = command.by,
                                                          .reason = command.reason,
                                                          .ended_task_id = made.reminder_task_id}},
                             .calendar = {}};
    if (world.calendar.held.contains(made.booking_id))
        decision.calendar.push_back(PlaceFreed{.booking_id = made.booking_id});
    return decision;
}

Outcome on(const Booking& booking, const AttendBooking& command, const BookingWorld& world) {
    if (booking.stage == BookingStage::absent || booking.stage == BookingStage::refused)
        return BookingRejection::absent;
    const auto wanted = command.arrived ? BookingStage::arrived : BookingStage::no_show;
    if (booking.stage == wanted) return BookingDecision{};
    if (booking.stage != BookingStage::booked) return BookingRejection::over;
    if (!command.arrived && world.now < booking.made.starts_at) return BookingRejection::not_begun;
    return BookingDecision{
        .booking = {BookingAttended{.booking_id = booking.made.booking_id,
                                    .customer_id = booking.made.customer_id,
                                    .arrived = command.arrived,
                                    .ended_task_id = booking.made.reminder_task_id}},
        .calendar = {}};
}

}  // namespace

Outcome decide(const Booking& booking, const BookingCommand& command, const BookingWorld& world) {
    return std::visit([&](const auto& c) { return on(booking, c, world); }, command);
}

std::string booking_number(std::uint64_t bits, int characters) {
    static constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    std::string number = "BK-";
    for (int i = 0; i < characters; ++i) {
        number += kAlphabet[bits & 31];
        bits >>= 5;
    }
    return number;
}

}  // namespace flowstack::conversation
