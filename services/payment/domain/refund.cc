#include "services/payment/domain/refund.h"

#include <stdexcept>
#include <type_traits>

#include "common/core/corrupt_stream.h"

namespace flowstack::payment {
namespace {

using Answer = Decision<RefundEvent, RefundRejection>;
using Events = std::vector<RefundEvent>;

Answer on(const NoRefund&, const RequestRefund& c) {
    if (!is_positive(c.refund.amount)) return RefundRejection::amount_not_positive;
    if (c.refund.reason.empty()) return RefundRejection::reason_missing;
    return c.refund;
}

template <class Stage>
Answer on(const Stage&, const RequestRefund&) {
    return RefundRejection::exists_already;
}

template <class Command>
Answer on(const NoRefund&, const Command&) {
    return RefundRejection::not_requested;
}

// Money of an invoice is booked with the invoice (invoice.h); what stood in suspense leaves it
// here.
Answer on(const OpenRefund& r, const RecordRefund& c) {
    const auto& asked = r.requested;
    if (c.receipt.empty()) return RefundRejection::receipt_missing;
    Events events{RefundDone{.refund_id = asked.refund_id,
                             .intent_id = asked.intent_id,
                             .order_id = asked.order_id,
                             .customer_id = asked.customer_id,
                             .conversation_id = asked.conversation_id,
                             .order_number = asked.order_number,
                             .provider = asked.provider,
                             .amount = asked.amount,
                             .receipt = c.receipt}};
    if (asked.invoice_id.empty())
        events.push_back(suspense_refunded_journal(asked.refund_id, asked.provider, asked.amount));
    return events;
}

Answer on(const DoneRefund& r, const RecordRefund& c) {
    if (r.receipt == c.receipt) return Events{};
    return RefundRejection::other_receipt;
}

Answer on(const GivenUpRefund&, const RecordRefund&) { return RefundRejection::given_up; }

Answer on(const OpenRefund& r, const GiveUpRefund& c) {
    if (c.reason.empty()) return RefundRejection::reason_missing;
    return RefundGivenUp{.refund_id = r.requested.refund_id, .reason = c.reason};
}

Answer on(const DoneRefund&, const GiveUpRefund&) { return RefundRejection::done; }
Answer on(const GivenUpRefund&, const GiveUpRefund&) { return Events{}; }

Answer on(const DoneRefund& r, const NumberCreditNote& c) {
    if (r.requested.invoice_id.empty()) return RefundRejection::no_credit_note;
    if (!r.credit_note.empty()) return Events{};
    return CreditNoteIssued{.refund_id = r.requested.refund_id, .number = c.number};
}

Answer on(const OpenRefund&, const NumberCreditNote&) { return RefundRejection::no_credit_note; }
Answer on(const GivenUpRefund&, const NumberCreditNote&) { return RefundRejection::no_credit_note; }

Refund after(const NoRefund&, const RefundRequested& e) { return OpenRefund{e}; }

Refund after(const OpenRefund& r, const RefundDone& e) {
    return DoneRefund{.requested = r.requested, .receipt = e.receipt, .credit_note = {}};
}

Refund after(const OpenRefund& r, const RefundGivenUp&) { return GivenUpRefund{r.requested}; }

Refund after(DoneRefund r, const CreditNoteIssued& e) {
    if (!r.credit_note.empty()) throw CorruptStream("refund: a second credit note");
    r.credit_note = e.number;
    return r;
}

// The journal books the RefundDone before it.
Refund after(const DoneRefund& r, const JournalPosted&) { return r; }

template <class Stage, class AnyEvent>
Refund after(const Stage&, const AnyEvent&) {
    throw CorruptStream("refund: event out of order");
}

}  // namespace

Answer decide(const Refund& refund, const RefundCommand& command) {
    return std::visit([](const auto& r, const auto& c) { return on(r, c); }, refund, command);
}

Refund evolve(const Refund& refund, const RefundEvent& event) {
    return std::visit([](const auto& r, const auto& e) { return after(r, e); }, refund, event);
}

const RefundRequested& requested_of(const Refund& refund) {
    return std::visit(
        [](const auto& stage) -> const RefundRequested& {
            if constexpr (std::is_same_v<std::decay_t<decltype(stage)>, NoRefund>)
                throw std::logic_error("refund: none was requested");
            else
                return stage.requested;
        },
        refund);
}

}  // namespace flowstack::payment
