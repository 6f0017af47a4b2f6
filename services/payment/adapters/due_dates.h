#pragma once

#include "common/core/clock.h"
#include "common/eventlog/work.h"
#include "services/payment/adapters/streams.h"

namespace flowstack::payment {

// Marks invoices overdue whose due date passed without their money, on the lanes that this replica
// owns. Thread-safe.
class DueDates {
public:
    DueDates(eventlog::Store& store, Books& books, const Clock& clock)
        : store_(store), books_(books), clock_(clock) {}

    // A handler for eventlog::WorkRunner: appends under the lane owner's guard. A row that stays
    // comes again.
    void check(const eventlog::WorkRow& row);

private:
    eventlog::Store& store_;
    Books& books_;
    const Clock& clock_;
};

}  // namespace flowstack::payment
