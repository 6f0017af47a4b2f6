#include "services/campaign/adapters/codec.h"

#include <stdexcept>

#include "common/core/overloaded.h"
#include "common/eventlog/fact.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"

namespace flowstack::campaign {

constexpr auto wire_values(Type) {
    return std::array{std::pair{Type::promotional, v1::CAMPAIGN_TYPE_PROMOTIONAL},
                      std::pair{Type::transactional, v1::CAMPAIGN_TYPE_TRANSACTIONAL}};
}

constexpr auto wire_values(AudienceKind) {
    return std::array{std::pair{AudienceKind::all, v1::AUDIENCE_KIND_ALL},
                      std::pair{AudienceKind::tag, v1::AUDIENCE_KIND_TAG},
                      std::pair{AudienceKind::list, v1::AUDIENCE_KIND_LIST}};
}

// No event says that a recipient waits or is queued: MembersFrozen and SendAsked do.
constexpr auto wire_values(Disposition) {
    return std::array{std::pair{Disposition::cancelled, v1::DISPOSITION_CANCELLED},
                      std::pair{Disposition::unknown, v1::DISPOSITION_UNKNOWN},
                      std::pair{Disposition::sent, v1::DISPOSITION_SENT},
                      std::pair{Disposition::suppressed, v1::DISPOSITION_SUPPRESSED},
                      std::pair{Disposition::failed, v1::DISPOSITION_FAILED},
                      std::pair{Disposition::delivered, v1::DISPOSITION_DELIVERED},
                      std::pair{Disposition::read, v1::DISPOSITION_READ},
                      std::pair{Disposition::replied, v1::DISPOSITION_REPLIED}};
}

// ---- campaigns

FLOWSTACK_FACT(Draft, v1::CampaignDrafted) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(name);
    FACT_FIELD(body);
    FACT_FIELD(type);
    FACT_FIELD_AS(audience.kind, audience_kind);
    FACT_FIELD_AS(audience.values, audience_values);
    FACT_FIELD(default_name);
    FACT_FIELD(per_second);
    FACT_FIELD(channel_id);
    if constexpr (!std::is_const_v<FactOrConst>) {
        if (message.has_template_())
            fact.in_template = {.name = message.template_().name(),
                                .language_code = message.template_().language_code(),
                                .content = message.template_().SerializeAsString()};
    } else if (!fact.in_template.name.empty() &&
               !message.mutable_template_()->ParseFromString(fact.in_template.content)) {
        throw std::invalid_argument("a campaign's template is no TemplateContent");
    }
}
FLOWSTACK_FACT(CampaignDrafted, v1::CampaignDrafted) { describe(fact.draft, message); }
FLOWSTACK_FACT(CampaignScheduled, v1::CampaignScheduled) {
    FACT_FIELD(campaign_id);
    FACT_TIME(start_at);
}
FLOWSTACK_FACT(CampaignStarted, v1::CampaignStarted) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(lanes);
    FACT_FIELD_AS(audience.kind, audience_kind);
    FACT_FIELD_AS(audience.values, audience_values);
    FACT_FIELD(type);
}
FLOWSTACK_FACT(AudienceFrozen, v1::AudienceFrozen) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(audience);
}
FLOWSTACK_FACT(CampaignPaused, v1::CampaignPaused) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(CampaignResumed, v1::CampaignResumed) { FACT_FIELD(campaign_id); }
FLOWSTACK_FACT(CampaignCompleted, v1::CampaignCompleted) { FACT_FIELD(campaign_id); }
FLOWSTACK_FACT(CampaignCancelled, v1::CampaignCancelled) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(reason);
    FACT_FIELD(ran);
}
FLOWSTACK_FACT(CampaignSettled, v1::CampaignSettled) { FACT_FIELD(campaign_id); }

// ---- shards

FLOWSTACK_FACT(Member, v1::Member) {
    FACT_FIELD(customer_id);
    FACT_FIELD(name);
    FACT_FIELD(suppressed);
}
FLOWSTACK_FACT(MembersFrozen, v1::MembersFrozen) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(chunk);
    FACT_FIELD(last);
    FACT_FIELD(lane_total);
    FACT_FIELD(source_position);
    FACT_PERSONAL(members);
}
FLOWSTACK_FACT(SendAsked, v1::SendAsked) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(customer_ids);
    FACT_FIELD(round);
}
FLOWSTACK_FACT(SendWithdrawn, v1::SendWithdrawn) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(customer_ids);
    FACT_FIELD(round);
}
FLOWSTACK_FACT(DispositionChanged, v1::DispositionChanged) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(disposition);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(ShardClosed, v1::ShardClosed) {
    FACT_FIELD(campaign_id);
    FACT_FIELD(reason);
}

eventlog::NewEvent encode(const Event& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
eventlog::NewEvent encode(const ShardEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}

Event decode_campaign(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<Event>("campaign", type, payload);
}
ShardEvent decode_shard(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<ShardEvent>("audience shard", type, payload);
}

CampaignState CampaignCodec::evolve(CampaignState state, const std::string& type,
                                    const std::string& payload, Time occurred_at) {
    const auto event = decode_campaign(type, payload);
    std::visit(Overloaded{
                   [&](const CampaignDrafted&) { state.created = occurred_at; },
                   [&](const CampaignScheduled& e) { state.start = e.start_at; },
                   [&](const CampaignStarted&) { state.start = occurred_at; },
                   [&](const CampaignCompleted&) { state.ended = occurred_at; },
                   [&](const CampaignCancelled&) { state.ended = occurred_at; },
                   [](const auto&) {},
               },
               event);
    state.campaign = campaign::evolve(std::move(state.campaign), event);
    return state;
}

Shard ShardCodec::evolve(Shard state, const std::string& type, const std::string& payload, Time) {
    return campaign::evolve(std::move(state), decode_shard(type, payload));
}

}  // namespace flowstack::campaign
