#pragma once

#include <chrono>

namespace flowstack::config {
class Reader;
}

namespace flowstack::followup {

// followup's own settings; those that every service has are the host's.
struct Config {
    // The gentle follow-up's distance from the bot's question.
    std::chrono::milliseconds gentle_after{std::chrono::hours{2}};
    // The reminder's distance from the same question; 0 = none.
    std::chrono::milliseconds reminder_after{std::chrono::hours{24}};
    // Later than this (after a downtime) neither is said any more; 0 = however late.
    std::chrono::milliseconds follow_up_late{std::chrono::hours{6}};
    // WhatsApp's service window, and what is kept free at its end.
    std::chrono::milliseconds window_length{std::chrono::hours{24}};
    std::chrono::milliseconds window_margin{std::chrono::minutes{5}};
};

Config followup_config(config::Reader& reader);

}  // namespace flowstack::followup
