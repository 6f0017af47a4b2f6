#pragma once

#include <optional>
#include <string>

#include "common/eventlog/store.h"
#include "common/eventlog/turn.h"
#include "services/payment/adapters/codec.h"
#include "services/payment/adapters/streams.h"

// One payment with the order and the invoice that it is for, and what a piece of evidence changes
// in all three. They live in one lane, so the change is one append.
namespace flowstack::payment {

struct Case {
    std::string tenant;
    IntentId intent_id;
    eventlog::Folded<Intent> intent;
    eventlog::Folded<Order> order;      // NoOrder for a free reference
    eventlog::Folded<Invoice> invoice;  // NoInvoice for a free reference
};

// As committed, or (with `turn`) as the batch of consumed events sees it.
Case load_case(Books& books, const std::string& tenant, const IntentId& intent_id,
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
