#pragma once

#include <map>
#include <string>
#include <string_view>

#include "services/conversation/domain/flow/inputs.h"
#include "services/conversation/domain/flow/verbs.h"

// What the interpreter knows of a trade (a shop, bookings, support): its words, and the
// moments of a dialogue at which it is asked. A trade keeps its own state and facts, and uses the
// interpreter to speak and to move (interpreter.h). One object serves one step of one conversation.
namespace flowstack::conversation {

using Values = std::map<std::string, std::string>;

class Trade {
public:
    virtual ~Trade() = default;

    virtual const Words& words() const = 0;

    // The occasion that answers a customer who writes while the trade waits for something that must
    // not be disturbed (money on its way). Empty: the flow may go on.
    virtual std::string_view busy() const = 0;

    // Adds what texts may say of the trade. It goes before the dialogue's variables.
    virtual void add_values(Values& values) const = 0;

    // Adds what the words of a follow-up may say of what it is about. It goes before all others.
    virtual void add_follow_up_values(const FollowUpDue&, Values&) const {}

    // A tap that the trade answers itself, in every flow. Whether it was one.
    virtual bool take_tap(const std::string& action, const std::string& argument) = 0;

    // The flow wants to close the dialogue. True: it stays open, and the trade has moved it on
    // where that was needed.
    virtual bool keeps_open() = 0;

    // The template that is said on an occasion even if the flow fails at it. Empty: none.
    virtual std::string_view said_whatever_happens(std::string_view occasion) const = 0;
};

}  // namespace flowstack::conversation
