#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <csignal>
#include <iostream>
#include <map>
#include <thread>

#include "common/text/width.h"
#include "flowstack/common/v1/event_log.pb.h"
#include "tools/flowctl/causes.h"
#include "tools/flowctl/names.h"
#include "tools/flowctl/output.h"
#include "tools/flowctl/payload.h"
#include "tools/stack/logs.h"

// events list, tail, get and why: the services' logs, read as any outsider would.
namespace flowstack::flowctl {
namespace {

using Place = std::tuple<std::string, int, std::int64_t>;

constexpr std::chrono::milliseconds kTailPollInterval{300};
// A line of the tail, off a terminal.
constexpr std::size_t kTailWidth = 160;
constexpr int kCausesMax = 100;

volatile std::sig_atomic_t interrupted = 0;

struct EventArguments {
    std::vector<std::string> services;
    std::string tenant;
    std::string type;
    std::string category;
    int lane = -1;
    std::int64_t from = 1;
    int limit = 50;
    bool first = false;
};

bool wanted(const EventArguments& a, const RecordedEvent& event) {
    return (a.tenant.empty() || event.tenant() == a.tenant) &&
           (a.type.empty() || event.type() == a.type ||
            stack::short_type(event.type()) == a.type) &&
           (a.category.empty() || event.category() == a.category);
}

std::vector<std::string> services_of(const EventArguments& a) {
    for (const auto& service : a.services)
        if (std::find(stack::kServices.begin(), stack::kServices.end(), service) ==
            stack::kServices.end())
            throw UsageError("--service " + service +
                             ": there are gateway, conversation, payment, "
                             "followup and campaign");
    return a.services.empty() ? stack::kServices : a.services;
}

Place place_of(const RecordedEvent& event) {
    return {event.service(), event.lane(), event.position()};
}

const std::vector<Column> kListColumns{{"TIME (UTC)"},    {"PLACE"},
                                       {"EVENT"},         {"STREAM", false, true},
                                       {"VERSION", true}, {"WHAT", false, true}};

std::vector<std::string> list_cells(const RecordedEvent& event) {
    return {utc(event.recorded_at_us()),     place(event),
            stack::short_type(event.type()), stream(event),
            std::to_string(event.version()), summary(event)};
}

// Sorts by the time of recording. The order within a lane never changes by it.
void sort_by_time(std::vector<RecordedEvent>& events) {
    std::stable_sort(events.begin(), events.end(), [](const auto& x, const auto& y) {
        return x.recorded_at_us() < y.recorded_at_us();
    });
}

int list_events(Context& context, const EventArguments& a) {
    std::vector<RecordedEvent> events;
    for (const auto& service : services_of(a)) {
        const auto lanes = static_cast<int>(stack::heads_of(context.api(), service).size());
        if (a.lane >= lanes)
            throw UsageError("--lane " + std::to_string(a.lane) + ": " + service +
                             " has lanes 0 to " + std::to_string(lanes - 1));
        for (int lane = 0; lane < lanes; ++lane)
            if (a.lane < 0 || a.lane == lane)
                stack::read_lane(context.api(), service, lane, a.from, [&](const auto& event) {
                    if (wanted(a, event)) events.push_back(event);
                });
    }
    sort_by_time(events);
    if (const auto limit = static_cast<std::size_t>(a.limit);
        a.limit > 0 && events.size() > limit) {
        std::cerr << limit << " of " << events.size() << " events (--limit 0 shows all)\n";
        if (a.first)
            events.resize(limit);
        else
            events.erase(events.begin(), events.end() - a.limit);
    }
    Sheet sheet(kListColumns);
    for (const auto& event : events)
        sheet.add(list_cells(event),
                  context.format == Format::json || context.format == Format::jsonl
                      ? event_json(event)
                      : "");
    print(sheet, context.format, "events");
    return kOk;
}

void print_tailed(Context& context, const RecordedEvent& event) {
    if (context.format != Format::table) {
        Sheet sheet(kListColumns);
        sheet.add(list_cells(event), event_json(event));
        // A tail has no end, so each event is one line whatever form was asked for.
        write(std::cout, sheet, Format::jsonl);
    } else {
        const auto width = terminal_width();
        const auto cells = list_cells(event);
        const auto padded = [](std::string text, std::size_t room) {
            const auto has = text::columns(text);
            return has < room ? text + std::string(room - has, ' ') : text;
        };
        const auto line = cells[0].substr(11) + "  " + padded(cells[1], 20) + " " +
                          padded(cells[2], 24) + " " + cells[5];
        std::cout << fitted(line, width == 0 ? kTailWidth : width) << "\n";
    }
    std::cout << std::flush;
}

int tail_events(Context& context, const EventArguments& a) {
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    const auto services = services_of(a);
    std::map<std::pair<std::string, int>, std::int64_t> next;
    for (const auto& service : services) {
        int lane = 0;
        for (const auto head : stack::heads_of(context.api(), service))
            next[{service, lane++}] = head + 1;
    }
    std::cerr << "waiting for events, Ctrl-C ends\n";
    std::map<std::string, bool> away;
    for (int shown = 0; !interrupted;) {
        std::vector<RecordedEvent> events;
        for (const auto& service : services) {
            try {
                int lane = 0;
                for (const auto head : stack::heads_of(context.api(), service)) {
                    auto& from = next[{service, lane}];
                    if (head >= from && (a.lane < 0 || a.lane == lane))
                        stack::read_lane(context.api(), service, lane, from,
                                         [&](const auto& event) {
                                             from = event.position() + 1;
                                             if (wanted(a, event)) events.push_back(event);
                                         });
                    ++lane;
                }
                if (away[service]) std::cerr << service << " is back\n";
                away[service] = false;
            } catch (const std::exception& error) {
                if (!away[service]) std::cerr << service << ": " << error.what() << "\n";
                away[service] = true;
            }
        }
        sort_by_time(events);
        for (const auto& event : events) {
            print_tailed(context, event);
            if (a.limit > 0 && ++shown >= a.limit) return kOk;
        }
        std::this_thread::sleep_for(kTailPollInterval);
    }
    return kInterrupted;
}

// "payment/2/17"
std::optional<common::v1::Position> parse_place(const std::string& text) {
    const auto first = text.find('/');
    const auto second = first == std::string::npos ? first : text.find('/', first + 1);
    if (second == std::string::npos) return std::nullopt;
    common::v1::Position position;
    position.set_service(text.substr(0, first));
    if (std::find(stack::kServices.begin(), stack::kServices.end(), position.service()) ==
        stack::kServices.end())
        return std::nullopt;
    int lane = 0;
    std::int64_t number = 0;
    const auto* begin = text.data();
    const auto lane_end = std::from_chars(begin + first + 1, begin + second, lane);
    const auto end = std::from_chars(begin + second + 1, begin + text.size(), number);
    if (lane_end.ec != std::errc{} || lane_end.ptr != begin + second || end.ec != std::errc{} ||
        end.ptr != begin + text.size() || lane < 0 || number < 1)
        return std::nullopt;
    position.set_lane(lane);
    position.set_position(number);
    return position;
}

RecordedEvent event_at(Context& context, const common::v1::Position& position) {
    auto event = stack::event_at(context.api(), position);
    if (event) return *event;
    throw NotFound("there is no event at " + place(position));
}

int get_event(Context& context, const std::string& text) {
    const auto position = parse_place(text);
    if (!position) throw UsageError("'" + text + "' is no place: <service>/<lane>/<position>");
    const auto event = event_at(context, *position);
    const auto& meta = event.meta();
    const auto json = event_json(event);
    std::string what;
    for (const auto& step : steps(event)) what += (what.empty() ? "" : "\n") + step;
    if (what.empty()) what = summary(event);
    print_facts({{"event", event.type()},
                 {"place", place(event)},
                 {"stream", stream(event) + " version " + std::to_string(event.version())},
                 {"recorded", utc(event.recorded_at_us())},
                 {"occurred", utc(event.occurred_at_us())},
                 {"actor", meta.actor()},
                 {"role", meta.role()},
                 {"from", meta.source_address()},
                 {"reason", meta.reason()},
                 {"command", event.command_id()},
                 {"caused by", meta.has_causation() ? place(meta.causation()) : ""},
                 {"correlation", meta.correlation_id()},
                 {"routing", meta.routing_kind() + " " + meta.routing_key()},
                 {"trace", meta.traceparent()},
                 {"build", meta.build_id()},
                 {"private", meta.private_() ? "yes: not on the bus" : ""},
                 {"what", what}},
                json, context.format);
    if (context.format == Format::table) std::cout << "\n" << payload_text(event) << "\n";
    return kOk;
}

// --- Why.

// Where the id of a resource is the key of a stream.
struct Home {
    const char* collection;
    const char* service;
    const char* category;
};
constexpr Home kHomes[] = {
    {"messages", "gateway", "message"}, {"payments", "payment", "intent"},
    {"orders", "payment", "order"},     {"refunds", "payment", "refund"},
    {"invoices", "payment", "invoice"}, {"conversations", "conversation", "conversation"},
    {"tasks", "followup", "task"},      {"campaigns", "campaign", "campaign"}};

// The history of what was named: a resource, its bare id, or an event's place.
std::vector<RecordedEvent> history_of(Context& context, const std::string& typed,
                                      const std::string& tenant_option) {
    if (const auto position = parse_place(typed)) return {event_at(context, *position)};
    const auto tenant = [&] { return chosen_tenant(context, tenant_option); };
    for (const auto& home : kHomes) {
        const bool named = typed.find(std::string(home.collection) + "/") != std::string::npos;
        if (typed.find('/') != std::string::npos && !named) continue;
        const auto name = resource_name(typed, home.collection, tenant);
        const auto owner = name.substr(8, name.find('/', 8) - 8);
        auto events =
            stack::stream_of(context.api(), home.service, owner, home.category, short_id(name));
        if (!events.empty()) return events;
    }
    throw NotFound("no message, payment, order, invoice, conversation, task or campaign '" + typed +
                   "'");
}

// Each event with everything that led to it, and what it is a step of.
int explain(Context& context, const std::string& typed, const std::string& tenant) {
    const auto history = history_of(context, typed, tenant);
    std::map<Place, RecordedEvent> known;
    std::map<Place, bool> own;
    for (const auto& event : history) own[place_of(event)] = true;
    std::map<Place, std::string> because;
    for (const auto& event : history) {
        auto at = event;
        for (int i = 0; i < kCausesMax && known.emplace(place_of(at), at).second; ++i) {
            std::optional<RecordedEvent> cause;
            try {
                cause = cause_of(context.api(), at);
            } catch (const NotFound& error) {
                std::cerr << error.what() << "\n";
                because[place_of(at)] = place(at.meta().causation());
            }
            if (!cause) break;
            because[place_of(at)] = place(*cause);
            at = *cause;
        }
    }
    std::vector<RecordedEvent> chain;
    for (const auto& [where, event] : known) chain.push_back(event);
    sort_by_time(chain);

    std::string before;

    Sheet sheet(
        {{"TIME (UTC)"}, {"EVENT"}, {"PLACE"}, {"BECAUSE OF"}, {"ACTOR"}, {"WHAT", false, true}});
    for (const auto& event : chain) {
        const bool mine = own.contains(place_of(event));
        auto& cause = because[place_of(event)];
        // The event comes from the stream's own work, which the step before left to be done.
        if (cause.empty() && mine && !before.empty() && event.meta().actor().find("provider:") != 0)
            cause = before + " (work)";
        if (cause.empty()) cause = "outside";
        if (mine) before = place(event);
        const auto mark = mine ? "● " : "  ";
        sheet.add({utc(event.recorded_at_us()), mark + stack::short_type(event.type()),
                   place(event), cause, event.meta().actor(), summary(event)},
                  event_json(event));
    }
    print(sheet, context.format, "events");
    if (context.format == Format::table)
        std::cerr << "\n● " << stream(history.front()) << "; the others are what led to it\n";
    return kOk;
}

}  // namespace

void add_event_commands(CLI::App& app, Context& context) {
    auto* events = app.add_subcommand("events", "the services' logs");
    events->require_subcommand(1);
    events->fallthrough();

    const auto add_filters = [](CLI::App& command, EventArguments& a) {
        command.add_option("-s,--service", a.services, "only of this service")
            ->option_text("SERVICE ...");
        command.add_option("-t,--tenant", a.tenant, "only of this tenant")
            ->transform([](const std::string& text) { return tenant_id(text); })
            ->option_text("TENANT");
        command.add_option("--type", a.type, "only of this type: IntentPaid, or its full name")
            ->option_text("TYPE");
        command.add_option("--category", a.category, "only of streams of this category")
            ->option_text("CATEGORY");
        command.add_option("--lane", a.lane, "only of this lane")
            ->check(CLI::NonNegativeNumber)
            ->option_text("N");
    };
    {
        const auto a = std::make_shared<EventArguments>();
        auto* list = events->add_subcommand("list", "what was recorded, by time");
        add_filters(*list, *a);
        list->add_option("--from", a->from, "from this position of each lane")
            ->check(CLI::PositiveNumber)
            ->option_text("POSITION [1]");
        list->add_option("-n,--limit", a->limit, "the last so many, 0 = all")
            ->check(CLI::NonNegativeNumber)
            ->option_text("N [50]");
        list->add_flag("--first", a->first, "the first of them instead of the last");
        list->callback(
            [&context, a] { context.run = [&context, a] { return list_events(context, *a); }; });
    }
    {
        const auto a = std::make_shared<EventArguments>();
        a->limit = 0;
        auto* tail = events->add_subcommand("tail", "what is recorded from now on, as it happens");
        add_filters(*tail, *a);
        tail->add_option("-n,--limit", a->limit, "end after so many")->option_text("N");
        tail->callback(
            [&context, a] { context.run = [&context, a] { return tail_events(context, *a); }; });
    }
    {
        const auto where = std::make_shared<std::string>();
        auto* get = events->add_subcommand("get", "one event, whole");
        get->add_option("place", *where, "<service>/<lane>/<position>")->required();
        get->callback([&context, where] {
            context.run = [&context, where] { return get_event(context, *where); };
        });
    }
    {
        struct Arguments {
            std::string name;
            std::string tenant;
        };
        const auto a = std::make_shared<Arguments>();
        auto* why = events->add_subcommand(
            "why",
            "what led to a message, payment, order … from the webhook on, and what became of it");
        why->add_option("id", a->name,
                        "id or name of a message, payment, order, invoice, conversation, task or "
                        "campaign, or an event's <service>/<lane>/<position>")
            ->required();
        why->add_option("-t,--tenant", a->tenant,
                        "whose (FLOWSTACK_TENANT, or the only one there is)")
            ->option_text("TENANT");
        why->callback([&context, a] {
            context.run = [&context, a] { return explain(context, a->name, a->tenant); };
        });
    }
}

}  // namespace flowstack::flowctl
