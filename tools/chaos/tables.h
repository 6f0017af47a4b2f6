#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/chaos/customers.h"

// The tables of a report, on stdout.
namespace flowstack::chaos {

void print_row(const std::string& name, const std::vector<std::int64_t>& numbers);
void print_journeys(const std::map<std::string, Tally>& journeys);
// The checks of flowstack-chaos-check: how much each looked at, and how much it found.
void print_checks(const boost::json::array& checks);

}  // namespace flowstack::chaos
