#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>

#include "common/core/number_ranges.h"
#include "tools/flowctl/lanes.h"
#include "tools/flowctl/output.h"
#include "tools/flowctl/replicas.h"

// status: how the processes are, from their admin doors, and what they own, from their logs.
namespace flowstack::flowctl {
namespace {

std::string whole(double value) { return std::to_string(static_cast<std::int64_t>(value)); }

// "kafka: no broker answers", for every check that is not ok.
std::string notes_of(const Replica& replica) {
    std::string notes;
    for (const auto& [check, state, detail] : complaints_of(replica))
        notes += (notes.empty() ? "" : "; ") + check + ": " + (detail.empty() ? state : detail);
    return notes;
}

// What a replica has to do, as the database knows it.
struct Duties {
    std::vector<int> lanes;
    std::int64_t events = 0;
    std::int64_t unpublished = 0;
    std::int64_t behind = 0;
    std::int64_t parked = 0;
};

Duties duties_of(const AllLanes& all, const std::string& service, const std::string& replica) {
    Duties duties;
    for (const auto& lane : all.at(service).status.lanes()) {
        if (lane.owner() != replica) continue;
        duties.lanes.push_back(lane.lane());
        duties.events += lane.position();
        duties.unpublished += std::max<std::int64_t>(lane.position() - lane.published(), 0);
    }
    for (const auto& progress : progress_of(all)) {
        if (progress.consumer != service || progress.owner != replica) continue;
        duties.behind += progress.behind();
        duties.parked += progress.parked;
    }
    return duties;
}

int show_status(Context& context) {
    const auto replicas = probe_all(context);
    const auto all = lanes_of_all(context);
    Sheet sheet({{"SERVICE"},
                 {"STATE"},
                 {"LANES"},
                 {"EVENTS", true},
                 {"UNPUBLISHED", true},
                 {"BEHIND", true},
                 {"PARKED", true},
                 {"MISMATCHES", true},
                 {"ADMIN"},
                 {"NOTE", false, true}});
    std::size_t well = 0;
    for (const auto& replica : replicas) {
        const auto state = state_of(replica);
        well += state == "ready" || state == "degraded";
        std::vector<std::string> cells{replica.name(), state, "", "", "", "", ""};
        if (all.at(replica.service).answered) {
            const auto duties = duties_of(all, replica.service, std::to_string(replica.number));
            cells[2] = number_ranges(duties.lanes);
            cells[3] = std::to_string(duties.events);
            cells[4] = std::to_string(duties.unpublished);
            cells[5] = std::to_string(duties.behind);
            cells[6] = std::to_string(duties.parked);
        }
        cells.push_back(
            !replica.answers() ? "" : whole(sum_of(replica.samples, "flowstack_relay_mismatches")));
        cells.push_back(replica.address);
        cells.push_back(!replica.answers() ? "no answer" : notes_of(replica));
        sheet.add(std::move(cells));
    }
    print(sheet, context.format, "services");
    if (well == replicas.size()) return kOk;
    return well == 0 ? kUnavailable : kPartial;
}

// Why a lane refuses to be written to; empty: it does not.
std::string why_refusing(const common::v1::LaneState& lane) {
    if (lane.lost_to() > lane.position())
        return "lost " + std::to_string(lane.position() + 1) + ".." +
               std::to_string(lane.lost_to());
    if (lane.lost_to() > 0) return "waits for other lanes";
    return lane.not_compared() ? "not compared with the bus" : "";
}

int show_lanes(Context& context) {
    const auto all = lanes_of_all(context);
    Sheet sheet({{"SERVICE"},
                 {"LANE", true},
                 {"REPLICA"},
                 {"EPOCH", true},
                 {"SINCE (UTC)"},
                 {"HEAD", true},
                 {"UNPUBLISHED", true},
                 {"BEHIND", true},
                 {"PARKED", true},
                 {"REFUSES", false, true}});
    std::size_t answered = 0;
    for (const auto& service : stack::kServices) {
        const auto& lanes = all.at(service);
        answered += lanes.answered;
        if (!lanes.answered)
            std::cerr << "flowctl: " << service << " does not answer: " << lanes.why_not << "\n";
        std::map<int, std::pair<std::int64_t, std::int64_t>> consumed;  // behind, parked
        for (const auto& progress : progress_of(all))
            if (progress.consumer == service) {
                consumed[progress.lane].first += progress.behind();
                consumed[progress.lane].second += progress.parked;
            }
        for (const auto& lane : lanes.status.lanes())
            sheet.add(
                {service, std::to_string(lane.lane()), lane.owner(),
                 std::to_string(lane.owner_epoch()), utc(lane.owned_since_us()),
                 std::to_string(lane.position()),
                 std::to_string(std::max<std::int64_t>(lane.position() - lane.published(), 0)),
                 std::to_string(consumed[lane.lane()].first),
                 std::to_string(consumed[lane.lane()].second), why_refusing(lane)});
    }
    print(sheet, context.format, "lanes");
    if (answered == all.size()) return kOk;
    return answered == 0 ? kUnavailable : kPartial;
}

}  // namespace

void add_status_commands(CLI::App& app, Context& context) {
    const auto lanes = std::make_shared<bool>(false);
    auto* status = app.add_subcommand(
        "status",
        "the services: ready, what they own, how far they are. Exit code 8 if one is not ready, 7 "
        "if none is");
    status->add_flag("--lanes", *lanes,
                     "by lane: which replica works on it, since when, how far it is");
    status->callback([&context, lanes] {
        context.run = [&context, lanes] {
            return *lanes ? show_lanes(context) : show_status(context);
        };
    });
}

}  // namespace flowstack::flowctl
