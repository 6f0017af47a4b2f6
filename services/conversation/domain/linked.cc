#include "services/conversation/domain/linked.h"

#include <algorithm>

#include "services/conversation/domain/engine.h"

namespace flowstack::conversation {
namespace {

constexpr const char* kReason = "linked";

bool is_open(const Conversation& conversation) {
    return conversation.exists() && conversation.state != Lifecycle::closed;
}

// Both carts: a product that is in both counts once, as the younger one had it last.
std::vector<CartLine> both(const std::vector<CartLine>& younger,
                           const std::vector<CartLine>& older) {
    auto lines = younger;
    for (const auto& line : older) {
        const bool known = std::ranges::any_of(
            lines, [&](const CartLine& other) { return other.product_id == line.product_id; });
        if (!known && lines.size() < kCountedLinesMax) lines.push_back(line);
    }
    return lines;
}

// The way to this state from a dialogue that was just opened.
std::vector<Lifecycle> way_to(Lifecycle state) {
    using enum Lifecycle;
    switch (state) {
        case new_lead:
        case closed:
            return {};
        case awaiting_customer:
            return {engaged, awaiting_customer};
        case dormant:
            return {engaged, awaiting_customer, dormant};
        case escalated:
            return {escalated};
        case engaged:
        case waiting_for_payment:
        case paid:
            return {engaged};
    }
    return {};
}

void open_copy(CarriedOver& out, const Conversation& from, const Conversation& previous,
               const std::vector<CartLine>& cart, const std::string& customer_id) {
    Opened opened;
    opened.conversation_id = out.conversation_id;
    opened.customer_id = customer_id;
    opened.channel_id = from.channel_id;
    opened.flow_key = from.flow_key;
    opened.flow_version = from.flow_version;
    opened.language = from.language;
    opened.previous_conversation_id = previous.id;
    out.events.emplace_back(std::move(opened));
    auto at = Lifecycle::new_lead;
    for (const auto next : way_to(from.state)) {
        if (next == Lifecycle::escalated) out.events.emplace_back(Escalated{from.state_reason});
        out.events.emplace_back(Advanced{at, next, kReason});
        at = next;
    }
    for (const auto& [name, value] : from.variables)
        out.events.emplace_back(VariableCaptured{name, value});
    if (!from.unclear_items.empty())
        out.events.emplace_back(UnclearItemsChanged{from.unclear_items});
    if (!cart.empty()) {
        CartChanged changed;
        changed.lines = cart;
        out.events.emplace_back(std::move(changed));
    }
    if (from.node.empty()) return;
    NodeEntered entered;
    entered.node = from.node;
    entered.retries = from.retries;
    out.events.emplace_back(std::move(entered));
}

void introduce(CarriedOver& out, const Customer& younger, const Customer& older,
               const std::string& older_id) {
    if (!older.exists()) {
        CustomerSeen seen;
        seen.customer_id = older_id;
        seen.language = younger.language;
        seen.name = younger.name;
        seen.phone = younger.phone;
        out.customer_events.emplace_back(std::move(seen));
    }
    CustomerChanged changed;
    changed.customer_id = older_id;
    if (older.address.empty() && !younger.address.empty()) changed.address = younger.address;
    if (younger.language_chosen && !older.language_chosen) changed.language = younger.language;
    if (changed.address || changed.language) out.customer_events.emplace_back(std::move(changed));
    CustomerConversationStarted started;
    started.customer_id = older_id;
    started.conversation_id = out.conversation_id;
    out.customer_events.emplace_back(std::move(started));
}

}  // namespace

CarriedOver carry_over(const Side& younger, const Side& older, const std::string& older_id,
                       const std::string& new_conversation_id) {
    CarriedOver out;
    const auto& from = younger.conversation;
    if (!is_open(from) || from.paying()) return out;
    const auto& own = older.conversation;
    const auto cart = both(from.cart, is_open(own) ? own.cart : std::vector<CartLine>{});
    if (is_open(own) && (own.paying() || own.state == Lifecycle::escalated)) {
        if (from.cart.empty()) return out;
        out.conversation_id = own.id;
        CartChanged changed;
        changed.lines = cart;
        out.events.emplace_back(std::move(changed));
        return out;
    }
    out.conversation_id = new_conversation_id;
    out.opened = true;
    open_copy(out, from, own, cart, older_id);
    introduce(out, younger.customer, older.customer, older_id);
    return out;
}

}  // namespace flowstack::conversation
