#pragma once

#include <string>

namespace flowstack::gateway::twilio {

struct TwilioOptions {
    std::string base_url;  // "https://api.twilio.com"
    // Scheme, host and perhaps port and path under which the world reaches us, without a '/' at its
    // end. Twilio signs it, and calls it with statuses.
    std::string public_base_url;
};

}  // namespace flowstack::gateway::twilio
