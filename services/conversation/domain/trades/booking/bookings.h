#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/money.h"
#include "common/core/time.h"
#include "services/conversation/domain/problem.h"
#include "services/conversation/domain/trades/booking/dates.h"

// What a business lets people book, when it is open, and who has which place.
//
// A service has as many places as it serves customers at once: chairs, tables, seats of a class. A
// booking takes one of them, by its number, from its beginning to its end. All of a service's
// places are one stream, its calendar, on the tenant's lane: a booking is one append to the
// calendar at the version that the rule saw, so two customers who want the last place meet there,
// and the second one decides again on what the first one left.
namespace flowstack::conversation {

using ServiceId = Id<struct ServiceKind>;
using BookingId = Id<struct BookingKind>;

// --- What can be booked

struct ServiceText {
    std::string name;  // a row of a list
    std::string description;
    bool operator==(const ServiceText&) const = default;
};
struct ServiceSaved {
    ServiceId service_id;
    std::map<std::string, ServiceText> text;  // by language
    std::vector<std::string> aliases;         // other words for it, in any language
    std::int64_t duration_minutes = 0;
    std::int64_t capacity = 1;  // customers at once
    Money price;                // zero: none is told
    std::int64_t place = 0;     // in the list; those of the same place stand by name
    bool active = true;
    bool operator==(const ServiceSaved&) const = default;
};
using BookableService = ServiceSaved;

inline constexpr std::size_t kServiceNameMax = 24;  // what a row of a list holds
inline constexpr std::size_t kServiceDescriptionMax = 500;
inline constexpr std::size_t kServiceAliasesMax = 20;
inline constexpr std::int64_t kServiceMinutesMax = 24 * 60;
inline constexpr std::int64_t kServiceCapacityMax = 500;
inline constexpr std::int64_t kServicePriceMax = 1'000'000'000'000;
inline constexpr std::size_t kServicesMax = 100;

// Fields as in the API's BookableService: text[en].name, duration_minutes …
std::vector<Problem> check(const ServiceSaved& service);

// In the language, else in the first one that there is.
const ServiceText& text_in(const BookableService& service, const std::string& language);
// The active ones, in the order in which customers see them.
std::vector<const BookableService*> shown_services(const std::vector<BookableService>& services,
                                                   const std::string& language);

// The service that the words name: whole names and aliases in any language, as words within them.
// Null: none, or several. `rest` is what remains when its words are taken away.
struct ServiceMatch {
    const BookableService* service = nullptr;
    std::string rest;
};
ServiceMatch match_service(std::string_view words, const std::vector<BookableService>& services);

// --- When it is open, and where it is found

// Minutes after midnight. A shop that closes at noon for an hour has two a day.
struct OpeningHours {
    int weekday = 1;  // 1 Monday … 7 Sunday
    int opens = 0;
    int closes = 0;
    bool operator==(const OpeningHours&) const = default;
};
struct BookingSettingsSaved {
    std::vector<OpeningHours> hours;
    std::vector<std::string> days_off;  // "2026-12-25"
    std::string address;
    std::string phone;
    // A booking may begin at opening time and every so many minutes after it.
    std::int64_t slot_minutes = 30;
    std::int64_t reminder_minutes = 120;  // before the booking; 0: none
    // Of the reminder where only an approved template may leave.
    std::string reminder_template_key;
    bool operator==(const BookingSettingsSaved&) const = default;
};
using BookingSettings = BookingSettingsSaved;

inline constexpr std::size_t kOpeningHoursMax = 28;
inline constexpr std::size_t kDaysOffMax = 200;
inline constexpr std::size_t kContactTextMax = 200;
inline constexpr std::int64_t kSlotMinutesMin = 5, kSlotMinutesMax = 12 * 60;
inline constexpr std::int64_t kReminderMinutesMax = 7 * 24 * 60;

std::vector<Problem> check(const BookingSettingsSaved& settings);

// "2026-12-25", and back; nothing for a day that does not exist.
std::string text_of(WallDay day);
std::optional<WallDay> parse_day(std::string_view text);

// --- The tenant's clock

// Made of the tenant's time zone by whoever knows it (common/localtime).
struct BookingZone {
    std::function<WallTime(Time)> wall;
    // Nothing for a time that the clocks skip; of one that comes twice, the first.
    std::function<std::optional<Time>(WallTime)> moment;
};

// --- The calendar of one service

struct PlaceHeld {
    BookingId booking_id;
    std::string customer_id;
    std::string number;  // of the booking
    Time starts_at{};
    Time ends_at{};
    std::int64_t place = 0;  // 1 to the capacity
    bool operator==(const PlaceHeld&) const = default;
};
struct PlaceFreed {
    BookingId booking_id;
    bool operator==(const PlaceFreed&) const = default;
};
using CalendarEvent = std::variant<PlaceHeld, PlaceFreed>;

struct Calendar {
    std::map<BookingId, PlaceHeld> held;
    bool operator==(const Calendar&) const = default;
};
// `at`: when it was recorded. What ended long before it is forgotten: nobody books in the past.
// Throws CorruptStream for a place that is held twice, and for one that is freed and not held.
Calendar evolve(Calendar calendar, const CalendarEvent& event, Time at);
inline constexpr std::chrono::hours kCalendarKept{24 * 31};

struct Slot {
    Time starts_at{};
    Time ends_at{};
    std::int64_t place = 0;  // the first free one
    std::int64_t free = 0;   // how many are
    bool operator==(const Slot&) const = default;
};
// Beginnings on that day of the tenant's calendar that are open, to come, and have a free place. A
// booking that is to move does not stand in its own way (`without`).
std::vector<Slot> free_slots(const BookableService& service, const BookingSettings& settings,
                             const Calendar& calendar, WallDay day, const BookingZone& zone,
                             Time now, const BookingId& without = {});

// --- One booking

enum class BookingStage { absent, booked, arrived, no_show, cancelled, refused };
std::string_view text_of(BookingStage stage);  // "BOOKED"; empty for absent
std::optional<BookingStage> parse_booking_stage(std::string_view text);

// Why a place was not given.
enum class BookingRefusal {
    no_service,  // there is none, or it is not active any more
    not_open,    // no beginning of a booking is at this time
    past,
    full,
    over,  // the booking was cancelled, or its time is over
};
std::string_view text_of(BookingRefusal refusal);

enum class CancelledBy { customer, business };

struct BookingMade {
    BookingId booking_id;
    std::string number;
    ServiceId service_id;
    std::string service_name;
    CustomerId customer_id;
    ConversationId conversation_id;  // empty: the customer never wrote
    ChannelId channel_id;
    Time starts_at{};
    Time ends_at{};
    std::int64_t place = 0;
    Money price;
    std::string language;
    // The reminder: its task, when, what. An empty task: none.
    TaskId reminder_task_id;
    Time reminder_at{};
    std::string reminder_template_key;
    std::string reminder_text;
    std::string name;
    std::string phone;
    std::string note;
    bool operator==(const BookingMade&) const = default;
};
struct BookingRefused {
    BookingId booking_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    ServiceId service_id;
    Time starts_at{};
    BookingRefusal reason = BookingRefusal::full;
    bool moving = false;  // the booking stands where it stood
    bool operator==(const BookingRefused&) const = default;
};
struct BookingMoved {
    BookingId booking_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    ChannelId channel_id;
    Time starts_at{};
    Time ends_at{};
    std::int64_t place = 0;
    std::string language;
    TaskId ended_task_id;  // the reminder that is not said any more
    TaskId reminder_task_id;
    Time reminder_at{};
    std::string reminder_template_key;
    std::string reminder_text;
    bool operator==(const BookingMoved&) const = default;
};
struct BookingCancelled {
    BookingId booking_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    CancelledBy by = CancelledBy::customer;
    std::string reason;
    TaskId ended_task_id;
    bool operator==(const BookingCancelled&) const = default;
};
// A person says whether the customer came.
struct BookingAttended {
    BookingId booking_id;
    CustomerId customer_id;
    bool arrived = false;
    TaskId ended_task_id;
    bool operator==(const BookingAttended&) const = default;
};
using BookingEvent =
    std::variant<BookingMade, BookingRefused, BookingMoved, BookingCancelled, BookingAttended>;

struct Booking {
    BookingStage stage = BookingStage::absent;
    BookingMade made;  // with the times, place and reminder of the last move
    std::string cancel_reason;
    bool operator==(const Booking&) const = default;
};
Booking evolve(Booking booking, const BookingEvent& event);

// --- Decisions

// What a rule must know of the tenant.
struct BookingWorld {
    const BookableService* service = nullptr;  // null: there is none
    const BookingSettings& settings;
    const Calendar& calendar;
    const BookingZone& zone;
    Time now{};
    // The words of the reminder, for the moment at which the booking begins.
    std::function<std::string(Time starts_at)> reminder_text;
};
// `wish` has who, what and when; place, end, price, name of the service and reminder are decided.
struct MakeBooking {
    BookingMade wish;
};
struct MoveBooking {
    Time starts_at{};
    TaskId reminder_task_id;  // of the new reminder
    ConversationId conversation_id;
    ChannelId channel_id;
};
struct CancelBooking {
    CancelledBy by = CancelledBy::customer;
    std::string reason;
};
struct AttendBooking {
    bool arrived = false;
};
using BookingCommand = std::variant<MakeBooking, MoveBooking, CancelBooking, AttendBooking>;

// What goes to the booking's stream and to the calendar, in one append. Nothing: it is so already.
struct BookingDecision {
    std::vector<BookingEvent> booking;
    std::vector<CalendarEvent> calendar;
    bool operator==(const BookingDecision&) const = default;
};
enum class BookingRejection {
    absent,
    over,       // cancelled, arrived or not come: nothing is left to change
    not_begun,  // who has not come is known once it has begun
};
std::variant<BookingDecision, BookingRejection> decide(const Booking& booking,
                                                       const BookingCommand& command,
                                                       const BookingWorld& world);

// "BK-7K2M9Q", of random bits.
std::string booking_number(std::uint64_t bits, int characters);
inline constexpr int kBookingNumberCharacters = 6;
inline constexpr int kLongBookingNumberCharacters = 10;

}  // namespace flowstack::conversation
