#include "services/conversation/adapters/derive.h"

#include <stdexcept>

#include "flowstack/conversation/v1/booking_events.pb.h"
#include "services/conversation/adapters/codec.h"

namespace flowstack::conversation {

void derive(const eventlog::StreamName& stream, int, const eventlog::NewEvent& event,
            eventlog::Derived& out) {
    const auto& c = stream.category;
    if (c == category::kProduct || c == category::kPromotion || c == category::kTemplate ||
        c == category::kFlow || c == category::kTopic || c == category::kService ||
        c == category::kBookingSettings || c == category::kCalendar)
        out.settings.push_back({stream.tenant, kContentChange, c + "/" + stream.key});
    if (event.type == v1::BookingMade::descriptor()->full_name()) {
        v1::BookingMade made;
        if (!made.ParseFromString(event.payload))
            throw std::invalid_argument("not a " + made.GetTypeName());
        out.claims.push_back(
            {stream.tenant, kBookingNumberClaim, made.number(), stream.key, stream});
    }
}

}  // namespace flowstack::conversation
