#include "services/conversation/domain/trades/shop/checkout.h"

#include <algorithm>
#include <optional>

namespace flowstack::conversation {

std::string Checkout::phone() const {
    const auto own = scene_.dialogue().value(variable::kPhone);
    return own.empty() ? scene_.flow.customer().phone : own;
}

std::string Checkout::one_that_is_on(const std::string& provider) const {
    const auto& on = scene_.tenant().providers;
    return std::ranges::find(on, provider) == on.end() ? on.front() : provider;
}

std::vector<Choice> Checkout::provider_buttons(std::string_view action,
                                               const std::string& more) const {
    std::vector<Choice> buttons;
    for (const auto& provider : scene_.tenant().providers) {
        auto title = scene_.flow.speech().phrase("provider_" + provider);
        buttons.push_back({.title = title.empty() ? provider : title,
                           .action = std::string(action),
                           .argument = provider + more});
    }
    return buttons;
}

bool Checkout::on_hold() const {
    return !scene_.tenant().orders_while_unclear && scene_.state().has_unclear_payment();
}

void Checkout::ask_stock_for(const std::vector<CartLine>& lines) {
    scene_.emit(StockRequested{.reservation_id = ReservationId(scene_.make_id("reservation", 1)),
                               .conversation_id = scene_.dialogue().id,
                               .customer_id = scene_.dialogue().customer_id,
                               .lines = lines});
}

// --- Orders that the shop's own site placed

const WaitingOrder* Checkout::offered_order() const {
    const auto& state = scene_.state();
    if (const auto* order = state.waiting_order(offered_); order && order->waits()) return order;
    const auto& all = state.waiting_orders;
    const auto found = std::find_if(all.rbegin(), all.rend(),
                                    [](const auto& order) { return order.is_offered(); });
    return found == all.rend() ? nullptr : &*found;
}

void Checkout::say_order(const std::string& template_key, const WaitingOrder& order) {
    Values extra{{"order_id", order.number}, {"address", order.address}};
    add_totals(extra, order.lines, scene_.tenant());
    const auto buttons = provider_buttons(kPayOrderAction, "|" + order.id);
    scene_.flow.speech().reply(template_key, extra, &buttons);
}

void Checkout::offer(const OrderId& order_id) {
    auto& flow = scene_.flow;
    offered_ = order_id;
    const auto state = scene_.dialogue().state;
    const bool may_move =
        !scene_.paying() && (state == Lifecycle::engaged || state == Lifecycle::awaiting_customer ||
                             state == Lifecycle::dormant);
    if (may_move) {
        flow.wake("an order was placed");
        if (flow.context().flow->on.contains("order_placed")) return flow.run_on("order_placed");
    }
    if (const auto* order = offered_order()) say_order("order_placed", *order);
}

void Checkout::ask_stock_for(WaitingOrder order, const std::string& provider) {
    // It takes the cart's place: the end of this payment is the end of what is in the cart.
    if (!scene_.state().cart.empty()) scene_.emit(CartChanged{});
    scene_.flow.capture(variable::kAddress, order.address);
    scene_.flow.capture(variable::kProvider, one_that_is_on(provider));
    scene_.emit(StockRequested{.reservation_id = ReservationId(scene_.make_id("reservation", 1)),
                               .conversation_id = scene_.dialogue().id,
                               .customer_id = scene_.dialogue().customer_id,
                               .lines = std::move(order.lines),
                               .paid_order_id = {},
                               .order_id = order.id});
}

void Checkout::pay_tapped_order(const std::string& argument) {
    const auto& state = scene_.state();
    const auto bar = argument.find('|');
    const OrderId id(bar == std::string::npos ? std::string() : argument.substr(bar + 1));
    if (const auto* order = state.waiting_order(id); order && order->waits()) {
        if (state.payment_unclear(id) || on_hold()) return scene_.flow.run_on("payment_unclear");
        if (scene_.tenant().providers.empty()) return refuse("other");
        return ask_stock_for(*order, argument.substr(0, bar));
    }
    std::optional<OrderWaitEnd> ended = OrderWaitEnd::no_order;
    for (const auto* orders : {&state.waiting_orders, scene_.context.earlier_orders})
        if (orders)
            for (const auto& order : *orders)
                if (order.id == id) ended = order.ended;
    if (ended == OrderWaitEnd::paid) return scene_.flow.run_on("order_already_paid");
    refuse(ended ? std::string(text_of(*ended)) : "");
}

void Checkout::end_wait(const OrderId& order_id, OrderWaitEnd reason) {
    const auto* order = scene_.state().waiting_order(order_id);
    if (order && order->waits())
        scene_.emit(OrderWaitEnded{.order_id = order_id, .reason = reason});
}

bool Checkout::keeps_open() {
    auto& flow = scene_.flow;
    const bool paid = scene_.dialogue().state == Lifecycle::paid;
    // Paid was something else than what is in the cart: the dialogue about that goes on.
    if (paid && !scene_.state().cart.empty()) {
        flow.advance(Lifecycle::engaged, "the cart is not paid yet");
        return true;
    }
    const auto& all = scene_.state().waiting_orders;
    const bool waits = std::ranges::any_of(all, [](const auto& order) { return order.waits(); });
    if (!waits && !on_hold()) return false;
    if (!paid) return true;
    const auto next =
        std::ranges::find_if(all, [](const auto& order) { return order.is_offered(); });
    const auto id = next == all.end() ? OrderId() : next->id;
    flow.advance(Lifecycle::engaged,
                 waits ? "another order waits" : "an earlier payment is unclear");
    if (!id.empty()) offer(id);
    return true;
}

void Checkout::on(const OrderMade& input) {
    const auto* order = scene_.state().waiting_order(input.order_id);
    if (!order || !order->number.empty()) return;
    const bool waits = order->waits();
    scene_.emit(OrderOffered{.order_id = input.order_id, .order_number = input.order_number});
    if (!waits) return;
    if (input.order_id == scene_.state().order_id)
        scene_.flow.capture(variable::kOrderNumber, input.order_number);
    offer(input.order_id);
}

// --- The answer to a request for stock

void Checkout::capture_product_name(const std::vector<CartLine>& lines,
                                    const ProductId& product_id) {
    for (const auto& line : lines)
        if (line.product_id == product_id) scene_.flow.capture("product_name", line.product_name);
}

void Checkout::on(const StockAnswered& input) {
    const auto& state = scene_.state();
    const auto lifecycle = scene_.dialogue().state;
    const bool asked = state.asked_reservation_id == input.reservation_id;
    const bool usable =
        asked && lifecycle != Lifecycle::escalated && lifecycle != Lifecycle::closed;
    std::optional<WaitingOrder> waiting;
    if (asked)
        if (const auto* order = state.waiting_order(state.asked_order_id)) waiting = *order;
    const bool is_paid = waiting ? waiting->ended == OrderWaitEnd::paid
                                 : state.is_paid(state.order_id) && state.cart.empty();
    // Asked for an order whose money came meanwhile, or came late: there is nothing to pay.
    if (state.late_reservation_ids.contains(input.reservation_id) || (asked && is_paid))
        return end_reservation_of_paid(input);
    const auto lines = waiting              ? waiting->lines
                       : state.cart.empty() ? state.order_lines
                                            : state.cart;
    if (!input.reserved) {
        if (!asked) return;
        scene_.emit(ReservationEndRequested{.reservation_id = input.reservation_id,
                                            .sold = false,
                                            .reason = ReservationEnd::refused});
        if (usable) stock_is_refused(input, lines);
        return;
    }
    if (usable) return check_out(input, lines, waiting ? waiting->id : OrderId());
    // Nobody buys it any more.
    if (state.held_reservation_id != input.reservation_id)
        scene_.emit(ReservationEndRequested{.reservation_id = input.reservation_id,
                                            .sold = false,
                                            .reason = ReservationEnd::cancelled});
}

void Checkout::end_reservation_of_paid(const StockAnswered& input) {
    scene_.emit(ReservationEndRequested{
        .reservation_id = input.reservation_id,
        .sold = input.reserved,
        .reason = input.reserved ? ReservationEnd::paid : ReservationEnd::refused});
    if (input.reserved) return;
    const auto state = scene_.state();
    capture_product_name(state.order_lines, input.product_id);
    for (const auto& order : state.earlier_orders)
        if (state.is_paid(order.id)) capture_product_name(order.lines, input.product_id);
    for (const auto& order : state.waiting_orders)
        if (order.ended == OrderWaitEnd::paid) capture_product_name(order.lines, input.product_id);
    if (may_advance(scene_.dialogue().state, Lifecycle::escalated))
        return scene_.flow.run_on("paid_sold_out");
    scene_.flow.say_on("paid_sold_out", {});
}

void Checkout::stock_is_refused(const StockAnswered& input, const std::vector<CartLine>& lines) {
    capture_product_name(lines, input.product_id);
    auto cart = lines;
    std::erase_if(cart, [&](const CartLine& line) { return line.product_id == input.product_id; });
    scene_.emit(CartChanged{.lines = std::move(cart)});
    scene_.flow.run_on("stock_refused", {{"available", std::to_string(input.available)}});
}

void Checkout::check_out(const StockAnswered& input, const std::vector<CartLine>& lines,
                         const OrderId& waiting_order_id) {
    const auto& state = scene_.state();
    const auto& dialogue = scene_.dialogue();
    const bool retry = state.payment_failed(state.order_id) &&
                       (state.cart.empty() || state.cart == state.order_lines);
    const auto retried = !waiting_order_id.empty() ? waiting_order_id
                         : retry                   ? state.order_id
                                                   : OrderId();
    scene_.emit(CheckoutRequested{
        .order_id = retried.empty() ? OrderId(scene_.make_id("order", 1)) : retried,
        .conversation_id = dialogue.id,
        .customer_id = dialogue.customer_id,
        .channel_id = dialogue.channel_id,
        .reservation_id = input.reservation_id,
        .lines = lines,
        .currency_code = std::string(currency_code(scene_.tenant().currency)),
        .provider = dialogue.value(variable::kProvider),
        .language = dialogue.language,
        .retry_of_order_id = retried,
        .name = scene_.flow.customer().name,
        .address = dialogue.value(variable::kAddress),
        .phone = phone()});
}

// --- Payment makes no order

namespace {

// The other refusals do not say that the order is gone.
std::optional<OrderWaitEnd> end_of_wait(const std::string& refusal) {
    if (refusal == "already_paid") return OrderWaitEnd::paid;
    for (const auto end :
         {OrderWaitEnd::order_cancelled, OrderWaitEnd::no_order, OrderWaitEnd::not_priced})
        if (refusal == text_of(end)) return end;
    return {};
}

}  // namespace

void Checkout::refuse(const std::string& reason) {
    const auto& speech = scene_.flow.speech();
    auto words = speech.phrase("refusal_" + reason);
    if (words.empty()) words = speech.phrase("refusal_other");
    scene_.flow.say_or_run("checkout_refused", {{"reason", words}});
}

void Checkout::on(const CheckoutRefused& input) {
    const auto& reason = input.reason;
    auto& flow = scene_.flow;
    if (const auto end = end_of_wait(reason)) end_wait(input.order_id, *end);
    if (input.order_id != scene_.state().order_id) return;
    const bool unclear = scene_.state().payment_unclear(input.order_id);
    if (reason == "payment_pending" && !unclear) {
        // A person started another payment of this order, which is open: what is held is held for
        // it.
        flow.say_on(std::string(scene_.paying_occasion()), {});
        return;
    }
    if (scene_.state().held_reservation_id == input.reservation_id && !input.reservation_id.empty())
        scene_.emit(ReservationEndRequested{.reservation_id = input.reservation_id,
                                            .sold = false,
                                            .reason = ReservationEnd::refused});
    if (reason == "payment_pending") return flow.say_or_run("payment_unclear", {});
    if (reason == "already_paid") return flow.say_or_run("order_already_paid", {});
    if (reason == "phone_not_usable") return flow.say_or_run("phone_not_usable", {});
    refuse(reason);
}

}  // namespace flowstack::conversation
