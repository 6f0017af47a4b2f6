#include "services/campaign/adapters/rpc.h"

#include <grpcpp/grpcpp.h>

#include <map>
#include <set>

#include "common/eventlog/folds.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "common/service/one_effect.h"
#include "common/service/one_stream.h"
#include "common/service/pages.h"
#include "flowstack/campaign/v1/campaign_service.grpc.pb.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "services/campaign/adapters/codec.h"
#include "services/campaign/adapters/hold.h"
#include "services/campaign/adapters/projections.h"
#include "services/campaign/adapters/reactor.h"
#include "services/campaign/adapters/streams.h"
#include "services/campaign/adapters/template_values.h"

namespace flowstack::campaign {
namespace {

constexpr std::size_t kReasonMax = 500;
constexpr const char* kDefaultName = "there";

using rpc::parse_parent;
using rpc::time_of;

struct CampaignName {
    std::string tenant;
    CampaignId campaign_id;
};

CampaignName campaign_name(const std::string& name, const char* field = "name") {
    auto parsed = rpc::parse_name(name, "campaigns", field);
    return {.tenant = std::move(parsed.tenant), .campaign_id = CampaignId(std::move(parsed.id))};
}

// The state that did not allow it, for programs.
rpc::Failure in_state(rpc::Failure failure, const std::string& state) {
    failure.metadata["state"] = state;
    return failure;
}

// The domain's rejections as the API's errors: in one place.
rpc::Failure failure_of(Rejection rejection, const std::string& name, const Campaign& campaign) {
    const auto state = std::string(text_of(campaign));
    switch (rejection) {
        case Rejection::absent:
            return rpc::not_found(name);
        case Rejection::exists:
            return rpc::already_exists("the campaign exists: " + name);
        case Rejection::name_length:
            return rpc::invalid_field("display_name", "must have 1 to 200 bytes");
        case Rejection::body_length:
            return rpc::invalid_field("body", "must have 1 to 4096 bytes");
        case Rejection::body_and_template:
            return rpc::invalid_field("template", "must be unset together with body");
        case Rejection::variable_unknown:
            return rpc::invalid_field(
                "body", "and the values of template may have no other variable than {{name}}");
        case Rejection::audience_values:
            return rpc::invalid_field(
                "audience.values",
                "must be 1 to 50 tags for the kind tag, 1 to 5000 customers for "
                "list, none for all");
        case Rejection::per_second_range:
            return rpc::invalid_field("per_second", "must be from 0 to 1000");
        case Rejection::start_not_ahead:
            return rpc::invalid_field("start_time", "must lie in the future");
        case Rejection::wrong_state:
            return in_state(
                rpc::wrong_state(name, "the campaign is " + state + ", which does not allow this"),
                state);
        case Rejection::audience_not_frozen:
        case Rejection::recipients_open:
            return in_state(
                rpc::wrong_state(name, "the campaign still has recipients without an outcome"),
                state);
    }
    return rpc::internal();
}

const std::string& checked_reason(const std::string& text) {
    if (text.size() > kReasonMax) throw rpc::invalid_field("reason", "must have at most 500 bytes");
    return text;
}

class CampaignRpc final : public v1::CampaignService::CallbackService {
public:
    explicit CampaignRpc(const Doors& doors)
        : doors_(doors),
          local_clock_(doors.metrics),
          campaigns_(doors.store, 1000),
          shards_(doors.store, 256) {}

    grpc::ServerUnaryReactor* CreateCampaign(grpc::CallbackServerContext* context,
                                             const v1::CreateCampaignRequest* request,
                                             v1::Campaign* answer) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { create(*request, *answer); });
    }
    grpc::ServerUnaryReactor* GetCampaign(grpc::CallbackServerContext* context,
                                          const v1::GetCampaignRequest* request,
                                          v1::Campaign* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = campaign_name(request->name());
            const auto folded = load(name, request->name());
            fill(*answer, name.tenant, folded.state, folded.version);
            show_hold(name.tenant, *answer);
        });
    }
    grpc::ServerUnaryReactor* ListCampaigns(grpc::CallbackServerContext* context,
                                            const v1::ListCampaignsRequest* request,
                                            v1::ListCampaignsResponse* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            answer->set_next_page_token(service::list<v1::Campaign>(
                doors_.read_model, *request,
                {.tenant = parse_parent(request->parent()),
                 .kind = kCampaignDocument,
                 .state = request->state()},
                [&](v1::Campaign campaign) {
                    show_hold(parse_parent(request->parent()), campaign);
                    *answer->add_campaigns() = std::move(campaign);
                }));
        });
    }
    grpc::ServerUnaryReactor* StartCampaign(grpc::CallbackServerContext* context,
                                            const v1::StartCampaignRequest* request,
                                            v1::Campaign* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const Time now = doors_.clock.now();
            const bool later = request->has_start_time() && time_of(request->start_time()) > now;
            if (later)
                change("StartCampaign", *request,
                       ScheduleCampaign{.start_at = time_of(request->start_time()), .now = now},
                       *answer);
            else
                change("StartCampaign", *request,
                       campaign::StartCampaign{.lanes = doors_.store.options().lanes}, *answer);
        });
    }
    grpc::ServerUnaryReactor* PauseCampaign(grpc::CallbackServerContext* context,
                                            const v1::PauseCampaignRequest* request,
                                            v1::Campaign* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("PauseCampaign", *request,
                   campaign::PauseCampaign{.reason = checked_reason(request->reason())}, *answer);
        });
    }
    grpc::ServerUnaryReactor* ResumeCampaign(grpc::CallbackServerContext* context,
                                             const v1::ResumeCampaignRequest* request,
                                             v1::Campaign* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("ResumeCampaign", *request, campaign::ResumeCampaign{}, *answer);
        });
    }
    grpc::ServerUnaryReactor* CancelCampaign(grpc::CallbackServerContext* context,
                                             const v1::CancelCampaignRequest* request,
                                             v1::Campaign* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("CancelCampaign", *request,
                   campaign::CancelCampaign{.reason = checked_reason(request->reason())}, *answer);
        });
    }
    grpc::ServerUnaryReactor* GetCampaignMetrics(grpc::CallbackServerContext* context,
                                                 const v1::GetCampaignMetricsRequest* request,
                                                 v1::CampaignMetrics* answer) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { metrics(*request, *answer); });
    }
    grpc::ServerUnaryReactor* ListRecipients(grpc::CallbackServerContext* context,
                                             const v1::ListRecipientsRequest* request,
                                             v1::ListRecipientsResponse* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = campaign_name(request->parent(), "parent");
            load(name, request->parent());
            answer->set_next_page_token(service::list<v1::Recipient>(
                doors_.read_model, *request,
                {.tenant = name.tenant,
                 .kind = kRecipientDocument,
                 .parent = name.campaign_id.text(),
                 .state = request->disposition()},
                [&](v1::Recipient who) { *answer->add_recipients() = std::move(who); }));
        });
    }

private:
    eventlog::Folded<CampaignState> load(const CampaignName& name, const std::string& full_name) {
        return service::load_existing(campaigns_, campaign_stream(name.tenant, name.campaign_id),
                                      full_name);
    }

    // A running campaign that sends nothing because of the tenant's quiet hours says so.
    void show_hold(const std::string& tenant, v1::Campaign& campaign) {
        const auto type = parse_type(campaign.type());
        if (campaign.state() != "RUNNING" || !type) return;
        // The read model alone: a list must not depend on whether gateway answers.
        const auto view = service::known_tenant(doors_.read_model, tenant);
        if (view && held_until(*type, tenant, *view, local_clock_, doors_.clock.now()))
            campaign.set_reason(kQuietHoursReason);
    }

    // Of a contact of whom this service has not read yet; the freezer waits until it has. Empty:
    // the tenant has none of it.
    std::string gateways_customer(const std::string& tenant, const std::string& value) {
        const auto contact = value.starts_with('+') ? doors_.contacts.with_phone(tenant, value)
                                                    : doors_.contacts.find(tenant, value);
        if (!contact) return "";
        return contact->merged_into().empty() ? contact->customer_id() : contact->merged_into();
    }

    // Who is listed by customer id or phone, as customer ids, each once.
    std::vector<std::string> customers_of(const std::string& tenant,
                                          const std::vector<std::string>& values) {
        const auto rows = doors_.store.pool().with([&](postgres::Session& session) {
            return session.query(
                "select id, parent, body from read_model where tenant = $1 and kind = $2 and "
                "id = any($3::text[]) union select id, parent, body from read_model where "
                "tenant = $1 and kind = $2 and parent <> '' and parent = any($3::text[])",
                postgres::Params()
                    .add(tenant)
                    .add(kContactDocument)
                    .add_array(std::span<const std::string>(values)));
        });
        std::map<std::string, std::string> known;  // id or phone → id, a survivor's if it merged
        for (int row = 0; row < rows.rows(); ++row) {
            v1::ContactView contact;
            if (!contact.ParseFromString(rows.text(row, 2)))
                throw std::runtime_error("contact " + rows.text(row, 0) + " cannot be read");
            const bool merged = !contact.merged_into().empty();
            const auto id = merged ? contact.merged_into() : rows.text(row, 0);
            known[rows.text(row, 0)] = id;
            if (const auto phone = rows.text(row, 1); !phone.empty())
                if (!merged || !known.contains(phone)) known[phone] = id;
        }
        std::set<std::string> customers;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto found = known.find(values[i]);
            const auto id =
                found != known.end() ? found->second : gateways_customer(tenant, values[i]);
            if (id.empty())
                throw rpc::invalid_field("audience.values[" + std::to_string(i) + "]",
                                         "must be the id or the phone of one of the tenant's "
                                         "contacts");
            customers.insert(id);
        }
        return {customers.begin(), customers.end()};
    }

    Draft drafted(const std::string& tenant, const v1::CreateCampaignRequest& request) {
        Draft draft;
        draft.campaign_id = CampaignId(doors_.ids.next().text());
        draft.name = request.display_name();
        draft.body = request.body();
        if (request.has_template_()) {
            const auto& used = request.template_();
            if (used.name().empty())
                throw rpc::invalid_field("template.name", "must be a template of the provider");
            if (used.language_code().empty())
                throw rpc::invalid_field("template.language_code",
                                         "must be a language of the template, e.g. en_US");
            draft.in_template = {.name = used.name(),
                                 .language_code = used.language_code(),
                                 .content = used.SerializeAsString()};
        }
        const auto type = request.type().empty() ? Type::promotional : parse_type(request.type());
        if (!type) throw rpc::invalid_field("type", "must be PROMOTIONAL or TRANSACTIONAL");
        draft.type = *type;
        const auto& kind = request.audience().kind();
        const auto audience = kind.empty() ? AudienceKind::all : parse_audience_kind(kind);
        if (!audience) throw rpc::invalid_field("audience.kind", "must be all, tag or list");
        draft.audience = {
            .kind = *audience,
            .values = {request.audience().values().begin(), request.audience().values().end()}};
        if (*audience == AudienceKind::list && draft.audience.values.size() <= kAudienceListMax)
            draft.audience.values = customers_of(tenant, draft.audience.values);
        draft.default_name = request.default_name().empty() ? kDefaultName : request.default_name();
        draft.per_second = request.per_second();
        draft.channel_id = ChannelId(request.channel_id());
        return draft;
    }

    void create(const v1::CreateCampaignRequest& request, v1::Campaign& answer) {
        const auto tenant = parse_parent(request.parent());
        service::check_not_closed(doors_.read_model, doors_.tenants, tenant);
        if (request.start_immediately() && request.has_start_time())
            throw rpc::invalid_field("start_time", "must be empty together with start_immediately");

        auto effect =
            service::one_effect(doors_.store, doors_.ids, "CreateCampaign", tenant, request);
        const auto events = effect.run([&]() -> std::optional<eventlog::Command> {
            const auto draft = drafted(tenant, request);
            std::vector<Event> made;
            Campaign campaign;
            const auto decide_next = [&](const Command& command) {
                const auto decision = decide(campaign, command);
                if (!decision.accepted()) throw failure_of(decision.rejection(), "", campaign);
                for (const auto& event : decision.events()) {
                    made.push_back(event);
                    campaign = evolve(std::move(campaign), event);
                }
            };
            decide_next(DraftCampaign{.draft = draft,
                                      .template_values = template_values(request.template_())});
            if (request.start_immediately()) check_template(tenant, draft, "");
            if (request.start_immediately())
                decide_next(campaign::StartCampaign{.lanes = doors_.store.options().lanes});
            else if (request.has_start_time())
                decide_next(ScheduleCampaign{.start_at = time_of(request.start_time()),
                                             .now = doors_.clock.now()});
            return command_of({campaign_stream(tenant, draft.campaign_id), eventlog::kCreate, {}},
                              draft, made);
        });
        show_after(tenant, events, answer);
    }

    // A campaign would be paused again at once.
    void check_template(const std::string& tenant, const Draft& draft, const std::string& name) {
        if (const auto hold = template_hold(doors_.read_model, tenant, draft))
            throw rpc::wrong_state(name,
                                   "The provider does not let the campaign's template be "
                                   "sent: " +
                                       *hold);
    }

    template <class Request>
    void change(const std::string& method, const Request& request, const Command& wish,
                v1::Campaign& answer) {
        const auto name = campaign_name(request.name());
        auto effect = service::one_effect(doors_.store, doors_.ids, method, name.tenant, request);
        eventlog::Folded<CampaignState> folded;
        const auto events = effect.run([&]() -> std::optional<eventlog::Command> {
            folded = load(name, request.name());
            const auto& campaign = folded.state.campaign;
            service::check_etag(request.etag(), folded.version, "the campaign");
            const bool begins = std::holds_alternative<campaign::ResumeCampaign>(wish) ||
                                std::holds_alternative<campaign::StartCampaign>(wish);
            if (begins && !std::holds_alternative<Running>(campaign))
                check_template(name.tenant, *draft_of(campaign), request.name());
            const auto decision = decide(campaign, wish);
            if (!decision.accepted())
                throw failure_of(decision.rejection(), request.name(), campaign);
            if (decision.events().empty()) return std::nullopt;
            return command_of(
                {campaign_stream(name.tenant, name.campaign_id), folded.expected(), {}},
                *draft_of(campaign), decision.events());
        });
        if (events.empty()) return fill(answer, name.tenant, folded.state, folded.version);
        show_after(name.tenant, events, answer);
    }

    void metrics(const v1::GetCampaignMetricsRequest& request, v1::CampaignMetrics& answer) {
        const auto name = campaign_name(request.name());
        const auto folded = load(name, request.name());
        const auto* run = run_of(folded.state.campaign);
        answer.set_name(request.name());
        answer.set_state(std::string(text_of(folded.state.campaign)));
        if (!run) return;
        Totals totals{};
        std::int64_t members = 0;
        std::int64_t opted_out = 0;
        for (int lane = 0; lane < run->lanes; ++lane) {
            const auto shard =
                shards_.load(shard_stream(name.tenant, name.campaign_id, lane)).state;
            totals = totals + shard.counts;
            members += shard.members();
            if (shard.count(Disposition::suppressed) == 0) continue;
            for (const auto& [customer, recipient] : shard.recipients)
                opted_out += recipient.disposition == Disposition::suppressed &&
                             recipient.reason == "opted_out";
        }
        const auto count = [&](Disposition d) { return totals[static_cast<std::size_t>(d)]; };
        answer.set_audience(run->audience.value_or(members));
        answer.set_audience_frozen(run->audience.has_value());
        answer.set_waiting(count(Disposition::waiting));
        answer.set_queued(count(Disposition::queued));
        answer.set_sent(count(Disposition::sent));
        answer.set_delivered(count(Disposition::delivered));
        answer.set_read(count(Disposition::read));
        answer.set_replied(count(Disposition::replied));
        answer.set_suppressed(count(Disposition::suppressed));
        answer.set_failed(count(Disposition::failed));
        answer.set_unknown(count(Disposition::unknown));
        answer.set_cancelled(count(Disposition::cancelled));
        answer.set_opted_out(opted_out);
    }

    eventlog::Command command_of(eventlog::Part part, const Draft& draft,
                                 const std::vector<Event>& events) {
        return service::command_of(std::move(part), campaign_routing(draft.campaign_id),
                                   draft.campaign_id, events, doors_.clock.now());
    }

    void show_after(const std::string& tenant, const std::vector<eventlog::Recorded>& events,
                    v1::Campaign& answer) {
        const auto folded = service::fold_after(campaigns_, events);
        fill(answer, tenant, folded.state, folded.version);
    }

    Doors doors_;
    LocalClock local_clock_;
    eventlog::Folds<CampaignCodec> campaigns_;
    eventlog::Folds<ShardCodec> shards_;
};

}  // namespace

std::shared_ptr<grpc::Service> make_campaign_rpc(const Doors& doors) {
    return std::make_shared<CampaignRpc>(doors);
}

}  // namespace flowstack::campaign
