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
    if (!is_zero(amount)) postings.push_back({account, amount});
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

JournalPosted invoice_issued_journal(const std::string& invoice_id, const Totals& totals) {
    JournalPosted journal{invoice_id + "/issued", "invoice_issued", invoice_id, {}};
    add(journal.postings, account::kReceivable, totals.total);
    add(journal.postings, account::kRevenue, -totals.subtotal);
    add(journal.postings, account::kTax, -totals.tax);
    add(journal.postings, account::kRounding, -totals.rounding);
    return checked(std::move(journal));
}

JournalPosted invoice_voided_journal(const std::string& invoice_id, const Totals& totals) {
    auto journal = invoice_issued_journal(invoice_id, totals);
    journal.transaction_id = invoice_id + "/voided";
    journal.cause = "invoice_voided";
    for (auto& posting : journal.postings) posting.amount = -posting.amount;
    return journal;
}

JournalPosted money_in_journal(const std::string& intent_id, const std::string& cause,
                               const std::string& provider, Money amount,
                               const std::string& credit) {
    return checked({intent_id + "/" + cause,
                    cause,
                    intent_id,
                    {{account::clearing(provider), amount}, {credit, -amount}}});
}

JournalPosted late_applied_journal(const std::string& intent_id, Money amount) {
    return checked({intent_id + "/late_applied",
                    "late_applied",
                    intent_id,
                    {{account::kSuspense, amount}, {account::kReceivable, -amount}}});
}

}  // namespace flowstack::payment
