#include "services/conversation/config.h"

#include "common/config/config.h"

namespace flowstack::conversation {

ConversationConfig conversation_config(config::Reader& reader) {
    ConversationConfig c;
    c.packs_dir = reader.text("PACKS_DIR", "services/conversation/packs",
                              "folder of the flows that come with FlowStack");
    c.limit.per_minute = reader.integer("CUSTOMER_MESSAGES_PER_MINUTE_MAX", 30, 1, 10'000,
                                        "a customer who writes more is told once and not answered");
    return c;
}

}  // namespace flowstack::conversation
