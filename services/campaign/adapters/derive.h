#pragma once

#include <optional>
#include <string>

#include "common/eventlog/types.h"
#include "services/campaign/domain/campaign.h"

// Side rows of campaign's events: what the owners of lanes have to do. A pure function of the
// event.
namespace flowstack::campaign {

inline constexpr const char* kStartWork = "start";    // campaign's lane: it starts at its time
inline constexpr const char* kFreezeWork = "freeze";  // every lane: its part of the audience
inline constexpr const char* kPaceWork = "pace";      // campaign's lane: while it runs
// campaign's lane: while it is paused, and cancelled until its last recipient has a disposition. A
// kind of its own, because a new row is done at once and a row that was just done rests a second.
inline constexpr const char* kHaltWork = "halt";

// Key of all of them: "<tenant>/<campaign>".
struct CampaignKey {
    std::string tenant;
    CampaignId campaign_id;

    std::string text() const { return tenant + "/" + campaign_id; }
    static std::optional<CampaignKey> parse(const std::string& text);
};

void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& out);

}  // namespace flowstack::campaign
