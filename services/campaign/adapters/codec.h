#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/time.h"
#include "common/eventlog/types.h"
#include "services/campaign/domain/audience_shard.h"
#include "services/campaign/domain/campaign.h"

// Translates between the facts of the rules and their stored form (flowstack.campaign.v1). No other
// file knows both.
namespace flowstack::campaign {

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

eventlog::NewEvent encode(const Event& event, Time occurred_at);
eventlog::NewEvent encode(const ShardEvent& event, Time occurred_at);

// Throw CorruptStream for an unknown type and for bytes that are not of their type, and
// std::invalid_argument for a value that a fact cannot hold (common/eventlog/fact.h).
Event decode_campaign(std::string_view type, std::string_view payload);
ShardEvent decode_shard(std::string_view type, std::string_view payload);

}  // namespace flowstack::campaign
