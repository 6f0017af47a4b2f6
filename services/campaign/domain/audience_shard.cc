#include "services/campaign/domain/audience_shard.h"

#include <algorithm>
#include <optional>
#include <set>

#include "common/core/corrupt_stream.h"

namespace flowstack::campaign {
namespace {

using Answer = Decision<ShardEvent, ShardRejection>;
const std::vector<ShardEvent> kNothingToDo;

constexpr std::array<std::string_view, kDispositions> kTexts{
    "WAITING",    "QUEUED", "CANCELLED", "UNKNOWN", "SENT",
    "SUPPRESSED", "FAILED", "DELIVERED", "READ",    "REPLIED"};

// A reply to something that never left is a reply to something else.
bool could_be_replied_to(Disposition d) {
    return d == Disposition::unknown || d == Disposition::sent || d == Disposition::delivered ||
           d == Disposition::read;
}

Answer on(const Shard& shard, const FreezeMembers& c) {
    if (shard.frozen) return ShardRejection::frozen_already;
    if (c.chunk != shard.chunks) return ShardRejection::chunk_order;
    if (c.members.size() > kChunkMembersMax) return ShardRejection::chunk_size;
    std::set<CustomerId> seen;
    for (const auto& member : c.members)
        if (shard.recipients.contains(member.customer_id) ||
            !seen.insert(member.customer_id).second)
            return ShardRejection::member_twice;
    const auto total = shard.members() + static_cast<std::int64_t>(c.members.size());
    return MembersFrozen{.campaign_id = c.campaign_id,
                         .chunk = c.chunk,
                         .members = c.members,
                         .last = c.last,
                         .lane_total = c.last ? total : 0,
                         .source_position = c.source_position};
}

Answer on(const Shard& shard, const AskSends& c) {
    if (!shard.frozen) return ShardRejection::not_frozen;
    SendAsked asked{.campaign_id = shard.campaign_id, .customer_ids = {}, .round = c.round};
    for (const auto& customer : c.customer_ids) {
        const auto found = shard.recipients.find(customer);
        if (found == shard.recipients.end()) return ShardRejection::no_member;
        if (found->second.disposition == Disposition::waiting)
            asked.customer_ids.push_back(customer);
    }
    if (shard.closed || asked.customer_ids.empty()) return kNothingToDo;
    return asked;
}

DispositionChanged changed(const Shard& shard, const CustomerId& customer_id,
                           Disposition disposition, const std::string& reason) {
    return {.campaign_id = shard.campaign_id,
            .customer_id = customer_id,
            .disposition = disposition,
            .reason = reason};
}

Answer on(const Shard& shard, const RecordEvidence& c) {
    const auto found = shard.recipients.find(c.customer_id);
    if (found == shard.recipients.end()) return ShardRejection::no_member;
    if (!is_settled(c.disposition)) return ShardRejection::no_evidence;
    const auto now = found->second.disposition;
    if (!outranks(c.disposition, now)) return kNothingToDo;
    if (c.disposition == Disposition::replied && !could_be_replied_to(now)) return kNothingToDo;
    return changed(shard, c.customer_id, c.disposition, c.reason);
}

Answer on(const Shard& shard, const RecordWithdrawn& c) {
    const auto found = shard.recipients.find(c.customer_id);
    if (found == shard.recipients.end()) return ShardRejection::no_member;
    const auto& recipient = found->second;
    // A late word about an earlier round, or about a message that left after all.
    if (recipient.disposition != Disposition::queued || recipient.round != c.round)
        return kNothingToDo;
    if (shard.closed) return changed(shard, c.customer_id, Disposition::cancelled, c.reason);
    return SendWithdrawn{
        .campaign_id = shard.campaign_id, .customer_ids = {c.customer_id}, .round = c.round};
}

Answer on(const Shard& shard, const CloseShard& c) {
    if (shard.closed) return kNothingToDo;
    if (!shard.frozen) return ShardRejection::not_frozen;
    std::vector<ShardEvent> events;
    for (const auto& [customer, name] : next_waiting(shard, c.limit))
        events.push_back(changed(shard, customer, Disposition::cancelled, c.reason));
    if (static_cast<std::int64_t>(events.size()) == shard.count(Disposition::waiting))
        events.push_back(ShardClosed{.campaign_id = shard.campaign_id, .reason = c.reason});
    return events;
}

void move(Shard& shard, Recipient& recipient, Disposition to) {
    --shard.counts[static_cast<std::size_t>(recipient.disposition)];
    recipient.disposition = to;
    ++shard.counts[static_cast<std::size_t>(to)];
}

Recipient& member(Shard& shard, const CustomerId& customer_id) {
    const auto found = shard.recipients.find(customer_id);
    if (found == shard.recipients.end()) throw CorruptStream("audience shard: not a member");
    return found->second;
}

void apply(Shard& shard, const MembersFrozen& e) {
    if (shard.frozen || e.chunk != shard.chunks)
        throw CorruptStream("audience shard: members frozen out of order");
    shard.campaign_id = e.campaign_id;
    ++shard.chunks;
    shard.frozen = e.last;
    for (const auto& m : e.members) {
        Recipient recipient{
            .name = m.name,
            .disposition = m.suppressed.empty() ? Disposition::waiting : Disposition::suppressed,
            .reason = m.suppressed,
            .round = 0};
        const auto at = static_cast<std::size_t>(recipient.disposition);
        if (!shard.recipients.emplace(m.customer_id, std::move(recipient)).second)
            throw CorruptStream("audience shard: member frozen twice");
        ++shard.counts[at];
    }
}

// Asks and evidence are written by different hands (the pacer, the lane's owner), so an ask may
// find that its outcome is known already.
void apply(Shard& shard, const SendAsked& e) {
    for (const auto& customer : e.customer_ids) {
        auto& recipient = member(shard, customer);
        recipient.round = e.round;
        if (recipient.disposition == Disposition::waiting)
            move(shard, recipient, Disposition::queued);
    }
}

void apply(Shard& shard, const SendWithdrawn& e) {
    for (const auto& customer : e.customer_ids) {
        auto& recipient = member(shard, customer);
        if (recipient.disposition == Disposition::queued && recipient.round == e.round)
            move(shard, recipient, Disposition::waiting);
    }
}

void apply(Shard& shard, const DispositionChanged& e) {
    auto& recipient = member(shard, e.customer_id);
    if (e.disposition <= recipient.disposition)
        throw CorruptStream("audience shard: a disposition went down");
    move(shard, recipient, e.disposition);
    recipient.reason = e.reason;
}

void apply(Shard& shard, const ShardClosed&) { shard.closed = true; }

std::vector<Addressee> pick(const Shard& shard, std::size_t limit, auto wanted) {
    std::vector<Addressee> picked;
    for (const auto& [customer, recipient] : shard.recipients) {
        if (picked.size() >= limit) break;
        if (wanted(recipient)) picked.emplace_back(customer, recipient.name);
    }
    return picked;
}

}  // namespace

std::string_view text_of(Disposition disposition) {
    return kTexts[static_cast<std::size_t>(disposition)];
}

Answer decide(const Shard& shard, const ShardCommand& command) {
    return std::visit([&](const auto& c) { return on(shard, c); }, command);
}

Shard evolve(Shard shard, const ShardEvent& event) {
    std::visit([&](const auto& e) { apply(shard, e); }, event);
    return shard;
}

Shard only(const Shard& shard, const CustomerId& customer_id) {
    Shard one{.campaign_id = shard.campaign_id,
              .chunks = shard.chunks,
              .frozen = shard.frozen,
              .closed = shard.closed,
              .recipients = {},
              .counts = {}};
    const auto found = shard.recipients.find(customer_id);
    if (found == shard.recipients.end()) return one;
    one.recipients.insert(*found);
    one.counts[static_cast<std::size_t>(found->second.disposition)] = 1;
    return one;
}

std::vector<Addressee> next_waiting(const Shard& shard, std::size_t limit) {
    if (shard.count(Disposition::waiting) == 0) return {};
    return pick(shard, limit,
                [](const Recipient& r) { return r.disposition == Disposition::waiting; });
}

std::vector<Addressee> asked_and_open(const Shard& shard, int round) {
    if (shard.count(Disposition::queued) == 0) return {};
    return pick(shard, shard.recipients.size(), [&](const Recipient& r) {
        return r.disposition == Disposition::queued && r.round == round;
    });
}

Totals operator+(Totals a, const Totals& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
}

}  // namespace flowstack::campaign
