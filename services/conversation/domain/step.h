#pragma once

#include <string>
#include <variant>
#include <vector>

#include "services/conversation/domain/conversation.h"
#include "services/conversation/domain/customer.h"
#include "services/conversation/domain/flow/context.h"
#include "services/conversation/domain/flow/inputs.h"
#include "services/conversation/domain/flow/interpreter.h"
#include "services/conversation/domain/trades.h"
#include "services/conversation/domain/trades/booking/booking.h"
#include "services/conversation/domain/trades/shop/inputs.h"
#include "services/conversation/domain/trades/shop/scene.h"
#include "services/conversation/domain/trades/support/support.h"

// One step of one conversation: an input meets the state, and facts come of it. Pure: the same
// conversation, input and context give the same facts.
namespace flowstack::conversation {

struct Context : FlowContext {
    ShopContext shop;
    SupportContext support;
    BookingContext booking;
};

using Input = JoinedVariant<DialogueInput, ShopInput, BookingInput>;

struct Step {
    std::vector<Event> events;
    std::vector<CustomerEvent> customer_events;
    // What the flow did wrong on a fact of the world. The fact counts all the same, and a person
    // takes over.
    std::string problem;
    // The occasion for which a follow-up was due and neither the flow nor the tenant has words.
    std::string unsaid;
};

// The conversation must exist. Throws FlowProblem for what a customer said or did.
Step step(const Conversation& conversation, const Customer& customer, const Input& input,
          const Context& context);

// Asks for one message outside of the flow (the limit was reached, something broke).
Step tell(const Conversation& conversation, const std::string& template_key,
          const Context& context);

}  // namespace flowstack::conversation
