#include "common/eventlog/consumption.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "common/core/corrupt_stream.h"
#include "common/observability/log.h"

namespace flowstack::eventlog {
namespace {

using Steady = std::chrono::steady_clock;
using Where = std::pair<std::string, int>;  // source, lane
constexpr int kRefillPageEvents = 500;
constexpr std::chrono::milliseconds kRebuildRetryMs{500};

std::string key_of(const Recorded& event) {
    return event.stream.tenant + "/" + event.meta.routing.key;
}

// An exception's words as a column takes them. They may quote anything; a reason that cannot be
// stored would hold its lane up for ever.
std::string readable(std::string_view reason) {
    constexpr std::size_t kReasonBytesMax = 1000;
    std::string text(reason.substr(0, kReasonBytesMax));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace

struct Consumption::State {
    struct Lane {
        std::int64_t applied = 0;    // in memory
        std::int64_t persisted = 0;  // in the cursor row
        std::set<std::string> parked_keys;
        std::int64_t parked = 0;
        Steady::time_point clean_since = Steady::now();
    };
    // An event that is to be applied, or the reason why it cannot even be read.
    struct Item {
        Recorded event;
        std::string undecodable;
        std::string raw;
    };

    State(Store& s, std::map<std::string, std::shared_ptr<Source>> all, ConsumptionOptions o)
        : store(s),
          sources(std::move(all)),
          options(std::move(o)),
          session({.url = s.options().database_url,
                   .application_name = s.options().service + "-consume"}) {}

    // ------------------------------------------------------------------ cursors

    void load(const Where& where, Lane& lane) {
        const auto cursor = session.query(
            "select position from cursors where consumer = $1 and source = $2 and lane = $3",
            postgres::Params().add(options.consumer).add(where.first).add(where.second));
        lane.applied = lane.persisted = cursor.rows() ? cursor.int8(0, 0) : 0;
        const auto parked = session.query(
            "select routing_key, count(*) from parked where consumer = $1 and source = $2 and lane "
            "= $3 group by 1",
            postgres::Params().add(options.consumer).add(where.first).add(where.second));
        lane.parked_keys.clear();
        lane.parked = 0;
        for (int row = 0; row < parked.rows(); ++row) {
            lane.parked_keys.insert(parked.text(row, 0));
            lane.parked += parked.int8(row, 1);
        }
    }

    Lane* lane_of(const Where& where) {
        const auto found = lanes.find(where);
        return found == lanes.end() ? nullptr : &found->second;
    }

    // ------------------------------------------------------------------ one batch

    // What one attempt at a batch leads to.
    struct Attempt {
        explicit Attempt(const DocumentCache* committed = nullptr) : pending(committed) {}

        Pending pending;
        std::vector<std::size_t> command_item;  // pending.commands[i] came from this item
        std::map<Where, std::int64_t> moved;
        struct Park {
            const Item* item;
            std::string reason;
        };
        std::vector<Park> parks;
    };

    void decide(const Item& item, std::size_t index, Attempt& attempt,
                const std::optional<Verdict>& refusal) {
        const auto& event = item.event;
        Turn turn(store, attempt.pending, event, refusal);
        const auto before = attempt.pending.commands.size();
        if (react) react(event, turn);
        if (project) project(event, turn);
        for (auto i = before; i < attempt.pending.commands.size(); ++i)
            attempt.command_item.push_back(index);
    }

    // One transaction for all that is not written yet: every cursor that moved, the documents, what
    // `attempt` decided, the append last.
    void write(const Attempt& attempt, std::vector<postgres::Session::Statement> statements) {
        std::vector<std::string> sources_moved;
        std::vector<std::int32_t> lanes_moved;
        std::vector<std::int64_t> from, to;
        for (const auto& [where, lane] : lanes) {
            const auto moved = attempt.moved.find(where);
            const auto target = moved == attempt.moved.end() ? lane.applied : moved->second;
            if (target == lane.persisted) continue;
            sources_moved.push_back(where.first);
            lanes_moved.push_back(where.second);
            from.push_back(lane.persisted);
            to.push_back(target);
        }
        if (!to.empty())
            statements.push_back(
                {"select move_cursor($1, c.s, c.l, c.f, c.t) from unnest($2::text[], $3::int[], "
                 "$4::bigint[], $5::bigint[]) c(s, l, f, t)",
                 postgres::Params()
                     .add(options.consumer)
                     .add_array(sources_moved)
                     .add_array(lanes_moved)
                     .add_array(from)
                     .add_array(to)});
        auto changed = documents.unsaved();
        for (const auto& [key, document] : attempt.pending.documents) changed[key] = document;
        document_statements(changed, statements);
        if (attempt.pending.commands.empty()) {
            // A crash that loses this loses the cursors with it, and it is done again: nobody has
            // to wait for the disk.
            if (statements.empty()) return;
            statements.insert(statements.begin(), {"set local synchronous_commit = off", {}});
            session.transaction(statements);
        } else {
            auto call =
                append_call(attempt.pending.commands, store.options(), store.derive(), true);
            statements.push_back(std::move(call.statement));
            const auto results = session.transaction(statements);
            store.committed(verdicts_from(results.back()), call.work_due);
        }
        documents.saved(attempt.pending.documents);
        for (auto& [where, lane] : lanes) {
            if (const auto moved = attempt.moved.find(where); moved != attempt.moved.end())
                lane.applied = moved->second;
            lane.persisted = lane.applied;
        }
    }

    // Somebody else moved a cursor, or lanes came or went: what is in memory may be no longer true.
    void reload() {
        must_reload = true;
        documents.clear();
        for (auto& [where, lane] : lanes) load(where, lane);
        must_reload = false;
    }

    postgres::Session::Statement park_statement(const Attempt::Park& park) {
        const auto& event = park.item->event;
        return {
            "insert into parked (consumer, source, lane, position, routing_key, reason, event, "
            "parked_at) values "
            "($1, $2, $3, $4, $5, $6, $7, now()) on conflict do nothing",
            postgres::Params()
                .add(options.consumer)
                .add(event.service)
                .add(event.lane)
                .add(event.position)
                .add(key_of(event))
                .add(readable(park.reason))
                .add_bytes(park.item->raw.empty() ? to_bus(event) : park.item->raw)};
    }

    static void document_statements(const Documents& documents,
                                    std::vector<postgres::Session::Statement>& statements) {
        std::vector<std::string> tenant, kind, id, parent, state, gone_tenant, gone_kind, gone_id;
        std::vector<std::string_view> body;
        std::vector<Time> sort_at;
        std::vector<std::int32_t> lane;
        std::vector<std::int64_t> position;
        for (const auto& [key, document] : documents) {
            if (document.deleted) {
                gone_tenant.push_back(document.tenant);
                gone_kind.push_back(document.kind);
                gone_id.push_back(document.id);
                continue;
            }
            tenant.push_back(document.tenant);
            kind.push_back(document.kind);
            id.push_back(document.id);
            parent.push_back(document.parent);
            state.push_back(document.state);
            sort_at.push_back(document.sort_at);
            lane.push_back(document.lane);
            position.push_back(document.position);
            body.push_back(document.body);
        }
        if (!id.empty())
            statements.push_back(
                {"insert into read_model (tenant, kind, id, parent, state, sort_at, lane, "
                 "position, body) select * "
                 "from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], "
                 "$6::timestamptz[], "
                 "$7::int[], $8::bigint[], $9::bytea[]) on conflict (tenant, kind, id) do update "
                 "set "
                 "parent = excluded.parent, state = excluded.state, sort_at = excluded.sort_at, "
                 "lane = excluded.lane, "
                 "position = excluded.position, body = excluded.body",
                 postgres::Params()
                     .add_array(tenant)
                     .add_array(kind)
                     .add_array(id)
                     .add_array(parent)
                     .add_array(state)
                     .add_array(sort_at)
                     .add_array(lane)
                     .add_array(position)
                     .add_bytes_array(body)});
        if (!gone_id.empty())
            statements.push_back(
                {"delete from read_model r using unnest($1::text[], $2::text[], $3::text[]) "
                 "d(t, k, i) where r.tenant = d.t and r.kind = d.k and r.id = d.i",
                 postgres::Params()
                     .add_array(gone_tenant)
                     .add_array(gone_kind)
                     .add_array(gone_id)});
    }

    // Of these, what comes next in its lane. What somebody else has applied meanwhile is not ours
    // any more, and nothing is applied across the gap that it left.
    std::vector<const Item*> next_of(std::span<const Item* const> items) {
        std::vector<const Item*> next;
        std::map<Where, std::int64_t> at;
        for (const auto* item : items) {
            const Where where{item->event.service, item->event.lane};
            const auto* lane = lane_of(where);
            if (!lane) continue;
            auto& position = at.try_emplace(where, lane->applied).first->second;
            if (item->event.position != position + 1) continue;
            ++position;
            next.push_back(item);
        }
        return next;
    }

    // Applies all of it, in halves when somebody refuses. Comes back when it counts, or when it is
    // not ours.
    void apply(std::span<const Item* const> given) {
        std::optional<Verdict> refusal;
        std::string reason;
        for (int attempts = 0;; ++attempts) {
            if (stopping) return;
            Attempt attempt(&documents);
            std::vector<const Item*> items;
            try {
                if (must_reload) reload();
                save();  // while the store is away nothing more is taken into memory
                items = next_of(given);
                if (items.empty()) return;
                for (std::size_t i = 0; i < items.size(); ++i) {
                    const auto& item = *items[i];
                    const Where where{item.event.service, item.event.lane};
                    attempt.moved[where] = item.event.position;
                    if (!item.undecodable.empty())
                        attempt.parks.push_back({&item, item.undecodable});
                    else if (lane_of(where)->parked_keys.contains(key_of(item.event)))
                        attempt.parks.push_back({&item, "an earlier event of this key is parked"});
                    else if (items.size() == 1 && attempts >= options.attempts_before_parking &&
                             !reason.empty())
                        attempt.parks.push_back({&item, reason});
                    else
                        decide(item, i, attempt, items.size() == 1 ? refusal : std::nullopt);
                }
                commit(attempt);
                return;
            } catch (const Unavailable& error) {
                // Somebody is away. Wait and try for ever: nothing is skipped.
                log::warn("consumption waits", {{"error", error.what()}});
                attempts = -1;
                std::this_thread::sleep_for(options.retry_delay_ms);
            } catch (const postgres::SqlError& error) {
                if (error.sqlstate == "FS004") {
                    log::warn("a cursor was moved by another replica", {{"error", error.what()}});
                    must_reload = true;
                    continue;
                }
                if (items.size() > 1 && error.sqlstate != "FS002" && !error.retryable())
                    return halve(items);
                if (error.sqlstate == "FS002") {
                    const auto [index, verdict] = refusal_from(error);
                    if (items.size() > 1) return halve(items);
                    reason = error.what();
                    // A wrong version is decided again on what was written first; a claim is told
                    // to the handler.
                    if (verdict.outcome == Outcome::claim_taken ||
                        verdict.outcome == Outcome::other_body)
                        refusal = verdict;
                } else if (error.retryable()) {
                    attempts = -1;
                } else if (error.sqlstate.starts_with("53") || error.sqlstate.starts_with("57") ||
                           error.sqlstate.starts_with("58")) {
                    session.disconnect();
                    attempts = -1;
                    std::this_thread::sleep_for(options.retry_delay_ms);
                } else {
                    reason = error.what();
                }
            } catch (const std::exception& error) {
                // A handler could not: alone it is tried a few times, then parked.
                if (items.size() > 1) return halve(items);
                reason = error.what();
                if (dynamic_cast<const CorruptStream*>(&error) != nullptr ||
                    dynamic_cast<const std::invalid_argument*>(&error) != nullptr)
                    attempts = options.attempts_before_parking;
            }
        }
    }

    void halve(std::span<const Item* const> items) {
        apply(items.first(items.size() / 2));
        apply(items.subspan(items.size() / 2));
    }

    void commit(const Attempt& attempt) {
        const auto now = Steady::now();
        if (attempt.pending.commands.empty() && attempt.parks.empty()) {
            // Nothing that anybody waits for: it is written with what comes next, or by save().
            if (documents.unsaved().empty()) unsaved_since = now;
            documents.put_unsaved(attempt.pending.documents);
            for (const auto& [where, to] : attempt.moved) {
                auto& lane = *lane_of(where);
                if (lane.applied == lane.persisted) lane.clean_since = now;
                lane.applied = to;
            }
            save();
        } else {
            std::vector<postgres::Session::Statement> parks;
            for (const auto& park : attempt.parks) parks.push_back(park_statement(park));
            write(attempt, std::move(parks));
        }
        for (const auto& park : attempt.parks) {
            auto* lane = lane_of({park.item->event.service, park.item->event.lane});
            lane->parked_keys.insert(key_of(park.item->event));
            ++lane->parked;
            log::error("event parked", {{"source", park.item->event.service},
                                        {"lane", park.item->event.lane},
                                        {"position", park.item->event.position},
                                        {"type", park.item->event.type},
                                        {"reason", park.reason}});
        }
        publish_progress();
    }

    // Writes what has waited long enough.
    void save(bool now_or_never = false) {
        const auto now = Steady::now();
        bool due = now_or_never;
        if (!documents.unsaved().empty() && now - unsaved_since >= options.document_delay_ms)
            due = true;
        for (const auto& [where, lane] : lanes)
            if (lane.applied != lane.persisted && now - lane.clean_since >= options.idle_cursor_ms)
                due = true;
        if (!due) return;
        try {
            write(Attempt(), {});
        } catch (const postgres::SqlError& error) {
            if (error.sqlstate != "FS004") throw;
            log::warn("a cursor was moved by another replica", {{"error", error.what()}});
            must_reload = true;
        }
    }

    // ------------------------------------------------------------------ from the bus, from the
    // source

    void refill(const Where& where, std::int64_t to) {
        auto* lane = lane_of(where);
        while (lane && lane->applied < to && !stopping) {
            std::vector<Recorded> page;
            try {
                page = sources.at(where.first)
                           ->read(where.second, lane->applied + 1, to, kRefillPageEvents);
            } catch (const Unavailable& error) {
                // Not now: the next comparison of heads comes back here.
                log::info("refill waits for its source",
                          {{"source", where.first}, {"error", error.what()}});
                return;
            }
            if (page.empty()) return;
            std::vector<Item> items;
            for (auto& event : page) items.push_back({std::move(event), "", ""});
            const auto before = lane->applied;
            apply_in_batches(items);
            lane = lane_of(where);
            if (lane && lane->applied == before) return;
        }
    }

    void apply_in_batches(const std::vector<Item>& items) {
        const auto size = static_cast<std::size_t>(options.batch_events_max);
        std::vector<const Item*> batch;
        for (std::size_t at = 0; at < items.size(); at += size) {
            batch.clear();
            for (auto i = at; i < std::min(items.size(), at + size); ++i)
                batch.push_back(&items[i]);
            apply(batch);
        }
    }

    Item read(BusRecord record) {
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

    void compare_heads() {
        std::set<std::string> names;
        for (const auto& [where, lane] : lanes) names.insert(where.first);
        for (const auto& name : names) {
            std::vector<std::int64_t> heads;
            try {
                heads = sources.at(name)->heads();
            } catch (const Unavailable&) {
                continue;  // it is away; what it has written will still be there
            }
            std::vector<Where> behind;
            for (const auto& [where, lane] : lanes)
                if (where.first == name && static_cast<std::size_t>(where.second) < heads.size()) {
                    auto& last = last_behind[where];
                    const auto head = heads[static_cast<std::size_t>(where.second)];
                    // Twice at the same place: the bus is not bringing it.
                    if (lane.applied < head && last == lane.applied) behind.push_back(where);
                    last = lane.applied;
                }
            for (const auto& where : behind)
                refill(where, heads[static_cast<std::size_t>(where.second)]);
        }
    }

    // Lanes come or go: nothing is left in memory. What cannot be written now is applied again.
    void put_away() {
        try {
            save(true);
        } catch (const std::exception& error) {
            log::warn("what was applied last is applied again", {{"error", error.what()}});
            must_reload = true;
        }
        documents.clear();
    }

    // Empty when it worked, else why not. The row is taken in the transaction of its effects, so
    // that two who release the same event do it once.
    std::string release_one(const Where& where, std::int64_t position) {
        const auto page = sources.at(where.first)->read(where.second, position, position, 1);
        if (page.empty()) return "its source has no event at this position";
        const Item item{page.front(), "", ""};
        std::optional<Verdict> refusal;
        std::string why;
        for (int tries = 0; tries < options.attempts_before_parking; ++tries) {
            try {
                Attempt attempt(&documents);
                decide(item, 0, attempt, refusal);
                write(attempt,
                      {{"with taken as (delete from parked where consumer = $1 and source = $2 and "
                        "lane = $3 and position = $4 returning 1) select 1 / count(*) from taken",
                        postgres::Params()
                            .add(options.consumer)
                            .add(where.first)
                            .add(where.second)
                            .add(position)}});
                return "";
            } catch (const Unavailable&) {
                throw;
            } catch (const postgres::SqlError& error) {
                why = error.what();
                if (error.sqlstate == "22012") return "somebody else has released it";
                if (error.sqlstate == "FS004") must_reload = true;
                if (error.sqlstate == "FS002") {
                    const auto verdict = refusal_from(error).second;
                    if (verdict.outcome == Outcome::claim_taken ||
                        verdict.outcome == Outcome::other_body)
                        refusal = verdict;
                } else if (!error.retryable()) {
                    return why;
                }
            } catch (const std::exception& error) {
                return error.what();
            }
        }
        return why;
    }

    void publish_progress() {
        std::vector<Progress> now;
        for (const auto& [where, lane] : lanes)
            now.push_back({where.first, where.second, lane.applied, lane.parked});
        const std::lock_guard lock(progress_mutex);
        progress = std::move(now);
    }

    Store& store;
    std::map<std::string, std::shared_ptr<Source>> sources;
    ConsumptionOptions options;
    postgres::Session session;
    Handler react;
    Handler project;
    std::map<Where, Lane> lanes;
    DocumentCache documents;
    Steady::time_point unsaved_since{};
    bool must_reload = false;
    std::map<Where, std::int64_t> last_behind;
    Steady::time_point compared = Steady::now();
    std::atomic<bool> stopping{false};
    mutable std::mutex progress_mutex;
    std::vector<Progress> progress;
};

Consumption::Consumption(Store& store, std::map<std::string, std::shared_ptr<Source>> sources,
                         ConsumptionOptions options)
    : state_(std::make_unique<State>(store, std::move(sources), std::move(options))) {}
Consumption::~Consumption() = default;

void Consumption::react(Handler handler) { state_->react = std::move(handler); }
void Consumption::project(Handler handler) { state_->project = std::move(handler); }

void Consumption::assign(const std::vector<int>& lanes) {
    state_->put_away();
    for (const auto& [name, source] : state_->sources)
        for (const int lane : lanes) {
            const Where where{name, lane};
            State::Lane fresh;
            state_->load(where, fresh);
            state_->lanes[where] = std::move(fresh);
        }
    state_->publish_progress();
}

void Consumption::unassign(const std::vector<int>& lanes) {
    state_->put_away();
    for (const auto& [name, source] : state_->sources)
        for (const int lane : lanes) state_->lanes.erase({name, lane});
    state_->publish_progress();
}

void Consumption::apply(std::vector<BusRecord> records) {
    auto& state = *state_;
    try {
        if (state.must_reload) state.reload();
    } catch (const Unavailable& error) {
        log::warn("consumption waits", {{"error", error.what()}});
        return;  // what these records say is fetched from their sources later
    }
    std::vector<State::Item> ready;
    std::map<Where, std::int64_t> expected;
    const auto flush = [&] {
        state.apply_in_batches(ready);
        ready.clear();
        expected.clear();
    };
    for (auto& record : records) {
        const Where where{record.source, record.lane};
        const auto* lane = state.lane_of(where);
        if (!lane) continue;
        auto item = state.read(std::move(record));
        if (item.event.position == 0) {
            // Not even an envelope: nobody knows its place. The gap that it leaves is refilled from
            // the source.
            log::error("an unreadable record on the bus",
                       {{"source", where.first}, {"lane", where.second}});
            continue;
        }
        auto next = expected.contains(where) ? expected[where] : lane->applied + 1;
        if (item.event.position < next) continue;
        if (item.event.position > next) {
            flush();
            state.refill(where, item.event.position - 1);
            lane = state.lane_of(where);
            if (!lane || lane->applied + 1 != item.event.position) continue;
            next = item.event.position;
        }
        if (item.event.payload_omitted && !item.event.is_private) {
            // Too large for the bus: its own log has it.
            flush();
            state.refill(where, item.event.position);
            continue;
        }
        expected[where] = next + 1;
        ready.push_back(std::move(item));
    }
    flush();
    const auto now = Steady::now();
    try {
        state.save();
        if (now - state.compared >= state.options.head_compare_ms) {
            state.compared = now;
            state.compare_heads();
        }
    } catch (const Unavailable& error) {
        log::warn("consumption waits", {{"error", error.what()}});
    }
}

void Consumption::stop() { state_->stopping = true; }

namespace {

// The documents are gone already: a source that is away is waited for.
std::vector<Recorded> read_patiently(Source& source, int lane, std::int64_t from, std::int64_t to) {
    while (true) {
        try {
            return source.read(lane, from, to, kRefillPageEvents);
        } catch (const TryLater& away) {
            log::warn("rebuild waits", {{"error", away.what()}});
            std::this_thread::sleep_for(kRebuildRetryMs);
        }
    }
}

}  // namespace

void Consumption::rebuild() {
    auto& state = *state_;
    state.session.run("delete from read_model");
    for (auto& [where, lane] : state.lanes) {
        std::int64_t at = 0;
        while (at < lane.applied) {
            const auto page =
                read_patiently(*state.sources.at(where.first), where.second, at + 1, lane.applied);
            if (page.empty())
                throw std::runtime_error("rebuild: " + where.first + " has no events after " +
                                         std::to_string(at));
            Pending pending;
            for (const auto& event : page) {
                Turn turn(state.store, pending, event, std::nullopt);
                if (state.project && !lane.parked_keys.contains(key_of(event)))
                    state.project(event, turn);
                at = event.position;
            }
            std::vector<postgres::Session::Statement> statements;
            State::document_statements(pending.documents, statements);
            if (!statements.empty()) state.session.transaction(statements);
        }
    }
}

std::vector<Consumption::Progress> Consumption::progress() const {
    const std::lock_guard lock(state_->progress_mutex);
    return state_->progress;
}

Consumption::Released Consumption::release(const std::string& source, int lane_number,
                                           const std::string& routing_key) {
    auto& state = *state_;
    auto* lane = state.lane_of({source, lane_number});
    if (!lane)
        throw std::out_of_range("lane " + std::to_string(lane_number) + " of " + source +
                                " is not consumed here");
    const auto parked = state.session.query(
        "select position from parked where consumer = $1 and source = $2 and lane = $3 and "
        "routing_key = $4 order by position",
        postgres::Params()
            .add(state.options.consumer)
            .add(source)
            .add(lane_number)
            .add(routing_key));
    Released done{.left = parked.rows()};
    for (int row = 0; row < parked.rows(); ++row) {
        done.why_left = state.release_one({source, lane_number}, parked.int8(row, 0));
        if (!done.why_left.empty()) break;
        ++done.released;
        --done.left;
        lane->parked = std::max<std::int64_t>(lane->parked - 1, 0);
    }
    if (done.left == 0) lane->parked_keys.erase(routing_key);
    state.publish_progress();
    return done;
}

}  // namespace flowstack::eventlog
