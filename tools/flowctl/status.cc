#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <iostream>
#include <map>
#include <sstream>

#include "common/core/number_ranges.h"
#include "tools/flowctl/lanes.h"
#include "tools/flowctl/output.h"
#include "tools/stack/sandbox.h"

// status: how the processes are, from their admin doors, and what they own, from their logs.
namespace flowstack::flowctl {
namespace {

constexpr int kProbeTimeoutMs = 3000;
constexpr int kReplicasMax = 9;

struct Sample {
    std::map<std::string, std::string> labels;
    double value = 0;
};
using Samples = std::multimap<std::string, Sample>;

// Prometheus' text form, as far as our own services write it: name{label="value",…} number.
Samples parse_metrics(const std::string& text) {
    Samples samples;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') continue;
        const auto space = line.rfind(' ');
        if (space == std::string::npos) continue;
        Sample sample;
        try {
            sample.value = std::stod(line.substr(space + 1));
        } catch (const std::exception&) {
            continue;
        }
        auto name = line.substr(0, space);
        const auto brace = name.find('{');
        if (brace != std::string::npos) {
            std::string key, value;
            bool quoted = false;
            for (auto i = brace + 1; i < name.size(); ++i) {
                const char c = name[i];
                if (c == '"') {
                    if (quoted) sample.labels[key] = value;
                    if (quoted) key = value = "";
                    quoted = !quoted;
                } else if (quoted) {
                    if (c == '\\' && i + 1 < name.size()) ++i;
                    value += name[i];
                } else if (c != ',' && c != '=' && c != '}') {
                    key += c;
                }
            }
            name.resize(brace);
        }
        samples.emplace(name, std::move(sample));
    }
    return samples;
}

double sum_of(const Samples& samples, const std::string& name) {
    double sum = 0;
    const auto [from, to] = samples.equal_range(name);
    for (auto it = from; it != to; ++it) sum += it->second.value;
    return sum;
}
std::string whole(double value) { return std::to_string(static_cast<std::int64_t>(value)); }

struct Replica {
    std::string service;
    int number = 0;
    std::string address;
    int ready_status = 0;  // 0: no answer
    boost::json::value readiness;
    Samples samples;
};

std::vector<Replica> probe_all(Context& context) {
    const auto& environment = context.environment();
    std::vector<Replica> replicas;
    stack::Http http;
    for (const auto& service : stack::kServices)
        for (int number = 0; number < kReplicasMax; ++number) {
            const auto address =
                environment.get(stack::upper(service) + "_" + std::to_string(number) + "_ADMIN");
            if (address.empty()) continue;
            Replica replica{service, number, address, 0, {}, {}};
            const auto ready =
                http.send("GET", "http://" + address + "/readyz", "", {}, kProbeTimeoutMs);
            replica.ready_status = ready.status;
            if (ready.status != 0) {
                boost::system::error_code error;
                replica.readiness = boost::json::parse(ready.body, error);
                const auto metrics =
                    http.send("GET", "http://" + address + "/metrics", "", {}, kProbeTimeoutMs);
                if (metrics.status == 200) replica.samples = parse_metrics(metrics.body);
            }
            replicas.push_back(std::move(replica));
        }
    if (replicas.empty())
        throw UsageError(
            "which processes? <SERVICE>_<n>_ADMIN is not set; give --env-file <run directory>/env");
    return replicas;
}

// "kafka: no broker answers", for every check that is not ok.
std::string notes_of(const Replica& replica) {
    const auto* object = replica.readiness.if_object();
    const auto* checks = object ? object->if_contains("checks") : nullptr;
    if (!checks || !checks->is_object()) return "";
    std::string notes;
    for (const auto& check : checks->as_object()) {
        const auto* state =
            check.value().is_object() ? check.value().as_object().if_contains("state") : nullptr;
        if (!state || !state->is_string() || state->as_string() == "ok") continue;
        std::string detail;
        if (const auto* text = check.value().as_object().if_contains("detail");
            text && text->is_string())
            detail = std::string(text->as_string());
        notes += (notes.empty() ? "" : "; ") + std::string(check.key()) + ": " +
                 (detail.empty() ? std::string(state->as_string()) : detail);
    }
    return notes;
}

std::string state_of(const Replica& replica) {
    if (replica.ready_status == 0) return "away";
    if (replica.ready_status != 200) return "not ready";
    const auto* object = replica.readiness.if_object();
    const auto* degraded = object ? object->if_contains("degraded") : nullptr;
    return degraded && degraded->is_bool() && degraded->as_bool() ? "degraded" : "ready";
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
        std::vector<std::string> cells{
            replica.service + "-" + std::to_string(replica.number), state, "", "", "", "", ""};
        if (all.at(replica.service).answered) {
            const auto duties = duties_of(all, replica.service, std::to_string(replica.number));
            cells[2] = number_ranges(duties.lanes);
            cells[3] = std::to_string(duties.events);
            cells[4] = std::to_string(duties.unpublished);
            cells[5] = std::to_string(duties.behind);
            cells[6] = std::to_string(duties.parked);
        }
        cells.push_back(replica.ready_status == 0
                            ? ""
                            : whole(sum_of(replica.samples, "flowstack_relay_mismatches")));
        cells.push_back(replica.address);
        cells.push_back(replica.ready_status == 0 ? "no answer" : notes_of(replica));
        sheet.add(std::move(cells));
    }
    print(sheet, context.format, "services");
    if (well == replicas.size()) return kOk;
    return well == 0 ? kUnavailable : kPartial;
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
                 {"PARKED", true}});
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
                 std::to_string(consumed[lane.lane()].second)});
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
