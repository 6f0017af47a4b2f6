#include "common/eventlog/consumption.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "common/eventlog/consumption/batch.h"
#include "common/eventlog/consumption/cursors.h"
#include "common/eventlog/consumption/documents.h"
#include "common/eventlog/consumption/early_hints.h"
#include "common/eventlog/consumption/parking.h"
#include "common/eventlog/consumption/refill.h"
#include "common/eventlog/envelope.h"
#include "common/eventlog/tail.h"
#include "common/observability/log.h"

namespace flowstack::eventlog {
namespace {

using consuming::Item;
using consuming::key_of;
using consuming::Where;

constexpr std::chrono::milliseconds kRebuildRetryAfter{500};

Item item_of(BusRecord record) {
    Item item;
    try {
        item.event = from_bus(record.value);
        if (item.event.service != record.source || item.event.lane != record.lane)
            item.undecodable = "the envelope names another service or lane than its partition";
        else if (!record.key.empty() && record.key != key_of(item.event))
            item.undecodable = "tenant or routing key does not match the record's key";
    } catch (const std::invalid_argument& error) {
        item.undecodable = error.what();
    }
    item.raw = std::move(record.value);
    return item;
}

// Waits for a source that is away: a rebuild has dropped the documents already.
std::vector<Recorded> read_patiently(Source& source, int lane, std::int64_t from, std::int64_t to) {
    while (true) {
        try {
            return source.read(lane, from, to, consuming::kRefillPageEvents);
        } catch (const TryLater& away) {
            log::warn("rebuild waits: a service is away", {{"error", away.what()}});
            std::this_thread::sleep_for(kRebuildRetryAfter);
        }
    }
}

}  // namespace

struct Consumption::State {
    State(Store& s, std::map<std::string, std::shared_ptr<Source>> all, ConsumptionOptions o)
        : store(s),
          sources(std::move(all)),
          options(std::move(o)),
          session({.url = s.options().database_url,
                   .application_name = s.options().service + "-consume"}),
          cursors(session, options.consumer),
          batches(store, options, session, cursors),
          refill(sources, cursors, batches) {
        batches.on_progress = [this] { publish_progress(); };
    }

    void take(std::vector<BusRecord> records);

    void publish_progress() {
        std::vector<Progress> now;
        for (const auto& [where, cursor] : cursors.all())
            now.push_back({where.first, where.second, cursor.applied, cursor.parked,
                           cursor.lag.events_behind(cursor.applied),
                           cursor.lag.behind_since(cursor.applied)});
        const std::lock_guard lock(progress_mutex);
        progress = std::move(now);
    }

    Store& store;
    std::map<std::string, std::shared_ptr<Source>> sources;
    ConsumptionOptions options;
    postgres::Session session;
    consuming::Cursors cursors;
    consuming::Batches batches;
    consuming::Refill refill;
    consuming::EarlyHints early;
    std::atomic<std::int64_t> hints_applied{0}, hints_late{0}, hints_dropped{0};
    mutable std::mutex progress_mutex;
    std::vector<Progress> progress;
};

Consumption::Consumption(Store& store, std::map<std::string, std::shared_ptr<Source>> sources,
                         ConsumptionOptions options)
    : state_(std::make_unique<State>(store, std::move(sources), std::move(options))) {}
Consumption::~Consumption() = default;

void Consumption::react(Handler handler) { state_->batches.react = std::move(handler); }
void Consumption::project(Handler handler) { state_->batches.project = std::move(handler); }
void Consumption::prepare(Preparation preparation) {
    state_->batches.prepare = std::move(preparation);
}

void Consumption::assign(const std::vector<int>& lanes) {
    state_->batches.put_away();
    for (const auto& [name, source] : state_->sources)
        for (const int lane : lanes) state_->cursors.load({name, lane});
    state_->publish_progress();
}

void Consumption::unassign(const std::vector<int>& lanes) {
    state_->batches.put_away();
    for (const auto& [name, source] : state_->sources)
        for (const int lane : lanes) {
            state_->cursors.drop({name, lane});
            state_->early.forget({name, lane});
        }
    state_->publish_progress();
}

void Consumption::State::take(std::vector<BusRecord> records) {
    const auto now = std::chrono::steady_clock::now();
    std::vector<Item> ready;
    std::map<Where, std::int64_t> expected;
    const auto flush = [&] {
        batches.apply(ready);
        ready.clear();
        expected.clear();
    };
    for (auto& record : records) {
        const Where where{record.source, record.lane};
        auto* cursor = cursors.find(where);
        if (!cursor) continue;
        const auto known = expected.find(where);
        auto next = known != expected.end() ? known->second : cursor->applied + 1;
        const bool hint = record.hint;
        // Most records of the bus were applied as hints: they are not decoded.
        const auto at = position_of(record.value);
        if (at != 0 && at < next) {
            if (hint) ++hints_late;
            continue;
        }
        if (hint && at > next) {
            if (!early.hold(where, at, std::move(record))) ++hints_dropped;
            continue;
        }
        auto item = item_of(std::move(record));
        const bool too_large = item.event.payload_omitted && !item.event.is_private;
        if (hint && (!item.undecodable.empty() || too_large || item.event.position != next)) {
            ++hints_dropped;
            continue;
        }
        if (item.event.position == 0) {
            // Without an envelope nobody knows its position. It leaves a gap, which is refilled
            // from the source.
            log::error("a record on the bus cannot be read",
                       {{"source", where.first}, {"lane", where.second}});
            continue;
        }
        if (item.event.position < next) continue;
        if (item.event.position > next) {
            flush();
            refill.fetch(where, item.event.position - 1);
            cursor = cursors.find(where);
            const bool comes_next =
                cursor && (cursor->applied + 1 == item.event.position ||
                           (item.undecodable.empty() && follows(item.event, cursor->applied)));
            if (!comes_next) continue;
            next = item.event.position;
        }
        // What was too large for the bus its own log has. Of what is older than a restore, the bus
        // may have what that log has lost.
        if (too_large || item.event.recorded_at < cursor->held_before) {
            flush();
            refill.fetch(where, item.event.position);
            continue;
        }
        expected[where] = next + 1;
        cursor->lag.look(cursor->applied, item.event.position, now);
        ready.push_back(std::move(item));
        if (hint) ++hints_applied;
    }
    flush();
}

void Consumption::apply(std::vector<BusRecord> records) {
    auto& state = *state_;
    try {
        state.batches.refresh();
    } catch (const Unavailable& error) {
        log::warn("consumption waits: the store is away", {{"error", error.what()}});
        return;  // these events are fetched from their sources later
    }
    state.take(std::move(records));
    // Hints that came too early may be the next ones now.
    for (auto next = state.early.next(state.cursors); !next.empty() && !state.batches.stopping;
         next = state.early.next(state.cursors))
        state.take(std::move(next));
    try {
        state.batches.save();
        if (state.refill.compare_heads(state.options.head_compare_every)) state.publish_progress();
    } catch (const Unavailable& error) {
        log::warn("consumption waits: the store is away", {{"error", error.what()}});
    }
}

Consumption::Hints Consumption::hints() const {
    return {state_->hints_applied, state_->hints_late, state_->hints_dropped};
}

std::chrono::steady_clock::time_point Consumption::due() const {
    return std::min(state_->batches.due(), state_->refill.due(state_->options.head_compare_every));
}

void Consumption::stop() { state_->batches.stopping = true; }

void Consumption::rebuild() {
    auto& state = *state_;
    state.session.run("delete from read_model");
    for (const auto& [where, cursor] : state.cursors.all()) {
        std::int64_t at = 0;
        while (at < cursor.applied) {
            const auto page = read_patiently(*state.sources.at(where.first), where.second, at + 1,
                                             cursor.applied);
            if (page.empty())
                throw std::runtime_error("rebuild: " + where.first + " has no events after " +
                                         std::to_string(at));
            Pending pending;
            if (state.batches.prepare) {
                std::vector<const Recorded*> events;
                for (const auto& event : page) events.push_back(&event);
                state.batches.prepare(events, pending);
            }
            for (const auto& stored : page) {
                std::optional<Recorded> opened;
                const auto& event = in_clear(state.store.vault(), stored, opened);
                Turn turn(state.store, pending, event, std::nullopt);
                if (state.batches.project && !is_about_the_log(event.stream) &&
                    !cursor.parked_keys.contains(key_of(event)))
                    state.batches.project(event, turn);
                at = event.position;
            }
            std::vector<postgres::Session::Statement> statements;
            consuming::document_statements(pending.documents, statements);
            if (!statements.empty()) state.session.transaction(statements);
        }
    }
}

std::vector<Consumption::Progress> Consumption::progress() const {
    const std::lock_guard lock(state_->progress_mutex);
    return state_->progress;
}

Consumption::Released Consumption::release(const std::string& source, int lane,
                                           const std::string& routing_key) {
    auto& state = *state_;
    const Where where{source, lane};
    auto* cursor = state.cursors.find(where);
    if (!cursor)
        throw std::out_of_range("lane " + std::to_string(lane) + " of " + source +
                                " is not consumed here");
    const auto positions =
        consuming::parked_positions(state.session, state.options.consumer, where, routing_key);
    Released done{.left = static_cast<std::int64_t>(positions.size())};
    for (const auto position : positions) {
        const auto page = state.sources.at(source)->read(lane, position, position, 1);
        done.why_left = page.empty() ? "its source has no event at this position"
                                     : state.batches.release({page.front()});
        if (!done.why_left.empty()) break;
        ++done.released;
        --done.left;
        cursor->parked = std::max<std::int64_t>(cursor->parked - 1, 0);
    }
    if (done.left == 0) cursor->parked_keys.erase(routing_key);
    state.publish_progress();
    return done;
}

}  // namespace flowstack::eventlog
