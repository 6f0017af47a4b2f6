#pragma once

#include <functional>
#include <string>
#include <variant>

#include "common/core/uuid.h"
#include "services/conversation/adapters/content.h"
#include "services/conversation/domain/tenant.h"

// What a decision on a booking needs, for the reactor and for the doors: both decide on the
// tenant's lane, at the version of the service's calendar.
namespace flowstack::conversation {

// There is one of a tenant.
inline const std::string kBookingSettingsKey = "settings";

// The wall clock of a time zone.
BookingZone zone_of(const std::string& time_zone);

// The number of a booking, made of a random id. A longer one where a shorter one was taken.
std::string number_of(const Uuid& seed, bool longer);

// The words of the reminder of one booking: the tenant's template "booking_reminder", else the
// base's.
struct Reminder {
    const Snapshot& content;
    const Packs& packs;
    const TenantFacts& tenant;
};
std::string reminder_words(const Reminder& words, const BookingMade& booking,
                           const std::string& service_name, Time starts_at);

// Decides and makes the parts of the append: the booking's stream and its service's calendar. The
// rejection, or the parts; none: it is so already.
using BookingParts = std::variant<std::vector<eventlog::Part>, BookingRejection>;
struct BookingDesk {
    Books& books;
    const Reminder& words;
    Time now{};
    eventlog::Turn* turn = nullptr;  // null: outside of the reactor
};
// `service_id`: of a booking that is to be made.
BookingParts booking_parts(const BookingDesk& desk, const BookingId& booking_id,
                           const ServiceId& service_id, const BookingCommand& command);

}  // namespace flowstack::conversation
