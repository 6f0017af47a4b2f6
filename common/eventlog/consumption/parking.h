#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/eventlog/consumption/item.h"
#include "common/postgres/session.h"

// The table parked: events that could not be applied, with every later event of their routing key.
namespace flowstack::eventlog::consuming {

// Parks an event of `consumer`.
postgres::Session::Statement park(const std::string& consumer, const Park& what);

// Positions of the parked events of one key, in order.
std::vector<std::int64_t> parked_positions(postgres::Session& session, const std::string& consumer,
                                           const Where& where, const std::string& routing_key);

// Takes a parked event out of the table, in the transaction of its effects. The transaction fails
// with kNotParked when another replica has taken it, so that its effects happen once.
postgres::Session::Statement unpark(const std::string& consumer, const Where& where,
                                    std::int64_t position);

}  // namespace flowstack::eventlog::consuming
