#include "services/conversation/domain/linked.h"

#include <algorithm>

namespace flowstack::conversation {
namespace {

constexpr const char* kReason = "linked";

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
               const std::vector<CartLine>& cart, const CustomerId& customer_id) {
    out.events.emplace_back(Opened{.conversation_id = out.conversation_id,
                                   .customer_id = customer_id,
                                   .channel_id = from.channel_id,
                                   .flow_key = from.flow_key,
                                   .flow_version = from.flow_version,
                                   .language = from.language,
                                   .previous_conversation_id = previous.id});
    auto at = Lifecycle::new_lead;
    for (const auto next : way_to(from.state)) {
        if (next == Lifecycle::escalated)
            out.events.emplace_back(Escalated{.reason = from.state_reason});
        out.events.emplace_back(Advanced{.from = at, .to = next, .reason = kReason});
        at = next;
    }
    for (const auto& [name, value] : from.variables)
        out.events.emplace_back(VariableCaptured{.name = name, .value = value});
    if (!from.shop.unclear_items.empty())
        out.events.emplace_back(UnclearItemsChanged{.items = from.shop.unclear_items});
    if (!cart.empty()) out.events.emplace_back(CartChanged{.lines = cart});
    if (from.node.empty()) return;
    out.events.emplace_back(NodeEntered{.node = from.node, .retries = from.retries});
}

void introduce(CarriedOver& out, const Customer& younger, const Customer& older,
               const CustomerId& older_id) {
    if (!older.exists())
        add_joined(out.customer_events, CustomerSeen{.customer_id = older_id,
                                                     .language = younger.language,
                                                     .name = younger.name,
                                                     .phone = younger.phone});
    auto changed = conversation_began(older_id, out.conversation_id);
    if (older.address.empty() && !younger.address.empty()) changed.address = younger.address;
    if (younger.language_chosen && !older.language_chosen) changed.language = younger.language;
    add_joined(out.customer_events, std::move(changed));
}

}  // namespace

CarriedOver carry_over(const Side& younger, const Side& older, const CustomerId& older_id,
                       const ConversationId& new_conversation_id) {
    CarriedOver out;
    const auto& from = younger.conversation;
    // What was asked of the tenant's lane is answered where it was asked.
    if (!from.is_open() || from.paying() || !from.booking.asked.empty()) return out;
    const auto& own = older.conversation;
    const auto cart = both(from.shop.cart, own.is_open() ? own.shop.cart : std::vector<CartLine>{});
    if (own.is_open() && (own.paying() || own.state == Lifecycle::escalated)) {
        if (from.shop.cart.empty()) return out;
        out.conversation_id = own.id;
        out.events.emplace_back(CartChanged{.lines = cart});
        return out;
    }
    out.conversation_id = new_conversation_id;
    out.opened = true;
    open_copy(out, from, own, cart, older_id);
    introduce(out, younger.customer, older.customer, older_id);
    return out;
}

}  // namespace flowstack::conversation
