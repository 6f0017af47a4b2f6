#include "services/campaign/adapters/pacer.h"

#include <algorithm>
#include <utility>

#include "common/core/broken_world.h"
#include "common/observability/log.h"
#include "services/campaign/adapters/derive.h"
#include "services/campaign/adapters/hold.h"
#include "services/campaign/adapters/reactor.h"
#include "services/campaign/adapters/streams.h"
#include "services/campaign/adapters/template_values.h"

namespace flowstack::campaign {
namespace {

constexpr std::size_t kCloseAtOnceMax = 500;
constexpr int kWithdrawalsMax = 100;     // calls of one turn
constexpr int kPauseWithdrawalsMax = 5;  // turns of one pause

std::string purpose_of(Type type) { return type == Type::promotional ? "marketing" : "utility"; }

}  // namespace

struct Pacer::View {
    const eventlog::WorkRow* row;
    CampaignKey key;
    eventlog::Folded<CampaignState> campaign;
    std::vector<eventlog::Folded<Shard>> shards{};  // by lane

    const Draft& draft() const { return *draft_of(campaign.state.campaign); }
    const Run& run() const { return *run_of(campaign.state.campaign); }
    bool frozen() const {
        return std::all_of(shards.begin(), shards.end(),
                           [](const auto& shard) { return shard.state.frozen; });
    }
    std::int64_t members() const {
        std::int64_t sum = 0;
        for (const auto& shard : shards) sum += shard.state.members();
        return sum;
    }
    std::int64_t settled() const {
        std::int64_t sum = 0;
        for (const auto& shard : shards) sum += shard.state.settled();
        return sum;
    }
    std::int64_t queued() const {
        std::int64_t sum = 0;
        for (const auto& shard : shards) sum += shard.state.count(Disposition::queued);
        return sum;
    }
};

Pacer::Pacer(eventlog::Store& store, eventlog::ReadModel& read_model, service::Tenants& tenants,
             const Clock& clock, Sends& sends, metrics::Registry& metrics, const Config& config)
    : store_(store),
      read_model_(read_model),
      tenants_(tenants),
      clock_(clock),
      local_clock_(metrics),
      metrics_(metrics),
      sends_(sends),
      config_(config),
      campaigns_(store, 1000),
      shards_(store, 256) {}

Pacer::View Pacer::look(const eventlog::WorkRow& row) {
    const auto key = CampaignKey::parse(row.key);
    if (!key) throw std::invalid_argument("campaign work with the key " + row.key);
    View view{&row, *key, campaigns_.load(campaign_stream(key->tenant, key->campaign_id))};
    if (const auto* run = run_of(view.campaign.state.campaign))
        for (int lane = 0; lane < run->lanes; ++lane)
            view.shards.push_back(shards_.load(shard_stream(key->tenant, key->campaign_id, lane)));
    return view;
}

bool Pacer::append(const View& view, const Command& command) {
    const auto& state = view.campaign.state.campaign;
    const auto decision = decide(state, command);
    if (!decision.accepted() || decision.events().empty()) return false;
    eventlog::Command out;
    out.id = eventlog::derive_id(view.row->key + " " + std::to_string(view.campaign.version),
                                 view.row->due_at, "pacer", 0)
                 .text();
    out.tenant = view.key.tenant;
    out.dedupe = eventlog::Dedupe::version;
    out.owner_guard = view.row->guard;
    out.meta.routing = campaign_routing(view.key.campaign_id);
    out.meta.actor = "pacer";
    out.meta.correlation_id = view.key.campaign_id;
    eventlog::Part part{
        campaign_stream(view.key.tenant, view.key.campaign_id), view.campaign.expected(), {}};
    for (const auto& event : decision.events()) part.events.push_back(encode(event, clock_.now()));
    out.parts.push_back(std::move(part));
    return store_.append(std::move(out)).accepted();
}

// Asks expect any version of the shard, because they do not depend on the outcomes that the lane's
// owner records meanwhile; all else is decided again next time when somebody was faster.
bool Pacer::append(const View& view, int lane, const ShardCommand& command) {
    const auto& shard = view.shards[static_cast<std::size_t>(lane)];
    const auto decision = decide(shard.state, command);
    if (!decision.accepted() || decision.events().empty()) return false;
    const bool ask = std::holds_alternative<AskSends>(command);
    eventlog::Command out;
    out.id = eventlog::derive_id(
                 view.row->key + " " + std::to_string(lane) + " " + std::to_string(shard.version),
                 view.row->due_at, ask ? "ask" : "settle", view.run().round)
                 .text();
    out.tenant = view.key.tenant;
    out.owner_guard = view.row->guard;
    out.meta.routing = shard_routing(lane);
    out.meta.actor = "pacer";
    out.meta.correlation_id = view.key.campaign_id;
    eventlog::Part part{shard_stream(view.key.tenant, view.key.campaign_id, lane),
                        ask ? eventlog::kAny : shard.expected(),
                        {}};
    for (const auto& event : decision.events()) part.events.push_back(encode(event, clock_.now()));
    out.parts.push_back(std::move(part));
    return store_.append(std::move(out)).accepted();
}

// gateway may do it in portions.
void Pacer::withdraw(const View& view, const char* reason) {
    for (int call = 0; call < kWithdrawalsMax; ++call)
        if (sends_.withdraw(view.key.tenant, view.key.campaign_id, reason) == 0) return;
}

// Pauses or cancels the campaign of a tenant that may not send. True when it goes on as it is.
bool Pacer::tenant_allows(const View& view, const service::TenantView& tenant) {
    const auto status = tenant.status();
    const auto& state = view.campaign.state.campaign;
    const bool running = std::holds_alternative<Running>(state);
    if (status == common::v1::TENANT_STATUS_CLOSED &&
        (running || std::holds_alternative<Paused>(state)))
        return !append(view, CancelCampaign{.reason = "tenant_closed"});
    if (status == common::v1::TENANT_STATUS_SUSPENDED && running)
        return !append(view, PauseCampaign{.reason = "tenant_suspended"});
    return true;
}

// Pauses a campaign whose template the provider does not let be sent. True when it goes on as it
// is.
bool Pacer::template_allows(const View& view) {
    if (!std::holds_alternative<Running>(view.campaign.state.campaign)) return true;
    const auto hold = template_hold(read_model_, view.key.tenant, view.draft());
    return !hold || !append(view, PauseCampaign{.reason = *hold});
}

// Whether the tenant's quiet hours hold this campaign now. The first turn of each hold is logged
// and counted; the API shows the hold as the campaign's reason.
bool Pacer::quiet(const View& view, const service::TenantView& tenant, Memory& memory) {
    const auto until =
        held_until(view.draft().type, view.key.tenant, tenant, local_clock_, clock_.now());
    if (until && !memory.held) {
        log::info("campaign held until the tenant's quiet hours end",
                  {{"tenant", view.key.tenant},
                   {"campaign", view.key.campaign_id.text()},
                   {"until_us", unix_micros(*until)}});
        metrics_
            .counter("flowstack_campaign_held_total",
                     "campaigns that the tenant's quiet hours held, once for each hold")
            .add();
    }
    memory.held = until.has_value();
    return memory.held;
}

void Pacer::start(const eventlog::WorkRow& row) {
    const auto view = look(row);
    append(view, StartCampaign{.lanes = store_.options().lanes});
}

void Pacer::turn(const eventlog::WorkRow& row) {
    const auto hand = hands_.with([&](auto& all) {
        auto& known = all[row.key];
        if (!known) known = std::make_shared<Hand>();
        return known;
    });
    const std::lock_guard lock(hand->turn);
    auto& memory = hand->memory;
    // A new ownership: whatever was remembered, somebody else may have worked in between.
    if (memory.owner_epoch != row.guard.owner_epoch)
        memory = {.owner_epoch = row.guard.owner_epoch};

    auto view = look(row);
    const auto* cancelled = std::get_if<Cancelled>(&view.campaign.state.campaign);
    if (!run_of(view.campaign.state.campaign) || (cancelled && cancelled->settled) ||
        std::holds_alternative<Completed>(view.campaign.state.campaign)) {
        hands_.with([&](auto& all) { all.erase(row.key); });  // a row that was taken up late
        return;
    }
    const auto tenant = service::tenant_view(read_model_, tenants_, view.key.tenant);
    if (!tenant_allows(view, tenant)) view = look(row);
    if (!template_allows(view)) view = look(row);
    if (!view.run().audience && view.frozen() &&
        append(view, RecordFrozen{.audience = view.members()}))
        view = look(row);
    if (view.run().audience && view.settled() == *view.run().audience &&
        append(view, RecordSettled{.settled = view.settled()})) {
        hands_.with([&](auto& all) { all.erase(row.key); });
        return;
    }
    try {
        const auto& state = view.campaign.state.campaign;
        if (std::holds_alternative<Running>(state)) {
            if (view.run().audience && !quiet(view, tenant, memory)) run(view, memory);
        } else if (std::holds_alternative<Paused>(state)) {
            pause(view, memory);
        } else if (std::holds_alternative<Cancelled>(state)) {
            wind_down(view, memory);
        }
    } catch (const SendsRefused& error) {
        log::warn("gateway refuses a campaign's sends",
                  {{"campaign", view.key.campaign_id.text()}, {"error", error.what()}});
        append(view, PauseCampaign{.reason = error.what()});
    }
}

// What waits in gateway is withdrawn. Once more, while somebody is without an outcome: an owner
// before us may have asked last.
void Pacer::pause(const View& view, Memory& memory) {
    memory.ask_again = true;
    const int round = view.run().round;
    if (memory.withdrawn_round == round &&
        (view.queued() == 0 || memory.withdrawals >= kPauseWithdrawalsMax))
        return;
    if (memory.withdrawn_round != round) memory.withdrawals = 0;
    withdraw(view, kPausedReason);
    memory.withdrawn_round = round;
    ++memory.withdrawals;
}

void Pacer::run(View& view, Memory& memory) {
    const int throttle = view.draft().per_second;
    const int lanes = view.run().lanes;
    if (memory.ask_again) {
        // Ask again for every round so far: if we paused before gateway received a request, that
        // request is still open.
        for (int lane = 0; lane < lanes; ++lane)
            for (int round = 0; round <= view.run().round; ++round) {
                const auto open =
                    asked_and_open(view.shards[static_cast<std::size_t>(lane)].state, round);
                for (std::size_t from = 0; from < open.size(); from += kSendBatchMax) {
                    const auto to = std::min(open.size(), from + kSendBatchMax);
                    ask(view, lane, round,
                        {open.begin() + static_cast<std::ptrdiff_t>(from),
                         open.begin() + static_cast<std::ptrdiff_t>(to)});
                }
            }
        memory.ask_again = false;
    }

    memory.pace = looked(memory.pace, clock_.now(), view.settled(), throttle);
    auto left = allowance(memory.pace, view.queued(), throttle);
    for (int lane = 0; lane < lanes && left > 0; ++lane) {
        auto& shard = view.shards[static_cast<std::size_t>(lane)];
        while (left > 0) {
            const auto members =
                next_waiting(shard.state, std::min(kSendBatchMax, static_cast<std::size_t>(left)));
            if (members.empty()) break;
            AskSends asking{.customer_ids = {}, .round = view.run().round};
            for (const auto& [customer, name] : members) asking.customer_ids.push_back(customer);
            // A pause stops it between two batches; what was asked before is withdrawn next turn.
            const auto stream = campaign_stream(view.key.tenant, view.key.campaign_id);
            if (campaigns_.load(stream).version != view.campaign.version) return;
            if (!append(view, lane, asking)) return;  // not ours any more
            memory.ask_again = true;                  // until gateway has answered
            ask(view, lane, view.run().round, members);
            memory.ask_again = false;
            const auto count = static_cast<std::int64_t>(members.size());
            memory.pace = asked(memory.pace, count, throttle);
            left -= count;
            shard = shards_.load(shard_stream(view.key.tenant, view.key.campaign_id, lane));
        }
    }
}

void Pacer::ask(View& view, int lane, int round, const std::vector<Addressee>& members) {
    const auto& draft = view.draft();
    SendBatch batch{.tenant = view.key.tenant,
                    .campaign_id = view.key.campaign_id,
                    .round = round,
                    .channel_id = draft.channel_id,
                    .purpose = purpose_of(draft.type),
                    .items = {}};
    for (const auto& [customer, name] : members) {
        SendBatch::Item item{.customer_id = customer, .text = "", .template_content = ""};
        if (draft.in_template.name.empty())
            item.text = personalized(draft.body, name, draft.default_name);
        else
            item.template_content = personalized_template(draft, name);
        batch.items.push_back(std::move(item));
    }
    for (const auto& refused : sends_.ask(batch)) {
        auto& shard = view.shards[static_cast<std::size_t>(lane)];
        shard = shards_.load(shard_stream(view.key.tenant, view.key.campaign_id, lane));
        if (!append(view, lane,
                    RecordEvidence{.customer_id = refused.customer_id,
                                   .disposition = Disposition::failed,
                                   .reason = refused.reason}))
            throw Contention("a refused send of campaign " + view.key.campaign_id.text());
    }
}

// A cancelled campaign: nobody else is written to, what has not left is withdrawn, and who stays
// without any word from gateway for long ends as unknown.
void Pacer::wind_down(View& view, Memory& memory) {
    if (!memory.cancel_through) {
        withdraw(view, kCancelledReason);
        memory.cancel_through = true;
    }
    const auto& reason = std::get<Cancelled>(view.campaign.state.campaign).reason;
    bool closed = true;
    for (int lane = 0; lane < view.run().lanes; ++lane) {
        auto& shard = view.shards[static_cast<std::size_t>(lane)];
        if (shard.state.closed) continue;
        append(view, lane, CloseShard{.reason = reason, .limit = kCloseAtOnceMax});
        closed = false;
    }
    if (!closed) return;
    if (memory.closed_at == Time{}) memory.closed_at = clock_.now();
    if (clock_.now() < memory.closed_at + config_.settle_after) return;
    for (int lane = 0; lane < view.run().lanes; ++lane) {
        auto& shard = view.shards[static_cast<std::size_t>(lane)];
        for (int round = 0; round <= view.run().round; ++round)
            for (const auto& [customer, name] : asked_and_open(shard.state, round)) {
                append(view, lane,
                       RecordEvidence{.customer_id = customer,
                                      .disposition = Disposition::unknown,
                                      .reason = "no_outcome"});
                shard = shards_.load(shard_stream(view.key.tenant, view.key.campaign_id, lane));
            }
    }
}

}  // namespace flowstack::campaign
