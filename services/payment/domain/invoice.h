#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/time.h"
#include "services/payment/domain/pricing.h"

// An invoice: the document about what an order's customer owes.
//
//   NoInvoice ── draft ──▶ Draft ── issue (with its number) ──▶ Issued ── pay ──▶ Paid
//                            └────────────── void ────────────────┘──▶ Voided
//
// An issued invoice whose due date passes is overdue: it is still owed, and money still pays it.
// Money of a paid invoice that goes back is credited: the invoice stays paid, its credit notes say
// by how much its sum went down, and never below zero.
//
// Money may be faster than the number: a draft remembers who paid it and is Paid when it is issued.
// Its year is fixed when it is drafted, in the tenant's time. The journal of a transaction stands
// beside the fact that causes it.
namespace flowstack::payment {

struct InvoiceDrafted {
    InvoiceId invoice_id;
    OrderId order_id;
    CustomerId customer_id;
    int year = 0;
    std::string number_prefix;
    std::vector<OrderLine> lines;
    Totals totals;
    ConversationId conversation_id;
    std::string order_number;
    Time due_at;
    std::string language;
    bool operator==(const InvoiceDrafted&) const = default;
};
// The document that the customer gets: it repeats the draft, for readers that do not follow
// invoices.
struct InvoiceIssued {
    InvoiceId invoice_id;
    std::string number;
    OrderId order_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    std::string order_number;
    std::vector<OrderLine> lines;
    Totals totals;
    Time due_at{};
    bool operator==(const InvoiceIssued&) const = default;
};
struct InvoicePaid {
    InvoiceId invoice_id;
    IntentId intent_id;
    bool operator==(const InvoicePaid&) const = default;
};
struct InvoiceOverdue {
    InvoiceId invoice_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string order_number;
    std::string number;
    Money total;
    Time due_at{};
    bool operator==(const InvoiceOverdue&) const = default;
};
struct InvoiceCredited {
    InvoiceId invoice_id;
    RefundId refund_id;
    CustomerId customer_id;
    Totals totals;  // what the invoice goes down by
    bool operator==(const InvoiceCredited&) const = default;
};
struct InvoiceVoided {
    InvoiceId invoice_id;
    std::string reason;
    bool operator==(const InvoiceVoided&) const = default;
};
using InvoiceEvent = std::variant<InvoiceDrafted, InvoiceIssued, InvoicePaid, InvoiceOverdue,
                                  InvoiceCredited, InvoiceVoided, JournalPosted>;

struct DraftInvoice {
    InvoiceDrafted invoice;
};
struct IssueInvoice {
    std::string number;
};
struct PayInvoice {
    IntentId intent_id;
};
// Its due date has passed.
struct MarkOverdue {
    Time now{};
};
// A refund has gone back by this provider.
struct CreditInvoice {
    RefundId refund_id;
    std::string provider;
    Money amount;
};
struct VoidInvoice {
    std::string reason;
};
using InvoiceCommand =
    std::variant<DraftInvoice, IssueInvoice, PayInvoice, MarkOverdue, CreditInvoice, VoidInvoice>;

enum class InvoiceRejection {
    exists_already,
    not_drafted,
    not_priced,
    other_number,  // it has a number already, and another one
    already_paid,
    voided,
    reason_missing,
    not_due,
    not_issued,  // a draft is not owed yet
    not_paid,    // nothing has come that could go back
    more_than_is_left,
};

struct NoInvoice {
    bool operator==(const NoInvoice&) const = default;
};
struct DraftedInvoice {
    InvoiceDrafted drafted;
    std::optional<IntentId> paid_by;
    bool operator==(const DraftedInvoice&) const = default;
};
struct IssuedInvoice {
    InvoiceDrafted drafted;
    std::string number;
    bool overdue = false;
    bool operator==(const IssuedInvoice&) const = default;
};
struct PaidInvoice {
    InvoiceDrafted drafted;
    std::string number;
    IntentId paid_by;
    Money credited;  // by all credits so far
    bool operator==(const PaidInvoice&) const = default;
};
struct VoidedInvoice {
    InvoiceDrafted drafted;
    std::string number;  // stays taken; empty if it was void before it had one
    std::string reason;
    bool operator==(const VoidedInvoice&) const = default;
};
using Invoice = std::variant<NoInvoice, DraftedInvoice, IssuedInvoice, PaidInvoice, VoidedInvoice>;

// What the parts of `all` are worth in its first `part` minor units: of tax and rounding their
// share, to the nearest minor unit, halves away from zero; the subtotal is the rest. The shares of
// growing parts add up to `all` exactly.
Totals share_of(const Totals& all, Money part);

Decision<InvoiceEvent, InvoiceRejection> decide(const Invoice& invoice,
                                                const InvoiceCommand& command);

// Throws CorruptStream if no `decide` could have written this history.
Invoice evolve(const Invoice& invoice, const InvoiceEvent& event);

// The register of a tenant's numbers of one year. Its stream's version *is* the last number, so the
// numbers have no gap as long as the stream has none. One event type, and it never refuses.
struct NumberAssigned {
    InvoiceId invoice_id;
    CustomerId customer_id;
    int year = 0;
    bool operator==(const NumberAssigned&) const = default;
};

// "INV-2026-000001"; wider when there are more than 999,999.
std::string invoice_number(const std::string& prefix, int year, std::int64_t register_version);

}  // namespace flowstack::payment
