#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <iostream>
#include <limits>
#include <map>

#include "tools/flowctl/output.h"
#include "tools/flowctl/payload.h"
#include "tools/flowctl/times.h"
#include "tools/stack/logs.h"

// audit operators: what people, and machines from outside, have changed, as the logs tell it.
namespace flowstack::flowctl {
namespace {

using stack::RecordedEvent;

struct OperatorsArguments {
    std::vector<std::string> services;
    std::string actor;
    std::string tenant;
    std::string since;
    std::string until;
    int limit = 100;
};

// Actors that nobody stands behind: our services, their timers and what providers send. Everybody
// else is a person or a machine from outside, by whatever name it was let in.
bool works_by_itself(const std::string& actor) {
    constexpr std::array kWords{"freezer", "pacer", "system", "timer"};
    constexpr std::array kKinds{"service:", "provider:", "dispatcher:", "policy:"};
    return actor.empty() ||
           std::ranges::any_of(kWords, [&](const char* word) { return actor == word; }) ||
           std::ranges::any_of(kKinds, [&](const char* kind) { return actor.starts_with(kind); });
}

// What one call wrote: its events follow each other in one lane.
struct Change {
    RecordedEvent first;
    std::vector<std::string> types;
};

std::int64_t microseconds_of(const char* option, const std::string& text, std::int64_t otherwise) {
    return text.empty() ? otherwise : seconds_of(option, text) * 1'000'000;
}

std::string json_of(const Change& change) {
    const auto& event = change.first;
    boost::json::array types;
    for (const auto& type : change.types) types.emplace_back(type);
    return boost::json::serialize(
        boost::json::object{{"time", utc(event.recorded_at_us())},
                            {"actor", event.meta().actor()},
                            {"role", event.meta().role()},
                            {"source_address", event.meta().source_address()},
                            {"reason", event.meta().reason()},
                            {"tenant", event.tenant()},
                            {"service", event.service()},
                            {"lane", event.lane()},
                            {"position", event.position()},
                            {"command", event.command_id()},
                            {"stream", stream(event)},
                            {"events", std::move(types)},
                            {"what", summary(event)}});
}

std::string joined(const std::vector<std::string>& types) {
    std::string text;
    for (const auto& type : types) text += (text.empty() ? "" : ", ") + type;
    return text;
}

int audit_operators(Context& context, const OperatorsArguments& a) {
    const auto from = microseconds_of("--since", a.since, 0);
    const auto to = microseconds_of("--until", a.until, std::numeric_limits<std::int64_t>::max());
    std::vector<Change> changes;
    for (const auto& service : a.services.empty() ? stack::kServices : a.services) {
        const auto lanes = static_cast<int>(stack::heads_of(context.api(), service).size());
        for (int lane = 0; lane < lanes; ++lane) {
            std::string command;
            stack::read_lane(
                context.api(), service, lane, 1,
                [&](const RecordedEvent& event) {
                    const auto& actor = event.meta().actor();
                    const bool wanted = !works_by_itself(actor) && actor.starts_with(a.actor) &&
                                        event.recorded_at_us() >= from &&
                                        event.recorded_at_us() < to;
                    if (wanted && event.command_id() == command)
                        changes.back().types.push_back(stack::short_type(event.type()));
                    else if (wanted)
                        changes.push_back({event, {stack::short_type(event.type())}});
                    command = wanted ? event.command_id() : "";
                },
                a.tenant);
        }
    }
    std::ranges::stable_sort(changes, {}, [](const Change& c) { return c.first.recorded_at_us(); });
    if (const auto limit = static_cast<std::size_t>(a.limit);
        a.limit > 0 && changes.size() > limit) {
        std::cerr << "the last " << limit << " of " << changes.size()
                  << " changes (--limit 0 shows all)\n";
        changes.erase(changes.begin(), changes.end() - a.limit);
    }
    Sheet sheet({{"TIME (UTC)"},
                 {"ACTOR"},
                 {"ROLE"},
                 {"FROM"},
                 {"TENANT"},
                 {"EVENTS", false, true},
                 {"STREAM", false, true},
                 {"PLACE"},
                 {"WHAT", false, true},
                 {"WHY", false, true}});
    for (const auto& change : changes)
        sheet.add({utc(change.first.recorded_at_us()), change.first.meta().actor(),
                   change.first.meta().role(), change.first.meta().source_address(),
                   change.first.tenant(), joined(change.types), stream(change.first),
                   place(change.first), summary(change.first), change.first.meta().reason()},
                  json_of(change));
    print(sheet, context.format, "changes by people or machines from outside");
    return kOk;
}

}  // namespace

void add_operators_command(CLI::App& audit, Context& context) {
    const auto a = std::make_shared<OperatorsArguments>();
    auto* operators = audit.add_subcommand(
        "operators",
        "what people, and machines from outside, have changed: operators, holders of tokens, API "
        "keys, callers by certificate; a line for each call that wrote something");
    operators->add_option("-s,--service", a->services, "only in this service's log")
        ->check(CLI::IsMember(stack::kServices))
        ->option_text("SERVICE ...");
    operators
        ->add_option("--actor", a->actor,
                     "only of actors whose name begins so: operator:ann, user:, key:")
        ->option_text("NAME");
    operators->add_option("--tenant", a->tenant, "only of this tenant")->option_text("TENANT");
    operators->add_option("--since", a->since, "recorded at this time or later (UTC)");
    operators->add_option("--until", a->until, "recorded before this time (UTC)");
    operators->add_option("--limit", a->limit, "the last so many; 0: all")
        ->check(CLI::NonNegativeNumber)
        ->option_text("N [100]");
    operators->callback(
        [&context, a] { context.run = [&context, a] { return audit_operators(context, *a); }; });
}

}  // namespace flowstack::flowctl
