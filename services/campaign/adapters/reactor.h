#pragma once

#include <string>

#include "common/eventlog/folds.h"
#include "common/eventlog/turn.h"
#include "services/campaign/adapters/codec.h"
#include "services/campaign/adapters/shard_book.h"
#include "services/campaign/config.h"

// What campaign does about the facts of gateway: it records what became of a recipient's message.
// It decides on the time at which the event was recorded, so that a second try decides as the first
// one did.
namespace flowstack::campaign {

class Reactor {
public:
    Reactor(eventlog::Store& store, const Config& config)
        : store_(store), shards_(store), config_(config) {}

    // At most one command for an event.
    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    void record(const CampaignId& campaign_id, RecordEvidence evidence, eventlog::Turn& turn);
    void withdrawn(const CampaignId& campaign_id, const CustomerId& customer_id,
                   const std::string& reason, eventlog::Turn& turn);
    void append(const CampaignId& campaign_id, int lane, const eventlog::Folded<Shard>& shard,
                const ShardCommand& command, eventlog::Turn& turn);

    eventlog::Store& store_;
    ShardBook shards_;
    Config config_;
};

// Reasons that campaign gives when it withdraws, and finds again in MessageCancelled.
inline constexpr const char* kPausedReason = "campaign_paused";
inline constexpr const char* kCancelledReason = "campaign_cancelled";

// Why a running campaign sends nothing at the moment.
inline constexpr const char* kQuietHoursReason = "quiet_hours";

}  // namespace flowstack::campaign
