#pragma once

#include <string>
#include <vector>

#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"

// Compares the sandbox's own record with the logs of the services, for one shop. Shares no rule
// with them: it reads events and record lines and counts.
namespace flowstack::stack {

struct CheckOptions {
    std::string tenant;
    std::string phone_number_id;
    std::string shortcode;
};

// What is wrong, in words; empty when all of this holds:
//  - every message that a customer said is exactly one MessageReceived;
//  - no message was accepted twice by the provider; each has exactly one accepted send, or ended
//  without one
//    (suppressed, cancelled, failed for good) or is UNKNOWN and listed as such;
//  - every payment that was made is booked exactly once (paid, or quarantined with its reason) with
//  the amount that was paid, and nothing else is;
//  - every journal transaction sums to zero, and so does the whole ledger; what it says that
//  providers hold is what payments took;
//  - invoice numbers are 1..n without a gap.
std::vector<std::string> check_shop(const CheckOptions& options, Api& api, Sandbox& sandbox);

}  // namespace flowstack::stack
