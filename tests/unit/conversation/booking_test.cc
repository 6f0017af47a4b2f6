#include "services/conversation/domain/trades/booking/booking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "common/core/corrupt_stream.h"
#include "tests/unit/conversation/chat.h"

// Bookings: free times, the decision on a place, and the BOOKING pack in both languages.
namespace flowstack::conversation {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kNairobi = "Africa/Nairobi";

WallDay day_of(const char* text) { return parse_day(text).value(); }
// "2026-12-03 10:00"
Time at(const std::string& text, const std::string& zone = kNairobi) {
    const auto minutes =
        std::chrono::minutes{std::stoi(text.substr(11, 2)) * 60 + std::stoi(text.substr(14, 2))};
    return moment_of(zone, WallTime(day_of(text.substr(0, 10).c_str())) + minutes).value();
}

BookableService service_of(std::string id, std::string name, std::int64_t minutes,
                           std::int64_t capacity = 1, std::int64_t cents = 50'000) {
    return {.service_id = ServiceId(std::move(id)),
            .text = {{"en", {.name = std::move(name), .description = ""}}},
            .aliases = {},
            .duration_minutes = minutes,
            .capacity = capacity,
            .price = kes(cents),
            .place = 0,
            .active = true};
}

// Monday to Friday from 8 to 17, Saturday in the morning.
BookingSettings salon_hours() {
    BookingSettings settings;
    for (int weekday = 1; weekday <= 5; ++weekday)
        settings.hours.push_back({.weekday = weekday, .opens = 8 * 60, .closes = 17 * 60});
    settings.hours.push_back({.weekday = 6, .opens = 9 * 60, .closes = 12 * 60});
    settings.address = "Moi Avenue 12, Nairobi";
    settings.phone = "+254700000000";
    settings.slot_minutes = 60;
    return settings;
}

std::vector<std::string> walls(const std::vector<Slot>& slots, const std::string& zone = kNairobi) {
    std::vector<std::string> all;
    for (const auto& slot : slots) {
        const auto text = moment_text(zone_of(zone).wall(slot.starts_at), "en");
        all.push_back(text.substr(text.size() - 5));
    }
    return all;
}

// --- Free times

TEST(FreeSlots, AreThoseOfTheOpeningHours) {
    const auto cut = service_of("cut", "Haircut", 60);
    const auto settings = salon_hours();
    const auto zone = zone_of(kNairobi);
    const auto now = at("2026-12-02 09:00");
    EXPECT_THAT(walls(free_slots(cut, settings, {}, day_of("2026-12-05"), zone, now)),
                ElementsAre("09:00", "10:00", "11:00"));
    EXPECT_THAT(free_slots(cut, settings, {}, day_of("2026-12-06"), zone, now), IsEmpty());
    // What has begun is over, and what would end after closing time does not begin.
    EXPECT_THAT(walls(free_slots(cut, settings, {}, day_of("2026-12-02"), zone, now)),
                ElementsAre("10:00", "11:00", "12:00", "13:00", "14:00", "15:00", "16:00"));
    const auto braids = service_of("braids", "Braids", 150);
    EXPECT_THAT(walls(free_slots(braids, settings, {}, day_of("2026-12-05"), zone, now)),
                ElementsAre("09:00"));
}

TEST(FreeSlots, ADayOffAndABreakHaveNone) {
    auto settings = salon_hours();
    settings.days_off = {"2026-12-04"};
    settings.hours = {{.weekday = 4, .opens = 8 * 60, .closes = 10 * 60},
                      {.weekday = 4, .opens = 14 * 60, .closes = 16 * 60},
                      {.weekday = 5, .opens = 8 * 60, .closes = 17 * 60}};
    const auto cut = service_of("cut", "Haircut", 60);
    const auto zone = zone_of(kNairobi);
    const auto now = at("2026-12-02 09:00");
    EXPECT_THAT(walls(free_slots(cut, settings, {}, day_of("2026-12-03"), zone, now)),
                ElementsAre("08:00", "09:00", "14:00", "15:00"));
    EXPECT_THAT(free_slots(cut, settings, {}, day_of("2026-12-04"), zone, now), IsEmpty());
}

TEST(FreeSlots, CountThePlacesThatNobodyHas) {
    const auto table = service_of("table", "Table", 90, 2);
    auto settings = salon_hours();
    settings.slot_minutes = 30;
    const auto zone = zone_of(kNairobi);
    Calendar calendar;
    const auto hold = [&](const char* id, const char* from, std::int64_t place) {
        calendar = evolve(std::move(calendar),
                          PlaceHeld{.booking_id = BookingId(id),
                                    .customer_id = "c",
                                    .number = id,
                                    .starts_at = at(from),
                                    .ends_at = at(from) + 90min,
                                    .place = place},
                          at("2026-12-02 09:00"));
    };
    hold("a", "2026-12-05 09:00", 1);
    hold("b", "2026-12-05 10:00", 2);
    const auto slots =
        free_slots(table, settings, calendar, day_of("2026-12-05"), zone, at("2026-12-02 09:00"));
    // At 9:00 and 9:30 and 10:00 both are taken for a part of the time.
    ASSERT_THAT(walls(slots), ElementsAre("10:30"));
    EXPECT_EQ(slots[0].free, 1);
    EXPECT_EQ(slots[0].place, 1);
    EXPECT_THAT(walls(free_slots(table, settings, calendar, day_of("2026-12-05"), zone,
                                 at("2026-12-02 09:00"), BookingId("b"))),
                ElementsAre("09:00", "09:30", "10:00", "10:30"));
}

TEST(FreeSlots, FollowTheClocksThatChange) {
    auto settings = salon_hours();
    settings.hours = {{.weekday = 7, .opens = 0, .closes = 5 * 60}};
    const auto cut = service_of("cut", "Haircut", 60);
    const std::string berlin = "Europe/Berlin";
    const auto now = at("2027-03-01 09:00", berlin);
    // On 28 March 2027 two o'clock does not exist: what begins at one ends at three on the wall.
    const auto spring = free_slots(cut, settings, {}, day_of("2027-03-28"), zone_of(berlin), now);
    EXPECT_THAT(walls(spring, berlin), ElementsAre("00:00", "01:00", "03:00", "04:00"));
    // On 31 October two o'clock comes twice: it can be booked once, and two hours lie between it
    // and three o'clock.
    const auto autumn = free_slots(cut, settings, {}, day_of("2027-10-31"), zone_of(berlin), now);
    EXPECT_THAT(walls(autumn, berlin), ElementsAre("00:00", "01:00", "02:00", "03:00", "04:00"));
    EXPECT_EQ(autumn[3].starts_at - autumn[2].starts_at, 2h);
    for (std::size_t i = 1; i < autumn.size(); ++i)
        EXPECT_GE(autumn[i].starts_at, autumn[i - 1].ends_at);
}

TEST(FreeSlots, ATenantThatMovesToAnotherZoneGivesNoPlaceTwice) {
    const auto cut = service_of("cut", "Haircut", 60);
    const auto settings = salon_hours();
    const auto starts_at = at("2026-12-03 10:00");
    const auto calendar = evolve({},
                                 PlaceHeld{.booking_id = BookingId("a"),
                                           .customer_id = "c",
                                           .number = "BK-1",
                                           .starts_at = starts_at,
                                           .ends_at = starts_at + 60min,
                                           .place = 1},
                                 at("2026-12-02 09:00"));
    for (const auto& slot : free_slots(cut, settings, calendar, day_of("2026-12-03"),
                                       zone_of("Africa/Lagos"), at("2026-12-02 09:00")))
        EXPECT_TRUE(slot.ends_at <= starts_at || slot.starts_at >= starts_at + 60min);
}

// --- The decision

// A calendar, and the bookings that it knows of.
struct Book {
    explicit Book(std::int64_t capacity = 1) { service.capacity = capacity; }

    BookingDecision run(const std::string& id, const BookingCommand& command) {
        const BookingWorld world{.service = &service,
                                 .settings = settings,
                                 .calendar = calendar,
                                 .zone = zone,
                                 .now = now,
                                 .reminder_text = [](Time) { return std::string("See you!"); }};
        const auto outcome = decide(bookings[id], command, world);
        if (const auto* rejection = std::get_if<BookingRejection>(&outcome)) {
            rejected = *rejection;
            return {};
        }
        rejected.reset();
        const auto decision = std::get<BookingDecision>(outcome);
        for (const auto& event : decision.booking)
            bookings[id] = evolve(std::move(bookings[id]), event);
        for (const auto& event : decision.calendar)
            calendar = evolve(std::move(calendar), event, now);
        return decision;
    }
    BookingDecision make(const std::string& id, Time starts_at) {
        BookingMade wish;
        wish.booking_id = BookingId(id);
        wish.number = "BK-" + id;
        wish.service_id = service.service_id;
        wish.customer_id = CustomerId("customer-" + id);
        wish.starts_at = starts_at;
        wish.language = "en";
        wish.reminder_task_id = TaskId("task-" + id);
        return run(id, MakeBooking{.wish = wish});
    }
    BookingStage stage(const std::string& id) { return bookings[id].stage; }

    BookableService service = service_of("cut", "Haircut", 60);
    BookingSettings settings = salon_hours();
    BookingZone zone = zone_of(kNairobi);
    Time now = at("2026-12-02 09:00");
    Calendar calendar;
    std::map<std::string, Booking> bookings;
    std::optional<BookingRejection> rejected;
};

TEST(Booking, TheLastPlaceIsGivenOnce) {
    Book book(2);
    const auto ten = at("2026-12-03 10:00");
    const auto first = book.make("a", ten);
    ASSERT_THAT(first.booking, SizeIs(1));
    const auto& made = std::get<BookingMade>(first.booking[0]);
    EXPECT_EQ(made.place, 1);
    EXPECT_EQ(made.ends_at, ten + 60min);
    EXPECT_EQ(made.price, kes(50'000));
    EXPECT_EQ(made.reminder_at, ten - 120min);
    EXPECT_EQ(made.reminder_text, "See you!");
    book.make("b", ten);
    EXPECT_EQ(book.bookings["b"].made.place, 2);
    const auto third = book.make("c", ten);
    ASSERT_THAT(third.booking, SizeIs(1));
    EXPECT_EQ(std::get<BookingRefused>(third.booking[0]).reason, BookingRefusal::full);
    EXPECT_THAT(third.calendar, IsEmpty());
    // Asked again with the same id it is the same booking.
    EXPECT_EQ(book.make("a", ten), BookingDecision{});
}

TEST(Booking, IsRefusedOutsideOfWhatIsOffered) {
    Book book;
    const auto refused = [&](const std::string& id, Time starts_at) {
        const auto decision = book.make(id, starts_at);
        return std::get<BookingRefused>(decision.booking.at(0)).reason;
    };
    EXPECT_EQ(refused("a", at("2026-12-02 08:00")), BookingRefusal::past);
    EXPECT_EQ(refused("b", at("2026-12-03 10:17")), BookingRefusal::not_open);
    EXPECT_EQ(refused("c", at("2026-12-06 10:00")), BookingRefusal::not_open);
    book.service.active = false;
    EXPECT_EQ(refused("d", at("2026-12-03 10:00")), BookingRefusal::no_service);
}

TEST(Booking, IsCancelledOnceAndItsPlaceIsFree) {
    Book book;
    const auto ten = at("2026-12-03 10:00");
    book.make("a", ten);
    const auto cancelled = book.run("a", CancelBooking{.by = CancelledBy::customer, .reason = "x"});
    EXPECT_EQ(std::get<BookingCancelled>(cancelled.booking.at(0)).ended_task_id, "task-a");
    EXPECT_THAT(cancelled.calendar, SizeIs(1));
    EXPECT_EQ(book.run("a", CancelBooking{}), BookingDecision{});
    book.make("b", ten);
    EXPECT_EQ(book.stage("b"), BookingStage::booked);
    // The first one cannot come back.
    book.run("a", MoveBooking{.starts_at = at("2026-12-03 11:00")});
    EXPECT_EQ(book.rejected, BookingRejection::over);
    EXPECT_THROW(evolve(book.calendar, PlaceFreed{BookingId("a")}, book.now), CorruptStream);
    EXPECT_THROW(evolve(book.calendar,
                        PlaceHeld{.booking_id = BookingId("x"),
                                  .customer_id = "c",
                                  .number = "n",
                                  .starts_at = ten + 30min,
                                  .ends_at = ten + 90min,
                                  .place = 1},
                        book.now),
                 CorruptStream);
}

TEST(Booking, MovesToAFreeTimeAndLeavesTheOldOne) {
    Book book;
    const auto ten = at("2026-12-03 10:00"), eleven = at("2026-12-03 11:00");
    book.make("a", ten);
    book.make("b", eleven);
    const auto full = book.run("a", MoveBooking{.starts_at = eleven});
    EXPECT_TRUE(std::get<BookingRefused>(full.booking.at(0)).moving);
    EXPECT_EQ(book.bookings["a"].made.starts_at, ten);
    const auto noon = at("2026-12-03 12:00");
    const auto moved =
        book.run("a", MoveBooking{.starts_at = noon, .reminder_task_id = TaskId("task-2")});
    const auto& fact = std::get<BookingMoved>(moved.booking.at(0));
    EXPECT_EQ(fact.ended_task_id, "task-a");
    EXPECT_EQ(fact.reminder_task_id, "task-2");
    EXPECT_EQ(book.bookings["a"].made.starts_at, noon);
    book.make("c", ten);
    EXPECT_EQ(book.stage("c"), BookingStage::booked);
    // Its own time does not stand in its way.
    book.settings.slot_minutes = 30;
    EXPECT_THAT(book.run("a", MoveBooking{.starts_at = noon + 30min}).calendar, SizeIs(2));
}

TEST(Booking, WhoDidNotComeIsKnownOnceItHasBegun) {
    Book book;
    book.make("a", at("2026-12-03 10:00"));
    book.run("a", AttendBooking{.arrived = false});
    EXPECT_EQ(book.rejected, BookingRejection::not_begun);
    book.now = at("2026-12-03 10:20");
    book.run("a", AttendBooking{.arrived = false});
    EXPECT_EQ(book.stage("a"), BookingStage::no_show);
    book.run("a", CancelBooking{});
    EXPECT_EQ(book.rejected, BookingRejection::over);
    book.run("nobody", AttendBooking{.arrived = true});
    EXPECT_EQ(book.rejected, BookingRejection::absent);
}

TEST(Booking, HasNoReminderThatWouldBeOver) {
    Book book;
    book.make("a", at("2026-12-02 10:00"));
    EXPECT_TRUE(book.bookings["a"].made.reminder_task_id.empty());
    book.settings.reminder_minutes = 0;
    book.make("b", at("2026-12-03 10:00"));
    EXPECT_TRUE(book.bookings["b"].made.reminder_task_id.empty());
}

// Any commands in any order: no place is given twice, and what is cancelled is free again.
TEST(BookingProperty, NoPlaceIsGivenTwice) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        std::mt19937 random(seed);
        Book book(1 + static_cast<std::int64_t>(random() % 3));
        book.settings.slot_minutes = 30;
        book.service.duration_minutes = 30 * (1 + static_cast<std::int64_t>(random() % 4));
        const auto day = at("2026-12-03 08:00");
        for (int i = 0; i < 60; ++i) {
            const auto id = std::to_string(random() % 25);
            const auto when = day + std::chrono::minutes{30 * (random() % 18)};
            switch (random() % 4) {
                case 0:
                case 1:
                    book.make(id, when);
                    break;
                case 2:
                    book.run(id, MoveBooking{.starts_at = when});
                    break;
                default:
                    book.run(id, CancelBooking{});
            }
            std::set<std::string> standing, held;
            for (const auto& [known, booking] : book.bookings)
                if (booking.stage == BookingStage::booked) standing.insert(known);
            for (const auto& [known, place] : book.calendar.held) {
                held.insert(known.text());
                ASSERT_LE(place.place, book.service.capacity);
                EXPECT_EQ(place.starts_at, book.bookings[known.text()].made.starts_at);
            }
            ASSERT_EQ(standing, held) << "seed " << seed;
            for (const auto& [a, one] : book.calendar.held)
                for (const auto& [b, other] : book.calendar.held)
                    ASSERT_FALSE(a != b && one.place == other.place &&
                                 one.starts_at < other.ends_at && other.starts_at < one.ends_at)
                        << "seed " << seed;
        }
    }
}

TEST(Services, AreFoundInWords) {
    auto cut = service_of("cut", "Haircut", 60);
    cut.text["sw"] = {.name = "Kunyoa", .description = ""};
    cut.aliases = {"trim"};
    const std::vector<BookableService> services{cut, service_of("color", "Hair Color", 90),
                                                service_of("kids", "Kids Haircut", 30)};
    const auto found = [&](const std::string& words) {
        const auto match = match_service(words, services);
        return match.service ? match.service->service_id.text() : "";
    };
    EXPECT_EQ(found("a haircut tomorrow"), "cut");
    EXPECT_EQ(found("Kunyoa kesho saa nne"), "cut");
    EXPECT_EQ(found("TRIM, please"), "cut");
    EXPECT_EQ(found("kids haircut at 3pm"), "kids");
    EXPECT_EQ(found("haircuts"), "");
    EXPECT_EQ(found("haircut and hair color"), "color");  // the longest name
    EXPECT_EQ(found("tomorrow"), "");
    EXPECT_EQ(match_service("Hair color kesho", services).rest.find("color"), std::string::npos);
}

TEST(Services, AndSettingsAreCheckedWhenTheyAreSaved) {
    EXPECT_THAT(check(service_of("x", "Haircut", 60)), IsEmpty());
    auto bad = service_of("x", std::string(25, 'x'), 0, 0, -1);
    bad.place = -1;
    bad.aliases = {" "};
    std::vector<std::string> fields;
    for (const auto& problem : check(bad)) fields.push_back(problem.field);
    EXPECT_THAT(fields, ElementsAre("text[en].name", "aliases[0]", "duration_minutes", "capacity",
                                    "price", "place"));
    EXPECT_THAT(check(salon_hours()), IsEmpty());
    BookingSettings wrong;
    wrong.hours = {{.weekday = 8, .opens = -1, .closes = 0}};
    wrong.days_off = {"2026-02-30"};
    wrong.slot_minutes = 1;
    wrong.reminder_minutes = -1;
    fields.clear();
    for (const auto& problem : check(wrong)) fields.push_back(problem.field);
    EXPECT_THAT(fields, ElementsAre("hours[0].weekday", "hours[0].opens", "days_off[0]",
                                    "slot_minutes", "reminder_minutes"));
}

// --- The pack

// One customer, and the tenant's lane that decides what is asked for.
class Salon : public Chat {
public:
    Salon() {
        tenant.pack = flow_key = "BOOKING";
        tenant.time_zone = kNairobi;
        auto cut = service_of("cut", "Haircut", 60);
        cut.text["sw"] = {.name = "Kunyoa", .description = ""};
        services = {cut, service_of("color", "Color", 90, 1, 120'000)};
        booking_settings = salon_hours();
        now = at("2026-12-02 09:00");
    }

    // What the tenant's lane answers to the last wish, if there is one.
    std::vector<std::string> answered() {
        if (conversations.empty() || now_in().booking.asked.empty()) return {};
        const auto asked = now_in().booking.asked;
        const auto* requested = &last<BookingRequested>();
        const bool wish = requested->booking_id == asked && !cancelling();
        const auto service_id = books[asked.text()].stage == BookingStage::absent
                                    ? requested->service_id
                                    : books[asked.text()].made.service_id;
        auto& calendar = calendars[service_id.text()];
        const BookableService* service = nullptr;
        for (const auto& known : services)
            if (known.service_id == service_id) service = &known;
        const auto zone = zone_of(tenant.time_zone);
        const BookingWorld world{.service = service,
                                 .settings = booking_settings,
                                 .calendar = calendar,
                                 .zone = zone,
                                 .now = now,
                                 .reminder_text = {}};
        BookingCommand command = CancelBooking{};
        if (wish && requested->moving) {
            command = MoveBooking{.starts_at = requested->starts_at,
                                  .reminder_task_id = TaskId("t"),
                                  .conversation_id = now_in().id,
                                  .channel_id = {}};
        } else if (wish) {
            BookingMade made;
            made.booking_id = asked;
            made.number = "BK-" + std::to_string(++numbers);
            made.service_id = service_id;
            made.customer_id = now_in().customer_id;
            made.starts_at = requested->starts_at;
            made.language = requested->language;
            command = MakeBooking{.wish = made};
        }
        const auto decided = decide(books[asked.text()], command, world);
        const auto& decision = std::get<BookingDecision>(decided);
        BookingAnswered answer;
        for (const auto& event : decision.booking) {
            books[asked.text()] = evolve(std::move(books[asked.text()]), event);
            if (const auto* refused = std::get_if<BookingRefused>(&event)) {
                answer.refusal = refused->reason;
                answer.noted.news =
                    refused->moving ? BookingNews::move_refused : BookingNews::refused;
            }
            if (std::holds_alternative<BookingMoved>(event)) answer.noted.news = BookingNews::moved;
            if (std::holds_alternative<BookingCancelled>(event))
                answer.noted.news = BookingNews::cancelled;
        }
        for (const auto& event : decision.calendar)
            calendar = evolve(std::move(calendar), event, now);
        const auto& made = books[asked.text()].made;
        answer.noted.booking_id = asked;
        answer.noted.number = made.number;
        answer.noted.service_id = service_id;
        answer.noted.service_name = made.service_name;
        answer.noted.starts_at = made.starts_at;
        return hears(answer);
    }
    bool cancelling() const {
        for (auto event = events.rbegin(); event != events.rend(); ++event) {
            if (std::holds_alternative<BookingCancelRequested>(*event)) return true;
            if (std::holds_alternative<BookingRequested>(*event)) return false;
        }
        return false;
    }
    std::vector<std::string> rows() const {
        std::vector<std::string> titles;
        for (const auto& row : last<ReplyRequested>().content.rows) titles.push_back(row.title);
        return titles;
    }
    // Somebody else has this time.
    void takes(const std::string& service_id, const std::string& from) {
        calendars[service_id] = evolve(std::move(calendars[service_id]),
                                       PlaceHeld{.booking_id = BookingId("other" + from),
                                                 .customer_id = "other",
                                                 .number = "BK-0",
                                                 .starts_at = at(from),
                                                 .ends_at = at(from) + 60min,
                                                 .place = 1},
                                       now);
    }
    std::map<std::string, Booking> books;
    int numbers = 0;
};

TEST(BookingPack, SaysTheTextsThatPeopleKnow) {
    Salon english;
    EXPECT_THAT(english.says("hello"),
                ElementsAre("Welcome to Mama Duka. Write: 1) Booking 2) Services 3) Prices 4) "
                            "Contact"));
    Salon swahili;
    swahili.tenant.languages = {"sw", "en"};
    EXPECT_THAT(
        swahili.says("Niko hapa"),
        ElementsAre("Karibu Mama Duka. Andika: 1) Booking 2) Huduma 3) Bei 4) Mawasiliano"));
    EXPECT_THAT(swahili.rows(), ElementsAre("Booking", "Huduma", "Bei", "Mawasiliano"));
    for (const std::string word : {"booking", "miadi", "Booking!", "1", "nataka kuweka miadi"}) {
        Salon chat;
        chat.tenant.languages = {"sw", "en"};
        EXPECT_THAT(chat.says(word),
                    ElementsAre(testing::StartsWith("Karibu Mama Duka. Tafadhali taja huduma "
                                                    "unayotaka na tarehe")))
            << word;
    }
}

TEST(BookingPack, TheMenuIsAnsweredByNumberTitleAndTap) {
    Salon chat;
    chat.says("hello");
    EXPECT_THAT(chat.says("2"),
                ElementsAre(AllOf(HasSubstr("• Haircut (60 min)"), HasSubstr("• Color (90 min)"))));
    EXPECT_THAT(chat.says("Prices"), ElementsAre(HasSubstr("• Haircut: KES 500.00")));
    EXPECT_THAT(chat.taps("Contact"),
                ElementsAre(AllOf(HasSubstr("Moi Avenue 12"), HasSubstr("+254700000000"),
                                  HasSubstr("Saturday 09:00–12:00"))));
    EXPECT_THAT(chat.taps("Booking"), ElementsAre(HasSubstr("tell us the service")));
    EXPECT_THAT(chat.rows(), ElementsAre("Color", "Haircut"));
}

TEST(BookingPack, BooksInEnglishFromTheFirstWordToTheNumber) {
    Salon chat;
    chat.says("I want to make a booking");
    EXPECT_THAT(
        chat.says("haircut tomorrow 10am"),
        ElementsAre(AllOf(HasSubstr("Haircut"), HasSubstr("Thursday 3 December 2026, 10:00"),
                          HasSubstr("KES 500.00"), HasSubstr("1=Yes, 2=No"))));
    EXPECT_THAT(chat.says("yes"), IsEmpty());
    const auto& wish = chat.last<BookingRequested>();
    EXPECT_EQ(wish.service_id, "cut");
    EXPECT_EQ(wish.starts_at, at("2026-12-03 10:00"));
    // Whoever writes meanwhile is heard.
    EXPECT_THAT(chat.says("hello?"), ElementsAre(HasSubstr("One moment")));
    EXPECT_THAT(chat.answered(), ElementsAre(AllOf(HasSubstr("BK-1"), HasSubstr("10:00"))));
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(BookingPack, BooksInSwahili) {
    Salon chat;
    chat.says("Habari");
    EXPECT_THAT(chat.says("miadi"), ElementsAre(HasSubstr("taja huduma unayotaka na tarehe")));
    EXPECT_THAT(chat.taps("Kunyoa"), ElementsAre(HasSubstr("Ungependa kuja lini kwa Kunyoa")));
    EXPECT_THAT(chat.says("kesho saa nne"),
                ElementsAre(HasSubstr("Alhamisi 3 Desemba 2026, saa 4:00 asubuhi (10:00)")));
    EXPECT_THAT(chat.says("ndiyo"), IsEmpty());
    EXPECT_THAT(chat.answered(), ElementsAre(HasSubstr("Nambari yako ni BK-1")));
}

TEST(BookingPack, OffersFreeTimesWhenNoTimeWasSaidOrItIsTaken) {
    Salon chat;
    chat.takes("cut", "2026-12-05 10:00");
    chat.says("booking");
    EXPECT_THAT(chat.says("haircut on saturday"),
                ElementsAre(Not(HasSubstr("That time is not free"))));
    EXPECT_THAT(chat.rows(), ElementsAre("Sat 5 Dec, 09:00", "Sat 5 Dec, 11:00"));
    EXPECT_THAT(chat.says("10am"), ElementsAre(HasSubstr("That time is not free")));
    EXPECT_THAT(chat.says("2"), ElementsAre(HasSubstr("Saturday 5 December 2026, 11:00")));
    EXPECT_THAT(chat.taps("Another time"), ElementsAre(HasSubstr("When would you like")));
    // A day without any: the next ones are offered.
    EXPECT_THAT(chat.says("sunday"), ElementsAre(HasSubstr("That time is not free")));
    EXPECT_THAT(chat.rows(), testing::Contains("Mon 7 Dec, 08:00"));
    EXPECT_THAT(chat.taps("Mon 7 Dec, 08:00"), ElementsAre(HasSubstr("Monday 7 December")));
}

TEST(BookingPack, AsksAgainWhatIsUnclearOrOver) {
    Salon chat;
    chat.says("booking");
    chat.says("haircut");
    for (const std::string words : {"tomorrow at 10", "next friday", "yesterday", "5/13"})
        EXPECT_THAT(chat.says(words),
                    ElementsAre(AllOf(HasSubstr("we are not sure"), HasSubstr("for example"))))
            << words;
    EXPECT_THAT(chat.says("mashed potatoes"),
                ElementsAre(AllOf(Not(HasSubstr("not sure")), HasSubstr("for example"))));
    EXPECT_THAT(chat.says("friday 2pm"), ElementsAre(HasSubstr("Friday 4 December 2026, 14:00")));
}

TEST(BookingPack, WhoIsTooLateIsOfferedTheNextFreeTimes) {
    Salon chat;
    chat.says("booking haircut tomorrow 10am");
    chat.takes("cut", "2026-12-03 10:00");
    chat.says("1");
    EXPECT_THAT(chat.answered(),
                ElementsAre(HasSubstr("not free any more"), HasSubstr("These times are free")));
    EXPECT_THAT(chat.rows(), Not(testing::Contains("Thu 3 Dec, 10:00")));
    EXPECT_THAT(chat.rows(), testing::Contains("Thu 3 Dec, 11:00"));
    chat.taps("Thu 3 Dec, 11:00");
    chat.taps("Yes");
    EXPECT_THAT(chat.answered(), ElementsAre(HasSubstr("BK-2")));
}

TEST(BookingPack, ACustomerMovesAndCancels) {
    Salon chat;
    chat.says("booking haircut tomorrow 10am");
    chat.says("yes");
    chat.answered();
    EXPECT_THAT(chat.says("can I reschedule?"), ElementsAre(HasSubstr("When would you like")));
    EXPECT_THAT(chat.says("friday 2pm"), ElementsAre(HasSubstr("Friday 4 December 2026, 14:00")));
    chat.says("1");
    EXPECT_TRUE(chat.last<BookingRequested>().moving);
    EXPECT_THAT(chat.answered(), ElementsAre(AllOf(HasSubstr("BK-1"), HasSubstr("14:00"))));
    EXPECT_EQ(chat.calendars["cut"].held.size(), 1u);

    EXPECT_THAT(chat.says("ghairi"), ElementsAre(AllOf(HasSubstr("BK-1"), HasSubstr("14:00"))));
    EXPECT_THAT(chat.says("hapana"), ElementsAre(HasSubstr("1) Booking")));
    chat.says("cancel");
    EXPECT_THAT(chat.taps("Yes, cancel"), IsEmpty());
    EXPECT_THAT(chat.answered(), ElementsAre(HasSubstr("is cancelled")));
    EXPECT_THAT(chat.calendars["cut"].held, IsEmpty());
    EXPECT_THAT(chat.says("cancel"), ElementsAre(HasSubstr("You have no booking")));
}

TEST(BookingPack, OfSeveralBookingsOneIsChosen) {
    Salon chat;
    for (const std::string when : {"tomorrow 10am", "friday 11am"}) {
        chat.says("booking haircut " + when);
        chat.says("yes");
        chat.answered();
    }
    EXPECT_THAT(chat.says("cancel"), ElementsAre(HasSubstr("Which booking")));
    EXPECT_THAT(chat.rows(), ElementsAre("Thu 3 Dec, 10:00", "Fri 4 Dec, 11:00"));
    EXPECT_THAT(chat.says("2"), ElementsAre(HasSubstr("BK-2")));
    chat.says("yes");
    chat.answered();
    EXPECT_EQ(chat.books.size(), 2u);
    EXPECT_EQ(chat.calendars["cut"].held.size(), 1u);
}

TEST(BookingPack, HasAPersonALanguageAndTheReminder) {
    Salon chat;
    chat.says("booking");
    EXPECT_THAT(chat.says("kiswahili"), testing::Contains(HasSubstr("taja huduma")));
    EXPECT_THAT(chat.says("mtu"), SizeIs(1));
    EXPECT_EQ(chat.state(), "ESCALATED");
    chat.person(HandBack{"done"});
    EXPECT_THAT(chat.hears(ReturnedToFlow{}), ElementsAre(HasSubstr("1) Booking 2) Huduma")));
    chat.says("miadi kunyoa kesho saa nne");
    chat.says("1");
    chat.answered();
    // The reminder is said in a conversation that is over; a template says the booking's time too.
    ASSERT_EQ(chat.state(), "CLOSED");
    FollowUpDue due{
        .task_id = TaskId("t1"), .kind = "booking", .since = {}, .text = "Karibu kesho!"};
    EXPECT_THAT(chat.hears(due), ElementsAre("Karibu kesho!"));
    Template approved;
    approved.key = "remind_me";
    approved.variants["sw"].body = "{{booking_number}} {{booking_time}}";
    chat.own_templates["remind_me"] = approved;
    due.template_key = "remind_me";
    EXPECT_THAT(chat.hears(due), ElementsAre(AllOf(HasSubstr("BK-1"), HasSubstr("(10:00)"))));
}

TEST(BookingPack, TellsWhatAPersonDid) {
    Salon chat;
    chat.says("hello");
    BookingAnswered made;
    made.noted = {.booking_id = BookingId("b"),
                  .news = BookingNews::made,
                  .number = "BK-9",
                  .service_id = ServiceId("cut"),
                  .service_name = "Haircut",
                  .starts_at = at("2026-12-03 10:00"),
                  .reminder_task_id = {}};
    const auto node = chat.now_in().node;
    EXPECT_THAT(chat.hears(made), ElementsAre(HasSubstr("BK-9")));
    EXPECT_EQ(chat.now_in().node, node);
    EXPECT_EQ(chat.now_in().booking.known.size(), 1u);
}

TEST(BookingPack, WithoutServicesAPersonIsCalled) {
    Salon chat;
    chat.services.clear();
    EXPECT_THAT(chat.says("booking"), ElementsAre(HasSubstr("Nothing can be booked")));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

// Whatever the customer says, there is an answer, unless a person has the conversation; and what is
// booked is never booked twice.
TEST(BookingPackProperty, NobodyIsLeftWithoutAnAnswer) {
    const std::vector<std::string> words{"hi",      "booking",
                                         "miadi",   "haircut",
                                         "kunyoa",  "tomorrow 10am",
                                         "kesho",   "1",
                                         "2",       "3",
                                         "4",       "yes",
                                         "no",      "cancel",
                                         "ghairi",  "reschedule",
                                         "menu",    "friday",
                                         "5/13",    "jana",
                                         "???",     "haircut kesho saa nne",
                                         "english", "kiswahili",
                                         "14:30",   "sunday",
                                         "asante",  "booking color friday 2pm",
                                         "saa nne"};
    for (unsigned seed = 0; seed < 400; ++seed) {
        std::mt19937 random(seed);
        Salon chat;
        chat.choices_numbered = random() % 3 == 0;
        for (int i = 0; i < 25; ++i) {
            const auto& said = words[random() % words.size()];
            const bool with_person = !chat.conversations.empty() && chat.state() == "ESCALATED";
            auto heard = chat.says(said);
            EXPECT_EQ(chat.problem, "") << "seed " << seed;
            // The tenant's lane answers at once, or after another message of the customer.
            const bool asked = !chat.now_in().booking.asked.empty();
            if (asked && random() % 4 == 0) {
                EXPECT_THAT(chat.says("hello?"), SizeIs(1)) << "seed " << seed;
            }
            for (auto& answer : chat.answered()) heard.push_back(answer);
            EXPECT_TRUE(with_person || !heard.empty()) << "seed " << seed << ", " << said;
            for (const auto& [id, calendar] : chat.calendars)
                for (const auto& [a, one] : calendar.held)
                    for (const auto& [b, other] : calendar.held)
                        EXPECT_FALSE(a != b && one.starts_at < other.ends_at &&
                                     other.starts_at < one.ends_at)
                            << "seed " << seed;
        }
    }
}

}  // namespace
}  // namespace flowstack::conversation
