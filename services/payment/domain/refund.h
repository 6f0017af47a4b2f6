#pragma once

#include <string>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "services/payment/domain/ledger.h"

// A refund: money of one payment that goes back to its payer.
//
//   Absent ── request ──▶ Open ── record ──▶ Done
//                           └── give up ──▶ GivenUp
//
// It is opened together with a fact of the payment (intent.h), which sees to it that never more
// goes back than came, whatever runs at once. No provider of this build sends money back by itself:
// a person does it with the provider's own means and records its receipt here.
namespace flowstack::payment {

struct RefundRequested {
    RefundId refund_id;
    IntentId intent_id;
    OrderId order_id;      // empty: a payment without an order
    InvoiceId invoice_id;  // whose sum goes down; empty when the money stands in suspense
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string order_number;
    std::string provider;
    std::string paid_receipt;  // of the payment; empty while it is not known
    Money amount;
    std::string reason;
    std::string phone;  // of the payer, E.164 with +; may be empty
    bool operator==(const RefundRequested&) const = default;
};
struct RefundDone {
    RefundId refund_id;
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string order_number;
    std::string provider;
    Money amount;
    std::string receipt;  // of the way back
    bool operator==(const RefundDone&) const = default;
};
struct RefundGivenUp {
    RefundId refund_id;
    std::string reason;
    bool operator==(const RefundGivenUp&) const = default;
};
// The document about what an invoice went down by.
struct CreditNoteIssued {
    RefundId refund_id;
    std::string number;
    bool operator==(const CreditNoteIssued&) const = default;
};
using RefundEvent =
    std::variant<RefundRequested, RefundDone, RefundGivenUp, CreditNoteIssued, JournalPosted>;

struct RequestRefund {
    RefundRequested refund;
};
struct RecordRefund {
    std::string receipt;
};
struct GiveUpRefund {
    std::string reason;
};
struct NumberCreditNote {
    std::string number;
};
using RefundCommand = std::variant<RequestRefund, RecordRefund, GiveUpRefund, NumberCreditNote>;

enum class RefundRejection {
    exists_already,
    not_requested,
    amount_not_positive,
    receipt_missing,
    reason_missing,
    other_receipt,  // it is done, with another one
    done,
    given_up,
    no_credit_note,  // the money stood in suspense, or has not gone back
};

struct NoRefund {
    bool operator==(const NoRefund&) const = default;
};
struct OpenRefund {
    RefundRequested requested;
    bool operator==(const OpenRefund&) const = default;
};
struct DoneRefund {
    RefundRequested requested;
    std::string receipt;
    std::string credit_note;  // empty until it is numbered
    bool operator==(const DoneRefund&) const = default;
};
struct GivenUpRefund {
    RefundRequested requested;
    bool operator==(const GivenUpRefund&) const = default;
};
using Refund = std::variant<NoRefund, OpenRefund, DoneRefund, GivenUpRefund>;

Decision<RefundEvent, RefundRejection> decide(const Refund& refund, const RefundCommand& command);

// Throws CorruptStream if no `decide` could have written this history.
Refund evolve(const Refund& refund, const RefundEvent& event);

// Throws std::logic_error when there is no refund.
const RefundRequested& requested_of(const Refund& refund);

// The register of a tenant's credit notes of one year: as that of invoices (invoice.h).
struct CreditNoteNumberAssigned {
    RefundId refund_id;
    CustomerId customer_id;
    int year = 0;
    bool operator==(const CreditNoteNumberAssigned&) const = default;
};
inline const std::string kCreditNotePrefix = "CN";

}  // namespace flowstack::payment
