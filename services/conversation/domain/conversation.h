#pragma once

#include <string>
#include <variant>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "services/conversation/domain/flow/dialogue.h"
#include "services/conversation/domain/trades/booking/state.h"
#include "services/conversation/domain/trades/shop/state.h"
#include "services/conversation/domain/trades/support/state.h"

// A conversation: one dialogue with one customer, from the first word to CLOSED, and what each
// trade knows of it. What the flow does with an input is in step.h.
namespace flowstack::conversation {

// The alternatives of all of them.
template <class... Variants>
struct Joined;
template <class... A>
struct Joined<std::variant<A...>> {
    using type = std::variant<A...>;
};
template <class... A, class... B, class... More>
struct Joined<std::variant<A...>, std::variant<B...>, More...>
    : Joined<std::variant<A..., B...>, More...> {};
template <class... Variants>
using JoinedVariant = typename Joined<Variants...>::type;

// Facts of the dialogue and of every trade.
using Event = JoinedVariant<DialogueFact, ShopFact, SupportFact, BookingFact>;

struct Conversation : Dialogue {
    ShopState shop;
    SupportState support;
    BookingState booking;

    // A payment may come: between the request for stock and the payment's end.
    bool paying() const { return shop.paying(state); }
    bool operator==(const Conversation&) const = default;
};

// Throws CorruptStream if no rule could have produced this history.
void apply(Conversation& conversation, const Event& event);
inline Conversation evolve(Conversation conversation, const Event& event) {
    apply(conversation, event);
    return conversation;
}

// --- What people ask of a conversation

struct Escalate {
    std::string reason;
};
struct HandBack {
    std::string reason;
};
// Also what waits for money: a person knows better. Whatever payment says later is told and changes
// nothing.
struct Close {
    std::string reason;
};
// Rendered words of a person in an escalated conversation.
struct ReplyAsAgent {
    MessageId message_id;
    std::string idempotency_key;
    std::string agent;
    Content content;
};
using Command = std::variant<Escalate, HandBack, Close, ReplyAsAgent>;

enum class Rejection {
    no_such_conversation,
    transition_not_allowed,
    not_escalated,  // only a person who took over replies, and hands back
    already_closed,
};
Decision<Event, Rejection> decide(const Conversation& conversation, const Command& command);

}  // namespace flowstack::conversation
