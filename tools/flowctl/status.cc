#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <iostream>
#include <map>
#include <sstream>

#include "common/rpc/error.h"
#include "tools/flowctl/output.h"
#include "tools/stack/logs.h"
#include "tools/stack/sandbox.h"

// status and consumers: how the processes are, from their admin doors.
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

// Heads of every lane of every service that answers.
std::map<std::string, std::vector<std::int64_t>> all_heads(Context& context) {
    std::map<std::string, std::vector<std::int64_t>> heads;
    for (const auto& service : stack::kServices) {
        try {
            heads[service] = stack::heads_of(context.api(), service);
        } catch (const std::exception&) {  // its own line says that it is away
        }
    }
    return heads;
}

struct Progress {
    std::string source;
    int lane = 0;
    std::int64_t applied = 0;
    std::int64_t head = -1;  // not known
    std::int64_t parked = 0;
    std::int64_t behind() const { return head < 0 ? 0 : std::max<std::int64_t>(head - applied, 0); }
};

std::vector<Progress> progress_of(const Replica& replica,
                                  const std::map<std::string, std::vector<std::int64_t>>& heads) {
    std::map<std::pair<std::string, int>, Progress> found;
    const auto each = [&](const std::string& name, auto set) {
        const auto [from, to] = replica.samples.equal_range(name);
        for (auto it = from; it != to; ++it) {
            const auto source = it->second.labels.find("source");
            const auto lane = it->second.labels.find("lane");
            if (source == it->second.labels.end() || lane == it->second.labels.end()) continue;
            int number = 0;
            std::from_chars(lane->second.data(), lane->second.data() + lane->second.size(), number);
            auto& progress = found[{source->second, number}];
            progress.source = source->second;
            progress.lane = number;
            set(progress, static_cast<std::int64_t>(it->second.value));
        }
    };
    each("flowstack_consumer_position", [](Progress& p, std::int64_t v) { p.applied = v; });
    each("flowstack_consumer_parked_events", [](Progress& p, std::int64_t v) { p.parked = v; });
    std::vector<Progress> all;
    for (auto& [key, progress] : found) {
        const auto service = heads.find(progress.source);
        if (service != heads.end() &&
            static_cast<std::size_t>(progress.lane) < service->second.size())
            progress.head = service->second[static_cast<std::size_t>(progress.lane)];
        all.push_back(progress);
    }
    return all;
}

int show_status(Context& context) {
    const auto replicas = probe_all(context);
    const auto heads = all_heads(context);
    Sheet sheet({{"SERVICE"},
                 {"STATE"},
                 {"LANES", true},
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
        const auto name = replica.service + "-" + std::to_string(replica.number);
        if (replica.ready_status == 0) {
            sheet.add({name, state, "", "", "", "", "", "", replica.address, "no answer"});
            continue;
        }
        std::int64_t behind = 0;
        std::int64_t parked = 0;
        for (const auto& progress : progress_of(replica, heads)) {
            behind += progress.behind();
            parked += progress.parked;
        }
        std::int64_t events = 0;
        if (const auto found = heads.find(replica.service); found != heads.end())
            for (const auto head : found->second) events += head;
        sheet.add({name, state, whole(sum_of(replica.samples, "flowstack_lanes_owned")),
                   std::to_string(events),
                   whole(sum_of(replica.samples, "flowstack_relay_unpublished_events")),
                   std::to_string(behind), std::to_string(parked),
                   whole(sum_of(replica.samples, "flowstack_relay_mismatches")), replica.address,
                   notes_of(replica)});
    }
    print(sheet, context.format, "services");
    if (well == replicas.size()) return kOk;
    return well == 0 ? kUnavailable : kPartial;
}

int list_consumers(Context& context, bool only_troubled) {
    const auto heads = all_heads(context);
    Sheet sheet({{"CONSUMER"},
                 {"SOURCE"},
                 {"LANE", true},
                 {"APPLIED", true},
                 {"HEAD", true},
                 {"BEHIND", true},
                 {"PARKED", true}});
    for (const auto& replica : probe_all(context))
        for (const auto& p : progress_of(replica, heads)) {
            if (only_troubled && p.behind() == 0 && p.parked == 0) continue;
            sheet.add({replica.service + "-" + std::to_string(replica.number), p.source,
                       std::to_string(p.lane), std::to_string(p.applied),
                       p.head < 0 ? "?" : std::to_string(p.head), std::to_string(p.behind()),
                       std::to_string(p.parked)});
        }
    print(sheet, context.format, only_troubled ? "consumers behind" : "consumers");
    return kOk;
}

}  // namespace

void add_status_commands(CLI::App& app, Context& context) {
    app.add_subcommand("status",
                       "the services: ready, what they own, how far they are. Exit code 8 "
                       "if one is not ready, 7 if none is")
        ->callback([&context] { context.run = [&context] { return show_status(context); }; });
    auto* consumers = app.add_subcommand("consumers", "who reads whose log, and how far");
    consumers->require_subcommand(1);
    consumers->fallthrough();
    const auto troubled = std::make_shared<bool>(false);
    auto* list = consumers->add_subcommand("list", "every lane of every source, by replica");
    list->add_flag("--behind", *troubled, "only those that are behind or have parked events");
    list->callback([&context, troubled] {
        context.run = [&context, troubled] { return list_consumers(context, *troubled); };
    });
}

}  // namespace flowstack::flowctl
