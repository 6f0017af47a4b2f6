#pragma once

#include <cstdint>
#include <string>

#include "services/gateway/domain/send_error.h"

// Twilio's error codes by class. A code that is not listed is not retried.
namespace flowstack::gateway::twilio {

// `code` 0: it gave none.
SendError classified(std::int64_t code, std::string title, std::string details);

}  // namespace flowstack::gateway::twilio
