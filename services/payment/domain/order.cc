#include "services/payment/domain/order.h"

#include <stdexcept>
#include <type_traits>

#include "common/core/corrupt_stream.h"

namespace flowstack::payment {
namespace {

using Answer = Decision<OrderEvent, OrderRejection>;

bool adds_up(const OrderPlaced& order) {
    const auto& t = order.totals;
    return !order.lines.empty() && is_positive(t.total) &&
           t.subtotal + t.tax + t.rounding == t.total;
}

bool money_may_come(PreviousIntent previous) {
    return previous == PreviousIntent::waiting || previous == PreviousIntent::pending;
}

Answer on(const NoOrder&, const PlaceOrder& c) {
    if (!adds_up(c.order)) return OrderRejection::not_priced;
    return std::vector<OrderEvent>{c.order, OrderConfirmed{.order_id = c.order.order_id}};
}

template <class Stage>
Answer on(const Stage&, const PlaceOrder&) {
    return OrderRejection::exists_already;
}

template <class Command>
Answer on(const NoOrder&, const Command&) {
    return OrderRejection::not_placed;
}

Answer on(const OpenOrder& o, const StartPayment& c) {
    if (money_may_come(c.previous)) return OrderRejection::payment_pending;
    if (c.previous == PreviousIntent::paid) return OrderRejection::already_paid;
    return PaymentStarted{.order_id = o.placed.order_id,
                          .intent_id = c.intent_id,
                          .conversation_id = o.placed.conversation_id,
                          .customer_id = o.placed.customer_id,
                          .provider = c.provider,
                          .amount = o.placed.totals.total,
                          .order_number = o.placed.number};
}

Answer on(const PaidOrder&, const StartPayment&) { return OrderRejection::already_paid; }
Answer on(const CancelledOrder&, const StartPayment&) { return OrderRejection::cancelled; }

Answer on(const OpenOrder& o, const MarkOrderPaid& c) {
    return OrderPaid{.order_id = o.placed.order_id, .intent_id = c.intent_id};
}

Answer on(const PaidOrder& o, const MarkOrderPaid& c) {
    if (o.paid_by == c.intent_id) return std::vector<OrderEvent>{};
    return OrderRejection::already_paid;
}

Answer on(const CancelledOrder&, const MarkOrderPaid&) { return OrderRejection::cancelled; }

// Of an open or a paid order.
template <class Stage>
Answer advanced(const Stage& o, const AdvanceOrder& c) {
    if (c.to == o.progress) return std::vector<OrderEvent>{};
    if (c.to < o.progress) return OrderRejection::further_already;
    return OrderAdvanced{.order_id = o.placed.order_id,
                         .progress = c.to,
                         .conversation_id = o.placed.conversation_id,
                         .customer_id = o.placed.customer_id,
                         .order_number = o.placed.number,
                         .note = c.note};
}

Answer on(const OpenOrder& o, const AdvanceOrder& c) { return advanced(o, c); }
Answer on(const PaidOrder& o, const AdvanceOrder& c) { return advanced(o, c); }
Answer on(const CancelledOrder&, const AdvanceOrder&) { return OrderRejection::cancelled; }

Answer on(const OpenOrder& o, const CancelOrder& c) {
    if (c.reason.empty()) return OrderRejection::reason_missing;
    if (o.progress >= Progress::shipped) return OrderRejection::shipped;
    if (money_may_come(c.previous)) return OrderRejection::payment_pending;
    return OrderCancelled{.order_id = o.placed.order_id,
                          .reason = c.reason,
                          .conversation_id = o.placed.conversation_id,
                          .customer_id = o.placed.customer_id,
                          .order_number = o.placed.number,
                          .sold_reservation_id = {}};
}

Answer on(const PaidOrder& o, const CancelOrder& c) {
    if (c.reason.empty()) return OrderRejection::reason_missing;
    if (o.progress >= Progress::shipped) return OrderRejection::shipped;
    if (!c.refunds && o.refunded != o.placed.totals.total) return OrderRejection::already_paid;
    return OrderCancelled{.order_id = o.placed.order_id,
                          .reason = c.reason,
                          .conversation_id = o.placed.conversation_id,
                          .customer_id = o.placed.customer_id,
                          .order_number = o.placed.number,
                          .sold_reservation_id = o.placed.reservation_id};
}
Answer on(const CancelledOrder&, const CancelOrder&) { return std::vector<OrderEvent>{}; }

// How much may go back, the payment has judged (intent.h).
template <class Stage>
Answer refunded(const Stage& o, const RefundOrder& c) {
    return OrderRefunded{.order_id = o.placed.order_id,
                         .refund_id = c.refund_id,
                         .amount = c.amount,
                         .whole = o.refunded + c.amount == o.placed.totals.total};
}
Answer on(const OpenOrder&, const RefundOrder&) { return OrderRejection::not_paid; }
Answer on(const PaidOrder& o, const RefundOrder& c) { return refunded(o, c); }
Answer on(const CancelledOrder& o, const RefundOrder& c) {
    if (!o.paid_by) return OrderRejection::not_paid;
    return refunded(o, c);
}

Order after(const NoOrder&, const OrderPlaced& e) {
    return OpenOrder{
        .placed = e, .confirmed = false, .intents = {}, .progress = Progress::confirmed};
}

Order after(OpenOrder o, const OrderConfirmed&) {
    o.confirmed = true;
    return o;
}

Order after(OpenOrder o, const PaymentStarted& e) {
    o.intents.push_back(e.intent_id);
    return o;
}

Order after(const OpenOrder& o, const OrderPaid& e) {
    return PaidOrder{.placed = o.placed,
                     .intents = o.intents,
                     .paid_by = e.intent_id,
                     .progress = o.progress,
                     .refunded = {0, o.placed.totals.total.currency}};
}

// Of an open or a paid order.
template <class Stage>
Order at(Stage o, const OrderAdvanced& e) {
    if (e.progress <= o.progress) throw CorruptStream("order: a step back");
    o.progress = e.progress;
    return o;
}

Order after(const OpenOrder& o, const OrderAdvanced& e) { return at(o, e); }
Order after(const PaidOrder& o, const OrderAdvanced& e) { return at(o, e); }

Order after(const OpenOrder& o, const OrderCancelled& e) {
    return CancelledOrder{.placed = o.placed,
                          .intents = o.intents,
                          .reason = e.reason,
                          .paid_by = {},
                          .refunded = {0, o.placed.totals.total.currency}};
}

Order after(const PaidOrder& o, const OrderCancelled& e) {
    return CancelledOrder{.placed = o.placed,
                          .intents = o.intents,
                          .reason = e.reason,
                          .paid_by = o.paid_by,
                          .refunded = o.refunded};
}

template <class Stage>
Order less(Stage o, const OrderRefunded& e) {
    o.refunded += e.amount;
    if (o.refunded.minor_units > o.placed.totals.total.minor_units)
        throw CorruptStream("order: more went back than came");
    return o;
}
Order after(const PaidOrder& o, const OrderRefunded& e) { return less(o, e); }
Order after(const CancelledOrder& o, const OrderRefunded& e) {
    if (!o.paid_by) throw CorruptStream("order: refunded and not paid");
    return less(o, e);
}

template <class Stage, class AnyEvent>
Order after(const Stage&, const AnyEvent&) {
    throw CorruptStream("order: event out of order");
}

}  // namespace

const OrderPlaced& placed_of(const Order& order) {
    return std::visit(
        [](const auto& stage) -> const OrderPlaced& {
            if constexpr (std::is_same_v<std::decay_t<decltype(stage)>, NoOrder>)
                throw std::logic_error("order: none was placed");
            else
                return stage.placed;
        },
        order);
}

Answer decide(const Order& order, const OrderCommand& command) {
    return std::visit([](const auto& o, const auto& c) { return on(o, c); }, order, command);
}

std::string refusal_of(OrderRejection rejection) {
    switch (rejection) {
        case OrderRejection::already_paid:
            return refusal::kAlreadyPaid;
        case OrderRejection::cancelled:
            return refusal::kOrderCancelled;
        // An order with that id was placed before, and it has its own payment.
        case OrderRejection::exists_already:
        case OrderRejection::payment_pending:
            return refusal::kPaymentPending;
        case OrderRejection::not_placed:
            return refusal::kNoOrder;
        case OrderRejection::not_priced:
        case OrderRejection::reason_missing:
        case OrderRejection::further_already:
        case OrderRejection::shipped:
        case OrderRejection::not_paid:
            break;
    }
    return refusal::kNotPriced;
}

Order evolve(const Order& order, const OrderEvent& event) {
    return std::visit([](const auto& o, const auto& e) { return after(o, e); }, order, event);
}

}  // namespace flowstack::payment
