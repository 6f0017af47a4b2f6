#include "services/payment/domain/invoice.h"

#include <algorithm>

#include "common/core/corrupt_stream.h"

namespace flowstack::payment {
namespace {

using Answer = Decision<InvoiceEvent, InvoiceRejection>;
using Events = std::vector<InvoiceEvent>;
__extension__ using Wide = __int128;  // holds the product of two amounts

Answer on(const NoInvoice&, const DraftInvoice& c) {
    const auto& t = c.invoice.totals;
    if (c.invoice.lines.empty() || !is_positive(t.total) ||
        t.subtotal + t.tax + t.rounding != t.total)
        return InvoiceRejection::not_priced;
    return c.invoice;
}

template <class Stage>
Answer on(const Stage&, const DraftInvoice&) {
    return InvoiceRejection::exists_already;
}

template <class Command>
Answer on(const NoInvoice&, const Command&) {
    return InvoiceRejection::not_drafted;
}

Answer on(const DraftedInvoice& i, const IssueInvoice& c) {
    const auto& d = i.drafted;
    return Events{InvoiceIssued{.invoice_id = d.invoice_id,
                                .number = c.number,
                                .order_id = d.order_id,
                                .conversation_id = d.conversation_id,
                                .customer_id = d.customer_id,
                                .order_number = d.order_number,
                                .lines = d.lines,
                                .totals = d.totals,
                                .due_at = d.due_at},
                  invoice_issued_journal(d.invoice_id, d.totals)};
}

Answer same_number(const std::string& has, const std::string& asked) {
    if (has == asked) return Events{};
    return InvoiceRejection::other_number;
}

Answer on(const IssuedInvoice& i, const IssueInvoice& c) { return same_number(i.number, c.number); }
Answer on(const PaidInvoice& i, const IssueInvoice& c) { return same_number(i.number, c.number); }
Answer on(const VoidedInvoice&, const IssueInvoice&) { return InvoiceRejection::voided; }

Answer on(const DraftedInvoice& i, const PayInvoice& c) {
    if (!i.paid_by)
        return InvoicePaid{.invoice_id = i.drafted.invoice_id, .intent_id = c.intent_id};
    if (*i.paid_by == c.intent_id) return Events{};
    return InvoiceRejection::already_paid;
}

Answer on(const IssuedInvoice& i, const PayInvoice& c) {
    return InvoicePaid{.invoice_id = i.drafted.invoice_id, .intent_id = c.intent_id};
}

Answer on(const PaidInvoice& i, const PayInvoice& c) {
    if (i.paid_by == c.intent_id) return Events{};
    return InvoiceRejection::already_paid;
}

Answer on(const VoidedInvoice&, const PayInvoice&) { return InvoiceRejection::voided; }

Answer on(const DraftedInvoice&, const MarkOverdue&) { return InvoiceRejection::not_issued; }

Answer on(const IssuedInvoice& i, const MarkOverdue& c) {
    if (i.overdue) return Events{};
    const auto& d = i.drafted;
    if (c.now < d.due_at) return InvoiceRejection::not_due;
    return InvoiceOverdue{.invoice_id = d.invoice_id,
                          .order_id = d.order_id,
                          .customer_id = d.customer_id,
                          .conversation_id = d.conversation_id,
                          .order_number = d.order_number,
                          .number = i.number,
                          .total = d.totals.total,
                          .due_at = d.due_at};
}

Answer on(const PaidInvoice&, const MarkOverdue&) { return Events{}; }
Answer on(const VoidedInvoice&, const MarkOverdue&) { return Events{}; }

Answer on(const DraftedInvoice&, const CreditInvoice&) { return InvoiceRejection::not_issued; }
Answer on(const IssuedInvoice&, const CreditInvoice&) { return InvoiceRejection::not_paid; }
Answer on(const VoidedInvoice&, const CreditInvoice&) { return InvoiceRejection::voided; }

// Shares of the whole, so that many small refunds together are the invoice's own tax and rounding.
Answer on(const PaidInvoice& i, const CreditInvoice& c) {
    const auto& all = i.drafted.totals;
    const auto after = i.credited + c.amount;
    if (!is_positive(c.amount) || after.minor_units > all.total.minor_units)
        return InvoiceRejection::more_than_is_left;
    const auto before = share_of(all, i.credited);
    const auto then = share_of(all, after);
    const Totals credit{.subtotal = then.subtotal - before.subtotal,
                        .tax = then.tax - before.tax,
                        .rounding = then.rounding - before.rounding,
                        .total = c.amount};
    return Events{InvoiceCredited{.invoice_id = i.drafted.invoice_id,
                                  .refund_id = c.refund_id,
                                  .customer_id = i.drafted.customer_id,
                                  .totals = credit},
                  invoice_credited_journal(i.drafted.invoice_id, c.refund_id, c.provider, credit)};
}

Answer on(const DraftedInvoice& i, const VoidInvoice& c) {
    if (i.paid_by) return InvoiceRejection::already_paid;
    if (c.reason.empty()) return InvoiceRejection::reason_missing;
    return InvoiceVoided{.invoice_id = i.drafted.invoice_id, .reason = c.reason};
}

Answer on(const IssuedInvoice& i, const VoidInvoice& c) {
    if (c.reason.empty()) return InvoiceRejection::reason_missing;
    return Events{InvoiceVoided{.invoice_id = i.drafted.invoice_id, .reason = c.reason},
                  invoice_voided_journal(i.drafted.invoice_id, i.drafted.totals)};
}

Answer on(const PaidInvoice&, const VoidInvoice&) { return InvoiceRejection::already_paid; }
Answer on(const VoidedInvoice&, const VoidInvoice&) { return Events{}; }

Invoice after(const NoInvoice&, const InvoiceDrafted& e) {
    return DraftedInvoice{.drafted = e, .paid_by = {}};
}

PaidInvoice paid(const InvoiceDrafted& drafted, const std::string& number, const IntentId& by) {
    return {.drafted = drafted,
            .number = number,
            .paid_by = by,
            .credited = {0, drafted.totals.total.currency}};
}

Invoice after(const DraftedInvoice& i, const InvoiceIssued& e) {
    if (i.paid_by) return paid(i.drafted, e.number, *i.paid_by);
    return IssuedInvoice{.drafted = i.drafted, .number = e.number};
}

Invoice after(DraftedInvoice i, const InvoicePaid& e) {
    if (i.paid_by) throw CorruptStream("invoice: paid twice");
    i.paid_by = e.intent_id;
    return i;
}

Invoice after(const IssuedInvoice& i, const InvoicePaid& e) {
    return paid(i.drafted, i.number, e.intent_id);
}

Invoice after(PaidInvoice i, const InvoiceCredited& e) {
    i.credited += e.totals.total;
    if (i.credited.minor_units > i.drafted.totals.total.minor_units)
        throw CorruptStream("invoice: credited with more than it is");
    return i;
}

Invoice after(IssuedInvoice i, const InvoiceOverdue&) {
    if (i.overdue) throw CorruptStream("invoice: overdue twice");
    i.overdue = true;
    return i;
}

Invoice after(const DraftedInvoice& i, const InvoiceVoided& e) {
    return VoidedInvoice{.drafted = i.drafted, .number = "", .reason = e.reason};
}

Invoice after(const IssuedInvoice& i, const InvoiceVoided& e) {
    return VoidedInvoice{.drafted = i.drafted, .number = i.number, .reason = e.reason};
}

// The journal books what the fact before it says, and moves nothing here.
Invoice after(const NoInvoice&, const JournalPosted&) {
    throw CorruptStream("invoice: journal before the invoice");
}

template <class Stage>
Invoice after(const Stage& stage, const JournalPosted&) {
    return stage;
}

template <class Stage, class AnyEvent>
Invoice after(const Stage&, const AnyEvent&) {
    throw CorruptStream("invoice: event out of order");
}

}  // namespace

Totals share_of(const Totals& all, Money part) {
    const auto share = [&](Money whole) -> Money {
        const auto product = static_cast<Wide>(whole.minor_units) * part.minor_units;
        const Wide total = all.total.minor_units;
        const auto half = product < 0 ? -total / 2 : total / 2;
        return {static_cast<std::int64_t>((product + half) / total), whole.currency};
    };
    const auto tax = share(all.tax);
    const auto rounding = share(all.rounding);
    return {.subtotal = part - tax - rounding, .tax = tax, .rounding = rounding, .total = part};
}

Answer decide(const Invoice& invoice, const InvoiceCommand& command) {
    return std::visit([](const auto& i, const auto& c) { return on(i, c); }, invoice, command);
}

Invoice evolve(const Invoice& invoice, const InvoiceEvent& event) {
    return std::visit([](const auto& i, const auto& e) { return after(i, e); }, invoice, event);
}

std::string invoice_number(const std::string& prefix, int year, std::int64_t register_version) {
    constexpr std::size_t kDigits = 6;
    auto digits = std::to_string(register_version);
    digits.insert(0, kDigits - std::min(kDigits, digits.size()), '0');
    return prefix + "-" + std::to_string(year) + "-" + digits;
}

}  // namespace flowstack::payment
