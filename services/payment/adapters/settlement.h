#pragma once

#include <optional>
#include <string>

#include "common/eventlog/folds.h"
#include "common/eventlog/store.h"
#include "common/eventlog/turn.h"
#include "services/payment/adapters/codec.h"

// One payment with the order and the invoice that it is for, and what a piece of evidence changes in
// all three. They live in one lane, so the change is one append.
namespace flowstack::payment {

// The folds of this service, shared by consumer, pusher and doors. Thread-safe.
struct Books {
    explicit Books(eventlog::Store& store)
        : orders(store), invoices(store), intents(store), accounts(store) {}
    eventlog::Folds<OrderCodec> orders;
    eventlog::Folds<InvoiceCodec> invoices;
    eventlog::Folds<IntentCodec> intents;
    eventlog::Folds<AccountCodec> accounts;
};

eventlog::StreamName order_stream(const std::string& tenant, const std::string& order_id);
eventlog::StreamName invoice_stream(const std::string& tenant, const std::string& invoice_id);
eventlog::StreamName intent_stream(const std::string& tenant, const std::string& intent_id);
eventlog::StreamName account_stream(const std::string& tenant, const std::string& provider);
eventlog::StreamName checkout_stream(const std::string& tenant, const std::string& order_id);
eventlog::StreamName register_stream(const std::string& tenant, int year);

struct Case {
    std::string tenant;
    std::string intent_id;
    eventlog::Folded<Intent> intent;
    eventlog::Folded<Order> order;      // NoOrder for a free reference
    eventlog::Folded<Invoice> invoice;  // NoInvoice for a free reference
};

// As committed, or (with `turn`) as the batch of consumed events sees it.
Case load_case(Books& books, const std::string& tenant, const std::string& intent_id,
               eventlog::Turn* turn = nullptr);

OrderStanding standing_of(const Case& c);

// What a refused append found in another payment's hands.
Taken taken_by(const eventlog::Verdict& verdict);

// What the order's rules ask about its latest intent.
PreviousIntent standing_of(const Intent& intent);

struct Settled {
    // Nothing to write: rejected, or no news.
    std::optional<eventlog::Command> command;
    std::optional<IntentRejection> rejection;
};

// Decides `command` on the intent and, when it is paid, on order and invoice. `id` becomes the
// command's.
Settled settle(const Case& c, const IntentCommand& command, Time now, std::string id = {});

// Several decisions on the intent, each on what the one before left, as one command.
Settled settle(const Case& c, const std::vector<IntentCommand>& commands, Time now,
               std::string id = {});

// Ties a command about an intent to the purchase it belongs to: correlation, trace and settings
// version of the intent's first event, and, where no event of the moment caused it (due work), the
// intent's event `version` as its cause. Reads the stream.
void tie_to_purchase(eventlog::Store& store, const Case& c, bool as_cause,
                     eventlog::Command& command);

std::string text_of(IntentRejection rejection);
std::string text_of(OrderRejection rejection);

}  // namespace flowstack::payment
