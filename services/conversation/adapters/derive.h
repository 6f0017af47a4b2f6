#pragma once

#include "common/eventlog/types.h"

namespace flowstack::conversation {

// Kind of the settings changes that tell every replica that a tenant's content changed. The key is
// "<category>/<stream key>".
inline constexpr const char* kContentChange = "content";

// (tenant, booking_number): what people call a booking names one.
inline constexpr const char* kBookingNumberClaim = "booking_number";

// Side rows of an event: content changes become settings changes, numbers of bookings are claimed.
void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& out);

}  // namespace flowstack::conversation
