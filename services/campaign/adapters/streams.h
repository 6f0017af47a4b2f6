#pragma once

#include <string>

#include "common/eventlog/types.h"
#include "services/campaign/domain/campaign.h"

// Where this service's streams live: a campaign on a lane of its own name, its shards on the lanes
// of its recipients.
namespace flowstack::campaign {

inline constexpr const char* kCampaignCategory = "campaign";
inline constexpr const char* kShardCategory = "audience_shard";

inline eventlog::StreamName campaign_stream(const std::string& tenant,
                                            const CampaignId& campaign_id) {
    return {tenant, kCampaignCategory, campaign_id};
}
inline eventlog::StreamName shard_stream(const std::string& tenant, const CampaignId& campaign_id,
                                         int lane) {
    return {tenant, kShardCategory, campaign_id + ":" + std::to_string(lane)};
}
inline eventlog::Routing campaign_routing(const CampaignId& campaign_id) {
    return {eventlog::RoutingKind::named, campaign_id};
}
inline eventlog::Routing shard_routing(int lane) {
    return {eventlog::RoutingKind::lane, std::to_string(lane)};
}
inline eventlog::Routing customer_routing(const CustomerId& customer_id) {
    return {eventlog::RoutingKind::customer, customer_id};
}

}  // namespace flowstack::campaign
