#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "common/localtime/local_clock.h"
#include "flowstack/conversation/v1/booking_events.pb.h"
#include "flowstack/conversation/v1/booking_service.grpc.pb.h"
#include "services/conversation/domain/trades/booking/booking.h"
#include "tests/integration/conversation/shop.h"

// The BOOKING pack on a real log: services and settings by gRPC, a dialogue, persons, and many who
// want the last place.
namespace flowstack::conversation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Stub = v1::BookingService::Stub;

constexpr auto kDone = common::v1::ERROR_REASON_UNSPECIFIED;
constexpr auto kInvalid = common::v1::ERROR_REASON_FIELD_INVALID;
constexpr auto kWrongState = common::v1::ERROR_REASON_WRONG_STATE;
constexpr auto kNotFound = common::v1::ERROR_REASON_NOT_FOUND;

class Salon : public ShopFixture {
protected:
    Salon() {
        tenants.facts["duka"].pack = "BOOKING";
        // The log's own events have the time of the machine.
        now = std::chrono::floor<seconds>(SystemClock().now());
        clock.set(now);
        today = std::chrono::floor<std::chrono::days>(wall_time("Africa/Nairobi", now));
        ten = moment_of("Africa/Nairobi", LocalTime(today) + std::chrono::hours{24 + 10}).value();
        v1::SaveBookingSettingsRequest settings;
        settings.set_parent("tenants/duka");
        settings.mutable_settings()->set_slot_minutes(60);
        settings.mutable_settings()->set_address("Moi Avenue");
        for (int weekday = 1; weekday <= 7; ++weekday) {
            auto& hours = *settings.mutable_settings()->add_hours();
            hours.set_weekday(weekday);
            hours.set_opens("08:00");
            hours.set_closes("17:00");
        }
        v1::BookingSettings saved;
        EXPECT_EQ(call<v1::BookingService>(&Stub::SaveBookingSettings, settings, saved), kDone);
        EXPECT_EQ(saved.reminder_minutes(), 120);
        save_service("haircut", "Haircut", 1);
    }

    common::v1::ErrorReason save_service(const std::string& id, const std::string& name,
                                         std::int64_t capacity) {
        v1::SaveBookableServiceRequest request;
        request.set_parent("tenants/duka");
        auto& service = *request.mutable_service();
        service.set_service_id(id);
        (*service.mutable_text())["en"].set_name(name);
        service.set_duration_minutes(60);
        service.set_capacity(capacity);
        service.mutable_price()->set_minor_units(50'000);
        service.mutable_price()->set_currency_code("KES");
        v1::BookableService saved;
        return call<v1::BookingService>(&Stub::SaveBookableService, request, saved);
    }
    v1::CreateBookingRequest wish(const std::string& phone, Time at,
                                  const std::string& request_id = "") {
        v1::CreateBookingRequest request;
        request.set_parent("tenants/duka");
        request.set_service_id("haircut");
        request.set_phone(phone);
        request.set_request_id(request_id);
        request.mutable_start_time()->set_seconds(unix_seconds(at));
        return request;
    }
    v1::Booking get(const std::string& name) {
        v1::GetBookingRequest request;
        request.set_name(name);
        v1::Booking answer;
        call<v1::BookingService>(&Stub::GetBooking, request, answer);
        return answer;
    }
    std::vector<v1::Booking> listed(const std::string& state = "", const std::string& day = "") {
        v1::ListBookingsRequest request;
        request.set_parent("tenants/duka");
        request.set_state(state);
        request.set_day(day);
        v1::ListBookingsResponse page;
        EXPECT_EQ(call<v1::BookingService>(&Stub::ListBookings, request, page), kDone);
        return {page.bookings().begin(), page.bookings().end()};
    }
    std::int64_t free_at_ten() {
        v1::ListFreeSlotsRequest request;
        request.set_name("tenants/duka/services/haircut");
        request.set_day(text_of(today + std::chrono::days{1}));
        v1::ListFreeSlotsResponse page;
        EXPECT_EQ(call<v1::BookingService>(&Stub::ListFreeSlots, request, page), kDone);
        for (const auto& slot : page.slots())
            if (slot.start_time().seconds() == unix_seconds(ten)) return slot.free();
        return 0;
    }
    // "Monday 16 June 2025, 10:00"
    std::string words(int days, int hour) {
        return moment_text(today + std::chrono::days{days} + std::chrono::hours{hour}, "en");
    }

    WallDay today{};
    Time ten{};  // tomorrow morning, in Nairobi
};

TEST_F(Salon, ADialogueBooksMovesAndCancels) {
    writes("amina", "booking");
    EXPECT_THAT(heard("amina"), HasSubstr("tell us the service"));
    writes("amina", "haircut tomorrow 10am");
    EXPECT_THAT(heard("amina"), HasSubstr(words(1, 10)));
    taps("amina", "Yes");
    EXPECT_THAT(heard("amina"), HasSubstr("Your number is BK-"));
    auto made = all<v1::BookingMade>();
    ASSERT_THAT(made, SizeIs(1));
    EXPECT_EQ(made[0].starts_at_us(), unix_micros(ten));
    EXPECT_EQ(made[0].reminder_at_us(), unix_micros(ten - std::chrono::minutes{120}));
    EXPECT_THAT(made[0].personal().reminder_text(), HasSubstr("Moi Avenue"));
    EXPECT_EQ(free_at_ten(), 0);
    consume();
    ASSERT_THAT(listed("BOOKED", text_of(today + std::chrono::days{1})), SizeIs(1));
    EXPECT_THAT(listed("BOOKED", text_of(today)), IsEmpty());
    EXPECT_EQ(listed()[0].number(), made[0].number());

    writes("amina", "reschedule");
    writes("amina", "day after tomorrow 2pm");
    taps("amina", "Yes");
    EXPECT_THAT(heard("amina"), HasSubstr(words(2, 14)));
    ASSERT_THAT(all<v1::BookingMoved>(), SizeIs(1));
    EXPECT_EQ(all<v1::BookingMoved>()[0].ended_task_id(), made[0].reminder_task_id());
    EXPECT_EQ(free_at_ten(), 1);

    writes("amina", "cancel");
    taps("amina", "Yes, cancel");
    EXPECT_THAT(heard("amina"), HasSubstr("is cancelled"));
    const auto cancelled = all<v1::BookingCancelled>();
    ASSERT_THAT(cancelled, SizeIs(1));
    EXPECT_EQ(cancelled[0].by(), v1::BOOKING_CANCELLED_BY_CUSTOMER);
    EXPECT_EQ(all<v1::PlaceHeld>().size(), 2u);
    EXPECT_EQ(all<v1::PlaceFreed>().size(), 2u);
}

TEST_F(Salon, TwoDialoguesWantTheLastPlaceAndOneGetsIt) {
    for (const std::string who : {"amina", "juma"}) {
        writes(who, "booking haircut tomorrow 10am");
        EXPECT_THAT(heard(who), HasSubstr("10:00"));
    }
    taps("amina", "Yes");
    taps("juma", "Yes");
    EXPECT_THAT(heard("amina"), HasSubstr("BK-"));
    const auto said = replies("juma");
    ASSERT_GE(said.size(), 2u);
    EXPECT_THAT(content_of(said[said.size() - 2].personal().content()).body,
                HasSubstr("not free any more"));
    EXPECT_THAT(heard("juma"), HasSubstr("These times are free"));
    EXPECT_EQ(all<v1::BookingMade>().size(), 1u);
    EXPECT_EQ(all<v1::BookingRefused>().size(), 1u);
}

TEST_F(Salon, ManyPersonsWantThreePlacesAtOnce) {
    ASSERT_EQ(save_service("haircut", "Haircut", 3), kDone);
    std::atomic<int> booked = 0, refused = 0, other = 0;
    // The book of contacts is the test's own: it is filled before.
    for (int i = 0; i < 12; ++i)
        contacts.of_phone("duka", "+25471234560" + std::to_string(i % 10), "");
    std::vector<std::jthread> persons;
    for (int i = 0; i < 10; ++i)
        persons.emplace_back([&, i] {
            grpc::ClientContext context;
            rpc::set_timeout(context, seconds{30});
            v1::Booking answer;
            const auto status = v1::BookingService::NewStub(channel)->CreateBooking(
                &context, wish("+25471234560" + std::to_string(i), ten), &answer);
            const auto why = rpc::failure_of(status);
            if (status.ok())
                ++booked;
            else if (why && why->reason == kWrongState)
                ++refused;
            else
                ++other;
        });
    persons.clear();
    EXPECT_EQ(booked, 3);
    EXPECT_EQ(refused, 7);
    EXPECT_EQ(other, 0);
    std::set<std::int64_t> places;
    for (const auto& held : all<v1::PlaceHeld>()) places.insert(held.place());
    EXPECT_THAT(places, ElementsAre(1, 2, 3));
    std::set<std::string> numbers;
    for (const auto& made : all<v1::BookingMade>()) numbers.insert(made.number());
    EXPECT_EQ(numbers.size(), 3u);
}

TEST_F(Salon, APersonBooksMovesCancelsAndMarks) {
    v1::Booking booking;
    ASSERT_EQ(
        call<v1::BookingService>(&Stub::CreateBooking, wish("0712345678", ten, "r1"), booking),
        kDone);
    EXPECT_EQ(booking.state(), "BOOKED");
    EXPECT_EQ(booking.service_name(), "Haircut");
    EXPECT_THAT(booking.number(), ::testing::StartsWith("BK-"));
    EXPECT_EQ(booking.price().minor_units(), 50'000);
    v1::Booking again;
    ASSERT_EQ(call<v1::BookingService>(&Stub::CreateBooking, wish("0712345678", ten, "r1"), again),
              kDone);
    EXPECT_EQ(again.name(), booking.name());
    EXPECT_EQ(call<v1::BookingService>(&Stub::CreateBooking, wish("0712345679", ten), again),
              kWrongState);
    EXPECT_THAT(failure->message, HasSubstr("taken"));
    EXPECT_EQ(call<v1::BookingService>(&Stub::CreateBooking,
                                       wish("0712345679", ten + std::chrono::minutes{7}), again),
              kWrongState);
    EXPECT_EQ(call<v1::BookingService>(&Stub::CreateBooking, wish("seven", ten), again), kInvalid);

    v1::MoveBookingRequest move;
    move.set_name(booking.name());
    move.mutable_start_time()->set_seconds(unix_seconds(ten + std::chrono::hours{1}));
    ASSERT_EQ(call<v1::BookingService>(&Stub::MoveBooking, move, booking), kDone);
    EXPECT_EQ(booking.start_time().seconds(), unix_seconds(ten) + 3600);

    v1::MarkNoShowRequest no_show;
    no_show.set_name(booking.name());
    EXPECT_EQ(call<v1::BookingService>(&Stub::MarkNoShow, no_show, booking), kWrongState);
    v1::CancelBookingRequest cancel;
    cancel.set_name(booking.name());
    cancel.set_reason("the barber is ill");
    for (int i = 0; i < 2; ++i)
        ASSERT_EQ(call<v1::BookingService>(&Stub::CancelBooking, cancel, booking), kDone);
    EXPECT_EQ(booking.state(), "CANCELLED");
    EXPECT_EQ(booking.cancelled_by(), "business");
    EXPECT_EQ(all<v1::BookingCancelled>().size(), 1u);
    v1::MarkArrivedRequest arrived;
    arrived.set_name(booking.name());
    EXPECT_EQ(call<v1::BookingService>(&Stub::MarkArrived, arrived, booking), kWrongState);
    arrived.set_name("tenants/duka/bookings/nobody");
    EXPECT_EQ(call<v1::BookingService>(&Stub::MarkArrived, arrived, booking), kNotFound);

    ASSERT_EQ(call<v1::BookingService>(&Stub::CreateBooking, wish("0712345679", ten), booking),
              kDone);
    arrived.set_name(booking.name());
    ASSERT_EQ(call<v1::BookingService>(&Stub::MarkArrived, arrived, booking), kDone);
    EXPECT_EQ(get(booking.name()).state(), "ARRIVED");
    consume();
    EXPECT_THAT(listed("ARRIVED"), SizeIs(1));
    EXPECT_THAT(listed("CANCELLED"), SizeIs(1));
    EXPECT_THAT(listed(), SizeIs(2));
}

TEST_F(Salon, ACustomerIsToldWhatAPersonDidAfterTheDialogueWasOver) {
    writes("amina", "booking haircut tomorrow 10am");
    taps("amina", "Yes");
    ASSERT_EQ(conversation_of("amina").state(), "CLOSED");
    v1::CancelBookingRequest cancel;
    cancel.set_name("tenants/duka/bookings/" + all<v1::BookingMade>()[0].booking_id());
    v1::Booking booking;
    ASSERT_EQ(call<v1::BookingService>(&Stub::CancelBooking, cancel, booking), kDone);
    consume();
    EXPECT_THAT(heard("amina"), HasSubstr("is cancelled"));
}

TEST_F(Salon, WhatIsSavedIsCheckedWithItsField) {
    v1::SaveBookableServiceRequest request;
    request.set_parent("tenants/duka");
    request.mutable_service()->set_service_id("bad");
    v1::BookableService saved;
    EXPECT_EQ(call<v1::BookingService>(&Stub::SaveBookableService, request, saved), kInvalid);
    EXPECT_EQ(failure->fields.at(0).field, "service.text");
    v1::SaveBookingSettingsRequest settings;
    settings.set_parent("tenants/duka");
    auto& hours = *settings.mutable_settings()->add_hours();
    hours.set_weekday(1);
    hours.set_opens("8am");
    hours.set_closes("17:00");
    settings.mutable_settings()->set_reminder_template_key("nowhere");
    v1::BookingSettings kept;
    EXPECT_EQ(call<v1::BookingService>(&Stub::SaveBookingSettings, settings, kept), kInvalid);
    std::vector<std::string> fields;
    for (const auto& field : failure->fields) fields.push_back(field.field);
    EXPECT_THAT(fields, ElementsAre("settings.hours[0].opens", "settings.reminder_template_key"));
    v1::ListBookingsRequest list;
    list.set_parent("tenants/duka");
    list.set_day("tomorrow");
    v1::ListBookingsResponse page;
    EXPECT_EQ(call<v1::BookingService>(&Stub::ListBookings, list, page), kInvalid);
    v1::ListBookableServicesRequest services_of;
    services_of.set_parent("tenants/duka");
    v1::ListBookableServicesResponse services_page;
    ASSERT_EQ(call<v1::BookingService>(&Stub::ListBookableServices, services_of, services_page),
              kDone);
    EXPECT_EQ(services_page.services_size(), 1);
}

}  // namespace
}  // namespace flowstack::conversation
