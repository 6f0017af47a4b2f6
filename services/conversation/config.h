#pragma once

#include <string>

#include "services/conversation/domain/pipeline.h"

namespace flowstack::config {
class Reader;
}

// This service's own settings.
namespace flowstack::conversation {

struct ConversationConfig {
    std::string packs_dir;
    RateLimit limit;
};

ConversationConfig conversation_config(config::Reader& reader);

}  // namespace flowstack::conversation
