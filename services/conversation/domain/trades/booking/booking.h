#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/conversation/domain/flow/interpreter.h"
#include "services/conversation/domain/trades/booking/state.h"

// Bookings as a trade: services, free times, what a customer has booked. verbs.cc has its words.
namespace flowstack::conversation {

const Words& booking_words();

// What it may know besides the state. Everything that it points to outlives the step.
struct BookingContext {
    const std::vector<BookableService>* services = nullptr;
    const BookingSettings* settings = nullptr;
    const std::map<std::string, Calendar>* calendars = nullptr;  // by service
    BookingZone zone{};
};

// Its side of the step's record (flow/record.h).
class BookingRecord {
public:
    virtual ~BookingRecord() = default;
    // As of the last fact. The reference stays good, what it refers to moves on.
    virtual const BookingState& bookings() const = 0;
    virtual void add(BookingFact fact) = 0;
};

// A moment of the tenant's wall clock in a language: "Friday 4 December 2026, 10:00", "Ijumaa 4
// Desemba 2026, saa 4:00 asubuhi (10:00)"; short, for a row of a list: "Fri 4 Dec, 10:00".
std::string moment_text(WallTime at, const std::string& language);
std::string day_text(WallDay day, const std::string& language);
std::string short_moment_text(WallTime at, const std::string& language);
// "Monday 08:00–13:00, 14:00–17:00", a line for each day that is open.
std::string hours_text(const BookingSettings& settings, const std::string& language);
// What texts may say of one booking: booking_number, booking_service, booking_time.
Values values_of(const BookingNoted& booking, const BookingZone& zone, const std::string& language);

class BookingTrade final : public Trade {
public:
    BookingTrade(BookingRecord& record, Interpreter& flow, const BookingContext& context)
        : record_(record), flow_(flow), context_(context) {}
    BookingTrade(const BookingTrade&) = delete;

    void on(const BookingAnswered& input);

    const Words& words() const override { return booking_words(); }
    std::string_view busy() const override {
        return record_.bookings().asked.empty() ? "" : "booking_wait";
    }
    void add_values(Values& values) const override;
    void add_follow_up_values(const FollowUpDue& task, Values& values) const override;
    bool take_tap(const std::string&, const std::string&) override { return false; }
    bool keeps_open() override { return !busy().empty(); }
    std::string_view said_whatever_happens(std::string_view occasion) const override {
        return occasion == "booking_made" ? "booking_made" : "";
    }

    // For the functions of verbs and matches.
    Interpreter& flow() const { return flow_; }
    const std::vector<BookableService>& services() const;
    const BookableService* service(const std::string& id) const;  // null: none, or not active
    const BookingSettings& settings() const;
    const Calendar& calendar(const ServiceId& service_id) const;
    const BookingZone& zone() const { return context_.zone; }
    WallTime wall_now() const { return context_.zone.wall(flow_.context().now); }
    std::string draft(const char* name) const { return flow_.dialogue().value(name); }
    void set_draft(const char* name, const std::string& value) const { flow_.capture(name, value); }
    void forget_draft() const;
    // What this customer has booked and is still to come, the next one first.
    std::vector<BookingNoted> coming() const;
    void emit(BookingFact fact) const { record_.add(std::move(fact)); }

private:
    BookingRecord& record_;
    Interpreter& flow_;
    const BookingContext& context_;
};

}  // namespace flowstack::conversation
