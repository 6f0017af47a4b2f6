#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <set>

#include "common/rpc/error.h"
#include "tools/flowctl/json.h"
#include "tools/flowctl/lanes.h"
#include "tools/flowctl/output.h"

// consumers: who reads whose log, how far, and what it could not apply.
namespace flowstack::flowctl {
namespace {

constexpr int kParkedPage = 500;
// The service decides anew for every event of the key.
constexpr std::chrono::milliseconds kReleaseTimeout{60'000};

// Says which services do not answer; their rows are missing.
int code_of(const AllLanes& all) {
    std::size_t answered = 0;
    for (const auto& [service, lanes] : all) {
        answered += lanes.answered;
        if (!lanes.answered)
            std::cerr << "flowctl: " << service << " does not answer: " << lanes.why_not << "\n";
    }
    if (answered == all.size()) return kOk;
    return answered == 0 ? kUnavailable : kPartial;
}

int list_consumers(Context& context, bool only_troubled) {
    const auto all = lanes_of_all(context);
    Sheet sheet({{"CONSUMER"},
                 {"SOURCE"},
                 {"LANE", true},
                 {"REPLICA"},
                 {"APPLIED", true},
                 {"HEAD", true},
                 {"BEHIND", true},
                 {"PARKED", true}});
    for (const auto& p : progress_of(all)) {
        if (only_troubled && p.behind() == 0 && p.parked == 0) continue;
        sheet.add({p.consumer, p.source, std::to_string(p.lane), p.owner, std::to_string(p.applied),
                   p.head < 0 ? "?" : std::to_string(p.head),
                   p.head < 0 ? "?" : std::to_string(p.behind()), std::to_string(p.parked)});
    }
    print(sheet, context.format, only_troubled ? "consumers behind" : "consumers");
    return code_of(all);
}

int show_lag(Context& context) {
    const auto all = lanes_of_all(context);
    struct Sum {
        std::int64_t behind = 0;
        std::int64_t worst = 0;
        int worst_lane = -1;
        std::int64_t parked = 0;
        int lanes = 0;
        bool known = true;
    };
    std::map<std::pair<std::string, std::string>, Sum> sums;
    for (const auto& p : progress_of(all)) {
        auto& sum = sums[{p.consumer, p.source}];
        ++sum.lanes;
        sum.known = sum.known && p.head >= 0;
        sum.behind += p.behind();
        sum.parked += p.parked;
        if (p.behind() > sum.worst) {
            sum.worst = p.behind();
            sum.worst_lane = p.lane;
        }
    }
    Sheet sheet({{"CONSUMER"},
                 {"SOURCE"},
                 {"LANES", true},
                 {"BEHIND", true},
                 {"WORST LANE", true},
                 {"PARKED", true}});
    for (const auto& [key, sum] : sums)
        sheet.add({key.first, key.second, std::to_string(sum.lanes),
                   sum.known ? std::to_string(sum.behind) : "?",
                   sum.worst_lane < 0 ? "" : std::to_string(sum.worst_lane),
                   std::to_string(sum.parked)});
    print(sheet, context.format, "consumers");
    return code_of(all);
}

struct ParkedArguments {
    std::string consumer;
    std::string key;
    std::string source;
    bool all = false;
    bool dry_run = false;

    bool wants(const common::v1::ParkedEvent& event) const {
        return (key.empty() || event.routing_key() == key) &&
               (source.empty() || event.source() == source);
    }
};

std::vector<common::v1::ParkedEvent> parked_of(Context& context, const std::string& service) {
    std::vector<common::v1::ParkedEvent> found;
    common::v1::ListParkedRequest request;
    request.set_page_size(kParkedPage);
    while (true) {
        const auto page = context.api().call<common::v1::ListParkedResponse>(
            service, "common:EventLog/ListParked", request);
        found.insert(found.end(), page.events().begin(), page.events().end());
        if (page.events_size() < kParkedPage) return found;
        *request.mutable_after() = found.back();
    }
}

int list_parked(Context& context, const ParkedArguments& a) {
    Sheet sheet(
        {{"CONSUMER"}, {"EVENT"}, {"TYPE"}, {"KEY"}, {"PARKED (UTC)"}, {"REASON", false, true}});
    std::size_t asked = 0;
    int failed = 0;
    for (const auto& service : stack::kServices) {
        if (!a.consumer.empty() && service != a.consumer) continue;
        ++asked;
        failed +=
            guarded([&] {
                for (const auto& event : parked_of(context, service))
                    if (a.wants(event))
                        sheet.add({service,
                                   event.source() + "/" + std::to_string(event.lane()) + "/" +
                                       std::to_string(event.position()),
                                   event.type().substr(event.type().rfind('.') + 1),
                                   event.routing_key(), utc(event.parked_at_us()), event.reason()},
                                  json_of(event));
                return kOk;
            }) != kOk;
    }
    print(sheet, context.format, "parked events");
    if (failed == 0) return kOk;
    return static_cast<std::size_t>(failed) == asked ? kUnavailable : kPartial;
}

// One key of one lane.
struct Stuck {
    std::string source;
    int lane = 0;
    std::string key;
    std::int64_t events = 0;
};

common::v1::ReleaseParkedResponse release_one(Context& context, const std::string& consumer,
                                              const Stuck& stuck) {
    common::v1::ReleaseParkedRequest request;
    request.set_source(stuck.source);
    request.set_lane(stuck.lane);
    request.set_routing_key(stuck.key);
    // Only the lane's owner can do it: it is asked right away, and once more if the owner changed.
    const auto lanes = context.api().call<common::v1::LaneStatusResponse>(
        consumer, "common:EventLog/LaneStatus", common::v1::LaneStatusRequest());
    auto owner = stuck.lane < lanes.lanes_size() ? lanes.lanes(stuck.lane).owner() : "";
    for (int tries = 0;; ++tries) {
        try {
            return context.api().call_at<common::v1::ReleaseParkedResponse>(
                consumer, owner, "common:EventLog/ReleaseParked", request, kReleaseTimeout);
        } catch (const rpc::Failure& failure) {
            const auto named = failure.metadata.find("owner");
            if (tries > 0 || named == failure.metadata.end() || named->second.empty() ||
                named->second == owner)
                throw;
            owner = named->second;
        }
    }
}

int release(Context& context, const ParkedArguments& a) {
    if (std::find(stack::kServices.begin(), stack::kServices.end(), a.consumer) ==
        stack::kServices.end())
        throw UsageError("'" + a.consumer +
                         "' consumes nothing; there are gateway, conversation, "
                         "payment, followup and campaign");
    if (a.key.empty() != a.all) throw UsageError("say whose: --key <tenant>/<key>, or --all");
    std::vector<Stuck> stuck;
    for (const auto& event : parked_of(context, a.consumer)) {
        if (!a.wants(event)) continue;
        const auto same = std::find_if(stuck.begin(), stuck.end(), [&](const Stuck& s) {
            return s.source == event.source() && s.lane == event.lane() &&
                   s.key == event.routing_key();
        });
        if (same == stuck.end())
            stuck.push_back({event.source(), event.lane(), event.routing_key(), 1});
        else
            ++same->events;
    }
    if (stuck.empty() && !a.all)
        throw NotFound(a.consumer + " has nothing parked of " + a.key +
                       (a.source.empty() ? "" : " from " + a.source));
    Sheet sheet({{"SOURCE"},
                 {"LANE", true},
                 {"KEY"},
                 {"RELEASED", true},
                 {"LEFT", true},
                 {"WHY", false, true}});
    std::int64_t released = 0;
    std::int64_t left = 0;
    int code = kOk;
    for (const auto& s : stuck) {
        if (a.dry_run) {
            sheet.add({s.source, std::to_string(s.lane), s.key, "0", std::to_string(s.events),
                       "dry run"});
            continue;
        }
        // A key that cannot be released is reported, and the others go on.
        const int result = guarded([&] {
            const auto done = release_one(context, a.consumer, s);
            released += done.released();
            left += done.left();
            sheet.add({s.source, std::to_string(s.lane), s.key, std::to_string(done.released()),
                       std::to_string(done.left()), done.why_left()});
            return done.left() == 0 ? kOk : kConflict;
        });
        if (result != kOk) code = result;
    }
    print(sheet, context.format, "parked events");
    if (a.dry_run) return kOk;
    std::cerr << released << " released, " << left << " left\n";
    return code != kOk && released > 0 ? kPartial : code;
}

}  // namespace

void add_consumer_commands(CLI::App& app, Context& context) {
    auto* consumers = app.add_subcommand("consumers", "who reads whose log, and how far");
    consumers->require_subcommand(1);
    consumers->fallthrough();
    const auto troubled = std::make_shared<bool>(false);
    auto* list = consumers->add_subcommand("list", "every lane of every source");
    list->add_flag("--behind", *troubled, "only those that are behind or have parked events");
    list->callback([&context, troubled] {
        context.run = [&context, troubled] { return list_consumers(context, *troubled); };
    });
    consumers->add_subcommand("lag", "how far each service is behind each log that it reads")
        ->callback([&context] { context.run = [&context] { return show_lag(context); }; });
    const auto source_of = [](CLI::App& command, ParkedArguments& a) {
        command.add_option("--source", a.source, "only what came from this service")
            ->option_text("SERVICE");
    };
    {
        const auto a = std::make_shared<ParkedArguments>();
        auto* parked = consumers->add_subcommand("parked", "events that could not be applied");
        parked->add_option("consumer", a->consumer, "only of this service");
        parked->add_option("--key", a->key, "only of this key")->option_text("TENANT/KEY");
        source_of(*parked, *a);
        parked->callback(
            [&context, a] { context.run = [&context, a] { return list_parked(context, *a); }; });
    }
    {
        const auto a = std::make_shared<ParkedArguments>();
        auto* command = consumers->add_subcommand(
            "release", "try parked events again, in order, until one of their key fails");
        command->add_option("consumer", a->consumer, "whose: gateway, conversation …")->required();
        command->add_option("--key", a->key, "those of this key")->option_text("TENANT/KEY");
        command->add_flag("--all", a->all, "those of every key");
        command->add_flag("--dry-run", a->dry_run, "list them and change nothing");
        source_of(*command, *a);
        command->callback(
            [&context, a] { context.run = [&context, a] { return release(context, *a); }; });
    }
}

}  // namespace flowstack::flowctl
