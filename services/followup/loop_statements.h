#pragma once

#include "common/eventlog/loop_statements.h"

// Followup's own statements that run again and again: see common/eventlog/loop_statements.h.
namespace flowstack::followup {

// Whenever customers write, are asked or pay: for each the keys of a lane from one text to before
// another. Its index is made by migrations/followup.
inline const eventlog::LoopStatement kOpenTimers{.name = "open timers of customers", .sql = R"sql(
            select c.n, w.key
              from unnest($2::int[], $3::text[], $4::text[]) with ordinality c(lane, first, beyond, n)
             cross join lateral (select key from work
                                  where lane = c.lane and kind = $1
                                    and key collate "C" >= c.first
                                    and key collate "C" < c.beyond) w)sql"};

}  // namespace flowstack::followup
