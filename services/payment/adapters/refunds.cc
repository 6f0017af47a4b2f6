#include "services/payment/adapters/refunds.h"

#include "services/payment/adapters/streams.h"

namespace flowstack::payment {
namespace {

using Parts = std::vector<eventlog::Part>;
using Answer = std::variant<Parts, RefundRefused>;

std::string text_of(InvoiceRejection rejection) {
    switch (rejection) {
        case InvoiceRejection::not_issued:
            return "its invoice is getting its number";
        case InvoiceRejection::more_than_is_left:
            return "that is more than its invoice says";
        default:
            return "its invoice is not paid";
    }
}

// Decides on one stream and adds what it says to `parts`; the reason when it is refused.
template <class State, class Command>
std::optional<std::string> add(Parts& parts, const eventlog::StreamName& stream,
                               const eventlog::Folded<State>& folded, const Command& command,
                               Time now) {
    const auto decision = decide(folded.state, command);
    if (!decision.accepted()) return text_of(decision.rejection());
    eventlog::Part part{stream, folded.expected(), {}};
    for (const auto& event : decision.events()) part.events.push_back(encode(event, now));
    if (!part.events.empty()) parts.push_back(std::move(part));
    return {};
}

}  // namespace

Answer open_refund(const Case& c, const RefundWanted& wanted, Time now) {
    const auto* paid = std::get_if<Paid>(&c.intent.state);
    if (!paid) return RefundRefused{payment::text_of(IntentRejection::not_paid)};
    // Its credit note needs the invoice's number.
    if (!paid->in_suspense() && std::holds_alternative<DraftedInvoice>(c.invoice.state))
        return RefundRefused{.why = text_of(InvoiceRejection::not_issued), .later = true};
    const auto& made = paid->story.made;
    const auto amount = wanted.amount.value_or(paid->left());
    if (!wanted.amount && is_zero(amount))
        return RefundRefused{payment::text_of(IntentRejection::more_than_is_left)};
    Parts parts;
    const RequestRefund request{{.refund_id = wanted.refund_id,
                                 .intent_id = c.intent_id,
                                 .order_id = made.order_id,
                                 .invoice_id = paid->in_suspense() ? InvoiceId() : made.invoice_id,
                                 .customer_id = made.customer_id,
                                 .conversation_id = made.conversation_id,
                                 .order_number = made.order_number,
                                 .provider = made.provider,
                                 .paid_receipt = paid->receipt,
                                 .amount = amount,
                                 .reason = wanted.reason,
                                 .phone = paid->story.phone}};
    if (auto why = add(parts, refund_stream(c.tenant, wanted.refund_id), eventlog::Folded<Refund>{},
                       request, now))
        return RefundRefused{*why};
    if (auto why =
            add(parts, intent_stream(c.tenant, c.intent_id), c.intent,
                IntentCommand{BeginRefund{.refund_id = wanted.refund_id, .amount = amount}}, now))
        return RefundRefused{*why};
    return parts;
}

RefundCase load_refund(Books& books, const std::string& tenant, const RefundId& refund_id) {
    RefundCase c{.refund = books.refunds.load(refund_stream(tenant, refund_id)), .payment = {}};
    if (!std::holds_alternative<NoRefund>(c.refund.state))
        c.payment = load_case(books, tenant, requested_of(c.refund.state).intent_id);
    return c;
}

Answer record_refund(const RefundCase& c, const std::string& receipt, Time now) {
    Parts parts;
    const auto& payment = c.payment;
    const auto& asked = requested_of(c.refund.state);
    if (auto why = add(parts, refund_stream(payment.tenant, asked.refund_id), c.refund,
                       RefundCommand{RecordRefund{receipt}}, now))
        return RefundRefused{*why};
    if (parts.empty()) return parts;
    if (auto why = add(parts, intent_stream(payment.tenant, payment.intent_id), payment.intent,
                       IntentCommand{EndRefund{.refund_id = asked.refund_id, .done = true}}, now))
        return RefundRefused{*why};
    // Money in suspense belongs to no order and to no invoice.
    if (asked.invoice_id.empty()) return parts;
    if (auto why = add(
            parts, order_stream(payment.tenant, asked.order_id), payment.order,
            OrderCommand{RefundOrder{.refund_id = asked.refund_id, .amount = asked.amount}}, now))
        return RefundRefused{*why};
    if (auto why = add(
            parts, invoice_stream(payment.tenant, asked.invoice_id), payment.invoice,
            InvoiceCommand{CreditInvoice{
                .refund_id = asked.refund_id, .provider = asked.provider, .amount = asked.amount}},
            now))
        return RefundRefused{*why};
    return parts;
}

Answer give_up_refund(const RefundCase& c, const std::string& reason, Time now) {
    Parts parts;
    const auto& payment = c.payment;
    const auto& asked = requested_of(c.refund.state);
    if (auto why = add(parts, refund_stream(payment.tenant, asked.refund_id), c.refund,
                       RefundCommand{GiveUpRefund{reason}}, now))
        return RefundRefused{*why};
    if (parts.empty()) return parts;
    if (auto why = add(parts, intent_stream(payment.tenant, payment.intent_id), payment.intent,
                       IntentCommand{EndRefund{.refund_id = asked.refund_id, .done = false}}, now))
        return RefundRefused{*why};
    return parts;
}

std::string text_of(RefundRejection rejection) {
    switch (rejection) {
        case RefundRejection::exists_already:
            return "it exists already";
        case RefundRejection::not_requested:
            return "there is no such refund";
        case RefundRejection::amount_not_positive:
            return "the amount must be positive";
        case RefundRejection::receipt_missing:
            return "the receipt is missing";
        case RefundRejection::reason_missing:
            return "a reason is missing";
        case RefundRejection::other_receipt:
            return "it was recorded with another receipt";
        case RefundRejection::done:
            return "the money went back already";
        case RefundRejection::given_up:
            return "it was given up";
        case RefundRejection::no_credit_note:
            return "it has no credit note";
    }
    return "";
}

}  // namespace flowstack::payment
