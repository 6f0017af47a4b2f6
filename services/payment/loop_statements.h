#pragma once

#include "common/eventlog/loop_statements.h"

// Payment's own statements that run again and again: see common/eventlog/loop_statements.h.
namespace flowstack::payment {

// For a metric, by a timer. It counts documents that are few, of all tenants; their index is made
// by migrations/payment.
inline const eventlog::LoopStatement kPaymentsForPerson{
    .name = "payments that need a person",
    .sql = R"sql(
                select count(*) filter (where sort_at > $1),
                       count(*) filter (where sort_at <= $1 and sort_at > $2),
                       count(*) filter (where sort_at <= $2)
                from read_model where kind = 'payment_for_person')sql",
    .read_for_each = 100};  // one row says how many there are

// The same for payments that are open. Without a person's help they are for minutes.
inline const eventlog::LoopStatement kOpenPayments{.name = "open payments",
                                                   .sql = R"sql(
                select state, count(*) filter (where sort_at > $1),
                       count(*) filter (where sort_at <= $1 and sort_at > $2),
                       count(*) filter (where sort_at <= $2)
                from read_model where kind = 'payment' and state in ('INITIATED', 'PENDING')
                group by state)sql",
                                                   .read_for_each = 100};

}  // namespace flowstack::payment
