#pragma once

#include "common/eventlog/loop_statements.h"

// Followup's own statements that run again and again: see common/eventlog/loop_statements.h.
namespace flowstack::followup {

// Whenever a customer writes, is asked or pays. Its index is made by migrations/followup.
inline const eventlog::LoopStatement kOpenTimers{.name = "open timers of a customer",
                                                 .sql = R"sql(select key from work
               where lane = $1 and kind = $2 and key collate "C" >= $3 and key collate "C" < $4)sql"};

}  // namespace flowstack::followup
