#pragma once

#include "flowstack/gateway/v1/message_events.pb.h"

namespace flowstack::campaign {

// Whether a message was sent for a campaign.
inline bool of_campaign(const gateway::v1::MessageOrigin& origin) {
    return origin.kind() == gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN;
}

}  // namespace flowstack::campaign
