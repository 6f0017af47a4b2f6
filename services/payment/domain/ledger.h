#pragma once

#include <string>
#include <vector>

#include "common/core/id.h"
#include "common/core/money.h"
#include "common/core/pricing.h"

// The double-entry ledger. A transaction is written in the stream of the fact that caused it, in
// the same append. No rule reads a balance.
//
//   invoice issued           Dr receivable        Cr revenue, tax, rounding
//   invoice voided           the same with the signs reversed
//   intent paid              Dr clearing          Cr receivable
//   without an order         Dr clearing          Cr suspense     (a person says what it was for)
//   late, order still open   Dr clearing          Cr suspense, then Dr suspense  Cr receivable
//   late, order cancelled    Dr clearing          Cr suspense
//   second success           Dr clearing          Cr suspense     (a person refunds it)
//   refunded, of an invoice  Dr revenue, tax, rounding            Cr clearing
//   refunded, of suspense    Dr suspense          Cr clearing
namespace flowstack::payment {

namespace account {
inline const std::string kReceivable = "receivable";
inline const std::string kRevenue = "revenue";
inline const std::string kTax = "tax";
inline const std::string kRounding = "rounding";
inline const std::string kSuspense = "suspense";
// What a provider holds for the tenant: "clearing:<provider>".
std::string clearing(const std::string& provider);
}  // namespace account

// Debit positive, credit negative.
struct Posting {
    std::string account;
    Money amount;
    bool operator==(const Posting&) const = default;
};

// One transaction. Its id is made of what caused it, so that it can be written once only.
struct JournalPosted {
    std::string transaction_id;
    // invoice_issued | invoice_voided | intent_paid | late_success | late_applied | second_success
    // | invoice_credited | suspense_refunded
    std::string cause;
    std::string reference;  // id of the invoice, intent or refund
    std::vector<Posting> postings;
    bool operator==(const JournalPosted&) const = default;
};

// True if there is a posting, all are of one currency, none is zero, and they sum to zero.
bool balanced(const std::vector<Posting>& postings);

// All of these throw std::logic_error if what they made does not balance: a bug, never booked.
JournalPosted invoice_issued_journal(const InvoiceId& invoice_id, const Totals& totals);
JournalPosted invoice_voided_journal(const InvoiceId& invoice_id, const Totals& totals);

// Money that came in for an open invoice; `credit` names where it belongs.
JournalPosted money_in_journal(const IntentId& intent_id, const std::string& cause,
                               const std::string& provider, Money amount,
                               const std::string& credit);
// What an invoice goes down by goes back to the payer. `credit` adds up as an invoice does.
JournalPosted invoice_credited_journal(const InvoiceId& invoice_id, const RefundId& refund_id,
                                       const std::string& provider, const Totals& credit);
JournalPosted suspense_refunded_journal(const RefundId& refund_id, const std::string& provider,
                                        Money amount);
// Money that waited in suspense is the invoice's after all.
JournalPosted late_applied_journal(const IntentId& intent_id, Money amount);

}  // namespace flowstack::payment
