#include "services/conversation/adapters/bookings.h"

#include <cstdint>
#include <utility>

#include "common/localtime/local_clock.h"
#include "services/conversation/domain/flow/text.h"
#include "services/conversation/domain/trades/booking/booking.h"

namespace flowstack::conversation {

BookingZone zone_of(const std::string& time_zone) {
    return {.wall =
                [time_zone](Time at) {
                    return std::chrono::floor<std::chrono::minutes>(wall_time(time_zone, at));
                },
            .moment = [time_zone](WallTime wall) { return moment_of(time_zone, wall); }};
}

std::string number_of(const Uuid& seed, bool longer) {
    // The last 8 bytes of a version 7 id are random but for two bits of the first of them.
    std::uint64_t bits = 0;
    for (std::size_t i = 9; i < 16; ++i) bits = bits << 8 | seed.bytes[i];
    return booking_number(bits, longer ? kLongBookingNumberCharacters : kBookingNumberCharacters);
}

std::string reminder_words(const Reminder& words, const BookingMade& booking,
                           const std::string& service_name, Time starts_at) {
    static const std::string kKey = "booking_reminder";
    const Template* found = nullptr;
    if (const auto base = words.packs.base.templates.find(kKey);
        base != words.packs.base.templates.end())
        found = &base->second;
    if (const auto own = words.content.templates.find(kKey);
        own != words.content.templates.end() && own->second.active)
        found = &own->second;
    if (!found || found->variants.empty()) return {};
    BookingNoted noted;
    noted.number = booking.number;
    noted.service_name = service_name;
    noted.starts_at = starts_at;
    auto values = values_of(noted, zone_of(words.tenant.time_zone), booking.language);
    values["business_name"] = words.tenant.display_name;
    values["name"] = booking.name;
    values["contact_address"] = words.content.booking_settings.value.settings.address;
    values["contact_phone"] = words.content.booking_settings.value.settings.phone;
    return fill(variant_of(*found, booking.language).body, values);
}

namespace {

template <class Folds>
auto folded(Folds& folds, const eventlog::StreamName& name, eventlog::Turn* turn) {
    return turn ? folds.load(name, *turn) : folds.load(name);
}

}  // namespace

BookingParts booking_parts(const BookingDesk& desk, const BookingId& booking_id,
                           const ServiceId& service_id, const BookingCommand& command) {
    const auto& tenant = desk.words.tenant.id;
    const auto name = stream(tenant, category::kBooking, booking_id);
    const auto booking = folded(desk.books.bookings, name, desk.turn);
    const bool is_new = booking.state.stage == BookingStage::absent;
    const auto of_service = is_new ? service_id : booking.state.made.service_id;
    const auto calendar_name = stream(tenant, category::kCalendar, of_service);
    const auto calendar = folded(desk.books.calendars, calendar_name, desk.turn);
    const auto service =
        folded(desk.books.services, stream(tenant, category::kService, of_service), desk.turn);
    const auto settings =
        folded(desk.books.booking_settings,
               stream(tenant, category::kBookingSettings, kBookingSettingsKey), desk.turn);
    const auto zone = zone_of(desk.words.tenant.time_zone);
    const auto* made = std::get_if<MakeBooking>(&command);
    const auto& about = made ? made->wish : booking.state.made;
    const auto& offered = service.state.service;
    const BookingWorld world{
        .service = service.version > 0 ? &offered : nullptr,
        .settings = settings.state.settings,
        .calendar = calendar.state,
        .zone = zone,
        .now = desk.now,
        .reminder_text = [&](Time starts_at) {
            return reminder_words(desk.words, about,
                                  made ? text_in(offered, about.language).name : about.service_name,
                                  starts_at);
        }};
    const auto decided = decide(booking.state, command, world);
    if (const auto* rejection = std::get_if<BookingRejection>(&decided)) return *rejection;
    const auto& decision = std::get<BookingDecision>(decided);
    std::vector<eventlog::Part> parts;
    if (decision.booking.empty()) return parts;
    eventlog::Part own{name, booking.expected(), {}};
    for (const auto& event : decision.booking) own.events.push_back(encode(event, desk.now));
    parts.push_back(std::move(own));
    if (decision.calendar.empty()) return parts;
    eventlog::Part places{calendar_name, calendar.expected(), {}};
    for (const auto& event : decision.calendar) places.events.push_back(encode(event, desk.now));
    parts.push_back(std::move(places));
    return parts;
}

}  // namespace flowstack::conversation
