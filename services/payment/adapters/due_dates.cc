#include "services/payment/adapters/due_dates.h"

#include <algorithm>

namespace flowstack::payment {

void DueDates::check(const eventlog::WorkRow& row) {
    const auto stream = invoice_stream(row.ref, InvoiceId(row.key));
    const auto invoice = books_.invoices.load(stream);
    // The row is due by the database's clock; ours may be a little behind.
    const Time now = std::max(clock_.now(), row.due_at);
    const auto decision = decide(invoice.state, MarkOverdue{.now = now});
    // Without events it was paid or voided meanwhile, and that fact has taken the row away.
    if (!decision.accepted() || decision.events().empty()) return;

    const auto& overdue = std::get<InvoiceOverdue>(decision.events().front());
    eventlog::Command command;
    command.id = eventlog::derive_id(row.key, row.due_at, "overdue", 0).text();
    command.tenant = row.ref;
    command.dedupe = eventlog::Dedupe::version;
    command.owner_guard = row.guard;
    command.meta.routing = customer_routing(overdue.customer_id);
    command.meta.actor = "timer";
    command.meta.correlation_id = invoice.correlation_id;
    command.meta.causation = invoice.last;
    eventlog::Part part{stream, invoice.expected(), {}};
    for (const auto& event : decision.events()) part.events.push_back(encode(event, now));
    command.parts.push_back(std::move(part));
    // Any other verdict than ok: money came first, or another replica owns the lane now.
    store_.append(std::move(command));
}

}  // namespace flowstack::payment
