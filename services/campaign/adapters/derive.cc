#include "services/campaign/adapters/derive.h"

#include "common/eventlog/payload.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"

namespace flowstack::campaign {
namespace {

template <class Message>
std::optional<Message> parse(const eventlog::NewEvent& event) {
    if (!eventlog::is<Message>(event.type)) return std::nullopt;
    return eventlog::parsed<Message>(event.payload);
}

}  // namespace

std::optional<CampaignKey> CampaignKey::parse(const std::string& text) {
    const auto slash = text.find('/');
    if (slash == std::string::npos) return std::nullopt;
    return CampaignKey{.tenant = text.substr(0, slash),
                       .campaign_id = CampaignId(text.substr(slash + 1))};
}

void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& out) {
    const auto key = [&](const auto& m) {
        return CampaignKey{.tenant = stream.tenant, .campaign_id = CampaignId(m.campaign_id())}
            .text();
    };
    if (const auto scheduled = parse<v1::CampaignScheduled>(event)) {
        out.work_put.push_back(
            {lane, kStartWork, key(*scheduled), from_unix_micros(scheduled->start_at_us()), 0, ""});
    } else if (const auto started = parse<v1::CampaignStarted>(event)) {
        out.work_del.push_back({lane, kStartWork, key(*started)});
        out.work_put.push_back({lane, kPaceWork, key(*started), event.occurred_at, 0, ""});
        for (int n = 0; n < started->lanes(); ++n)
            out.work_put.push_back({n, kFreezeWork, key(*started), event.occurred_at, 0, ""});
    } else if (const auto paused = parse<v1::CampaignPaused>(event)) {
        out.work_del.push_back({lane, kPaceWork, key(*paused)});
        out.work_put.push_back({lane, kHaltWork, key(*paused), event.occurred_at, 0, ""});
    } else if (const auto resumed = parse<v1::CampaignResumed>(event)) {
        out.work_del.push_back({lane, kHaltWork, key(*resumed)});
        out.work_put.push_back({lane, kPaceWork, key(*resumed), event.occurred_at, 0, ""});
    } else if (const auto cancelled = parse<v1::CampaignCancelled>(event)) {
        out.work_del.push_back({lane, kStartWork, key(*cancelled)});
        if (!cancelled->ran()) return;
        out.work_del.push_back({lane, kPaceWork, key(*cancelled)});
        out.work_put.push_back({lane, kHaltWork, key(*cancelled), event.occurred_at, 0, ""});
    } else if (const auto completed = parse<v1::CampaignCompleted>(event)) {
        out.work_del.push_back({lane, kPaceWork, key(*completed)});
        out.work_del.push_back({lane, kHaltWork, key(*completed)});
    } else if (const auto settled = parse<v1::CampaignSettled>(event)) {
        out.work_del.push_back({lane, kPaceWork, key(*settled)});
        out.work_del.push_back({lane, kHaltWork, key(*settled)});
    } else if (const auto frozen = parse<v1::MembersFrozen>(event)) {
        if (frozen->last()) out.work_del.push_back({lane, kFreezeWork, key(*frozen)});
    }
}

}  // namespace flowstack::campaign
