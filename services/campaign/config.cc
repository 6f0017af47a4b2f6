#include "services/campaign/config.h"

#include "common/config/config.h"
#include "services/campaign/domain/audience_shard.h"

namespace flowstack::campaign {

Config campaign_config(config::Reader& reader) {
    const Config defaults;
    Config config;
    config.chunk_members_max = static_cast<std::size_t>(reader.integer(
        "CHUNK_MEMBERS_MAX", static_cast<std::int64_t>(defaults.chunk_members_max), 1,
        static_cast<std::int64_t>(kChunkMembersMax), "members of an audience in one event"));
    config.reply_window =
        reader.duration_ms("REPLY_WINDOW_MS", defaults.reply_window.count(),
                           "an inbound message within this after a campaign's is a reply to it");
    config.settle_after = reader.duration_ms(
        "SETTLE_AFTER_MS", defaults.settle_after.count(),
        "cancelled campaign: recipients without an outcome for so long end as unknown");
    return config;
}

}  // namespace flowstack::campaign
