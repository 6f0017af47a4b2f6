#include "services/payment/adapters/settlement.h"

#include <algorithm>

#include "services/payment/adapters/derive.h"

namespace flowstack::payment {

using eventlog::StreamName;

Case load_case(Books& books, const std::string& tenant, const IntentId& intent_id,
               eventlog::Turn* turn) {
    const auto load = [&](auto& folds, const StreamName& stream) {
        return turn ? folds.load(stream, *turn) : folds.load(stream);
    };
    Case c{.tenant = tenant,
           .intent_id = intent_id,
           .intent = load(books.intents, intent_stream(tenant, intent_id)),
           .order = {},
           .invoice = {}};
    if (std::holds_alternative<NoIntent>(c.intent.state)) return c;
    const auto& made = story_of(c.intent.state).made;
    if (!made.order_id.empty()) c.order = load(books.orders, order_stream(tenant, made.order_id));
    if (!made.invoice_id.empty())
        c.invoice = load(books.invoices, invoice_stream(tenant, made.invoice_id));
    return c;
}

OrderStanding standing_of(const Case& c) {
    if (std::holds_alternative<NoOrder>(c.order.state)) return OrderStanding::none;
    if (std::holds_alternative<CancelledOrder>(c.order.state)) return OrderStanding::cancelled;
    if (const auto* paid = std::get_if<PaidOrder>(&c.order.state))
        return paid->paid_by == c.intent_id ? OrderStanding::open : OrderStanding::paid_by_other;
    return OrderStanding::open;
}

Taken taken_by(const eventlog::Verdict& verdict) {
    if (verdict.outcome != eventlog::Outcome::claim_taken) return Taken::nothing;
    return verdict.claim_kind == claim::kReceipt ? Taken::receipt : Taken::reference;
}

PreviousIntent standing_of(const Intent& intent) {
    if (std::holds_alternative<NoIntent>(intent)) return PreviousIntent::none;
    if (std::holds_alternative<Waiting>(intent)) return PreviousIntent::waiting;
    if (std::holds_alternative<Paid>(intent)) return PreviousIntent::paid;
    if (std::holds_alternative<Asking>(intent) || std::holds_alternative<Asked>(intent))
        return PreviousIntent::pending;
    return PreviousIntent::over;
}

Settled settle(const Case& c, const IntentCommand& command, Time now, std::string id) {
    return settle(c, std::vector<IntentCommand>{command}, now, std::move(id));
}

Settled settle(const Case& c, const std::vector<IntentCommand>& commands, Time now,
               std::string id) {
    std::vector<IntentEvent> events;
    auto state = c.intent.state;
    for (const auto& command : commands) {
        const auto decision = decide(state, command);
        if (!decision.accepted()) return {{}, decision.rejection()};
        for (const auto& event : decision.events()) {
            state = evolve(state, event);
            events.push_back(event);
        }
    }
    if (events.empty()) return {};

    eventlog::Command append;
    append.id = std::move(id);
    append.tenant = c.tenant;
    append.meta.routing = customer_routing(story_of(state).made.customer_id);
    append.dedupe = append.id.empty() ? eventlog::Dedupe::none : eventlog::Dedupe::version;

    eventlog::Part intent{intent_stream(c.tenant, c.intent_id), c.intent.version, {}};
    for (const auto& event : events) intent.events.push_back(encode(event, now));
    append.parts.push_back(std::move(intent));

    const bool paid = std::any_of(events.begin(), events.end(), [](const IntentEvent& event) {
        return std::holds_alternative<IntentPaid>(event);
    });
    if (!paid || std::holds_alternative<NoOrder>(c.order.state)) return {append, {}};

    // The journal was chosen by what the order said: it must still say so.
    const auto& made = story_of(state).made;
    eventlog::Part order{order_stream(c.tenant, made.order_id), c.order.version, {}};
    eventlog::Part invoice{invoice_stream(c.tenant, made.invoice_id), c.invoice.version, {}};
    if (standing_of(c) == OrderStanding::open) {
        const auto order_paid = decide(c.order.state, MarkOrderPaid{.intent_id = c.intent_id});
        if (order_paid.accepted())
            for (const auto& event : order_paid.events())
                order.events.push_back(encode(event, now));
        const auto invoice_paid = decide(c.invoice.state, PayInvoice{.intent_id = c.intent_id});
        if (invoice_paid.accepted())
            for (const auto& event : invoice_paid.events())
                invoice.events.push_back(encode(event, now));
    }
    append.parts.push_back(std::move(order));
    if (!invoice.events.empty()) append.parts.push_back(std::move(invoice));
    return {append, {}};
}

void tie_to_purchase(eventlog::Store& store, const Case& c, bool as_cause,
                     eventlog::Command& command) {
    const auto events = store.read_stream(intent_stream(c.tenant, c.intent_id));
    if (events.empty()) return;
    const auto& first = events.front();
    command.meta.correlation_id =
        first.meta.correlation_id.empty() ? first.event_id.text() : first.meta.correlation_id;
    command.meta.traceparent = first.meta.traceparent;
    command.meta.settings_version = first.meta.settings_version;
    const auto place = static_cast<std::size_t>(c.intent.version);
    if (as_cause && place >= 1 && place <= events.size())
        command.meta.causation = events[place - 1].where();
}

std::string text_of(IntentRejection rejection) {
    switch (rejection) {
        case IntentRejection::exists_already:
            return "it exists already";
        case IntentRejection::not_created:
            return "there is no such payment";
        case IntentRejection::amount_not_positive:
            return "the amount must be positive";
        case IntentRejection::phone_missing:
            return "a phone number is missing";
        case IntentRejection::asked_already:
            return "the payer was asked already";
        case IntentRejection::payment_pending:
            return "a prompt may be on the phone and cannot be called back";
        case IntentRejection::settled:
            return "nothing is open any more for this";
        case IntentRejection::outcome_unknown:
            return "the provider's answer was lost or contradicts itself, so money may have moved; "
                   "look at the provider's statement and end it with ResolvePayment";
        case IntentRejection::not_due:
            return "it is not due yet";
        case IntentRejection::still_open:
            return "the payer may still answer; it is paid, fails or expires without a person";
        case IntentRejection::never_asked:
            return "nobody was asked for this payment, so there is nothing to resolve; "
                   "CancelPayment gives it up while it is open";
        case IntentRejection::other_amount:
            return "the amount is not the payment's";
        case IntentRejection::not_paid:
            return "no money has come that could go back";
        case IntentRejection::more_than_is_left:
            return "that is more than is left of it";
    }
    return "";
}

std::string text_of(OrderRejection rejection) {
    switch (rejection) {
        case OrderRejection::exists_already:
            return "it exists already";
        case OrderRejection::not_placed:
            return "there is no such order";
        case OrderRejection::not_priced:
            return "its lines and totals do not add up";
        case OrderRejection::payment_pending:
            return "a payment of it is still open: wait for its end";
        case OrderRejection::already_paid:
            return "it is paid already";
        case OrderRejection::cancelled:
            return "it was cancelled";
        case OrderRejection::reason_missing:
            return "a reason is missing";
        case OrderRejection::further_already:
            return "it is further than that already";
        case OrderRejection::shipped:
            return "it is shipped already";
        case OrderRejection::not_paid:
            return "it is not paid";
    }
    return "";
}

}  // namespace flowstack::payment
