#include "common/service/lane_watch.h"

#include "common/core/number_ranges.h"
#include "common/observability/log.h"
#include "common/service/tail_watch.h"

namespace flowstack::service {
observability::Check lanes_check(const eventlog::Membership::Report& report) {
    using observability::State;
    if (report.replaced)
        return {State::degraded,
                "another process runs under this replica's name and works on its lanes: give each "
                "process a REPLICA_ID of its own"};
    if (report.without_owner_for < kWithoutOwnerFor) return {State::ok, ""};
    return {State::degraded, "lanes " + number_ranges(report.without_owner) +
                                 " have no living owner, the first for " +
                                 std::to_string(report.without_owner_for.count() / 1000) +
                                 " s: what is for them waits until a replica takes them"};
}

void LaneWatch::start() {
    beating_.start([this](Loop& loop) { beat(loop); });
}

void LaneWatch::beat(Loop& loop) {
    bool beats = true;
    while (!loop.stopping()) {
        try {
            membership_.beat();
            set_store(true, "");
            tell_of_lanes();
            beats = true;
        } catch (const std::exception& error) {
            set_store(false, error.what());
            if (beats) log::warn("the lease on lanes cannot be renewed", {{"error", error.what()}});
            beats = false;
        }
        loop.sleep(membership_.beat_again_after());
    }
}

void LaneWatch::tell_of_lanes() {
    const auto report = membership_.report();
    const bool late = report.without_owner_for >= kWithoutOwnerFor;
    if (late && !told_)
        log::warn("lanes have no living owner", {{"lanes", number_ranges(report.without_owner)},
                                                 {"for_ms", report.without_owner_for.count()},
                                                 {"living_replicas", report.living.size()}});
    if (!late && told_) log::info("every lane has a living owner again");
    told_ = late;
    const bool refusing = !report.tail_lost.empty() || !report.uncompared.empty();
    if (refusing && !told_refusing_) log::error(tail_check(report).detail);
    if (!refusing && told_refusing_) log::info("every lane takes what is written again");
    told_refusing_ = refusing;
}

void LaneWatch::set_store(bool ready, const std::string& detail) {
    const std::lock_guard lock(mutex_);
    store_ready_ = ready;
    store_detail_ = detail;
}

observability::Check LaneWatch::store_check() const {
    const std::lock_guard lock(mutex_);
    return {store_ready_ ? observability::State::ok : observability::State::failed, store_detail_};
}

}  // namespace flowstack::service
