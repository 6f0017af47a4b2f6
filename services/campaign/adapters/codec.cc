#include "services/campaign/adapters/campaign_codec.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cctype>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"

namespace flowstack::campaign {
namespace {

using eventlog::stored;

template <class Message>
std::optional<Message> parse(const std::string& type, const std::string& payload) {
    if (!eventlog::is<Message>(type)) return std::nullopt;
    return eventlog::parsed<Message>(payload);
}

Draft draft_from(const v1::CampaignDrafted& m) {
    const auto type = type_of(m.type());
    const auto kind = audience_kind_of(m.audience_kind());
    if (!type || !kind)
        throw CorruptStream("campaign: unknown type or audience " + m.type() + " " +
                            m.audience_kind());
    return {m.campaign_id(),
            m.name(),
            m.body(),
            *type,
            {*kind, {m.audience_values().begin(), m.audience_values().end()}},
            m.default_name(),
            m.per_second(),
            m.channel_id()};
}

Event decode(const std::string& type, const std::string& payload) {
    if (const auto m = parse<v1::CampaignDrafted>(type, payload))
        return CampaignDrafted{draft_from(*m)};
    if (const auto m = parse<v1::CampaignScheduled>(type, payload))
        return CampaignScheduled{from_unix_micros(m->start_at_us())};
    if (const auto m = parse<v1::CampaignStarted>(type, payload))
        return CampaignStarted{m->lanes()};
    if (const auto m = parse<v1::AudienceFrozen>(type, payload))
        return AudienceFrozen{m->audience()};
    if (const auto m = parse<v1::CampaignPaused>(type, payload)) return CampaignPaused{m->reason()};
    if (parse<v1::CampaignResumed>(type, payload)) return CampaignResumed{};
    if (parse<v1::CampaignCompleted>(type, payload)) return CampaignCompleted{};
    if (const auto m = parse<v1::CampaignCancelled>(type, payload))
        return CampaignCancelled{m->reason(), m->ran()};
    if (parse<v1::CampaignSettled>(type, payload)) return CampaignSettled{};
    throw CorruptStream("campaign: unknown event " + type);
}

void set_time(google::protobuf::Timestamp& out, Time at) {
    out.set_seconds(unix_seconds(at));
    out.set_nanos(static_cast<int>(unix_micros(at) - unix_seconds(at) * 1'000'000) * 1000);
}

}  // namespace

ShardEvent decode_shard(const std::string& type, const std::string& payload) {
    if (const auto m = parse<v1::MembersFrozen>(type, payload)) {
        MembersFrozen e{m->campaign_id(), m->chunk(),      {},
                        m->last(),        m->lane_total(), m->source_position()};
        for (const auto& member : m->personal().members())
            e.members.push_back({member.customer_id(), member.name(), member.suppressed()});
        return e;
    }
    if (const auto m = parse<v1::SendAsked>(type, payload))
        return SendAsked{{m->customer_ids().begin(), m->customer_ids().end()}, m->round()};
    if (const auto m = parse<v1::SendWithdrawn>(type, payload))
        return SendWithdrawn{{m->customer_ids().begin(), m->customer_ids().end()}, m->round()};
    if (const auto m = parse<v1::DispositionChanged>(type, payload)) {
        const auto disposition = disposition_of(m->disposition());
        if (!disposition) throw CorruptStream("shard: unknown disposition " + m->disposition());
        return DispositionChanged{m->customer_id(), *disposition, m->reason()};
    }
    if (const auto m = parse<v1::ShardClosed>(type, payload)) return ShardClosed{m->reason()};
    throw CorruptStream("shard: unknown event " + type);
}

eventlog::StreamName campaign_stream(const std::string& tenant, const std::string& campaign_id) {
    return {tenant, kCampaignCategory, campaign_id};
}
eventlog::StreamName shard_stream(const std::string& tenant, const std::string& campaign_id,
                                  int lane) {
    return {tenant, kShardCategory, campaign_id + ":" + std::to_string(lane)};
}
eventlog::Routing campaign_routing(const std::string& campaign_id) {
    return {eventlog::RoutingKind::named, campaign_id};
}
eventlog::Routing shard_routing(int lane) {
    return {eventlog::RoutingKind::lane, std::to_string(lane)};
}

CampaignState CampaignCodec::evolve(CampaignState state, const std::string& type,
                                    const std::string& payload, Time occurred_at) {
    const auto event = decode(type, payload);
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

eventlog::NewEvent encode(const Event& event, const Draft& draft, Time occurred_at) {
    const auto& id = draft.campaign_id;
    return std::visit(Overloaded{
                          [&](const CampaignDrafted& e) {
                              v1::CampaignDrafted m;
                              m.set_campaign_id(e.draft.campaign_id);
                              m.set_name(e.draft.name);
                              m.set_body(e.draft.body);
                              m.set_type(std::string(word(e.draft.type)));
                              m.set_audience_kind(std::string(word(e.draft.audience.kind)));
                              for (const auto& value : e.draft.audience.values)
                                  m.add_audience_values(value);
                              m.set_default_name(e.draft.default_name);
                              m.set_per_second(e.draft.per_second);
                              m.set_channel_id(e.draft.channel_id);
                              return stored(m, occurred_at);
                          },
                          [&](const CampaignScheduled& e) {
                              v1::CampaignScheduled m;
                              m.set_campaign_id(id);
                              m.set_start_at_us(unix_micros(e.start_at));
                              return stored(m, occurred_at);
                          },
                          [&](const CampaignStarted& e) {
                              v1::CampaignStarted m;
                              m.set_campaign_id(id);
                              m.set_lanes(e.lanes);
                              m.set_audience_kind(std::string(word(draft.audience.kind)));
                              if (draft.audience.kind == AudienceKind::tag)
                                  for (const auto& value : draft.audience.values)
                                      m.add_audience_values(value);
                              m.set_type(std::string(word(draft.type)));
                              return stored(m, occurred_at);
                          },
                          [&](const AudienceFrozen& e) {
                              v1::AudienceFrozen m;
                              m.set_campaign_id(id);
                              m.set_audience(e.audience);
                              return stored(m, occurred_at);
                          },
                          [&](const CampaignPaused& e) {
                              v1::CampaignPaused m;
                              m.set_campaign_id(id);
                              m.set_reason(e.reason);
                              return stored(m, occurred_at);
                          },
                          [&](const CampaignResumed&) {
                              v1::CampaignResumed m;
                              m.set_campaign_id(id);
                              return stored(m, occurred_at);
                          },
                          [&](const CampaignCompleted&) {
                              v1::CampaignCompleted m;
                              m.set_campaign_id(id);
                              return stored(m, occurred_at);
                          },
                          [&](const CampaignCancelled& e) {
                              v1::CampaignCancelled m;
                              m.set_campaign_id(id);
                              m.set_reason(e.reason);
                              m.set_ran(e.ran);
                              return stored(m, occurred_at);
                          },
                          [&](const CampaignSettled&) {
                              v1::CampaignSettled m;
                              m.set_campaign_id(id);
                              return stored(m, occurred_at);
                          },
                      },
                      event);
}

eventlog::NewEvent encode(const ShardEvent& event, const std::string& campaign_id,
                          Time occurred_at) {
    return std::visit(Overloaded{
                          [&](const MembersFrozen& e) {
                              v1::MembersFrozen m;
                              m.set_campaign_id(campaign_id);
                              m.set_chunk(e.chunk);
                              m.set_last(e.last);
                              m.set_lane_total(e.lane_total);
                              m.set_source_position(e.source_position);
                              for (const auto& member : e.members) {
                                  auto& out = *m.mutable_personal()->add_members();
                                  out.set_customer_id(member.customer_id);
                                  out.set_name(member.name);
                                  out.set_suppressed(member.suppressed);
                              }
                              return stored(m, occurred_at);
                          },
                          [&](const SendAsked& e) {
                              v1::SendAsked m;
                              m.set_campaign_id(campaign_id);
                              for (const auto& customer : e.customer_ids)
                                  m.add_customer_ids(customer);
                              m.set_round(e.round);
                              return stored(m, occurred_at);
                          },
                          [&](const SendWithdrawn& e) {
                              v1::SendWithdrawn m;
                              m.set_campaign_id(campaign_id);
                              for (const auto& customer : e.customer_ids)
                                  m.add_customer_ids(customer);
                              m.set_round(e.round);
                              return stored(m, occurred_at);
                          },
                          [&](const DispositionChanged& e) {
                              v1::DispositionChanged m;
                              m.set_campaign_id(campaign_id);
                              m.set_customer_id(e.customer_id);
                              m.set_disposition(std::string(word(e.disposition)));
                              m.set_reason(e.reason);
                              return stored(m, occurred_at);
                          },
                          [&](const ShardClosed& e) {
                              v1::ShardClosed m;
                              m.set_campaign_id(campaign_id);
                              m.set_reason(e.reason);
                              return stored(m, occurred_at);
                          },
                      },
                      event);
}

void fill(v1::Campaign& out, const std::string& tenant, const CampaignState& state,
          std::int64_t version) {
    if (const auto* draft = draft_of(state.campaign)) {
        out.set_name("tenants/" + tenant + "/campaigns/" + draft->campaign_id);
        out.set_campaign_id(draft->campaign_id);
        out.set_display_name(draft->name);
        out.set_body(draft->body);
        out.set_type(std::string(word(draft->type)));
        out.mutable_audience()->set_kind(std::string(word(draft->audience.kind)));
        for (const auto& value : draft->audience.values) out.mutable_audience()->add_values(value);
        out.set_default_name(draft->default_name);
        out.set_per_second(draft->per_second);
        out.set_channel_id(draft->channel_id);
    }
    out.set_state(std::string(state_word(state.campaign)));
    if (const auto* paused = std::get_if<Paused>(&state.campaign)) out.set_reason(paused->reason);
    if (const auto* cancelled = std::get_if<Cancelled>(&state.campaign))
        out.set_reason(cancelled->reason);
    if (const auto* run = run_of(state.campaign); run && run->audience) {
        out.set_audience_frozen(true);
        out.set_audience_size(*run->audience);
    }
    if (state.start) set_time(*out.mutable_start_time(), *state.start);
    set_time(*out.mutable_create_time(), state.created);
    if (state.ended != Time{}) set_time(*out.mutable_end_time(), state.ended);
    out.set_etag(std::to_string(version));
}

std::string api_word(Disposition disposition) {
    std::string text(word(disposition));
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

}  // namespace flowstack::campaign
