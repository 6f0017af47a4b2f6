#include "services/campaign/adapters/handlers.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <utility>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "services/campaign/adapters/tenants.h"

namespace flowstack::campaign {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;
using eventlog::Turn;
namespace conversation = flowstack::conversation::v1;
namespace gateway = flowstack::gateway::v1;

bool of_campaign(const gateway::MessageOrigin& origin) { return origin.kind() == "campaign"; }

// A provider's error as a reason: its code tells more than its words.
std::string reason_of(const std::string& code, const std::string& text) {
    if (code.empty()) return text;
    return code + (text.empty() ? "" : " " + text);
}

template <class View>
View document(Turn& turn, const std::string& tenant, const char* kind, const std::string& id) {
    const auto found = turn.get(tenant, kind, id);
    return found ? parsed<View>(found->body) : View{};
}

void set_time(google::protobuf::Timestamp& out, Time at) {
    out.set_seconds(unix_seconds(at));
    out.set_nanos(static_cast<int>(unix_micros(at) - unix_seconds(at) * 1'000'000) * 1000);
}

}  // namespace

// --- Deciding ------------------------------------------------------------------------------------

void Handlers::append(const std::string& campaign_id, int lane,
                      const eventlog::Folded<Shard>& shard, const ShardCommand& command,
                      Turn& turn) {
    const auto& event = turn.event();
    const auto decision = decide(shard.state, command);
    if (!decision.accepted()) {
        // Not a recipient: a campaign of a restored backup, or a message that somebody else marked
        // as ours.
        log::warn("an outcome that belongs to no recipient",
                  {{"tenant", event.stream.tenant}, {"campaign", campaign_id}});
        return;
    }
    if (decision.events().empty()) return;
    eventlog::Command out;
    out.tenant = event.stream.tenant;
    out.meta.routing = shard_routing(lane);
    eventlog::Part part{shard_stream(event.stream.tenant, campaign_id, lane), shard.expected(), {}};
    for (const auto& fact : decision.events())
        part.events.push_back(encode(fact, campaign_id, event.occurred_at));
    out.parts.push_back(std::move(part));
    turn.append(std::move(out), "disposition");
}

void Handlers::record(const std::string& campaign_id, const std::string& customer_id,
                      Disposition what, const std::string& reason, Turn& turn) {
    const auto& tenant = turn.event().stream.tenant;
    const int lane = store_.lane_of({eventlog::RoutingKind::customer, customer_id}, tenant);
    const auto shard = shards_.about(shard_stream(tenant, campaign_id, lane), customer_id, turn);
    append(campaign_id, lane, shard, RecordEvidence{customer_id, what, reason}, turn);
}

void Handlers::withdrawn(const std::string& campaign_id, const std::string& customer_id,
                         const std::string& reason, Turn& turn) {
    const auto& tenant = turn.event().stream.tenant;
    const int lane = store_.lane_of({eventlog::RoutingKind::customer, customer_id}, tenant);
    const auto shard = shards_.about(shard_stream(tenant, campaign_id, lane), customer_id, turn);
    const auto found = shard.state.recipients.find(customer_id);
    // A recipient has one message at a time: it is asked again only after this event was seen.
    const int round = found == shard.state.recipients.end() ? 0 : found->second.round;
    append(campaign_id, lane, shard, RecordWithdrawn{customer_id, round, reason}, turn);
}

void Handlers::react(const Recorded& event, Turn& turn) {
    if (event.service != "gateway") return;
    const auto about = [&](const gateway::MessageOrigin& origin, Disposition what,
                           const std::string& reason) {
        if (of_campaign(origin)) record(origin.id(), origin.recipient(), what, reason, turn);
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
        about(m.origin(), Disposition::suppressed, m.reason());
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
            withdrawn(m.origin().id(), m.origin().recipient(), m.reason(), turn);
        else
            about(m.origin(), Disposition::cancelled, m.reason());
    } else if (is<gateway::MessageReceived>(event)) {
        const auto m = parsed<gateway::MessageReceived>(event);
        // STOP and START are about consent: counting them as replies would flatter the campaign.
        if (!m.consent_change().empty()) return;
        const auto contact =
            document<v1::ContactView>(turn, event.stream.tenant, kContactDocument, m.customer_id());
        if (contact.recent().empty()) return;
        const auto& newest = contact.recent(contact.recent_size() - 1);
        if (event.occurred_at > from_unix_micros(newest.sent_at_us()) + config_.reply_window_ms)
            return;
        record(newest.campaign_id(), m.customer_id(), Disposition::replied, "", turn);
    }
}

// --- Remembering ---------------------------------------------------------------------------------

namespace {

void project_tenant(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    auto view = document<v1::TenantView>(turn, tenant, kTenantDocument, tenant);
    if (is<gateway::TenantRegistered>(event)) {
        view.set_status("ACTIVE");
        take_settings(view, parsed<gateway::TenantRegistered>(event).settings());
    } else if (is<gateway::TenantSettingsChanged>(event)) {
        take_settings(view, parsed<gateway::TenantSettingsChanged>(event).settings());
    } else if (is<gateway::TenantResumed>(event)) {
        view.set_status("ACTIVE");
    } else if (is<gateway::TenantSuspended>(event)) {
        view.set_status("SUSPENDED");
    } else if (is<gateway::TenantClosed>(event)) {
        view.set_status("CLOSED");
    } else {
        return;
    }
    turn.put({tenant, kTenantDocument, tenant, "", view.status(), event.occurred_at,
              view.SerializeAsString()});
}

template <class Change>
void change_contact(const std::string& customer_id, const Recorded& event, Turn& turn,
                    Change change) {
    const auto& tenant = event.stream.tenant;
    auto view = document<v1::ContactView>(turn, tenant, kContactDocument, customer_id);
    view.set_customer_id(customer_id);
    change(view);
    turn.put({tenant, kContactDocument, customer_id, view.phone(), "", event.occurred_at,
              view.SerializeAsString()});
}

void note_phone(v1::ContactView& view, const gateway::Identity& identity) {
    if (identity.kind() == "phone") view.set_phone(identity.value());
}

void project_gateway(const Recorded& event, Turn& turn) {
    if (event.stream.category == "tenant") {
        project_tenant(event, turn);
    } else if (is<gateway::ContactSeen>(event)) {
        const auto m = parsed<gateway::ContactSeen>(event);
        change_contact(m.customer_id(), event, turn, [&](v1::ContactView& view) {
            view.set_channel_id(m.channel_id());
            view.set_profile_name(m.personal().profile_name());
            for (const auto& identity : m.personal().identities()) note_phone(view, identity);
        });
    } else if (is<gateway::IdentityAdded>(event)) {
        const auto m = parsed<gateway::IdentityAdded>(event);
        change_contact(m.customer_id(), event, turn, [&](v1::ContactView& view) {
            if (!m.personal().profile_name().empty())
                view.set_profile_name(m.personal().profile_name());
            note_phone(view, m.personal().identity());
        });
    } else if (is<gateway::ConsentChanged>(event)) {
        const auto m = parsed<gateway::ConsentChanged>(event);
        change_contact(m.customer_id(), event, turn, [&](v1::ContactView& view) {
            if (m.purpose() == "marketing") view.set_marketing_refused(!m.granted());
            if (m.purpose() == "utility") view.set_utility_refused(!m.granted());
        });
    } else if (is<gateway::ContactsLinked>(event)) {
        // Two contacts are one person: a refusal by either holds.
        const auto m = parsed<gateway::ContactsLinked>(event);
        change_contact(m.customer_id(), event, turn, [&](v1::ContactView& view) {
            view.set_marketing_refused(m.marketing_consent() == gateway::CONSENT_STATE_REFUSED);
            view.set_utility_refused(m.utility_consent() == gateway::CONSENT_STATE_REFUSED);
        });
    } else if (is<gateway::ContactMerged>(event)) {
        const auto m = parsed<gateway::ContactMerged>(event);
        change_contact(m.customer_id(), event, turn,
                       [&](v1::ContactView& view) { view.set_merged_into(m.into()); });
    } else if (is<gateway::SendAccepted>(event)) {
        const auto m = parsed<gateway::SendAccepted>(event);
        if (!of_campaign(m.origin())) return;
        change_contact(m.origin().recipient(), event, turn, [&](v1::ContactView& view) {
            auto& recent = *view.mutable_recent();
            if (recent.size() == kRecentSendsMax) recent.DeleteSubrange(0, 1);
            auto& send = *recent.Add();
            send.set_campaign_id(m.origin().id());
            send.set_sent_at_us(unix_micros(event.occurred_at));
        });
    }
}

void project_conversation(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    const auto change = [&](const std::string& customer_id, auto apply) {
        auto view = document<v1::CustomerView>(turn, tenant, kCustomerDocument, customer_id);
        view.set_customer_id(customer_id);
        apply(view);
        turn.put({tenant, kCustomerDocument, customer_id, "", "", event.occurred_at,
                  view.SerializeAsString()});
    };
    if (is<conversation::CustomerSeen>(event)) {
        const auto m = parsed<conversation::CustomerSeen>(event);
        change(m.customer_id(),
               [&](v1::CustomerView& view) { view.set_name(m.personal().name()); });
    } else if (is<conversation::CustomerChanged>(event)) {
        const auto m = parsed<conversation::CustomerChanged>(event);
        if (!m.personal().has_name()) return;
        change(m.customer_id(),
               [&](v1::CustomerView& view) { view.set_name(m.personal().name()); });
    } else if (is<conversation::CustomerTagged>(event)) {
        const auto m = parsed<conversation::CustomerTagged>(event);
        change(m.customer_id(), [&](v1::CustomerView& view) {
            std::vector<std::string> tags(view.tags().begin(), view.tags().end());
            for (const auto& tag : m.removed()) std::erase(tags, tag);
            for (const auto& tag : m.added())
                if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
            view.clear_tags();
            for (const auto& tag : tags) view.add_tags(tag);
        });
    }
}

void project_campaign(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    const auto& id = event.stream.key;
    auto view = document<v1::Campaign>(turn, tenant, kCampaignDocument, id);
    const auto ended = [&] { set_time(*view.mutable_end_time(), event.occurred_at); };
    if (is<v1::CampaignDrafted>(event)) {
        const auto folded = CampaignCodec::evolve({}, event.type, event.payload, event.occurred_at);
        fill(view, tenant, folded, event.version);
        // Fifty of them are a page, and a page must stay below 4 MiB.
        if (view.audience().kind() == word(AudienceKind::list))
            view.mutable_audience()->clear_values();
    } else if (is<v1::CampaignScheduled>(event)) {
        view.set_state("SCHEDULED");
        const auto m = parsed<v1::CampaignScheduled>(event);
        set_time(*view.mutable_start_time(), from_unix_micros(m.start_at_us()));
    } else if (is<v1::CampaignStarted>(event)) {
        view.set_state("RUNNING");
        set_time(*view.mutable_start_time(), event.occurred_at);
    } else if (is<v1::AudienceFrozen>(event)) {
        view.set_audience_frozen(true);
        view.set_audience_size(parsed<v1::AudienceFrozen>(event).audience());
    } else if (is<v1::CampaignPaused>(event)) {
        view.set_state("PAUSED");
        view.set_reason(parsed<v1::CampaignPaused>(event).reason());
    } else if (is<v1::CampaignResumed>(event)) {
        view.set_state("RUNNING");
        view.clear_reason();
    } else if (is<v1::CampaignCompleted>(event)) {
        view.set_state("COMPLETED");
        view.clear_reason();
        ended();
    } else if (is<v1::CampaignCancelled>(event)) {
        view.set_state("CANCELLED");
        view.set_reason(parsed<v1::CampaignCancelled>(event).reason());
        ended();
    } else if (!is<v1::CampaignSettled>(event)) {
        throw CorruptStream("campaign: unknown event " + event.type);
    }
    view.set_etag(std::to_string(event.version));
    const auto& created = view.create_time();
    turn.put({tenant, kCampaignDocument, id, "", view.state(),
              from_unix_seconds(created.seconds()) + Micros{created.nanos() / 1000},
              view.SerializeAsString()});
}

// A recipient's row. The disposition of the rules' Shard is followed here row by row.
void put_recipient(v1::Recipient& view, const std::string& campaign_id, const Recorded& event,
                   Turn& turn) {
    set_time(*view.mutable_update_time(), event.occurred_at);
    turn.put({event.stream.tenant, kRecipientDocument, campaign_id + "/" + view.customer_id(),
              campaign_id, view.disposition(), event.occurred_at, view.SerializeAsString()});
}

void project_shard(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    const auto load = [&](const std::string& campaign_id, const std::string& customer_id) {
        return document<v1::Recipient>(turn, tenant, kRecipientDocument,
                                       campaign_id + "/" + customer_id);
    };
    const auto move = [&](const auto& m, const char* from, const char* to) {
        for (const auto& customer : m.customer_ids()) {
            auto view = load(m.campaign_id(), customer);
            if (view.disposition() != from) continue;
            view.set_disposition(to);
            put_recipient(view, m.campaign_id(), event, turn);
        }
    };
    if (is<v1::MembersFrozen>(event)) {
        const auto m = parsed<v1::MembersFrozen>(event);
        for (const auto& member : m.personal().members()) {
            v1::Recipient view;
            view.set_name("tenants/" + tenant + "/campaigns/" + m.campaign_id() + "/recipients/" +
                          member.customer_id());
            view.set_customer_id(member.customer_id());
            view.set_display_name(member.name());
            view.set_disposition(member.suppressed().empty() ? "WAITING" : "SUPPRESSED");
            view.set_reason(member.suppressed());
            put_recipient(view, m.campaign_id(), event, turn);
        }
    } else if (is<v1::SendAsked>(event)) {
        move(parsed<v1::SendAsked>(event), "WAITING", "QUEUED");
    } else if (is<v1::SendWithdrawn>(event)) {
        move(parsed<v1::SendWithdrawn>(event), "QUEUED", "WAITING");
    } else if (is<v1::DispositionChanged>(event)) {
        const auto m = parsed<v1::DispositionChanged>(event);
        auto view = load(m.campaign_id(), m.customer_id());
        view.set_disposition(api_word(disposition_of(m.disposition()).value()));
        view.set_reason(m.reason());
        put_recipient(view, m.campaign_id(), event, turn);
    }
}

}  // namespace

void Handlers::project(const Recorded& event, Turn& turn) {
    if (event.service == "gateway") return project_gateway(event, turn);
    if (event.service == "conversation") return project_conversation(event, turn);
    if (event.stream.category == kCampaignCategory) return project_campaign(event, turn);
    if (event.stream.category == kShardCategory) return project_shard(event, turn);
}

}  // namespace flowstack::campaign
