#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/delivery_state.h"
#include "common/core/id.h"
#include "services/campaign/domain/campaign.h"

// The part of a campaign's audience that lives on one lane: its members, and what became of each.
//
// Every member has exactly one disposition at any time, so the counts always sum to the members.
// Evidence comes in any order, twice or late; a disposition only climbs, so the order does not
// matter.
namespace flowstack::campaign {

// From `cancelled` to `read` these are states of a message, whose order is that of gateway
// (common/core/delivery_state.h). Campaigns add what comes before and after it.
enum class Disposition {
    waiting,    // not asked of gateway yet
    queued,     // asked, without an outcome
    cancelled,  // withdrawn before it left
    unknown,    // nobody knows whether it left
    sent,
    suppressed,  // it might not leave (opted_out, window_closed, …)
    failed,
    delivered,
    read,
    replied,
};
// The state of the recipient's message that a disposition stands for; nothing for `waiting` (there
// is no message yet) and `replied`.
constexpr std::optional<DeliveryState> delivery_state(Disposition d) {
    switch (d) {
        case Disposition::waiting:
        case Disposition::replied:
            return std::nullopt;
        case Disposition::queued:
            return DeliveryState::queued;
        case Disposition::cancelled:
            return DeliveryState::cancelled;
        case Disposition::unknown:
            return DeliveryState::unknown;
        case Disposition::sent:
            return DeliveryState::sent;
        case Disposition::suppressed:
            return DeliveryState::suppressed;
        case Disposition::failed:
            return DeliveryState::failed;
        case Disposition::delivered:
            return DeliveryState::delivered;
        case Disposition::read:
            return DeliveryState::read;
    }
    return std::nullopt;
}
// Whether `evidence` about a recipient changes `now`. A reply outranks every state of the message.
constexpr bool outranks(Disposition evidence, Disposition now) {
    const auto before = delivery_state(now);
    const auto seen = delivery_state(evidence);
    if (before && seen) return joined(*before, *seen) != *before;
    return evidence > now;
}
inline constexpr std::size_t kDispositions = 10;
inline constexpr bool is_settled(Disposition d) { return d >= Disposition::cancelled; }

// WAITING, QUEUED, SENT, …: a disposition as the API has it.
std::string_view text_of(Disposition disposition);

struct Member {
    CustomerId customer_id;
    std::string name;
    std::string suppressed;  // not empty: never written to, for this reason
    bool operator==(const Member&) const = default;
};
inline constexpr std::size_t kChunkMembersMax = 10'000;

// --- Commands ------------------------------------------------------------------------------------

// The next members of the lane, in order of their ids.
struct FreezeMembers {
    CampaignId campaign_id;
    int chunk = 0;  // from 0
    std::vector<Member> members;
    bool last = false;
    std::int64_t source_position = 0;  // how far the contacts were known
};
// Their sends are about to be asked of gateway.
struct AskSends {
    std::vector<CustomerId> customer_ids;
    int round = 0;
};
// What is known of one member's message now. Never waiting or queued.
struct RecordEvidence {
    CustomerId customer_id;
    Disposition disposition = Disposition::unknown;
    std::string reason;
};
// A pause withdrew a member's message before it left.
struct RecordWithdrawn {
    CustomerId customer_id;
    int round = 0;
    std::string reason;
};
// The campaign was cancelled: those who wait are not written to. At most `limit` of them now.
struct CloseShard {
    std::string reason;
    std::size_t limit = 500;
};
using ShardCommand =
    std::variant<FreezeMembers, AskSends, RecordEvidence, RecordWithdrawn, CloseShard>;

// --- Facts ---------------------------------------------------------------------------------------

struct MembersFrozen {
    CampaignId campaign_id;
    int chunk = 0;
    std::vector<Member> members;
    bool last = false;
    std::int64_t lane_total = 0;
    std::int64_t source_position = 0;
    bool operator==(const MembersFrozen&) const = default;
};
struct SendAsked {
    CampaignId campaign_id;
    std::vector<CustomerId> customer_ids;
    int round = 0;
    bool operator==(const SendAsked&) const = default;
};
struct SendWithdrawn {
    CampaignId campaign_id;
    std::vector<CustomerId> customer_ids;
    int round = 0;
    bool operator==(const SendWithdrawn&) const = default;
};
struct DispositionChanged {
    CampaignId campaign_id;
    CustomerId customer_id;
    Disposition disposition = Disposition::unknown;
    std::string reason;
    bool operator==(const DispositionChanged&) const = default;
};
struct ShardClosed {
    CampaignId campaign_id;
    std::string reason;
    bool operator==(const ShardClosed&) const = default;
};
using ShardEvent =
    std::variant<MembersFrozen, SendAsked, SendWithdrawn, DispositionChanged, ShardClosed>;

// --- State ---------------------------------------------------------------------------------------

struct Recipient {
    std::string name;
    Disposition disposition = Disposition::waiting;
    std::string reason;
    int round = 0;  // of the last ask
    bool operator==(const Recipient&) const = default;
};

struct Shard {
    CampaignId campaign_id;
    int chunks = 0;
    bool frozen = false;
    bool closed = false;
    std::map<CustomerId, Recipient> recipients;
    std::array<std::int64_t, kDispositions> counts{};

    std::int64_t count(Disposition d) const { return counts[static_cast<std::size_t>(d)]; }
    std::int64_t members() const { return static_cast<std::int64_t>(recipients.size()); }
    std::int64_t settled() const {
        return members() - count(Disposition::waiting) - count(Disposition::queued);
    }
    bool operator==(const Shard&) const = default;
};

enum class ShardRejection {
    frozen_already,  // the lane is closed for members
    chunk_order,     // not the next chunk (it was frozen by an earlier try)
    chunk_size,      // more than kChunkMembersMax
    member_twice,
    not_frozen,   // nothing may be asked before the lane is frozen
    no_member,    // evidence about somebody who is no recipient
    no_evidence,  // waiting and queued are no evidence
};

Decision<ShardEvent, ShardRejection> decide(const Shard& shard, const ShardCommand& command);

// Throws CorruptStream if no `decide` could have produced this history.
Shard evolve(Shard shard, const ShardEvent& event);

// The shard as rules about one member need it: without the others. What happens to others must not
// be applied to it.
Shard only(const Shard& shard, const CustomerId& customer_id);

// A member to write to: id and name.
using Addressee = std::pair<CustomerId, std::string>;
// Up to `limit` members who wait, in the order of their ids.
std::vector<Addressee> next_waiting(const Shard& shard, std::size_t limit);
// Those asked in `round` whose outcome is open.
std::vector<Addressee> asked_and_open(const Shard& shard, int round);

// The total over shards, in the order of Disposition.
using Totals = std::array<std::int64_t, kDispositions>;
Totals operator+(Totals a, const Totals& b);

}  // namespace flowstack::campaign
