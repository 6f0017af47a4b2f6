#include "services/campaign/adapters/freezer.h"

#include <algorithm>
#include <utility>

#include "common/observability/log.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "services/campaign/adapters/derive.h"
#include "services/campaign/adapters/streams.h"
#include "services/campaign/loop_statements.h"

namespace flowstack::campaign {
namespace {

constexpr const char* kOptedOut = "opted_out";
constexpr const char* kMerged = "merged";

bool has_one_of(const v1::CustomerView& customer, const std::vector<std::string>& tags) {
    return std::any_of(tags.begin(), tags.end(), [&](const auto& tag) {
        return std::find(customer.tags().begin(), customer.tags().end(), tag) !=
               customer.tags().end();
    });
}

}  // namespace

Freezer::Freezer(eventlog::Store& store, const Clock& clock, Heads heads, const Config& config)
    : store_(store),
      clock_(clock),
      heads_(std::move(heads)),
      config_(config),
      campaigns_(store),
      shards_(store, 64) {}

bool Freezer::caught_up(const eventlog::WorkRow& row, const Draft& draft, std::int64_t& position) {
    std::vector<std::string> sources{"gateway"};
    if (draft.audience.kind == AudienceKind::tag) sources.push_back("conversation");
    const auto id = std::to_string(row.lane) + " " + row.key;
    for (const auto& source : sources) {
        const std::pair key{id, source};
        auto target = targets_.with([&](auto& all) {
            const auto found = all.find(key);
            return found == all.end() ? std::int64_t{-1} : found->second;
        });
        if (target < 0) {
            target = heads_(source).at(static_cast<std::size_t>(row.lane));
            targets_.with([&](auto& all) { all[key] = target; });
        }
        const auto cursor = store_.pool().with([&](postgres::Session& session) {
            return session.query(
                eventlog::loops::kCursor.sql,
                postgres::Params().add(store_.options().service).add(source).add(row.lane));
        });
        const auto read = cursor.rows() ? cursor.int8(0, 0) : 0;
        if (read < target) return false;
        if (source == "gateway") position = read;
    }
    return true;
}

std::vector<Member> Freezer::next_members(const std::string& tenant, int lane, const Draft& draft,
                                          const CustomerId& after, bool& more) {
    const auto page = static_cast<std::int64_t>(config_.chunk_members_max);
    const bool listed = draft.audience.kind == AudienceKind::list;
    const auto& values = draft.audience.values;
    std::vector<Member> members;
    std::string from = after;
    more = true;
    while (more && members.size() < config_.chunk_members_max) {
        const auto rows = store_.pool().with([&](postgres::Session& session) {
            auto params = postgres::Params().add(tenant).add(lane).add(from).add(page);
            if (!listed) return session.query(kContactsPage.sql, params);
            return session.query(kListedContacts.sql,
                                 params.add_array(std::span<const std::string>(values)));
        });
        more = rows.rows() == page;
        for (int row = 0; row < rows.rows(); ++row) {
            if (members.size() == config_.chunk_members_max) {
                more = true;
                break;
            }
            from = rows.text(row, 0);
            v1::ContactView contact;
            v1::CustomerView customer;
            if (!contact.ParseFromString(rows.text(row, 1)) ||
                !customer.ParseFromString(rows.text(row, 2)))
                throw std::runtime_error("contact " + from + " cannot be read: rebuild");
            // Of a list each is a member; elsewhere the survivor stands for both.
            const bool merged = !contact.merged_into().empty();
            if (merged && !listed) continue;
            if (draft.audience.kind == AudienceKind::tag &&
                !has_one_of(customer, draft.audience.values))
                continue;
            const bool refused = draft.type == Type::promotional ? contact.marketing_refused()
                                                                 : contact.utility_refused();
            members.push_back(
                {.customer_id = CustomerId(from),
                 .name = customer.name().empty() ? contact.profile_name() : customer.name(),
                 .suppressed = merged    ? kMerged
                               : refused ? kOptedOut
                                         : ""});
        }
    }
    return members;
}

void Freezer::freeze(const eventlog::WorkRow& row) {
    const auto key = CampaignKey::parse(row.key);
    if (!key) throw std::invalid_argument("a freeze with the key " + row.key);
    const auto campaign = campaigns_.load(campaign_stream(key->tenant, key->campaign_id));
    const auto* draft = draft_of(campaign.state.campaign);
    if (!draft) throw std::runtime_error("campaign " + row.key + " is not there");

    std::int64_t position = 0;
    if (!caught_up(row, *draft, position)) return;  // comes again

    const auto stream = shard_stream(key->tenant, key->campaign_id, row.lane);
    const auto first = store_.read_stream(campaign_stream(key->tenant, key->campaign_id)).back();
    while (true) {
        const auto shard = shards_.load(stream);
        if (shard.state.frozen) break;
        const auto& recipients = shard.state.recipients;
        bool more = false;
        auto members =
            next_members(key->tenant, row.lane, *draft,
                         recipients.empty() ? CustomerId() : recipients.rbegin()->first, more);
        const auto decision = decide(shard.state, FreezeMembers{.campaign_id = key->campaign_id,
                                                                .chunk = shard.state.chunks,
                                                                .members = std::move(members),
                                                                .last = !more,
                                                                .source_position = position});
        if (!decision.accepted()) return;

        eventlog::Command command;
        command.id = eventlog::derive_id(row.key + " " + std::to_string(row.lane) + " " +
                                             std::to_string(shard.state.chunks),
                                         row.due_at, "freeze", 0)
                         .text();
        command.tenant = key->tenant;
        command.dedupe = eventlog::Dedupe::version;
        command.owner_guard = row.guard;
        command.meta.routing = shard_routing(row.lane);
        command.meta.actor = "freezer";
        command.meta.correlation_id = first.meta.correlation_id;
        command.meta.causation = first.where();
        eventlog::Part part{stream, shard.expected(), {}};
        for (const auto& event : decision.events())
            part.events.push_back(encode(event, clock_.now()));
        command.parts.push_back(std::move(part));
        if (!store_.append(std::move(command)).accepted()) return;  // another owner froze it
        if (!more) break;
    }
    const auto id = std::to_string(row.lane) + " " + row.key;
    targets_.with([&](auto& all) {
        std::erase_if(all, [&](const auto& target) { return target.first.first == id; });
    });
}

}  // namespace flowstack::campaign
