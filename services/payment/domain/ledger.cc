#include "services/payment/domain/ledger.h"

#include <stdexcept>

namespace flowstack::payment {
namespace {

JournalPosted checked(JournalPosted journal) {
    if (!balanced(journal.postings))
        throw std::logic_error("journal " + journal.transaction_id + " does not sum to zero");
    return journal;
}

// Tax and rounding are often nothing, and nothing is not booked.
void add(std::vector<Posting>& postings, const std::string& account, Money amount) {
    if (!is_zero(amount)) postings.push_back({.account = account, .amount = amount});
}

}  // namespace

std::string account::clearing(const std::string& provider) { return "clearing:" + provider; }

bool balanced(const std::vector<Posting>& postings) {
    if (postings.empty()) return false;
    Money sum{0, postings.front().amount.currency};
    for (const auto& posting : postings) {
        if (posting.amount.currency != sum.currency || is_zero(posting.amount)) return false;
        sum += posting.amount;
    }
    return is_zero(sum);
}

JournalPosted invoice_issued_journal(const InvoiceId& invoice_id, const Totals& totals) {
    JournalPosted journal{.transaction_id = invoice_id + "/issued",
                          .cause = "invoice_issued",
                          .reference = invoice_id,
                          .postings = {}};
    add(journal.postings, account::kReceivable, totals.total);
    add(journal.postings, account::kRevenue, -totals.subtotal);
    add(journal.postings, account::kTax, -totals.tax);
    add(journal.postings, account::kRounding, -totals.rounding);
    return checked(std::move(journal));
}

JournalPosted invoice_voided_journal(const InvoiceId& invoice_id, const Totals& totals) {
    auto journal = invoice_issued_journal(invoice_id, totals);
    journal.transaction_id = invoice_id + "/voided";
    journal.cause = "invoice_voided";
    for (auto& posting : journal.postings) posting.amount = -posting.amount;
    return journal;
}

JournalPosted money_in_journal(const IntentId& intent_id, const std::string& cause,
                               const std::string& provider, Money amount,
                               const std::string& credit) {
    return checked({.transaction_id = intent_id + "/" + cause,
                    .cause = cause,
                    .reference = intent_id,
                    .postings = {{.account = account::clearing(provider), .amount = amount},
                                 {.account = credit, .amount = -amount}}});
}

JournalPosted invoice_credited_journal(const InvoiceId& invoice_id, const RefundId& refund_id,
                                       const std::string& provider, const Totals& credit) {
    JournalPosted journal{.transaction_id = refund_id + "/credited",
                          .cause = "invoice_credited",
                          .reference = invoice_id,
                          .postings = {}};
    add(journal.postings, account::kRevenue, credit.subtotal);
    add(journal.postings, account::kTax, credit.tax);
    add(journal.postings, account::kRounding, credit.rounding);
    add(journal.postings, account::clearing(provider), -credit.total);
    return checked(std::move(journal));
}

JournalPosted suspense_refunded_journal(const RefundId& refund_id, const std::string& provider,
                                        Money amount) {
    return checked({.transaction_id = refund_id + "/refunded",
                    .cause = "suspense_refunded",
                    .reference = refund_id,
                    .postings = {{.account = account::kSuspense, .amount = amount},
                                 {.account = account::clearing(provider), .amount = -amount}}});
}

JournalPosted late_applied_journal(const IntentId& intent_id, Money amount) {
    return checked({.transaction_id = intent_id + "/late_applied",
                    .cause = "late_applied",
                    .reference = intent_id,
                    .postings = {{.account = account::kSuspense, .amount = amount},
                                 {.account = account::kReceivable, .amount = -amount}}});
}

}  // namespace flowstack::payment
