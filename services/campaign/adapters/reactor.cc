#include "services/campaign/adapters/reactor.h"

#include <utility>

#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "services/campaign/adapters/origin.h"
#include "services/campaign/adapters/projections.h"
#include "services/campaign/adapters/streams.h"

namespace flowstack::campaign {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;
using eventlog::Turn;
namespace gateway = flowstack::gateway::v1;

// As a recipient's reason.
std::string word_of(gateway::SuppressionReason reason) {
    switch (reason) {
        case gateway::SUPPRESSION_REASON_OPTED_OUT:
            return "opted_out";
        case gateway::SUPPRESSION_REASON_WINDOW_CLOSED:
            return "window_closed";
        case gateway::SUPPRESSION_REASON_ANSWERED:
            return "answered";
        default:
            return "";
    }
}

// A provider's error as a reason: its code tells more than its words.
std::string reason_of(const std::string& code, const std::string& text) {
    if (code.empty()) return text;
    return code + (text.empty() ? "" : " " + text);
}

}  // namespace

void Reactor::append(const CampaignId& campaign_id, int lane, const eventlog::Folded<Shard>& shard,
                     const ShardCommand& command, Turn& turn) {
    const auto& event = turn.event();
    const auto decision = decide(shard.state, command);
    if (!decision.accepted()) {
        // Not a recipient: a campaign of a restored backup, or a message that somebody else marked
        // as ours.
        log::warn("outcome ignored: it belongs to no recipient of its campaign",
                  {{"tenant", event.stream.tenant}, {"campaign", campaign_id.text()}});
        return;
    }
    if (decision.events().empty()) return;
    eventlog::Command out;
    out.tenant = event.stream.tenant;
    out.meta.routing = shard_routing(lane);
    eventlog::Part part{shard_stream(event.stream.tenant, campaign_id, lane), shard.expected(), {}};
    for (const auto& fact : decision.events())
        part.events.push_back(encode(fact, event.recorded_at));
    out.parts.push_back(std::move(part));
    turn.append(std::move(out), "disposition");
}

void Reactor::record(const CampaignId& campaign_id, RecordEvidence evidence, Turn& turn) {
    const auto& tenant = turn.event().stream.tenant;
    const int lane = store_.lane_of(customer_routing(evidence.customer_id), tenant);
    const auto shard =
        shards_.about(shard_stream(tenant, campaign_id, lane), evidence.customer_id, turn);
    append(campaign_id, lane, shard, std::move(evidence), turn);
}

void Reactor::withdrawn(const CampaignId& campaign_id, const CustomerId& customer_id,
                        const std::string& reason, Turn& turn) {
    const auto& tenant = turn.event().stream.tenant;
    const int lane = store_.lane_of(customer_routing(customer_id), tenant);
    const auto shard = shards_.about(shard_stream(tenant, campaign_id, lane), customer_id, turn);
    const auto found = shard.state.recipients.find(customer_id);
    // A recipient has one message at a time: it is asked again only after this event was seen.
    const int round = found == shard.state.recipients.end() ? 0 : found->second.round;
    append(campaign_id, lane, shard,
           RecordWithdrawn{.customer_id = customer_id, .round = round, .reason = reason}, turn);
}

void Reactor::react(const Recorded& event, Turn& turn) {
    if (event.service != "gateway") return;
    const auto about = [&](const gateway::MessageOrigin& origin, Disposition what,
                           const std::string& reason) {
        if (!of_campaign(origin)) return;
        record(
            CampaignId(origin.id()),
            {.customer_id = CustomerId(origin.recipient()), .disposition = what, .reason = reason},
            turn);
    };
    if (is<gateway::SendAccepted>(event)) {
        const auto m = parsed<gateway::SendAccepted>(event);
        about(m.origin(), Disposition::sent, "");
    } else if (is<gateway::SendFailed>(event)) {
        const auto m = parsed<gateway::SendFailed>(event);
        // With a time it is queued again, so nothing is known yet.
        if (m.retry_at_us() == 0)
            about(m.origin(), Disposition::failed, reason_of(m.error().code(), m.reason()));
    } else if (is<gateway::SendUnknown>(event)) {
        const auto m = parsed<gateway::SendUnknown>(event);
        about(m.origin(), Disposition::unknown, m.reason());
    } else if (is<gateway::MessageSuppressed>(event)) {
        const auto m = parsed<gateway::MessageSuppressed>(event);
        about(m.origin(), Disposition::suppressed, word_of(m.reason()));
    } else if (is<gateway::StatusReported>(event)) {
        const auto m = parsed<gateway::StatusReported>(event);
        const auto state = reported_state(m.status());
        if (state == DeliveryState::sent) about(m.origin(), Disposition::sent, "");
        if (state == DeliveryState::delivered) about(m.origin(), Disposition::delivered, "");
        if (state == DeliveryState::read || state == DeliveryState::played)
            about(m.origin(), Disposition::read, "");
        // Gateway judges a reported failure and answers it with SendFailed, MessageSuppressed, or
        // another attempt.
    } else if (is<gateway::MessageCancelled>(event)) {
        const auto m = parsed<gateway::MessageCancelled>(event);
        if (!of_campaign(m.origin())) return;
        if (m.reason() == kPausedReason)
            withdrawn(CampaignId(m.origin().id()), CustomerId(m.origin().recipient()), m.reason(),
                      turn);
        else
            about(m.origin(), Disposition::cancelled, m.reason());
    } else if (is<gateway::MessageReceived>(event)) {
        const auto m = parsed<gateway::MessageReceived>(event);
        // STOP and START are about consent, and the provider's news about a customer are no word of
        // theirs: counting them as replies would flatter the campaign.
        if (m.consent_change() != gateway::CONSENT_CHANGE_UNSPECIFIED ||
            m.kind() == gateway::INBOUND_KIND_SYSTEM)
            return;
        const auto found = turn.get(event.stream.tenant, kContactDocument, m.customer_id());
        if (!found) return;
        const auto contact = parsed<v1::ContactView>(found->body);
        if (contact.recent().empty()) return;
        const auto& newest = contact.recent(contact.recent_size() - 1);
        if (event.occurred_at > from_unix_micros(newest.sent_at_us()) + config_.reply_window)
            return;
        record(CampaignId(newest.campaign_id()),
               {.customer_id = CustomerId(m.customer_id()),
                .disposition = Disposition::replied,
                .reason = ""},
               turn);
    }
}

}  // namespace flowstack::campaign
