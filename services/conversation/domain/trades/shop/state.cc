#include "services/conversation/domain/trades/shop/state.h"

#include <algorithm>
#include <array>

namespace flowstack::conversation {

std::string_view text_of(OrderWaitEnd end) {
    constexpr std::array<std::string_view, 5> kEnds{"paid", "order_cancelled", "no_order",
                                                    "not_priced", "closed"};
    return kEnds[static_cast<std::size_t>(end)];
}

std::string_view text_of(PaymentNews news) {
    constexpr std::array<std::string_view, 6> kNews{"started", "unclear", "let go",
                                                    "paid",    "failed",  "expired"};
    return kNews[static_cast<std::size_t>(news)];
}

const WaitingOrder* ShopState::waiting_order(const OrderId& order) const {
    const auto found = std::ranges::find(waiting_orders, order, &WaitingOrder::id);
    return found == waiting_orders.end() ? nullptr : &*found;
}

const KnownPayment* ShopState::payment(const IntentId& intent, const OrderId& order) const {
    const auto found = std::find_if(payments.rbegin(), payments.rend(),
                                    [&](const auto& known) { return known.is(intent, order); });
    return found == payments.rend() ? nullptr : &*found;
}

std::optional<OrderContents> ShopState::find_order(const OrderId& order) const {
    if (order.empty()) return {};
    if (order == order_id) return OrderContents{order_lines, order_address};
    if (const auto* waiting = waiting_order(order))
        return OrderContents{waiting->lines, waiting->address};
    for (const auto& earlier : earlier_orders)
        if (earlier.id == order) return OrderContents{earlier.lines, earlier.address};
    return {};
}

bool ShopState::is_paid(const OrderId& order) const {
    if (const auto* waiting = waiting_order(order); waiting && waiting->ended == OrderWaitEnd::paid)
        return true;
    return std::ranges::any_of(payments, [&](const auto& known) {
        return known.is({}, order) && known.news == PaymentNews::paid;
    });
}

bool ShopState::payment_failed(const OrderId& order) const {
    const auto* last = payment({}, order);
    return last && !is_paid(order) &&
           (last->news == PaymentNews::failed || last->news == PaymentNews::expired);
}

bool ShopState::payment_unclear(const OrderId& order) const {
    const auto* last = payment({}, order);
    return last && !is_paid(order) &&
           (last->news == PaymentNews::unclear || last->news == PaymentNews::let_go);
}

bool ShopState::has_unclear_payment() const {
    return std::ranges::any_of(payments, [&](const auto& known) {
        return known.news == PaymentNews::unclear && !is_paid(known.order_id);
    });
}

// --- Facts

void apply(ShopState& shop, Dialogue& dialogue, const CartChanged& fact) {
    must_be_open(dialogue);
    shop.cart = fact.lines;
}

void apply(ShopState& shop, Dialogue& dialogue, const UnclearItemsChanged& fact) {
    must_be_open(dialogue);
    shop.unclear_items = fact.items;
}

void apply(ShopState& shop, Dialogue& dialogue, const StockRequested& fact) {
    must_be_open(dialogue);
    if (!fact.paid_order_id.empty()) {
        shop.late_reservation_ids.insert(fact.reservation_id);
        return;
    }
    shop.asked_reservation_id = fact.reservation_id;
    shop.asked_order_id = fact.order_id;
}

void apply(ShopState& shop, Dialogue& dialogue, const CheckoutRequested& fact) {
    must_be_open(dialogue);
    shop.asked_reservation_id = {};
    shop.asked_order_id = {};
    shop.held_reservation_id = fact.reservation_id;
    if (shop.order_id != fact.order_id) {
        if (!shop.order_id.empty())
            shop.earlier_orders.push_back(
                {.id = shop.order_id, .lines = shop.order_lines, .address = shop.order_address});
        if (shop.earlier_orders.size() > kEarlierOrdersMax) shop.earlier_orders.pop_front();
        // They name the order before this one.
        dialogue.variables.erase(variable::kOrderNumber);
        dialogue.variables.erase(variable::kInvoiceNumber);
    }
    shop.order_id = fact.order_id;
    shop.order_lines = fact.lines;
    shop.order_address = fact.address;
    shop.order_provider = fact.provider;
    if (!fact.pay_later) return;
    shop.waiting_orders.push_back(
        {.id = fact.order_id, .lines = fact.lines, .address = fact.address});
    if (shop.waiting_orders.size() > kWaitingOrdersMax) shop.waiting_orders.pop_front();
}

void apply(ShopState&, Dialogue& dialogue, const OrderTaken&) { must_be_open(dialogue); }

void apply(ShopState& shop, Dialogue&, const OrderOffered& fact) {
    for (auto& order : shop.waiting_orders)
        if (order.id == fact.order_id) order.number = fact.order_number;
}

void apply(ShopState& shop, Dialogue&, const OrderWaitEnded& fact) {
    for (auto& order : shop.waiting_orders)
        if (order.id == fact.order_id) order.ended = fact.reason;
}

void apply(ShopState& shop, Dialogue&, const PaymentNoted& fact) {
    auto& payments = shop.payments;
    auto found = std::find_if(payments.rbegin(), payments.rend(), [&](const auto& known) {
        return known.is(fact.intent_id, fact.order_id);
    });
    // A new payment of an order that had one, where nobody names the intent.
    const bool again = fact.news == PaymentNews::started && found != payments.rend() &&
                       found->news != PaymentNews::started;
    if (found == payments.rend() || again) {
        payments.push_back({.intent_id = fact.intent_id,
                            .order_id = fact.order_id,
                            .news = fact.news,
                            .amount = fact.amount,
                            .order_number = fact.order_number});
        if (payments.size() > kKnownPaymentsMax) payments.pop_front();
        found = payments.rbegin();
    }
    found->news = fact.news;
    if (found->intent_id.empty()) found->intent_id = fact.intent_id;
    if (!is_zero(fact.amount)) found->amount = fact.amount;
    if (!fact.order_number.empty()) found->order_number = fact.order_number;
    if (fact.news == PaymentNews::started) shop.awaited = *found;
}

void apply(ShopState& shop, Dialogue&, const ReservationEndRequested& fact) {
    if (shop.asked_reservation_id == fact.reservation_id) {
        shop.asked_reservation_id = {};
        shop.asked_order_id = {};
    }
    if (shop.held_reservation_id == fact.reservation_id) shop.held_reservation_id = {};
    shop.late_reservation_ids.erase(fact.reservation_id);
}

// --- What people end

std::vector<ShopFact> let_payment_go(const ShopState& shop, ReservationEnd reason) {
    std::vector<ShopFact> facts;
    const auto& held = shop.held_reservation_id;
    if (!held.empty())
        facts.push_back(
            ReservationEndRequested{.reservation_id = held, .sold = false, .reason = reason});
    const auto order = held.empty() ? OrderId() : shop.order_id;
    const auto* known = shop.payment({}, order);
    if (known && known->news == PaymentNews::started)
        facts.push_back(PaymentNoted{.intent_id = known->intent_id,
                                     .order_id = known->order_id,
                                     .news = PaymentNews::let_go,
                                     .amount = known->amount,
                                     .order_number = known->order_number});
    else if (!order.empty() && !shop.is_paid(order))
        facts.push_back(PaymentNoted{
            .intent_id = {}, .order_id = order, .news = PaymentNews::let_go, .amount = {}});
    // Else an old button would order the same things once more.
    if (!order.empty() && !shop.cart.empty() && shop.cart == shop.order_lines)
        facts.push_back(CartChanged{});
    return facts;
}

std::vector<ShopFact> end_all_waits(const ShopState& shop) {
    std::vector<ShopFact> facts;
    for (const auto& order : shop.waiting_orders)
        if (order.waits())
            facts.push_back(OrderWaitEnded{.order_id = order.id, .reason = OrderWaitEnd::closed});
    return facts;
}

}  // namespace flowstack::conversation
