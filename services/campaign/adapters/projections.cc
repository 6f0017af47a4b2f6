#include "services/campaign/adapters/projections.h"

#include <algorithm>

#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/timestamp.h"
#include "common/service/documents.h"
#include "common/service/tenant_view.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/provider_template_events.pb.h"
#include "services/campaign/adapters/origin.h"
#include "services/campaign/adapters/streams.h"

namespace flowstack::campaign {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;
using eventlog::Turn;
using rpc::set_time;
using service::document;
namespace conversation = flowstack::conversation::v1;
namespace gateway = flowstack::gateway::v1;

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
    if (identity.kind() == gateway::IDENTITY_KIND_PHONE) view.set_phone(identity.value());
}

void note_template(const gateway::TemplateKey& key, const std::string& status,
                   const std::string& reason, const Recorded& event, Turn& turn) {
    v1::TemplateView view;
    view.set_business_account_id(key.business_account_id());
    view.set_name(key.name());
    view.set_language_code(key.language_code());
    view.set_status(status);
    view.set_reason(reason);
    turn.put({event.stream.tenant, kTemplateDocument, event.stream.key,
              template_parent(key.name(), key.language_code()), status, event.occurred_at,
              view.SerializeAsString()});
}

void project_gateway(const Recorded& event, Turn& turn) {
    service::project_tenant(event, turn);
    if (is<gateway::TemplateReported>(event)) {
        const auto m = parsed<gateway::TemplateReported>(event);
        note_template(m.key(), m.status(), m.reason(), event, turn);
    } else if (is<gateway::TemplateGone>(event)) {
        const auto m = parsed<gateway::TemplateGone>(event);
        note_template(m.key(), "GONE", m.reason(), event, turn);
    } else if (is<gateway::ChannelConnected>(event)) {
        v1::ChannelView view;
        view.set_business_account_id(
            parsed<gateway::ChannelConnected>(event).business_account_id());
        turn.put({event.stream.tenant, kChannelDocument, event.stream.key, "", "",
                  event.occurred_at, view.SerializeAsString()});
    }
    if (is<gateway::ContactSeen>(event)) {
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
            if (m.purpose() == gateway::MESSAGE_PURPOSE_MARKETING)
                view.set_marketing_refused(!m.granted());
            if (m.purpose() == gateway::MESSAGE_PURPOSE_UTILITY)
                view.set_utility_refused(!m.granted());
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
    const auto ended = [&](const char* state) {
        view.set_state(state);
        view.clear_reason();
        set_time(*view.mutable_end_time(), event.occurred_at);
    };
    std::visit(Overloaded{
                   [&](const CampaignDrafted&) {
                       fill(view, tenant,
                            CampaignCodec::evolve({}, event.type, event.payload, event.occurred_at),
                            event.version);
                       // Fifty of them are a page, and a page must stay below 4 MiB.
                       if (view.audience().kind() == text_of(AudienceKind::list))
                           view.mutable_audience()->clear_values();
                   },
                   [&](const CampaignScheduled& e) {
                       view.set_state("SCHEDULED");
                       set_time(*view.mutable_start_time(), e.start_at);
                   },
                   [&](const CampaignStarted&) {
                       view.set_state("RUNNING");
                       set_time(*view.mutable_start_time(), event.occurred_at);
                   },
                   [&](const AudienceFrozen& e) {
                       view.set_audience_frozen(true);
                       view.set_audience_size(e.audience);
                   },
                   [&](const CampaignPaused& e) {
                       view.set_state("PAUSED");
                       view.set_reason(e.reason);
                   },
                   [&](const CampaignResumed&) {
                       view.set_state("RUNNING");
                       view.clear_reason();
                   },
                   [&](const CampaignCompleted&) { ended("COMPLETED"); },
                   [&](const CampaignCancelled& e) {
                       ended("CANCELLED");
                       view.set_reason(e.reason);
                   },
                   [](const CampaignSettled&) {},
               },
               decode_campaign(event.type, event.payload));
    view.set_etag(std::to_string(event.version));
    turn.put({tenant, kCampaignDocument, id, "", view.state(), rpc::time_of(view.create_time()),
              view.SerializeAsString()});
}

// The rows of one shard's recipients. They follow the dispositions of the rules' Shard one by one.
class RecipientRows {
public:
    RecipientRows(const Recorded& event, Turn& turn) : event_(event), turn_(turn) {}

    static std::string id(const CampaignId& campaign_id, const CustomerId& customer_id) {
        return campaign_id + "/" + customer_id;
    }

    void operator()(const MembersFrozen& e) {
        for (const auto& member : e.members) {
            v1::Recipient view;
            view.set_name(rpc::resource_name(tenant(), "campaigns", e.campaign_id) +
                          "/recipients/" + member.customer_id);
            view.set_customer_id(member.customer_id);
            view.set_display_name(member.name);
            view.set_reason(member.suppressed);
            put(view, e.campaign_id,
                member.suppressed.empty() ? Disposition::waiting : Disposition::suppressed);
        }
    }
    void operator()(const SendAsked& e) { move(e, Disposition::waiting, Disposition::queued); }
    void operator()(const SendWithdrawn& e) { move(e, Disposition::queued, Disposition::waiting); }
    void operator()(const DispositionChanged& e) {
        auto view = load(e.campaign_id, e.customer_id);
        view.set_reason(e.reason);
        put(view, e.campaign_id, e.disposition);
    }
    void operator()(const ShardClosed&) {}

private:
    const std::string& tenant() const { return event_.stream.tenant; }

    v1::Recipient load(const CampaignId& campaign_id, const CustomerId& customer_id) {
        return document<v1::Recipient>(turn_, tenant(), kRecipientDocument,
                                       id(campaign_id, customer_id));
    }
    void put(v1::Recipient& view, const CampaignId& campaign_id, Disposition disposition) {
        view.set_disposition(std::string(text_of(disposition)));
        set_time(*view.mutable_update_time(), event_.occurred_at);
        turn_.put({tenant(), kRecipientDocument, id(campaign_id, CustomerId(view.customer_id())),
                   campaign_id, view.disposition(), event_.occurred_at, view.SerializeAsString()});
    }
    void move(const auto& e, Disposition from, Disposition to) {
        for (const auto& customer_id : e.customer_ids) {
            auto view = load(e.campaign_id, customer_id);
            if (view.disposition() == text_of(from)) put(view, e.campaign_id, to);
        }
    }

    const Recorded& event_;
    Turn& turn_;
};

void project_shard(const Recorded& event, Turn& turn) {
    std::visit(RecipientRows(event, turn), decode_shard(event.type, event.payload));
}

// The recipients whose rows an event of a shard changes. MembersFrozen makes new ones.
std::vector<std::string> recipients_of(const Recorded& event) {
    std::vector<std::string> ids;
    const auto many = [&](const auto& e) {
        for (const auto& customer_id : e.customer_ids)
            ids.push_back(RecipientRows::id(e.campaign_id, customer_id));
    };
    std::visit(Overloaded{
                   [](const MembersFrozen&) {},
                   [&](const SendAsked& e) { many(e); },
                   [&](const SendWithdrawn& e) { many(e); },
                   [&](const DispositionChanged& e) {
                       ids.push_back(RecipientRows::id(e.campaign_id, e.customer_id));
                   },
                   [](const ShardClosed&) {},
               },
               decode_shard(event.type, event.payload));
    return ids;
}

bool is_about_a_contact(const Recorded& event) {
    return is<gateway::ContactSeen>(event) || is<gateway::IdentityAdded>(event) ||
           is<gateway::ConsentChanged>(event) || is<gateway::MessageReceived>(event);
}

bool is_about_a_customer(const Recorded& event) {
    return is<conversation::CustomerSeen>(event) || is<conversation::CustomerChanged>(event) ||
           is<conversation::CustomerTagged>(event);
}

}  // namespace

void prepare(eventlog::Store& store, std::span<const Recorded* const> events,
             eventlog::Pending& pending) {
    std::vector<eventlog::WantedDocument> documents;
    for (const auto* event : events) {
        const auto want = [&](const char* kind, const std::string& id) {
            documents.push_back({{event->stream.tenant, kind, id}, event->lane});
        };
        const auto& routing = event->meta.routing;
        if (event->service == "campaign" && event->stream.category == kShardCategory) {
            for (const auto& id : recipients_of(*event)) want(kRecipientDocument, id);
        } else if (routing.kind == eventlog::RoutingKind::customer) {
            if (is_about_a_contact(*event)) want(kContactDocument, routing.key);
            if (is_about_a_customer(*event)) want(kCustomerDocument, routing.key);
        }
    }
    eventlog::read_ahead(store, pending, documents);
}

void fill(v1::Campaign& out, const std::string& tenant, const CampaignState& state,
          std::int64_t version) {
    if (const auto* draft = draft_of(state.campaign)) {
        out.set_name(rpc::resource_name(tenant, "campaigns", draft->campaign_id));
        out.set_campaign_id(draft->campaign_id);
        out.set_display_name(draft->name);
        out.set_body(draft->body);
        if (!draft->in_template.name.empty())
            out.mutable_template_()->ParseFromString(draft->in_template.content);
        out.set_type(std::string(text_of(draft->type)));
        out.mutable_audience()->set_kind(std::string(text_of(draft->audience.kind)));
        for (const auto& value : draft->audience.values) out.mutable_audience()->add_values(value);
        out.set_default_name(draft->default_name);
        out.set_per_second(draft->per_second);
        out.set_channel_id(draft->channel_id);
    }
    out.set_state(std::string(text_of(state.campaign)));
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

void project(const Recorded& event, Turn& turn) {
    if (event.service == "gateway") return project_gateway(event, turn);
    if (event.service == "conversation") return project_conversation(event, turn);
    if (event.stream.category == kCampaignCategory) return project_campaign(event, turn);
    if (event.stream.category == kShardCategory) return project_shard(event, turn);
}

}  // namespace flowstack::campaign
