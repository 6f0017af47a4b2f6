#pragma once

#include <string>
#include <vector>

#include "common/core/id.h"
#include "services/conversation/domain/conversation.h"
#include "services/conversation/domain/customer.h"

// Two customers turned out to be one person: gateway closed the younger one, and from now on that
// person speaks as the older one. What they were saying as the younger one goes on.
namespace flowstack::conversation {

// One of the two, and their latest conversation.
struct Side {
    const Customer& customer;
    const Conversation& conversation;
};

struct CarriedOver {
    ConversationId conversation_id;  // whose facts `events` are
    bool opened = false;
    std::vector<Event> events;
    std::vector<CustomerEvent> customer_events;  // of the older customer
};

// The younger one's open dialogue becomes the latest one of the older customer, at the same place
// of the flow, with its answers and its cart. Where the older customer is paying or with a person,
// that dialogue stays and takes over the cart. A dialogue in which a payment may still come is left
// where it is: the payment finds it there. Nothing when there is nothing to carry.
CarriedOver carry_over(const Side& younger, const Side& older, const CustomerId& older_id,
                       const ConversationId& new_conversation_id);

}  // namespace flowstack::conversation
