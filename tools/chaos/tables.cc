#include "tools/chaos/tables.h"

#include <iomanip>
#include <iostream>

namespace flowstack::chaos {

void print_row(const std::string& name, const std::vector<std::int64_t>& numbers) {
    std::cout << "  " << std::left << std::setw(50) << name << std::right;
    for (const auto n : numbers) std::cout << std::setw(9) << n;
    std::cout << "\n";
}

void print_journeys(const std::map<std::string, Tally>& journeys) {
    std::cout << "\n  journey                                               begun    ended"
                 "    short\n";
    for (const auto& [kind, n] : journeys) print_row(kind, {n.begun, n.ended, n.short_of_end});
}

void print_checks(const boost::json::array& checks) {
    std::cout << "\n  check                                             looked at findings\n";
    for (const auto& check : checks)
        print_row(std::string(check.at("check").as_string()),
                  {check.at("looked_at").as_int64(),
                   static_cast<std::int64_t>(check.at("findings").as_array().size()) +
                       check.at("more").as_int64()});
}

}  // namespace flowstack::chaos
