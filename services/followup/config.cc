#include "services/followup/config.h"

#include "common/config/config.h"

namespace flowstack::followup {

Config followup_config(config::Reader& reader) {
    const Config defaults;
    Config config;
    config.gentle_after =
        reader.duration_ms("GENTLE_AFTER_MS", defaults.gentle_after.count(),
                           "gentle follow-up: so long after the bot's unanswered question", 1);
    config.reminder_after =
        reader.duration_ms("REMINDER_AFTER_MS", defaults.reminder_after.count(),
                           "reminder: so long after the same question; 0 = none");
    config.follow_up_late = reader.duration_ms(
        "FOLLOW_UP_LATE_MS", defaults.follow_up_late.count(),
        "a gentle follow-up or reminder that is later than this is skipped; 0 = never");
    config.window_length = reader.duration_ms("SERVICE_WINDOW_MS", defaults.window_length.count(),
                                              "length of WhatsApp's customer service window");
    config.window_margin =
        reader.duration_ms("SERVICE_WINDOW_MARGIN_MS", defaults.window_margin.count(),
                           "kept free at the end of the service window");
    return config;
}

}  // namespace flowstack::followup
