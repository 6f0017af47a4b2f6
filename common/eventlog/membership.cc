#include "common/eventlog/membership.h"

#include <algorithm>

#include "common/core/number_ranges.h"
#include "common/eventlog/loop_statements.h"
#include "common/observability/log.h"

namespace flowstack::eventlog {

using std::chrono::milliseconds;
namespace {

// Of a lane that refuses: how many positions it has lost, and one where it has them all again and
// waits for other lanes.
std::int64_t lost_of(std::int64_t lost_to, std::int64_t head) {
    return lost_to == 0 ? 0 : std::max<std::int64_t>(lost_to - head, 1);
}

}  // namespace

std::vector<int> share_of(const std::string& name, const std::vector<std::string>& living,
                          int lanes) {
    const auto me = std::find(living.begin(), living.end(), name);
    if (me == living.end()) return {};
    const auto count = static_cast<int>(living.size());
    const auto place = static_cast<int>(me - living.begin());
    // The first `lanes % count` replicas get one lane more than the others.
    const int size = lanes / count + (place < lanes % count ? 1 : 0);
    const int first = place * (lanes / count) + std::min(place, lanes % count);
    std::vector<int> share;
    for (int lane = first; lane < first + size; ++lane) share.push_back(lane);
    return share;
}

Membership::Membership(Store& store, Owners& owners, MembershipOptions options)
    : store_(store),
      owners_(owners),
      options_(std::move(options)),
      session_({.url = store.options().database_url,
                .application_name = store.options().service + "-replica",
                .statement_timeout = options_.lease_time / 2,
                // A lease that a crash of the server loses is renewed at the next beat.
                .synchronous_commit = false}) {}

void Membership::beat() {
    if (incarnation_ == 0) join();
    const auto results = session_.transaction(std::vector<postgres::Session::Statement>{
        {loops::kRenewLease.sql, postgres::Params()
                                     .add(options_.replica)
                                     .add(incarnation_)
                                     .add(static_cast<std::int64_t>(options_.lease_time.count()))},
        {loops::kReplicas.sql, {}},
        {loops::kLanesNow.sql, {}}});
    const bool replaced = results[0].affected() == 0;
    if (replaced) owners_.revoked(owners_.lanes());
    {
        const std::lock_guard lock(mutex_);
        if (replaced && !replaced_)
            log::error(
                "another process was started under this replica's name; this one gives up "
                "its lanes until the other's lease runs out",
                {{"replica", options_.replica}});
        replaced_ = replaced;
        const auto now = Steady::now();
        if (now - last_beat_ > options_.lease_time / 2) steady_since_ = now;
        last_beat_ = now;
        read(results[1], results[2]);
    }
    for (int lane = 0; lane < results[2].rows(); ++lane)
        owners_.seen(results[2].int4(lane, 0), results[2].int8(lane, 1));
    if (replaced) {
        // Comes back as a process of its own once the other one is gone.
        const auto again = session_.query(
            R"sql(update replicas
                     set incarnation = incarnation + 1,
                         alive_until = clock_timestamp() + $2 * interval '1 millisecond'
                   where name = $1 and alive_until < clock_timestamp()
               returning incarnation)sql",
            postgres::Params()
                .add(options_.replica)
                .add(static_cast<std::int64_t>(options_.lease_time.count())));
        const std::lock_guard lock(mutex_);
        if (again.rows() != 0) incarnation_ = again.int8(0, 0);
    }
    tell(results[2]);
    beaten_();
}

void Membership::tell(const postgres::Result& lanes) const {
    Seen seen;
    for (int lane = 0; lane < lanes.rows(); ++lane) {
        seen.heads.push_back(lanes.int8(lane, 4));
        seen.uncompared |= !lanes.boolean(lane, 7);
    }
    if (lanes.rows() > 0) seen.settings_seq = lanes.int8(0, 5);
    seen_(seen);
}

milliseconds Membership::beat_again_after() const {
    const std::lock_guard lock(mutex_);
    const auto living = std::count_if(replicas_.begin(), replicas_.end(),
                                      [](const auto& entry) { return entry.second.alive; });
    // Another one that starts waits half a second longer for its share then.
    return living == 1 && owners_.alone()
               ? std::clamp(options_.lease_time / 4, kBeatEvery, kBeatAloneEvery)
               : kBeatEvery;
}

void Membership::join() {
    const auto joined = session_.query(
        R"sql(insert into replicas as r (name, incarnation, alive_until)
              values ($1, 1, clock_timestamp() + $2 * interval '1 millisecond')
              on conflict (name) do update
                 set incarnation = r.incarnation + 1, alive_until = excluded.alive_until
           returning incarnation)sql",
        postgres::Params()
            .add(options_.replica)
            .add(static_cast<std::int64_t>(options_.lease_time.count())));
    const std::lock_guard lock(mutex_);
    incarnation_ = joined.int8(0, 0);
    steady_since_ = last_beat_ = Steady::now();
}

// The caller holds the lock.
void Membership::read(const postgres::Result& replicas, const postgres::Result& lanes) {
    replicas_.clear();
    for (int row = 0; row < replicas.rows(); ++row)
        replicas_[replicas.text(row, 0)] = {replicas.int8(row, 1), replicas.boolean(row, 2)};
    lanes_.clear();
    for (int row = 0; row < lanes.rows(); ++row)
        lanes_.push_back({.epoch = lanes.int8(row, 1),
                          .replica = lanes.text(row, 2),
                          .incarnation = lanes.int8(row, 3),
                          .lost = lost_of(lanes.int8(row, 6), lanes.int8(row, 4)),
                          .compared = lanes.boolean(row, 7)});
    for (int lane = 0; lane < static_cast<int>(lanes_.size()); ++lane) {
        if (held_by_the_living(lanes_[static_cast<std::size_t>(lane)]))
            without_owner_since_.erase(lane);
        else
            without_owner_since_.try_emplace(lane, Steady::now());
    }
    fresh_ = true;
}

bool Membership::held_by_the_living(const LaneRow& row) const {
    const auto holder = replicas_.find(row.replica);
    return holder != replicas_.end() && holder->second.alive &&
           holder->second.incarnation == row.incarnation;
}

bool Membership::may_be_taken(const LaneRow& row) const {
    if (row.replica.empty() || row.replica == options_.replica) return true;
    if (held_by_the_living(row)) return false;
    const auto holder = replicas_.find(row.replica);
    // The holder was started anew since it took the lane: the process that took it is gone.
    if (holder == replicas_.end() || holder->second.incarnation != row.incarnation) return true;
    // The holder is silent. If the store was away, every lease has run out, and the others renew
    // theirs as soon as this replica does: wait for them.
    return Steady::now() - steady_since_ >= options_.lease_time / 2;
}

std::optional<Membership::Change> Membership::due() {
    const std::lock_guard lock(mutex_);
    if (!fresh_) return std::nullopt;
    fresh_ = false;
    Change change;
    if (replaced_) return change;
    std::vector<std::string> living;
    for (const auto& [name, replica] : replicas_)
        if (replica.alive) living.push_back(name);
    const auto share = share_of(options_.replica, living, static_cast<int>(lanes_.size()));
    for (int lane = 0; lane < static_cast<int>(lanes_.size()); ++lane) {
        const auto& row = lanes_[static_cast<std::size_t>(lane)];
        const bool held = owners_.guard(lane).has_value();
        if (std::binary_search(share.begin(), share.end(), lane)) {
            if (!held && may_be_taken(row)) change.take.push_back(lane);
        } else if (held || (row.replica == options_.replica && row.incarnation == incarnation_)) {
            change.give_back.push_back(lane);
        }
    }
    return change;
}

void Membership::take(const std::vector<int>& lanes) {
    std::vector<LaneRow> seen;
    std::int64_t incarnation = 0;
    {
        const std::lock_guard lock(mutex_);
        seen = lanes_;
        incarnation = incarnation_;
    }
    std::vector<int> taken;
    for (const int lane : lanes)
        if (owners_.take(lane, incarnation, seen.at(static_cast<std::size_t>(lane)).epoch))
            taken.push_back(lane);
    if (!taken.empty())
        log::info("lanes taken", {{"count", taken.size()}, {"lanes", number_ranges(taken)}});
}

void Membership::give_back(const std::vector<int>& lanes) {
    owners_.revoked(lanes);
    std::int64_t incarnation = 0;
    {
        const std::lock_guard lock(mutex_);
        incarnation = incarnation_;
    }
    const std::vector<std::int32_t> numbers(lanes.begin(), lanes.end());
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            R"sql(update lane_owner set replica = '', incarnation = 0
                   where lane = any($1) and replica = $2 and incarnation = $3)sql",
            postgres::Params()
                .add_array(std::span<const std::int32_t>(numbers))
                .add(options_.replica)
                .add(incarnation));
    });
    if (result.affected() > 0)
        log::info("lanes given back",
                  {{"count", result.affected()}, {"lanes", number_ranges(lanes)}});
}

void Membership::leave() {
    std::int64_t incarnation = 0;
    std::vector<int> all;
    {
        const std::lock_guard lock(mutex_);
        incarnation = incarnation_;
        for (int lane = 0; lane < static_cast<int>(lanes_.size()); ++lane) all.push_back(lane);
    }
    if (incarnation == 0) return;
    give_back(all);
    session_.query(
        "update replicas set alive_until = clock_timestamp() where name = $1 and incarnation = $2",
        postgres::Params().add(options_.replica).add(incarnation));
}

Membership::Report Membership::report() const {
    const std::lock_guard lock(mutex_);
    Report report;
    for (const auto& [name, replica] : replicas_)
        if (replica.alive) report.living.push_back(name);
    const auto now = Steady::now();
    for (const auto& [lane, since] : without_owner_since_) {
        report.without_owner.push_back(lane);
        report.without_owner_for = std::max(report.without_owner_for,
                                            std::chrono::duration_cast<milliseconds>(now - since));
    }
    report.replaced = replaced_;
    for (int lane = 0; lane < static_cast<int>(lanes_.size()); ++lane) {
        const auto& row = lanes_[static_cast<std::size_t>(lane)];
        if (row.lost > 0) report.tail_lost.push_back(lane);
        if (!row.compared) report.uncompared.push_back(lane);
        report.events_lost += row.lost;
    }
    return report;
}

std::optional<LaneOwner> living_owner(postgres::Session& session, int lane) {
    const auto rows = session.query(loops::kLivingOwner.sql, postgres::Params().add(lane));
    if (rows.rows() == 0) return std::nullopt;
    return LaneOwner{
        .replica = rows.text(0, 0), .owner_epoch = rows.int8(0, 1), .since = rows.time(0, 2)};
}

}  // namespace flowstack::eventlog
