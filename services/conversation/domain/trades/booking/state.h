#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <variant>

#include "services/conversation/domain/flow/dialogue.h"
#include "services/conversation/domain/trades/booking/bookings.h"

// What a conversation knows of bookings: what it asked the tenant's lane for, and what became of
// it.
namespace flowstack::conversation {

// A place is to be taken, or a booking is to move. Decided on the tenant's lane.
struct BookingRequested {
    BookingId booking_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    ChannelId channel_id;
    ServiceId service_id;
    Time starts_at{};
    std::string language;
    bool moving = false;
    std::string name;
    std::string phone;
    bool operator==(const BookingRequested&) const = default;
};
struct BookingCancelRequested {
    BookingId booking_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    bool operator==(const BookingCancelRequested&) const = default;
};
enum class BookingNews { made, refused, moved, move_refused, cancelled };
std::string_view text_of(BookingNews news);  // "made"
// What became of a booking.
struct BookingNoted {
    BookingId booking_id;
    BookingNews news = BookingNews::made;
    std::string number;
    ServiceId service_id;
    std::string service_name;
    Time starts_at{};
    TaskId reminder_task_id;
    bool operator==(const BookingNoted&) const = default;
};
using BookingFact = std::variant<BookingRequested, BookingCancelRequested, BookingNoted>;

struct BookingState {
    BookingId asked;                 // the tenant's lane has not answered yet
    std::deque<BookingNoted> known;  // bookings that stand, the latest last
    bool operator==(const BookingState&) const = default;
};
inline constexpr std::size_t kKnownBookingsMax = 20;

void apply(BookingState& bookings, const Dialogue& dialogue, const BookingRequested& fact);
void apply(BookingState& bookings, const Dialogue& dialogue, const BookingCancelRequested& fact);
void apply(BookingState& bookings, const Dialogue& dialogue, const BookingNoted& fact);

// The tenant's lane, or a person, did something to a booking of this customer.
struct BookingAnswered {
    BookingNoted noted;
    BookingRefusal refusal = BookingRefusal::full;  // of what was refused
};
using BookingInput = std::variant<BookingAnswered>;

}  // namespace flowstack::conversation
