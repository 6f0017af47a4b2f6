#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/time.h"
#include "common/eventlog/types.h"
#include "services/campaign/domain/audience_shard.h"
#include "services/campaign/domain/campaign.h"

namespace flowstack::campaign::v1 {
class Campaign;
}

// Campaigns and shards between their stored form (flowstack.campaign.v1 events), the rules'
// structs, and the API.
namespace flowstack::campaign {

inline constexpr const char* kCampaignCategory = "campaign";
inline constexpr const char* kShardCategory = "audience_shard";

// A campaign lives on a lane of its own name, its shards on the lanes of its recipients.
eventlog::StreamName campaign_stream(const std::string& tenant, const std::string& campaign_id);
eventlog::StreamName shard_stream(const std::string& tenant, const std::string& campaign_id,
                                  int lane);
eventlog::Routing campaign_routing(const std::string& campaign_id);
eventlog::Routing shard_routing(int lane);

struct CampaignState {
    Campaign campaign;
    Time created{};
    std::optional<Time> start;  // when it started or will start
    Time ended{};               // completed or cancelled
};

// For eventlog::Folds. Throw CorruptStream for an unknown type or an impossible history.
struct CampaignCodec {
    using State = CampaignState;
    static State evolve(State state, const std::string& type, const std::string& payload,
                        Time occurred_at);
};
struct ShardCodec {
    using State = Shard;
    static State evolve(State state, const std::string& type, const std::string& payload,
                        Time occurred_at);
};

// Throws CorruptStream for an unknown type.
ShardEvent decode_shard(const std::string& type, const std::string& payload);

eventlog::NewEvent encode(const Event& event, const Draft& draft, Time occurred_at);
eventlog::NewEvent encode(const ShardEvent& event, const std::string& campaign_id,
                          Time occurred_at);

// The API's view of a fold. `version` is that of its stream.
void fill(v1::Campaign& out, const std::string& tenant, const CampaignState& state,
          std::int64_t version);

// WAITING, QUEUED, SENT, …: a disposition as the API has it.
std::string api_word(Disposition disposition);

}  // namespace flowstack::campaign
