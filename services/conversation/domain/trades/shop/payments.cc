#include "services/conversation/domain/trades/shop/payments.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace flowstack::conversation {

bool Payments::is_current(const OrderId& order_id) const {
    return !order_id.empty() && order_id == scene_.state().order_id;
}

bool Payments::waits_for(const IntentId& intent_id, const OrderId& order_id) const {
    return scene_.dialogue().state == Lifecycle::waiting_for_payment &&
           scene_.state().awaited.is(intent_id, order_id);
}

Values Payments::values_of(const OrderId& order_id, const std::string& order_number,
                           const std::string& receipt, Money amount) const {
    const auto& state = scene_.state();
    const auto& tenant = scene_.tenant();
    const auto* known = state.payment({}, order_id);
    const auto paid = is_zero(amount) ? std::string() : format_money(amount);
    Values all{{"transaction", receipt}, {"paid_total", paid}, {"total", paid}};
    for (const auto* other : {"lines", "subtotal", "tax", "rounding", "address", "order_id"})
        all[other] = "";
    if (order_id.empty()) return all;
    auto number = order_number;
    if (number.empty() && known) number = known->order_number;
    if (number.empty() && is_current(order_id))
        number = scene_.dialogue().value(variable::kOrderNumber);
    all["order_id"] = number.empty() ? order_id.text() : number;
    const auto order = state.find_order(order_id);
    if (!order) return all;
    all["address"] = order->address;
    const bool one_currency = amount.currency == tenant.currency &&
                              std::ranges::all_of(order->lines, [&](const CartLine& line) {
                                  return line.unit_price.currency == amount.currency;
                              });
    if (!one_currency || order->lines.empty()) return all;
    // The invoice may have had another tax rate: then the parts would not add up to the money.
    if (totals_of(order->lines, tenant.tax_rate_bp, amount.currency).total == amount)
        add_totals(all, order->lines, tenant);
    return all;
}

void Payments::note(const IntentId& intent_id, const OrderId& order_id, PaymentNews news,
                    Money amount, const std::string& order_number) {
    scene_.emit(PaymentNoted{.intent_id = intent_id,
                             .order_id = order_id,
                             .news = news,
                             .amount = amount,
                             .order_number = order_number});
}

void Payments::end_held_reservation(bool sold, ReservationEnd reason) {
    scene_.emit(ReservationEndRequested{
        .reservation_id = scene_.state().held_reservation_id, .sold = sold, .reason = reason});
}

void Payments::empty_cart_of_order() {
    const auto& state = scene_.state();
    if (scene_.dialogue().state != Lifecycle::closed && !state.cart.empty() &&
        state.cart == state.order_lines)
        scene_.emit(CartChanged{});
}

void Payments::take_stock_again(const OrderId& order_id, const std::vector<CartLine>& lines) {
    const auto& dialogue = scene_.dialogue();
    if (dialogue.state == Lifecycle::closed || lines.empty()) return;
    ++late_reservations_;
    scene_.emit(StockRequested{
        .reservation_id = ReservationId(scene_.make_id("reservation", late_reservations_)),
        .conversation_id = dialogue.id,
        .customer_id = dialogue.customer_id,
        .lines = lines,
        .paid_order_id = order_id});
}

void Payments::on(const PaymentBegan& input) {
    auto& flow = scene_.flow;
    note(input.intent_id, input.order_id, PaymentNews::started, input.amount, input.order_number);
    const auto state = scene_.dialogue().state;
    if (state == Lifecycle::escalated || state == Lifecycle::closed) return;
    // {{order_number}} still holds another order's number: replace it.
    if (is_current(input.order_id) && !input.order_number.empty())
        flow.capture(variable::kOrderNumber, input.order_number);
    flow.wake("payment started");
    if (scene_.dialogue().state == Lifecycle::paid)
        flow.advance(Lifecycle::engaged, "another payment started");
    if (!flow.advance(Lifecycle::waiting_for_payment, "payment started")) return;
    if (!is_current(input.order_id))
        shown_ = values_of(input.order_id, input.order_number, "", input.amount);
    flow.run_on(std::string(scene_.occasion("payment_started", input.provider)));
}

// It is said to whoever leads the dialogue meanwhile, too: without it nobody can pay.
void Payments::on(const PaymentPageOpened& input) {
    const auto* known = scene_.state().payment(input.intent_id, input.order_id);
    const bool open = known && known->news == PaymentNews::started;
    if (!open || scene_.dialogue().state == Lifecycle::closed) return;
    auto& speech = scene_.flow.speech();
    speech.reply_with_link("payment_link",
                           values_of(input.order_id, input.order_number, "", input.amount),
                           speech.phrase("payment_link_button"), input.url);
}

void Payments::on(const PaymentPaid& input) {
    auto& flow = scene_.flow;
    const auto extra = values_of(input.order_id, input.order_number, input.receipt, input.amount);
    // Whichever payment of the order it is: there is nothing left to wait for.
    const bool waited =
        waits_for(input.intent_id, input.order_id) ||
        (scene_.dialogue().state == Lifecycle::waiting_for_payment && !input.order_id.empty() &&
         scene_.state().awaited.order_id == input.order_id);
    if (input.second_success) {
        flow.say_on("payment_second", extra);
        if (waited) flow.advance(Lifecycle::engaged, "the order was paid before");
        return;
    }
    const bool was_paid = scene_.state().is_paid(input.order_id);
    note(input.intent_id, input.order_id, PaymentNews::paid, input.amount, input.order_number);
    checkout_.end_wait(input.order_id, OrderWaitEnd::paid);
    settle_goods(input, was_paid, waited);
    if (!waited) {
        // No transition fits; the money is real and so is its receipt.
        flow.say_on("payment_paid", extra);
        return;
    }
    shown_ = extra;
    flow.advance(Lifecycle::paid, "payment paid");
    flow.run_on("payment_paid");
}

void Payments::settle_goods(const PaymentPaid& input, bool was_paid, bool waited) {
    const auto& state = scene_.state();
    if (!is_current(input.order_id)) {
        // The dialogue is about another order since.
        if (was_paid || input.order_id == state.asked_order_id) return;
        if (const auto order = state.find_order(input.order_id))
            take_stock_again(input.order_id, order->lines);
        return;
    }
    const bool asked_for_other =
        !state.asked_order_id.empty() && state.asked_order_id != input.order_id;
    if (!state.held_reservation_id.empty())
        end_held_reservation(true, ReservationEnd::paid);
    else if (!was_paid && (state.asked_reservation_id.empty() || asked_for_other))
        // The stock was given back when the payment's time was over, or when its outcome was
        // unclear. Take it again, now that it is sold.
        take_stock_again(input.order_id, state.order_lines);
    if (scene_.dialogue().state != Lifecycle::closed && !state.cart.empty() &&
        (waited || state.cart == state.order_lines))
        scene_.emit(CartChanged{});
}

void Payments::ended(const OrderId& order_id, const IntentId& intent_id, PaymentNews news,
                     const std::string& reason, const std::string& plain_words) {
    auto& flow = scene_.flow;
    const bool failed = news == PaymentNews::failed;
    const std::string occasion = failed ? "payment_failed" : "payment_expired";
    const bool waited = waits_for(intent_id, order_id);
    if (scene_.state().is_paid(order_id)) {
        if (waited && flow.advance(Lifecycle::engaged, reason)) flow.run_on("order_already_paid");
        return;
    }
    const auto* found = scene_.state().payment(intent_id, order_id);
    const auto known = found ? *found : KnownPayment{};
    const bool told = !intent_id.empty() && known.intent_id == intent_id &&
                      (known.news == PaymentNews::failed || known.news == PaymentNews::expired);
    if (known.news == PaymentNews::paid || told) return;
    note(intent_id, order_id, news, {}, "");
    const bool current = is_current(order_id);
    if (current && !scene_.state().held_reservation_id.empty())
        end_held_reservation(
            false, failed ? ReservationEnd::payment_failed : ReservationEnd::payment_expired);
    auto extra = values_of(order_id, known.order_number, "", known.amount);
    extra["reason"] = plain_words;
    if (waited) flow.advance(Lifecycle::engaged, reason);
    if (!current || scene_.dialogue().state == Lifecycle::closed) {
        // It is not what the dialogue is about: nothing here tries it again.
        flow.say_on("other_" + occasion, extra);
        return;
    }
    if (waited) return flow.run_on(occasion, {{"reason", plain_words}});
    flow.say_on(occasion, extra);
}

void Payments::on(const PaymentFailed& input) {
    const auto& speech = scene_.flow.speech();
    auto words = speech.phrase("reason_" + input.reason);
    if (words.empty()) words = speech.phrase("reason_other");
    ended(input.order_id, input.intent_id, PaymentNews::failed, "payment failed: " + input.reason,
          words);
}

void Payments::on(const PaymentExpired& input) {
    ended(input.order_id, input.intent_id, PaymentNews::expired, "payment expired",
          scene_.flow.speech().phrase("reason_expired"));
}

void Payments::on(const PaymentUnclear& input) {
    auto& flow = scene_.flow;
    const auto& state = scene_.state();
    const auto* known = state.payment(input.intent_id, input.order_id);
    const bool told = known && known->news == PaymentNews::unclear;
    if (told || (known && known->news == PaymentNews::paid) || state.is_paid(input.order_id))
        return;
    const bool waited = waits_for(input.intent_id, input.order_id);
    note(input.intent_id, input.order_id, PaymentNews::unclear, input.amount, input.order_number);
    if (is_current(input.order_id)) {
        if (!state.held_reservation_id.empty())
            end_held_reservation(false, ReservationEnd::payment_unclear);
        empty_cart_of_order();
    }
    shown_ = values_of(input.order_id, input.order_number, "", input.amount);
    if (waited && flow.advance(Lifecycle::engaged, "payment unclear"))
        return flow.run_on("payment_unclear");
    flow.say_on("payment_unclear", {});
}

// A query had said "paid" before the receipt was known: the receipt again, now complete.
void Payments::on(const ReceiptCame& input) {
    scene_.flow.say_on("receipt_learned",
                       values_of(input.order_id, input.order_number, input.receipt, input.amount));
}

void Payments::on(const OrderWentOn& input) {
    static constexpr std::array<std::string_view, 3> kOccasions{"order_processing", "order_shipped",
                                                                "order_delivered"};
    auto extra = values_of(input.order_id, input.order_number, "", {});
    extra["note"] = input.note;
    scene_.flow.say_on(std::string(kOccasions[static_cast<std::size_t>(input.progress)]), extra);
}

void Payments::on(const OrderGivenUp& input) {
    checkout_.end_wait(input.order_id, OrderWaitEnd::order_cancelled);
    if (is_current(input.order_id)) {
        if (!scene_.state().held_reservation_id.empty())
            end_held_reservation(false, ReservationEnd::cancelled);
        empty_cart_of_order();
    }
    if (!input.sold_reservation_id.empty())
        scene_.emit(ReservationEndRequested{.reservation_id = input.sold_reservation_id,
                                            .sold = false,
                                            .reason = ReservationEnd::cancelled});
    auto extra = values_of(input.order_id, input.order_number, "", {});
    extra["reason"] = input.reason;
    scene_.flow.say_on("order_cancelled_by_shop", extra);
}

void Payments::on(const RefundSent& input) {
    scene_.flow.say_on("refund_sent",
                       values_of(input.order_id, input.order_number, input.receipt, input.amount));
}

void Payments::on(const InvoiceSent& input) {
    std::vector<CartLine> lines;
    for (const auto& line : input.lines)
        lines.push_back({.product_id = {},
                         .product_name = line.product_name,
                         .quantity = line.quantity,
                         .unit_price = line.unit_price});
    const Values extra{{"invoice_number", input.number},
                       {"order_number", input.order_number},
                       {"order_id", input.order_number},
                       {"lines", lines_text(lines)},
                       {"subtotal", format_money(input.subtotal)},
                       {"tax", is_zero(input.tax) ? "" : format_money(input.tax)},
                       {"rounding", is_zero(input.rounding) ? "" : format_money(input.rounding)},
                       {"total", format_money(input.total)},
                       {"due_date", to_rfc3339(input.due_at).substr(0, 10)}};
    if (input.order_id == scene_.state().order_id) {
        scene_.flow.capture(variable::kOrderNumber, input.order_number);
        scene_.flow.capture(variable::kInvoiceNumber, input.number);
    }
    scene_.flow.say_on("invoice_issued", extra);
}

}  // namespace flowstack::conversation
