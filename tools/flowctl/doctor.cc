#include "tools/flowctl/doctor.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <set>

#include "common/core/number_ranges.h"
#include "common/core/version.h"
#include "tools/flowctl/output.h"

namespace flowstack::flowctl {
namespace {

using State = Finding::State;

const char* text_of(State state) {
    switch (state) {
        case State::ok:
            return "ok";
        case State::skipped:
            return "not looked at";
        case State::warning:
            return "warning";
        case State::fault:
            return "FAULT";
    }
    return "";
}

std::string counted(std::size_t count, const std::string& one, const std::string& many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string listed(const std::set<std::string>& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

std::string runbook(const std::string& alert) { return "docs/runbooks/" + alert + ".md"; }

// What to do about a check of /readyz that complains.
std::string remedy_of(const std::string& check) {
    if (check == "postgres")
        return "repair the service's PostgreSQL or its DATABASE_URL; nothing is accepted until "
               "then";
    if (check == "kafka")
        return "repair Kafka, its topics or KAFKA_BROKERS; what comes in is stored and published "
               "later";
    if (check == "lanes") return runbook("FlowStackLaneWithoutOwner");
    if (check == "flows") return "mend the flow that it names, or let the shop use another one";
    return "its log says more: `./flowstack logs`, or the platform's own";
}

}  // namespace

Findings look_at_settings(const stack::Environment& environment) {
    Findings findings;
    for (const auto& service : stack::kServices)
        if (const auto name = stack::upper(service) + "_GRPC"; environment.get(name).empty())
            findings.push_back({State::fault, "settings", name + " is not set",
                                "give --env-file, or set where " + service + " serves gRPC"});
    const bool has_certificate = !environment.get("GRPC_TLS_CERT_FILE").empty();
    const bool has_token = !environment.get("FLOWCTL_TOKEN").empty();
    for (const std::string_view key : {"ADMIN_KEY", "INTERNAL_KEY"})
        if (!has_token && environment.get(std::string(key)).empty() &&
            !(has_certificate && key == "INTERNAL_KEY"))
            findings.push_back({State::warning, "settings", std::string(key) + " is not set",
                                "set it (or " + std::string(key) +
                                    "_FILE): calls of operators are refused without it"});
    if (findings.empty()) findings.push_back({State::ok, "settings", "every service is named"});
    return findings;
}

Findings look_at_replicas(const std::vector<Replica>& replicas) {
    Findings findings;
    for (const auto& replica : replicas) {
        if (!replica.answers()) {
            findings.push_back(
                {State::fault, "replicas",
                 replica.name() + " does not answer at " + replica.address,
                 "start it, or see in its log why it ended; " + runbook("FlowStackReplicaLost")});
            continue;
        }
        const auto complaints = complaints_of(replica);
        for (const auto& [check, state, detail] : complaints)
            findings.push_back(
                {state == "failed" ? State::fault : State::warning, "replicas",
                 replica.name() + " " + check + ": " + (detail.empty() ? state : detail),
                 remedy_of(check)});
        if (complaints.empty() && replica.ready_status != 200)
            findings.push_back({State::warning, "replicas",
                                replica.name() + " is starting or going down",
                                "look again in a minute"});
    }
    if (findings.empty())
        findings.push_back({State::ok, "replicas",
                            counted(replicas.size(), "replica answers and has",
                                    "replicas answer "
                                    "and have") +
                                " no complaint"});
    return findings;
}

Findings look_at_versions(const std::vector<Replica>& replicas, const std::string& own) {
    std::map<std::string, std::set<std::string>> who;
    for (const auto& replica : replicas) {
        const auto [from, to] = replica.samples.equal_range("flowstack_build_info");
        for (auto it = from; it != to; ++it)
            if (const auto found = it->second.labels.find("version");
                found != it->second.labels.end())
                who[found->second].insert(replica.name());
    }
    if (who.empty()) return {{State::skipped, "versions", "no replica says its version"}};
    who[own].insert("flowctl");
    if (who.size() == 1) return {{State::ok, "versions", "all run " + own}};
    std::string text;
    for (const auto& [version, names] : who)
        text += (text.empty() ? "" : "; ") + version + ": " + listed(names);
    return {{State::warning, "versions", text,
             "finish the update; two versions side by side are meant for the time of one"}};
}

Findings look_at_clocks(const std::vector<Replica>& replicas) {
    Findings findings;
    bool told = false;
    for (const auto& replica : replicas) {
        if (!replica.clock_ahead) continue;
        told = true;
        const auto seconds = std::chrono::round<std::chrono::seconds>(*replica.clock_ahead);
        if (std::chrono::abs(seconds) <= kClockAheadMax) continue;
        findings.push_back(
            {State::warning, "clocks",
             replica.name() + " is " + std::to_string(std::chrono::abs(seconds).count()) + " s " +
                 (seconds.count() > 0 ? "ahead of" : "behind") + " this machine's clock",
             "let both machines take their time from one NTP source"});
    }
    if (!told) return {{State::skipped, "clocks", "no replica answers"}};
    if (findings.empty())
        findings.push_back(
            {State::ok, "clocks",
             "within " + std::to_string(kClockAheadMax.count()) + " s of this machine's"});
    return findings;
}

Findings look_at_lanes(const AllLanes& all, const std::vector<Replica>& replicas) {
    Findings findings;
    std::map<int, std::set<std::string>> by_count;
    for (const auto& [service, lanes] : all) {
        if (!lanes.answered) {
            findings.push_back({State::fault, "lanes",
                                service + " does not say how its lanes are: " + lanes.why_not,
                                "start it, or set " + stack::upper(service) +
                                    "_GRPC, and INTERNAL_KEY or GRPC_TLS_*, to what it uses"});
            continue;
        }
        by_count[lanes.status.lanes_size()].insert(service);
        std::vector<int> never;
        std::int64_t unpublished = 0;
        for (const auto& lane : lanes.status.lanes()) {
            if (lane.owner().empty()) never.push_back(lane.lane());
            unpublished += std::max<std::int64_t>(lane.position() - lane.published(), 0);
        }
        if (!never.empty())
            findings.push_back(
                {State::fault, "lanes",
                 "nobody has ever worked on " + service + "'s lanes " + number_ranges(never),
                 runbook("FlowStackLaneWithoutOwner")});
        std::vector<int> lost, uncompared;
        for (const auto& lane : lanes.status.lanes()) {
            if (lane.lost_to() > 0) lost.push_back(lane.lane());
            if (lane.not_compared()) uncompared.push_back(lane.lane());
        }
        if (!lost.empty())
            findings.push_back({State::fault, "lanes",
                                service + "'s lanes " + number_ranges(lost) +
                                    " refuse to be written to: their logs have lost what the bus "
                                    "or another service has",
                                runbook("FlowStackTailLost")});
        else if (!uncompared.empty())
            findings.push_back(
                {State::fault, "lanes",
                 service + "'s lanes " + number_ranges(uncompared) +
                     " refuse to be written to: the database was restored or failed over, and "
                     "they were not compared with the bus since",
                 runbook("FlowStackTailLost")});
        if (unpublished > kUnpublishedMany)
            findings.push_back({State::warning, "lanes",
                                service + " has " + std::to_string(unpublished) +
                                    " events that Kafka does not have yet",
                                runbook("FlowStackRelayBehind")});
    }
    if (by_count.size() > 1) {
        std::string text;
        for (const auto& [count, services] : by_count)
            text += (text.empty() ? "" : "; ") + std::to_string(count) + " in " + listed(services);
        findings.push_back(
            {State::fault, "lanes", "services have different numbers of lanes: " + text,
             "restore the database that was made with another LANES: an installation "
             "has one number for ever"});
    }
    std::map<std::string, double> without_owner;
    for (const auto& replica : replicas)
        if (replica.answers())
            without_owner[replica.service] =
                std::max(without_owner[replica.service],
                         sum_of(replica.samples, "flowstack_lanes_without_owner"));
    for (const auto& [service, count] : without_owner)
        if (count > 0)
            findings.push_back({State::fault, "lanes",
                                service + " has " + std::to_string(std::lround(count)) +
                                    " lanes without a living owner",
                                runbook("FlowStackLaneWithoutOwner")});
    std::map<std::pair<std::string, std::string>, std::pair<std::int64_t, std::int64_t>> reading;
    for (const auto& progress : progress_of(all)) {
        auto& [behind, parked] = reading[{progress.consumer, progress.source}];
        behind += progress.behind();
        parked += progress.parked;
    }
    for (const auto& [who, sums] : reading) {
        const auto& [consumer, source] = who;
        if (sums.first > kBehindMany)
            findings.push_back(
                {State::warning, "lanes",
                 consumer + " is " + std::to_string(sums.first) + " events behind " + source,
                 runbook("FlowStackConsumerBehind")});
        if (sums.second > 0)
            findings.push_back(
                {State::fault, "lanes",
                 consumer + " could not apply " +
                     counted(static_cast<std::size_t>(sums.second), "event", "events") + " of " +
                     source + "; the customers concerned wait",
                 "`flowctl consumers parked` names them; " + runbook("FlowStackEventsParked")});
    }
    if (findings.empty())
        findings.push_back({State::ok, "lanes",
                            std::to_string(by_count.begin()->first) +
                                " lanes in each service, all worked on and up to date"});
    return findings;
}

Findings look_at_counters(const std::vector<Replica>& replicas) {
    struct Counter {
        const char* metric;
        State state;
        const char* what;
        const char* remedy;
    };
    static constexpr Counter kCounters[] = {
        {"flowstack_relay_mismatches", State::fault, "records on the bus differ from the log",
         "docs/runbooks/FlowStackBusDiffersFromLog.md"},
        {"flowstack_gateway_breakers_open", State::warning,
         "channels whose provider does not take messages at the moment",
         "`flowctl channels breaker` names them; docs/runbooks/FlowStackProviderBreakerOpen.md"},
        {"flowstack_payment_needs_person", State::warning, "payments that wait for a person",
         "`flowctl payments list --needs-person`, then `flowctl payments resolve`"},
    };
    Findings findings;
    bool told = false;
    for (const auto& [metric, state, what, remedy] : kCounters) {
        // Replicas of a service count the same things, or each its own: the largest is at least one
        // of them.
        std::map<std::string, double> largest;
        for (const auto& replica : replicas) {
            if (replica.samples.empty()) continue;
            told = true;
            largest[replica.service] =
                std::max(largest[replica.service], sum_of(replica.samples, metric));
        }
        for (const auto& [service, count] : largest)
            if (count > 0)
                findings.push_back(
                    {state, "counters",
                     service + ": " + std::to_string(std::lround(count)) + " " + what, remedy});
    }
    if (!told) return {{State::skipped, "counters", "no replica shows metrics"}};
    if (findings.empty())
        findings.push_back(
            {State::ok, "counters",
             "topics equal their logs, providers take messages, no payment waits for "
             "a person"});
    return findings;
}

Findings look_at_data_keys(const std::map<std::string, DataKeysOf>& all) {
    Findings findings;
    for (const auto& [service, keys] : all) {
        if (!keys.answered) {
            findings.push_back({State::skipped, "data keys", service + ": " + keys.why_not});
            continue;
        }
        for (const auto& version : keys.status.versions()) {
            const auto count = counted(static_cast<std::size_t>(version.data_keys()), "data key is",
                                       "data keys are");
            if (version.version() == keys.status.wraps()) continue;
            if (version.data_keys() > 0 && !version.opens())
                findings.push_back(
                    {State::fault, "data keys",
                     service + ": " + count + " wrapped under " + version.version() +
                         ", which it was not given: what they seal does not open",
                     "give the key as MASTER_KEY_OTHER (or VAULT_ADDRESS) and restart it; then "
                     "`flowctl data-keys rewrap`"});
            else if (version.data_keys() > 0)
                findings.push_back({State::warning, "data keys",
                                    service + ": " + count + " still wrapped under " +
                                        version.version() + ", so that key is needed",
                                    "finish the rotation: `flowctl data-keys rewrap`"});
            else
                findings.push_back(
                    {State::ok, "data keys",
                     service + ": nothing is wrapped under " + version.version() +
                         "; unless a rotation is about to begin, it can be taken out"});
        }
    }
    const bool troubled = std::ranges::any_of(
        findings, [](const auto& finding) { return finding.state != State::ok; });
    if (!troubled)
        findings.push_back(
            {State::ok, "data keys", "all open and are wrapped under the key that wraps now"});
    return findings;
}

std::optional<Finding> look_at_schema(const std::string& service, const MigrateResult& pending) {
    if (pending.applied.empty()) return std::nullopt;
    return Finding{State::fault, "schema",
                   service + " lacks " +
                       counted(pending.applied.size(), "migration", "migrations") +
                       ", the first is " + pending.applied.front(),
                   "`flowctl migrate`, before the new version is started"};
}

Findings look_at_disk(const std::string& path, std::uint64_t free, std::uint64_t capacity) {
    const auto gib = [](std::uint64_t bytes) {
        char text[32];
        std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
        return std::string(text);
    };
    const auto text = gib(free) + " of " + gib(capacity) + " free at " + path;
    if (static_cast<double>(free) >= kDiskFreeShareMin * static_cast<double>(capacity))
        return {{State::ok, "disk", text}};
    return {{State::warning, "disk", text,
             "make room: when PostgreSQL's disk is full, webhooks are refused with 503"}};
}

namespace {

Findings look_at_databases(const stack::Environment& environment, const std::string& folder) {
    Findings findings;
    std::set<std::string> well;
    for (const auto& service : stack::kServices) {
        const auto name = stack::upper(service) + "_MIGRATE_URL";
        const auto url = environment.get(name);
        if (url.empty()) {
            findings.push_back({State::skipped, "schema", service + ": " + name + " is not set"});
            continue;
        }
        try {
            auto found = look_at_schema(
                service, migrate(url, migrations_of(folder, service), 0, /*dry_run=*/true));
            if (found)
                findings.push_back(std::move(*found));
            else
                well.insert(service);
        } catch (const std::exception& error) {
            std::string what = error.what();
            std::ranges::replace(what, '\n', ' ');
            findings.push_back({State::fault, "schema", service + ": " + what,
                                "repair its PostgreSQL, or " + name});
        }
    }
    if (!well.empty()) findings.push_back({State::ok, "schema", "up to date: " + listed(well)});
    return findings;
}

// Of a stack that was started on this machine.
Findings look_at_own_disk(const stack::Environment& environment) {
    const auto path = environment.get("FLOWSTACK_RUN_DIR");
    std::error_code error;
    const auto space =
        path.empty() ? std::filesystem::space_info{} : std::filesystem::space(path, error);
    if (path.empty() || error || space.capacity == 0)
        return {{State::skipped, "disk",
                 "PostgreSQL and Kafka are not on this machine: see the platform's own figures"}};
    return look_at_disk(path, space.available, space.capacity);
}

int examine(Context& context, const std::string& folder) {
    const auto& environment = context.environment();
    if (std::ranges::all_of(stack::kServices, [&](const auto& service) {
            return environment.get(stack::upper(service) + "_GRPC").empty();
        }))
        throw UsageError(
            "which stack? <SERVICE>_GRPC is not set and there is no .run/env here; give --env-file "
            "<run directory>/env");
    Findings all = look_at_settings(environment);
    const auto add = [&](const Findings& more) { all.insert(all.end(), more.begin(), more.end()); };
    std::vector<Replica> replicas;
    try {
        replicas = probe_all(context);
        add(look_at_replicas(replicas));
    } catch (const UsageError& error) {
        add({{State::skipped, "replicas", error.what()}});
    }
    add(look_at_versions(replicas, std::string(version())));
    add(look_at_clocks(replicas));
    try {
        add(look_at_lanes(lanes_of_all(context), replicas));
    } catch (const UsageError& error) {
        add({{State::skipped, "lanes", error.what()}});
    }
    add(look_at_counters(replicas));
    add(look_at_data_keys(data_keys_of_all(context)));
    add(look_at_databases(environment, folder));
    add(look_at_own_disk(environment));

    // The worst comes first.
    std::ranges::stable_sort(all, std::ranges::greater(), &Finding::state);
    Sheet sheet({{"STATE"}, {"CHECK"}, {"WHAT"}, {"WHAT TO DO"}});
    std::size_t faults = 0, warnings = 0;
    for (const auto& finding : all) {
        sheet.add({text_of(finding.state), finding.check, finding.what, finding.remedy});
        faults += finding.state == State::fault;
        warnings += finding.state == State::warning;
    }
    // Whole even on a narrow terminal: what is cut off here is what has to be done.
    write(std::cout, sheet, context.format);
    std::cerr << "flowctl: " << counted(faults, "fault", "faults") << ", "
              << counted(warnings, "warning", "warnings") << "\n";
    return faults == 0 ? kOk : kMismatch;
}

}  // namespace

void add_doctor_command(CLI::App& app, Context& context) {
    const auto folder = std::make_shared<std::string>();
    auto* doctor = app.add_subcommand("doctor",
                                      "what is wrong with the installation, and what to do. Exit "
                                      "code 3 if there is a fault, 0 if "
                                      "there are at most warnings");
    doctor->add_option(
        "--migrations", *folder,
        "folder with the SQL files that databases are compared with (MIGRATIONS_DIR, "
        "or migrations of FLOWSTACK_ROOT)");
    doctor->callback([&context, folder] {
        context.run = [&context, folder] {
            return examine(context, migrations_folder(context, *folder));
        };
    });
}

}  // namespace flowstack::flowctl
