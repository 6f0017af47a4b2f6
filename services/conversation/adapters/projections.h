#pragma once

#include "common/eventlog/turn.h"

namespace flowstack::conversation::v1 {
class Booking;
class Conversation;
class Customer;
}  // namespace flowstack::conversation::v1

// Read models: the API's resource messages, made from events. Pure.
namespace flowstack::conversation {

namespace document {
inline const std::string kConversation =
    "conversation";  // parent: customer id, state: the lifecycle's
inline const std::string kCustomer = "customer";
inline const std::string kBooking = "booking";  // parent: service id, sorted by when it begins
}  // namespace document

// Applies one event of the resource's own stream to the resource.
void apply(v1::Conversation& conversation, const eventlog::Recorded& event);
void apply(v1::Customer& customer, const eventlog::Recorded& event);
void apply(v1::Booking& booking, const eventlog::Recorded& event);

// For Host::project.
void project(const eventlog::Recorded& event, eventlog::Turn& turn);

}  // namespace flowstack::conversation
