#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>

#include "common/rpc/error.h"
#include "flowstack/common/v1/event_log.pb.h"
#include "tools/flowctl/json.h"
#include "tools/flowctl/output.h"

// log and work: what is done after a restore that lost the tails of logs, and what it left open.
namespace flowstack::flowctl {
namespace {

namespace v1 = common::v1;

constexpr int kHeldPage = 500;
constexpr std::chrono::milliseconds kTailTimeout{60'000};

struct LogArguments {
    std::vector<std::string> services;
    std::vector<int> lanes;
    std::int64_t above = 0;
    std::string reason;
    bool dry_run = false;
};

struct WorkArguments {
    std::vector<std::string> services;
    std::string kind;
    std::string key;
    std::string reason;
    bool all = false;
    bool dry_run = false;
};

std::vector<std::string> of(const std::vector<std::string>& wanted) {
    return wanted.empty() ? stack::kServices : wanted;
}

// Goes through the services; one that fails is told and the others go on.
int for_each(const std::vector<std::string>& wanted,
             const std::function<int(const std::string& service)>& work) {
    std::size_t well = 0;
    int worst = kOk;
    const auto services = of(wanted);
    for (const auto& service : services) {
        const int code = guarded([&] { return work(service); });
        well += code == kOk;
        if (code != kOk) {
            std::cerr << "flowctl: " << service << " is not done\n";
            worst = code;
        }
    }
    return well == services.size() ? kOk : well == 0 ? worst : kPartial;
}

std::string range(std::int64_t from, std::int64_t to) {
    if (from > to) return "none";
    return from == to ? std::to_string(from) : std::to_string(from) + ".." + std::to_string(to);
}

int recover(Context& context, const LogArguments& a) {
    struct Sum {
        v1::TailRecovery last;
        std::int64_t from = 0, recovered = 0, payloads_lost = 0;
    };
    std::map<std::pair<std::string, int>, Sum> sums;
    const int code = for_each(a.services, [&](const std::string& service) {
        v1::RecoverTailsRequest request;
        request.set_reason(a.reason);
        while (true) {
            const auto answer = context.api().call<v1::RecoverTailsResponse>(
                service, "common:EventLog/RecoverTails", request, kTailTimeout);
            bool more = false, refused = false;
            for (const auto& lane : answer.lanes()) {
                auto& sum = sums[{service, lane.lane()}];
                if (sum.from == 0) sum.from = lane.from();
                sum.recovered += lane.recovered();
                sum.payloads_lost += lane.payloads_lost();
                sum.last = lane;
                refused |= !lane.refused().empty();
                more |= lane.missing() > 0 && lane.refused().empty();
            }
            if (!more) return refused ? kConflict : kOk;
            std::cerr << service << ": goes on\n";
        }
    });
    Sheet sheet({{"SERVICE"},
                 {"LANE", true},
                 {"LOST"},
                 {"RECOVERED", true},
                 {"WITHOUT PAYLOAD", true},
                 {"MISSING", true},
                 {"REFUSED", false, true}});
    for (const auto& [where, sum] : sums) {
        const auto& lane = sum.last;
        sheet.add({where.first, std::to_string(where.second),
                   sum.from == 0 ? "" : range(sum.from, std::max(lane.to(), sum.from)),
                   std::to_string(sum.recovered), std::to_string(sum.payloads_lost),
                   std::to_string(lane.missing()),
                   lane.refused().empty()
                       ? ""
                       : "position " + std::to_string(lane.refused_at()) + ": " + lane.refused()},
                  json_of(lane));
    }
    print(sheet, context.format, "lanes that miss anything");
    return code;
}

int declare_lost(Context& context, const LogArguments& a) {
    if (!a.lanes.empty() && a.services.size() != 1)
        throw UsageError("--lane needs the one --service whose lane it is");
    // The same moment for all: what one of them writes after it is new for the others.
    const auto at = std::chrono::duration_cast<std::chrono::microseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
    Sheet sheet({{"SERVICE"}, {"LANE", true}, {"KEPT TO", true}, {"LOST"}, {"GOES ON AT", true}});
    const int code = for_each(a.services, [&](const std::string& service) {
        v1::DeclareTailsLostRequest request;
        for (const int lane : a.lanes) request.add_lanes(lane);
        request.set_above(a.above);
        request.set_reason(a.reason);
        request.set_at_us(at);
        request.set_validate_only(a.dry_run);
        const auto answer = context.api().call<v1::DeclareTailsLostResponse>(
            service, "common:EventLog/DeclareTailsLost", request, kTailTimeout);
        for (const auto& lane : answer.lanes())
            sheet.add({service, std::to_string(lane.lane()), std::to_string(lane.head()),
                       range(lane.head() + 1, lane.last()), std::to_string(lane.last() + 1)},
                      json_of(lane));
        return kOk;
    });
    print(sheet, context.format, "lanes that miss anything");
    if (sheet.size() != 0)
        std::cerr << (a.dry_run ? "nothing was changed (dry run)\n"
                                : "open work is held: `flowctl work held`; what was in flight is "
                                  "parked: `flowctl consumers parked`\n");
    return code;
}

std::vector<v1::HeldWork> held_of(Context& context, const std::string& service,
                                  const WorkArguments& a) {
    std::vector<v1::HeldWork> found;
    v1::ListHeldWorkRequest request;
    request.set_page_size(kHeldPage);
    request.set_kind(a.kind);
    request.set_key(a.key);
    while (true) {
        const auto page = context.api().call<v1::ListHeldWorkResponse>(
            service, "common:EventLog/ListHeldWork", request);
        found.insert(found.end(), page.work().begin(), page.work().end());
        if (page.work_size() < kHeldPage) return found;
        *request.mutable_after() = found.back();
    }
}

int list_held(Context& context, const WorkArguments& a) {
    Sheet sheet({{"SERVICE"}, {"LANE", true}, {"KIND"}, {"KEY", false, true}, {"WAS DUE (UTC)"}});
    const int code = for_each(a.services, [&](const std::string& service) {
        for (const auto& work : held_of(context, service, a))
            sheet.add({service, std::to_string(work.lane()), work.kind(), work.key(),
                       utc(work.due_at_us())},
                      json_of(work));
        return kOk;
    });
    print(sheet, context.format, "held work");
    return code;
}

int release_held(Context& context, const WorkArguments& a) {
    if (a.kind.empty() && a.key.empty() && !a.all)
        throw UsageError("say which: --kind, --key, or --all");
    Sheet sheet({{"SERVICE"}, {"RELEASED", true}});
    const int code = for_each(a.services, [&](const std::string& service) {
        if (a.dry_run) {
            sheet.add({service, std::to_string(held_of(context, service, a).size()) + " would be"});
            return kOk;
        }
        v1::ReleaseHeldWorkRequest request;
        request.set_kind(a.kind);
        request.set_key(a.key);
        request.set_all(a.all);
        request.set_reason(a.reason);
        const auto answer = context.api().call<v1::ReleaseHeldWorkResponse>(
            service, "common:EventLog/ReleaseHeldWork", request, kTailTimeout);
        sheet.add({service, std::to_string(answer.released())});
        return kOk;
    });
    print(sheet, context.format, "held work");
    return code;
}

void add_services(CLI::App& command, std::vector<std::string>& services) {
    command.add_option("-s,--service", services, "only of this service")
        ->check(CLI::IsMember(stack::kServices))
        ->option_text("SERVICE ...");
}

void add_log_commands(CLI::App& app, Context& context) {
    auto* log = app.add_subcommand(
        "log",
        "what a restore to an earlier moment has lost of the services' logs (docs/backup.md)");
    log->require_subcommand(1);
    log->fallthrough();
    {
        const auto a = std::make_shared<LogArguments>();
        auto* command = log->add_subcommand(
            "recover",
            "take it back from the bus, and let lanes that miss nothing be written to. It may be "
            "interrupted and repeated; exit code 5 names the position that the bus cannot give");
        add_services(*command, a->services);
        command->add_option("--reason", a->reason, "why, for the record");
        command->callback(
            [&context, a] { context.run = [&context, a] { return recover(context, *a); }; });
    }
    const auto a = std::make_shared<LogArguments>();
    auto* command = log->add_subcommand(
        "declare-lost",
        "give it up: each lane goes on above every position that was published, and open work is "
        "held for a person");
    add_services(*command, a->services);
    command->add_option("--lane", a->lanes, "only of this lane, though it may be written to")
        ->option_text("N ...");
    command
        ->add_option("--above", a->above,
                     "a position that was certainly never reached: where the bus was wiped, too, "
                     "nothing else says how far a lane was published")
        ->check(CLI::PositiveNumber)
        ->option_text("POSITION");
    command->add_option("--reason", a->reason, "why, for the record")->required();
    command->add_flag("--dry-run", a->dry_run, "say what would be given up and change nothing");
    command->callback(
        [&context, a] { context.run = [&context, a] { return declare_lost(context, *a); }; });
}

void add_work_commands(CLI::App& app, Context& context) {
    auto* work = app.add_subcommand(
        "work", "open work that waits for a person, since it may have been done in a lost tail");
    work->require_subcommand(1);
    work->fallthrough();
    const auto add_filter = [](CLI::App& command, WorkArguments& a) {
        add_services(command, a.services);
        command
            .add_option("--kind", a.kind,
                        "only kinds that begin so: dispatch, attempt, ask, poll, timer …")
            ->option_text("KIND");
        command.add_option("--key", a.key, "only of this message, payment or timer")
            ->option_text("KEY");
    };
    {
        const auto a = std::make_shared<WorkArguments>();
        auto* command = work->add_subcommand("held", "list it");
        add_filter(*command, *a);
        command->callback(
            [&context, a] { context.run = [&context, a] { return list_held(context, *a); }; });
    }
    const auto a = std::make_shared<WorkArguments>();
    auto* command = work->add_subcommand(
        "release", "let it be done when it was due, which is at once for what is late");
    add_filter(*command, *a);
    command->add_flag("--all", a->all, "all of it");
    command->add_option("--reason", a->reason, "why, for the record");
    command->add_flag("--dry-run", a->dry_run, "count it and change nothing");
    command->callback(
        [&context, a] { context.run = [&context, a] { return release_held(context, *a); }; });
}

}  // namespace

void add_tail_commands(CLI::App& app, Context& context) {
    add_log_commands(app, context);
    add_work_commands(app, context);
}

}  // namespace flowstack::flowctl
