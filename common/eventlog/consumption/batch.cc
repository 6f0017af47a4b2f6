#include "common/eventlog/consumption/batch.h"

#include <thread>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/codes.h"
#include "common/eventlog/consumption/documents.h"
#include "common/eventlog/consumption/parking.h"
#include "common/eventlog/tail.h"
#include "common/observability/log.h"

namespace flowstack::eventlog::consuming {
namespace {

using Steady = std::chrono::steady_clock;

// A handler is told of these verdicts and decides otherwise. It is not told of a wrong version: the
// event is decided again on what was written first.
bool handler_is_told(const Verdict& verdict) {
    return verdict.outcome == Outcome::claim_taken || verdict.outcome == Outcome::other_body;
}

// An event of before a restore leads to a command: a person decides whether it is still to be done.
struct HeldForAPerson : std::invalid_argument {
    HeldForAPerson()
        : std::invalid_argument(
              "it was not consumed before the restore: what it leads to may have been done in the "
              "tail that was declared lost") {}
};

// These failures stay the same however often the event is tried.
bool is_final(const std::exception& error) {
    return dynamic_cast<const CorruptStream*>(&error) != nullptr ||
           dynamic_cast<const std::invalid_argument*>(&error) != nullptr;
}

}  // namespace

Batches::Fault Batches::fault_of(const postgres::SqlError& error) {
    if (error.sqlstate == kCursorMoved) return Fault::cursor_moved;
    if (error.sqlstate == kRefused) return Fault::refused;
    if (error.sqlstate == kLaneRefuses) return Fault::lane_refuses;
    if (error.retryable()) return Fault::in_the_way;
    if (server_is_out(error) || error.sqlstate.starts_with(kOperatorIntervention))
        return Fault::server_is_out;
    return Fault::its_own;
}

void Batches::apply(const std::vector<Item>& items) {
    const auto size = static_cast<std::size_t>(options_.batch_events_max);
    std::vector<const Item*> batch;
    for (std::size_t at = 0; at < items.size(); at += size) {
        batch.clear();
        for (auto i = at; i < std::min(items.size(), at + size); ++i) batch.push_back(&items[i]);
        apply(batch);
    }
}

void Batches::apply(std::span<const Item* const> given) {
    std::optional<Verdict> refusal;
    std::string reason;  // why the event failed when it was last tried alone
    int failures = 0;    // of the event tried alone, without those that others caused
    while (!stopping) {
        Attempt attempt(&documents_);
        std::vector<const Item*> items;
        try {
            refresh();
            save();  // while the store is away nothing more is taken into memory
            items = cursors_.next_of(given);
            if (items.empty()) return;
            const bool alone = items.size() == 1;
            prepare_for(items, attempt);
            for (const auto* item : items) {
                const auto where = item->where();
                attempt.moved[where] = item->event.position;
                if (is_about_the_log(item->event.stream) && item->undecodable.empty()) {
                    if (gap_before(item->event)) attempt.tails_lost.push_back(item);
                } else if (!item->undecodable.empty())
                    attempt.parks.push_back({item, item->undecodable});
                else if (cursors_.find(where)->parked_keys.contains(key_of(item->event)))
                    attempt.parks.push_back({item, "an earlier event of this key is parked"});
                else if (alone && failures >= options_.attempts_before_parking && !reason.empty())
                    attempt.parks.push_back({item, reason});
                else
                    decide(*item, attempt, alone ? refusal : std::nullopt);
            }
            commit(attempt);
            return;
        } catch (const Unavailable& error) {
            // The store or another service is away. The event waits for it as long as it takes.
            log::warn("consumption waits: a service or the store is away",
                      {{"error", error.what()}});
            if (on_progress) on_progress();
            failures = 0;
            std::this_thread::sleep_for(options_.retry_delay);
        } catch (const postgres::SqlError& error) {
            switch (fault_of(error)) {
                case Fault::cursor_moved:
                    log::warn("another replica moved a cursor", {{"error", error.what()}});
                    must_reload_ = true;
                    break;
                case Fault::in_the_way:
                    failures = 0;
                    break;
                case Fault::server_is_out:
                    session_.disconnect();
                    failures = 0;
                    std::this_thread::sleep_for(options_.retry_delay);
                    break;
                case Fault::lane_refuses:
                    // What is recovered may hold what this event leads to: the cursor is read
                    // again.
                    if (items.size() > 1) return halve(attempt, items);
                    must_reload_ = true;
                    failures = 0;
                    if (on_progress) on_progress();
                    std::this_thread::sleep_for(options_.retry_delay);
                    break;
                case Fault::refused:
                    if (items.size() > 1) return halve(attempt, items);
                    ++failures;
                    reason = error.what();
                    if (const auto verdict = refusal_from(error).second; handler_is_told(verdict))
                        refusal = verdict;
                    break;
                case Fault::its_own:
                    if (items.size() > 1) return halve(attempt, items);
                    ++failures;
                    reason = error.what();
                    break;
            }
        } catch (const std::exception& error) {
            // A handler failed. An event that fails alone is tried a few times and then parked.
            if (items.size() > 1) return halve(attempt, items);
            reason = error.what();
            failures = is_final(error) ? options_.attempts_before_parking : failures + 1;
        }
    }
}

void Batches::halve(Attempt& attempt, std::span<const Item* const> items) {
    attempt.pending.fates.settle();
    apply(items.first(items.size() / 2));
    apply(items.subspan(items.size() / 2));
}

void Batches::prepare_for(std::span<const Item* const> items, Attempt& attempt) {
    if (!prepare) return;
    std::vector<const Recorded*> events;
    for (const auto* item : items)
        if (item->undecodable.empty()) events.push_back(&item->event);
    prepare(events, attempt.pending);
}

void Batches::decide(const Item& item, Attempt& attempt, const std::optional<Verdict>& refusal) {
    std::optional<Recorded> opened;
    const auto& event = in_clear(store_.vault(), item.event, opened);
    Turn turn(store_, attempt.pending, event, refusal);
    const auto* cursor = cursors_.find(item.where());
    const bool next = cursor && event.position > cursor->applied;  // not one that is released
    const auto commands = attempt.pending.commands.size();
    if (react && !(next && event.position <= cursor->decided)) react(event, turn);
    if (next && event.recorded_at < cursor->held_before &&
        attempt.pending.commands.size() != commands)
        throw HeldForAPerson();
    if (project) project(event, turn);
}

void Batches::commit(Attempt& attempt) {
    if (attempt.pending.commands.empty() && attempt.parks.empty() && attempt.tails_lost.empty()) {
        // Nobody waits for these documents and cursors: they are written with what comes next, or
        // by save().
        if (documents_.unsaved().empty()) unsaved_since_ = Steady::now();
        documents_.put_unsaved(attempt.pending.documents);
        cursors_.ahead(attempt.moved);
        save();
    } else {
        std::vector<postgres::Session::Statement> parks;
        for (const auto& what : attempt.parks) parks.push_back(park(options_.consumer, what));
        for (const auto* item : attempt.tails_lost)
            parks.push_back({R"sql(
                insert into cursors (consumer, source, lane, epoch, position)
                values ($1, $2, $3, $4, 0)
                on conflict (consumer, source, lane) do update set epoch = excluded.epoch)sql",
                             postgres::Params()
                                 .add(options_.consumer)
                                 .add(item->event.service)
                                 .add(item->event.lane)
                                 .add(item->event.epoch)});
        write(attempt, std::move(parks));
    }
    for (const auto* item : attempt.tails_lost)
        log::warn("a tail that its source has lost is stepped over",
                  {{"source", item->event.service},
                   {"lane", item->event.lane},
                   {"goes_on_at", item->event.position}});
    for (const auto& what : attempt.parks) {
        const auto& event = what.item->event;
        auto& cursor = *cursors_.find(what.item->where());
        cursor.parked_keys.insert(key_of(event));
        ++cursor.parked;
        log::error("event parked", {{"source", event.service},
                                    {"lane", event.lane},
                                    {"position", event.position},
                                    {"type", event.type},
                                    {"reason", what.reason}});
    }
    if (on_progress) on_progress();
}

// One transaction for all that is not written yet: every cursor that moved, the documents, what
// `attempt` decided. The append comes last, since it takes the locks of the lanes.
void Batches::write(Attempt& attempt, std::vector<postgres::Session::Statement> statements) {
    if (auto move = cursors_.move(attempt.moved)) statements.push_back(std::move(*move));
    auto changed = documents_.unsaved();
    for (const auto& [key, document] : attempt.pending.documents) changed[key] = document;
    document_statements(changed, statements);
    if (attempt.pending.commands.empty()) {
        if (statements.empty()) return;
        // A crash that loses these documents loses their cursors as well, and they are made again:
        // nobody has to wait for the disk.
        // (SET LOCAL would warn that there was no BEGIN.)
        statements.insert(statements.begin(),
                          {"select set_config('synchronous_commit', 'off', true)", {}});
        session_.transaction(statements);
    } else {
        auto call = append_call(attempt.pending.commands, store_.options(), store_.derive(), true);
        statements.push_back(std::move(call.statement));
        auto& fates = attempt.pending.fates;
        fates.assume(Fate::unknown);  // when the answer is lost
        std::vector<postgres::Result> results;
        try {
            results = session_.transaction(statements);
        } catch (const postgres::SqlError& error) {
            if (fault_of(error) != Fault::server_is_out) fates.assume(Fate::not_written);
            throw;
        }
        const auto verdicts = verdicts_from(call, results.back());
        fates.written(verdicts);
        store_.committed(verdicts, call.work);
    }
    documents_.saved(attempt.pending.documents);
    cursors_.moved(attempt.moved);
}

void Batches::refresh() {
    if (!must_reload_) return;
    documents_.clear();
    cursors_.reload();
    must_reload_ = false;
}

void Batches::save() {
    const bool documents_wait =
        !documents_.unsaved().empty() && Steady::now() - unsaved_since_ >= options_.document_delay;
    const auto ahead = cursors_.ahead_since();
    const bool cursors_wait = ahead && Steady::now() - *ahead >= options_.idle_cursor_after;
    if (documents_wait || cursors_wait) save_now();
}

Steady::time_point Batches::due() const {
    if (must_reload_) return Steady::now();
    auto due = Steady::time_point::max();
    if (!documents_.unsaved().empty()) due = unsaved_since_ + options_.document_delay;
    if (const auto since = cursors_.ahead_since())
        due = std::min(due, *since + options_.idle_cursor_after);
    return due;
}

void Batches::save_now() {
    try {
        Attempt nothing;
        write(nothing, {});
    } catch (const postgres::SqlError& error) {
        if (error.sqlstate != kCursorMoved) throw;
        log::warn("another replica moved a cursor", {{"error", error.what()}});
        must_reload_ = true;
    }
}

void Batches::put_away() {
    try {
        save_now();
    } catch (const std::exception& error) {
        log::warn("the last events could not be saved and are applied again",
                  {{"error", error.what()}});
        must_reload_ = true;
    }
    documents_.clear();
}

std::string Batches::release(const Item& item) {
    std::optional<Verdict> refusal;
    std::string why;
    for (int tries = 0; tries < options_.attempts_before_parking; ++tries) {
        try {
            Attempt attempt(&documents_);
            const auto* only = &item;
            prepare_for({&only, 1}, attempt);
            decide(item, attempt, refusal);
            write(attempt, {unpark(options_.consumer, item.where(), item.event.position)});
            return "";
        } catch (const Unavailable&) {
            throw;
        } catch (const postgres::SqlError& error) {
            why = error.what();
            if (error.sqlstate == kNotParked) return "somebody else has released it";
            switch (fault_of(error)) {
                case Fault::cursor_moved:
                    must_reload_ = true;
                    return why;
                case Fault::refused:
                    if (const auto verdict = refusal_from(error).second; handler_is_told(verdict))
                        refusal = verdict;
                    break;
                case Fault::in_the_way:
                    break;
                case Fault::server_is_out:
                case Fault::lane_refuses:
                case Fault::its_own:
                    return why;
            }
        } catch (const std::exception& error) {
            return error.what();
        }
    }
    return why;
}

}  // namespace flowstack::eventlog::consuming
