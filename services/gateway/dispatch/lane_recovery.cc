#include "services/gateway/dispatch/lane_recovery.h"

#include <algorithm>
#include <set>

#include "common/observability/log.h"
#include "services/gateway/dispatch/channel_queue.h"

namespace flowstack::gateway {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLaneStoreAwayRetryAfter{1'000};
constexpr int kLaneDecisionsMax = 5;
// Of a lane that nobody has owned before.
constexpr std::int64_t kFirstEpoch = 1;

}  // namespace

Steady::time_point LaneRecovery::look(Steady::time_point now) {
    auto again = Steady::time_point::max();
    std::set<int> ours;
    for (const int lane : owners_.lanes()) {
        ours.insert(lane);
        const auto since = owners_.since(lane);
        const auto guard = owners_.guard(lane);
        if (!since || !guard) continue;
        auto& known = lanes_[lane];
        if (known.epoch == guard->owner_epoch || known.again_at > now) continue;
        known.open = false;
        if (guard->owner_epoch > kFirstEpoch && now - *since < attempt_start_max_) {
            again = std::min(again, *since + attempt_start_max_);
            continue;
        }
        known.epoch = guard->owner_epoch;
        recover(lane, *guard);
    }
    std::erase_if(lanes_, [&](const auto& lane) { return !ours.contains(lane.first); });
    return again;
}

bool LaneRecovery::is_open(int lane) const {
    const auto found = lanes_.find(lane);
    return found != lanes_.end() && found->second.open;
}

std::map<int, std::int64_t> LaneRecovery::open_lanes() const {
    std::map<int, std::int64_t> open;
    for (const auto& [lane, known] : lanes_)
        if (known.open) open[lane] = known.epoch;
    return open;
}

// First what an old owner has left open, then the queues.
void LaneRecovery::recover(int lane, const eventlog::OwnerGuard& guard) {
    const bool taken = readers_.post([this, lane, guard] {
        std::vector<Retry> retries;
        try {
            declare_lost(lane, guard);
            retries = retries_of(lane);
        } catch (const std::exception& error) {
            log::warn("lane not taken over yet: the store did not answer",
                      {{"lane", lane}, {"error", error.what()}});
            loop_.post([this, lane] {
                auto& known = lanes_[lane];
                known.epoch = 0;
                known.again_at = Steady::now() + kLaneStoreAwayRetryAfter;
            });
            return;
        }
        loop_.post([this, lane, guard, retries] {
            auto& known = lanes_[lane];
            if (known.epoch != guard.owner_epoch) return;
            for (const auto& retry : retries) on_retry_(retry);
            known.open = true;
        });
    });
    if (taken) return;
    lanes_[lane].epoch = 0;
    lanes_[lane].again_at = Steady::now() + kLaneStoreAwayRetryAfter;
}

std::vector<LaneRecovery::Retry> LaneRecovery::retries_of(int lane) {
    const auto rows = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            R"sql(
            select key, priority, due_at, ref from work
            where lane = $1 and starts_with(kind, $2)
                and due_at > statement_timestamp() and due_at < $3)sql",
            postgres::Params().add(lane).add(kDispatchPrefix).add(clock_.now() + kChatWaitMax));
    });
    std::vector<Retry> retries;
    for (int row = 0; row < rows.rows(); ++row)
        if (const auto ref = read_ref(rows.text(row, 3)); ref && ref->attempt > 0)
            retries.push_back({.ref = *ref,
                               .message_id = MessageId(rows.text(row, 0)),
                               .priority = rows.int4(row, 1),
                               .due_at = rows.time(row, 2)});
    return retries;
}

void LaneRecovery::declare_lost(int lane, const eventlog::OwnerGuard& guard) {
    const auto rows = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            "select key, ref from work where lane = $1 and kind = $2 and held_due_at is null",
            postgres::Params().add(lane).add(kAttemptKind));
    });
    for (int row = 0; row < rows.rows(); ++row) {
        const MessageId message_id(rows.text(row, 0));
        const auto ref = read_ref(rows.text(row, 1));
        // A call of this very process is still under way and will get its own outcome.
        if (ref && !attempts_.calls(message_id)) declare_lost(message_id, *ref, guard);
    }
}

void LaneRecovery::declare_lost(const MessageId& message_id, const WorkRef& ref,
                                const eventlog::OwnerGuard& guard) {
    for (int tries = 0; tries < kLaneDecisionsMax; ++tries) {
        const auto folded = streams_.folds().load(message_stream(ref.tenant, message_id));
        const auto decision =
            decide(folded.state, DeclareLost{.attempt = ref.attempt,
                                             .policy = streams_.policy_for(ref.tenant),
                                             .now = clock_.now()});
        if (!decision.accepted() || decision.events().empty()) return;
        auto command = streams_.command(ref.tenant, ref.customer_id, message_id, folded.version,
                                        cause_of(folded), decision.events());
        command.id = "lost/" + message_id + "/" + std::to_string(ref.attempt);
        command.owner_guard = guard;
        const auto verdict = store_.append(std::move(command));
        if (verdict.outcome == eventlog::Outcome::wrong_version) continue;
        if (verdict.accepted()) {
            counters_.unknown.add();
            log::warn("message UNKNOWN: its sender ended between the attempt and its outcome",
                      {{"message", message_id.text()}, {"tenant", ref.tenant}});
        }
        return;
    }
}

}  // namespace flowstack::gateway
