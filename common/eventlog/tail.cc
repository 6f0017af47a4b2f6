#include "common/eventlog/tail.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <thread>

#include "common/core/corrupt_stream.h"
#include "common/crypto/hash.h"
#include "common/eventlog/codes.h"
#include "common/eventlog/envelope.h"
#include "common/eventlog/integrity.h"
#include "common/eventlog/loop_statements.h"
#include "common/eventlog/payload.h"
#include "common/messaging/kafka.h"
#include "common/observability/log.h"
#include "flowstack/common/v1/log_events.pb.h"

namespace flowstack::eventlog {
namespace {

constexpr std::chrono::milliseconds kTailBusTimeout{10'000};
constexpr std::size_t kBusPage = 500;
// Events of one transaction; a command is never divided.
constexpr std::size_t kTailPageEvents = 500;
constexpr std::size_t kTailPageBytes = 4 << 20;
// So many of the last kept events are compared with their records.
constexpr std::int64_t kJoinEvents = 100;
// Records carry the clock of the process that published them.
constexpr std::chrono::minutes kClocksApart{10};
constexpr int kTailDeadlockRetries = 20;
constexpr std::chrono::milliseconds kTailRetryDelay{50};
// Of an event's id that its command's batch made: no command has more events.
constexpr int kEventsOfACommandMax = 256;

// Held work is due then.
constexpr std::string_view kHeldUntil = "2200-01-01";

// The bus does not give this position.
struct Refused {
    std::int64_t position = 0;
    std::string why;
};

struct TailLane {
    int lane = 0;
    std::int64_t head = 0;
    std::int64_t lost_to = 0;
    Time last_recorded_at{};
    int epoch = 1;
    bool compared = true;
    std::int64_t published = 0;
};

std::vector<TailLane> lanes_of(Store& store) {
    const auto rows = store.pool().with([](postgres::Session& session) {
        return session.query(R"sql(
            select l.lane, l.position, coalesce(l.lost_to, 0), l.last_recorded_at, l.epoch,
                   l.timeline = (select wal_timeline()), r.published
              from lanes l join lane_relay r using (lane) order by l.lane)sql");
    });
    std::vector<TailLane> lanes;
    for (int row = 0; row < rows.rows(); ++row)
        lanes.push_back({.lane = rows.int4(row, 0),
                         .head = rows.int8(row, 1),
                         .lost_to = rows.int8(row, 2),
                         .last_recorded_at = rows.time(row, 3),
                         .epoch = rows.int4(row, 4),
                         .compared = rows.boolean(row, 5),
                         .published = rows.int8(row, 6)});
    return lanes;
}

std::string digits(std::int64_t number) { return std::to_string(number); }

// ------------------------------------------------------------------------------- taking it back

// What one lane's tail is, event by event, as the bus has it.
class TailReader {
public:
    TailReader(Store& store, const messaging::Brokers& brokers, const std::string& topic,
               const TailLane& lane)
        : store_(store), brokers_(brokers), topic_(topic), lane_(lane), last_(lane.head) {
        open(lane.last_recorded_at - kClocksApart);
        const auto from = std::max<std::int64_t>(lane.head - kJoinEvents + 1, 1);
        if (lane.head > 0)
            for (const auto& event : store.read_lane(lane.lane, from, lane.head, kJoinEvents,
                                                     Store::Personal::as_stored))
                known_[event.position] = to_bus(event);
    }

    // The next event of the lane; nothing at the partition's end. Throws Refused.
    std::optional<Recorded> next() {
        while (true) {
            if (records_.empty() && !fetch()) return std::nullopt;
            auto record = std::move(records_.front());
            records_.pop_front();
            if (auto event = take(std::move(record.value))) return event;
        }
    }

private:
    void open(Time from) {
        reader_.emplace(brokers_, topic_, lane_.lane, from, kTailBusTimeout);
        records_.clear();
    }

    bool fetch() {
        for (auto& record : reader_->next(kBusPage)) records_.push_back(std::move(record));
        return !records_.empty();
    }

    // The event, if it is the next one; nothing for a repeat.
    std::optional<Recorded> take(std::string value) {
        Recorded event;
        try {
            event = from_bus(value);
        } catch (const std::invalid_argument& error) {
            throw Refused{last_ + 1,
                          std::string("a record behind it is no event: ") + error.what()};
        }
        if (event.service != store_.options().service || event.lane != lane_.lane)
            throw Refused{event.position, "the record names another service or lane"};
        if (event.position <= last_) {
            const auto known = known_.find(event.position);
            if (known != known_.end() && known->second != value)
                throw Refused{event.position,
                              event.position <= lane_.head
                                  ? "the bus has another event there than the kept log"
                                  : "the bus has two events there"};
            return std::nullopt;
        }
        if (!follows(event, last_)) {
            // Records of before the time from which it is read may be needed after all.
            if (!reader_->from_first() && last_ == lane_.head) {
                open(Time{});
                return std::nullopt;
            }
            throw Refused{last_ + 1, event.position == last_ + 2
                                         ? std::string("the bus does not have it")
                                         : "the bus does not have it, nor what follows up to " +
                                               digits(event.position - 1)};
        }
        check(event, value);
        last_ = event.position;
        known_.emplace(event.position, std::move(value));
        if (known_.size() > 4 * kJoinEvents) known_.erase(known_.begin());
        return event;
    }

    void check(const Recorded& event, const std::string& value) const {
        const auto refuse = [&](const std::string& why) { throw Refused{event.position, why}; };
        if (to_bus(event) != value) refuse("the record is not as this build writes it");
        if (event.payload_omitted && !event.is_private)
            refuse("its payload was too large for the bus, and nobody else has it");
        if (store_.lane_of(event.meta.routing, event.stream.tenant) != lane_.lane)
            refuse("its routing key is of another lane");
    }

    Store& store_;
    const messaging::Brokers& brokers_;
    const std::string& topic_;
    const TailLane lane_;
    std::int64_t last_;  // what is there up to now
    std::optional<messaging::PartitionReader> reader_;
    std::deque<messaging::Record> records_;
    std::map<std::int64_t, std::string> known_;  // records of the last positions
};

// Whether the command of this event was decided by consuming its cause. Ids of events that a turn
// makes come from the cause's id, others from the command's alone (append_call).
bool made_by_a_turn(const Recorded& event) {
    for (int n = 1; n <= kEventsOfACommandMax; ++n)
        if (derive_id(event.command_id, event.occurred_at, "event", n) == event.event_id)
            return false;
    return true;
}

using TailWorkKey = std::tuple<int, std::string, std::string>;

// A page of a tail on its way into the tables.
class TailPage {
public:
    TailPage(Store& store, std::int64_t head) : store_(store), head_(head) {}

    bool empty() const { return events_.empty(); }
    bool full() const { return events_.size() >= kTailPageEvents || bytes_ >= kTailPageBytes; }
    // Whether an event may come into this page: a gap is only before the first of a page.
    bool takes(const Recorded& event) const {
        if (events_.empty()) return true;
        const bool same_command = events_.back().command_id == event.command_id;
        return event.position == events_.back().position + 1 && (same_command || !full());
    }
    std::int64_t payloads_lost() const { return payloads_lost_; }
    std::int64_t size() const { return static_cast<std::int64_t>(events_.size()); }
    std::int64_t last() const { return events_.back().position; }

    // Throws Refused, and is as before.
    void add(Recorded event) {
        const auto claims = static_cast<std::ptrdiff_t>(claims_.size());
        try {
            take(event);
        } catch (const Refused&) {
            claims_.erase(claims_.begin() + claims, claims_.end());
            throw;
        }
        bytes_ += event.payload.size() + event.meta_bytes.size() + 256;
        payloads_lost_ += event.payload_omitted ? 1 : 0;
        note_cause(event);
        events_.push_back(std::move(event));
    }

    void write(postgres::Session& session) {
        finish_command();
        std::vector<postgres::Session::Statement> statements;
        statements.push_back(events_statement());
        work_statements(statements);
        cursor_statements(statements);
        statements.push_back({R"sql(
            insert into recoveries as r (lane, first, last, payloads_lost) values ($1, $2, $3, $4)
            on conflict (lane) do update
                set last = excluded.last, payloads_lost = r.payloads_lost + excluded.payloads_lost)sql",
                              postgres::Params()
                                  .add(events_.front().lane)
                                  .add(head_ + 1)
                                  .add(last())
                                  .add(payloads_lost_)});
        for (int deadlocks = 0;; ++deadlocks) {
            try {
                session.transaction(statements);
                return;
            } catch (const postgres::SqlError& error) {
                // Commands for the lane are refused, and take their locks in another order.
                if (!error.retryable() || deadlocks >= kTailDeadlockRetries) throw;
                std::this_thread::sleep_for(kTailRetryDelay);
            }
        }
    }

private:
    // What follows from the next event.
    void take(const Recorded& event) {
        if (event.command_id != command_) {
            finish_command();
            command_ = event.command_id;
            if (!event.meta.request_hash.empty())
                claim({event.stream.tenant, "command", event.command_id, "", event.stream},
                      event.meta.request_hash, static_cast<int>(events_.size()) + 1);
        }
        if (!event.payload_omitted) derive(event, static_cast<int>(events_.size()) + 1);
    }

    struct ClaimRow {
        Claim claim;
        std::string hash;
        int event = 0;  // from 1
    };
    struct WorkOp {
        std::optional<WorkPut> put;
        Time recorded_at{};
    };

    void claim(Claim claim, std::string hash, int event) {
        claims_.push_back({std::move(claim), std::move(hash), event});
    }

    void derive(const Recorded& event, int number) {
        std::optional<Recorded> opened;
        const auto& clear = in_clear(store_.vault(), event, opened);
        const auto before = derived_.claims.size();
        try {
            derive_next(store_.derive(), event.stream, event.lane,
                        {event.type, clear.payload, event.occurred_at, false, event.event_id},
                        derived_);
        } catch (const std::exception& error) {
            throw Refused{event.position,
                          std::string("what follows from it cannot be told: ") + error.what()};
        }
        for (auto i = before; i < derived_.claims.size(); ++i)
            claim(derived_.claims[i], "", number);
    }

    // As append() does it: a command's deletions first, then what it puts.
    void finish_command() {
        if (events_.empty()) return;
        const auto at = events_.back().recorded_at;
        for (const auto& del : derived_.work_del)
            work_[{del.lane, del.kind, del.key}] = {std::nullopt, at};
        for (auto& put : derived_.work_put) {
            TailWorkKey key{put.lane, put.kind, put.key};
            work_[std::move(key)] = {std::move(put), at};
        }
        settings_.insert(settings_.end(), derived_.settings.begin(), derived_.settings.end());
        derived_ = {};
    }

    // What a consumer has decided it does not decide again.
    void note_cause(const Recorded& event) {
        const auto& cause = event.meta.causation;
        if (!cause || cause->position == 0) return;
        if (cause->service == store_.options().service && !made_by_a_turn(event)) return;
        auto& decided = decided_[{cause->service, cause->lane}];
        decided.insert(cause->position);
    }

    postgres::Session::Statement events_statement() const {
        std::vector<std::int32_t> epochs, claim_events;
        std::vector<Uuid> streams, ids, claim_ids, holders;
        std::vector<std::int64_t> versions;
        std::vector<std::string_view> tenants, categories, keys, types, commands, metas, payloads;
        std::vector<Time> recorded, occurred;
        for (const auto& event : events_) {
            epochs.push_back(event.epoch);
            streams.push_back(stream_id(event.stream));
            versions.push_back(event.version);
            ids.push_back(event.event_id);
            tenants.push_back(event.stream.tenant);
            categories.push_back(event.stream.category);
            keys.push_back(event.stream.key);
            types.push_back(event.type);
            recorded.push_back(event.recorded_at);
            occurred.push_back(event.occurred_at);
            commands.push_back(event.command_id);
            metas.push_back(event.meta_bytes);
            payloads.push_back(event.payload);
        }
        std::vector<std::string_view> scopes, kinds, names, values, hashes;
        for (const auto& row : claims_) {
            claim_events.push_back(row.event);
            claim_ids.push_back(claim_id(row.claim.scope, row.claim.kind, row.claim.key));
            scopes.push_back(row.claim.scope);
            kinds.push_back(row.claim.kind);
            names.push_back(row.claim.key);
            values.push_back(row.claim.value);
            holders.push_back(stream_id(row.claim.holder));
            hashes.push_back(row.hash);
        }
        std::vector<std::string_view> of, setting_kinds, setting_keys;
        for (const auto& change : settings_) {
            of.push_back(change.tenant);
            setting_kinds.push_back(change.kind);
            setting_keys.push_back(change.key);
        }
        const auto gap = gap_before(events_.front());
        postgres::Params params;
        params.empty_arrays_are_null();
        params.add(events_.front().lane).add(head_).add(events_.front().position);
        if (gap)
            params.add(head_ + 1);
        else
            params.add_null();
        params.add_array(std::span<const std::int32_t>(epochs)).add_array(streams);
        params.add_array(std::span<const std::int64_t>(versions)).add_array(ids);
        params.add_array(tenants).add_array(categories).add_array(keys).add_array(types);
        params.add_array(recorded).add_array(occurred).add_array(commands);
        params.add_bytes_array(metas).add_bytes_array(payloads);
        params.add_array(std::span<const std::int32_t>(claim_events)).add_array(claim_ids);
        params.add_array(scopes).add_array(kinds).add_array(names).add_bytes_array(values);
        params.add_array(holders).add_bytes_array(hashes);
        params.add_array(of).add_array(setting_kinds).add_array(setting_keys);
        return {R"sql(select recover_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                                            $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
                                            $25, $26, $27, $28))sql",
                std::move(params)};
    }

    // Rows that events of several lanes touch are as the latest of these events says, whichever
    // lane is recovered first.
    void work_statements(std::vector<postgres::Session::Statement>& statements) const {
        for (const auto& [key, op] : work_) {
            const auto& [lane, kind, name] = key;
            postgres::Params params;
            params.add(lane).add(kind).add(name).add(op.recorded_at);
            if (op.put)
                params.add(op.put->due_at).add(op.put->priority).add_bytes(op.put->ref);
            else
                params.add_null().add(0).add_bytes("");
            statements.push_back({R"sql(
                insert into recovered_work as w (lane, kind, key, recorded_at, due_at, priority, ref)
                values ($1, $2, $3, $4, $5, $6, $7)
                on conflict (lane, kind, key) do update
                    set recorded_at = excluded.recorded_at, due_at = excluded.due_at,
                        priority = excluded.priority, ref = excluded.ref
                    where excluded.recorded_at >= w.recorded_at)sql",
                                  std::move(params)});
        }
    }

    void cursor_statements(std::vector<postgres::Session::Statement>& statements) const {
        const auto& consumer = store_.options().service;
        for (const auto& [where, positions] : decided_) {
            const std::vector<std::int64_t> all(positions.begin(), positions.end());
            statements.push_back({R"sql(
                insert into cursors as c (consumer, source, lane, position, decided)
                values ($1, $2, $3, 0, $4)
                on conflict (consumer, source, lane) do update
                    set decided = greatest(c.decided, excluded.decided))sql",
                                  postgres::Params()
                                      .add(consumer)
                                      .add(where.first)
                                      .add(where.second)
                                      .add(all.back())});
            // What was parked at the moment of the restore, and was released after it.
            statements.push_back({R"sql(
                delete from parked
                 where consumer = $1 and source = $2 and lane = $3 and position = any($4))sql",
                                  postgres::Params()
                                      .add(consumer)
                                      .add(where.first)
                                      .add(where.second)
                                      .add_array(std::span<const std::int64_t>(all))});
        }
    }

    Store& store_;
    std::int64_t head_;  // before the page
    std::vector<Recorded> events_;
    std::size_t bytes_ = 0;
    std::int64_t payloads_lost_ = 0;
    std::string command_;
    Derived derived_;
    std::vector<ClaimRow> claims_;
    std::map<TailWorkKey, WorkOp> work_;
    std::vector<SettingsChange> settings_;
    std::map<std::pair<std::string, int>, std::set<std::int64_t>> decided_;
};

// What the bus has of a lane; nothing: no record.
std::optional<std::int64_t> on_the_bus(const messaging::Brokers& brokers, const std::string& topic,
                                       int lane) {
    const auto record = messaging::last_record(brokers, topic, lane, kTailBusTimeout);
    if (!record) return std::nullopt;
    return from_bus(record->value).position;
}

void recover_lane(Store& store, const messaging::Brokers& brokers, const std::string& topic,
                  const TailLane& lane, const std::function<bool()>& enough, Recovery& done) {
    postgres::Session session({.url = store.options().database_url,
                               .application_name = store.options().service + "-recover"});
    TailReader tail(store, brokers, topic, lane);
    auto head = lane.head;
    std::optional<TailPage> page(std::in_place, store, head);
    const auto flush = [&] {
        if (page->empty()) return;
        page->write(session);
        done.recovered += page->size();
        done.payloads_lost += page->payloads_lost();
        head = page->last();
        page.emplace(store, head);
    };
    try {
        while (true) {
            auto event = tail.next();
            if (!event) {
                flush();
                if (head < lane.lost_to)
                    throw Refused{head + 1, "the bus ends before it; a reader knew up to " +
                                                digits(lane.lost_to)};
                break;
            }
            if (!page->takes(*event)) {
                flush();
                if (enough()) break;
            }
            page->add(std::move(*event));
        }
    } catch (const Refused& refused) {
        flush();  // what came before it fits
        done.refused = refused.why;
        done.refused_at = refused.position;
    } catch (const postgres::SqlError& error) {
        if (error.sqlstate != kTailDiffers) throw;
        done.refused = error.what();
        done.refused_at = head + 1;
    }
    done.missing = std::max<std::int64_t>(lane.lost_to - head, 0);
}

Command about_the_log(int lane, const Ordered& by) {
    Command command;
    command.meta.routing = {RoutingKind::lane, digits(lane)};
    command.meta.actor = by.principal;
    command.meta.role = by.role;
    command.meta.reason = by.reason;
    command.meta.source_address = by.source_address;
    return command;
}

StreamName log_stream(int lane) { return {"", std::string(kLogCategory), digits(lane)}; }

Time wall_clock() { return std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now()); }

// Puts into the logs, once they are open, what was taken back.
void note_recoveries(Store& store, const Ordered& by) {
    const auto rows = store.pool().with([](postgres::Session& session) {
        return session.query(R"sql(
            select r.lane, r.first, r.last, r.payloads_lost from recoveries r join lanes l using (lane)
             where l.lost_to is null order by 1)sql");
    });
    for (int row = 0; row < rows.rows(); ++row) {
        const auto lane = rows.int4(row, 0);
        common::v1::TailRecovered fact;
        fact.set_from(rows.int8(row, 1));
        fact.set_to(rows.int8(row, 2));
        fact.set_payloads_lost(rows.int8(row, 3));
        fact.set_principal(by.principal);
        auto command = about_the_log(lane, by);
        command.id = "tail-recovered/" + digits(lane) + "/" + digits(fact.from());
        command.dedupe = Dedupe::claim;
        command.meta.request_hash = command.id;
        command.parts.push_back({log_stream(lane), kAny, {stored(fact, wall_clock())}});
        store.append(std::move(command));
        store.pool().with([&](postgres::Session& session) {
            session.query("delete from recoveries where lane = $1", postgres::Params().add(lane));
        });
    }
}

}  // namespace

std::optional<Gap> gap_before(const Recorded& event) {
    if (!is<common::v1::TailLost>(event)) return std::nullopt;
    const auto lost = parsed<common::v1::TailLost>(event);
    if (lost.to() + 1 != event.position)
        throw CorruptStream("a TailLost at " + digits(event.position) + " ends its gap at " +
                            digits(lost.to()));
    if (lost.to() < lost.from()) return std::nullopt;
    return Gap{lost.from(), lost.to()};
}

bool follows(const Recorded& event, std::int64_t position) {
    if (event.position == position + 1) return true;
    if (event.position <= position) return false;
    try {
        const auto gap = gap_before(event);
        return gap && gap->first <= position + 1;
    } catch (const CorruptStream&) {
        return false;
    }
}

std::vector<Recovery> recover_tails(Store& store, const messaging::Brokers& brokers,
                                    const std::string& topic, const Ordered& by,
                                    const std::function<bool()>& enough) {
    // The bus is asked first: it may have more than anybody has noted.
    for (const auto& lane : lanes_of(store))
        if (lane.lost_to > 0 || !lane.compared)
            if (const auto last = on_the_bus(brokers, topic, lane.lane))
                store.pool().with([&](postgres::Session& session) {
                    session.query(loops::kLaneCompared.sql,
                                  postgres::Params().add(lane.lane).add(*last));
                });
    std::vector<Recovery> all;
    for (const auto& lane : lanes_of(store)) {
        if (lane.lost_to == 0) continue;
        Recovery done{.lane = lane.lane, .to = lane.lost_to};
        if (lane.lost_to > lane.head) {
            done.from = lane.head + 1;
            done.missing = lane.lost_to - lane.head;
            if (!enough()) recover_lane(store, brokers, topic, lane, enough, done);
        }
        all.push_back(std::move(done));
    }
    const bool complete =
        std::ranges::all_of(all, [](const Recovery& lane) { return lane.missing == 0; });
    if (!complete) return all;
    store.pool().with([](postgres::Session& session) { session.query("select open_lanes()"); });
    note_recoveries(store, by);
    return all;
}

std::vector<Loss> lose_tails(Store& store, const messaging::Brokers& brokers,
                             const std::string& topic, const LossRequest& request,
                             const Ordered& by) {
    std::vector<Loss> losses;
    for (const auto& lane : lanes_of(store)) {
        const bool named = std::ranges::find(request.lanes, lane.lane) != request.lanes.end();
        if (request.lanes.empty() ? lane.lost_to == 0 && lane.compared : !named) continue;
        Loss loss{.lane = lane.lane,
                  .head = lane.head,
                  .last = std::max({lane.head, lane.lost_to, lane.published, request.above})};
        std::optional<std::int64_t> last;
        try {
            last = on_the_bus(brokers, topic, lane.lane);
        } catch (const messaging::BusUnavailable&) {
            if (request.above == 0) throw;
        }
        loss.last = std::max(loss.last, last.value_or(0));
        if (!last && lane.lost_to <= lane.head && request.above == 0 && lane.published > 0)
            throw NothingKnown("lane " + digits(lane.lane) +
                               ": the bus has no record of it, so nothing says how far it was "
                               "published behind its head, " +
                               digits(lane.head));
        losses.push_back(loss);
    }
    if (request.dry_run || losses.empty()) return losses;

    std::vector<postgres::Session::Statement> statements;
    // Work of what was recovered before a lane was given up is held as well.
    statements.push_back({"select apply_recovered_work()", {}});
    for (std::size_t i = 0; i < losses.size(); ++i) {
        const auto& loss = losses[i];
        common::v1::TailLost fact;
        fact.set_from(loss.head + 1);
        fact.set_to(loss.last);
        fact.set_reason(by.reason);
        fact.set_principal(by.principal);
        if (loss.head > 0) {
            const auto kept =
                store.read_lane(loss.lane, loss.head, loss.head, 1, Store::Personal::as_stored);
            if (kept.empty()) throw std::logic_error("a head without its event");
            fact.set_kept_event_id(std::string(kept.front().event_id.raw()));
            fact.set_kept_hash(
                std::string(crypto::bytes_of(crypto::sha256(canonical_bytes(kept.front())))));
        }
        const auto now = wall_clock();
        const auto command = about_the_log(loss.lane, by);
        const auto id = "tail-lost/" + digits(loss.lane) + "/" + digits(loss.last);
        const auto event = stored(fact, now);
        statements.push_back(
            {"select lose_tail($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
             postgres::Params()
                 .add(loss.lane)
                 .add(loss.head)
                 .add(loss.last)
                 .add(stream_id(log_stream(loss.lane)))
                 .add(derive_id(id, now, "event", 1))
                 .add(kLogCategory)
                 .add(digits(loss.lane))
                 .add(event.type)
                 .add(now)
                 .add(id)
                 .add_bytes(meta_bytes(command.meta, false, store.options().build_id))
                 .add_bytes(event.payload)});
    }
    statements.push_back({"update work set held_due_at = due_at, due_at = '" +
                              std::string(kHeldUntil) + "' where held_due_at is null",
                          {}});
    statements.push_back(
        {"update restored set before = greatest(before, $1)", postgres::Params().add(request.at)});
    statements.push_back({"select open_lanes()", {}});
    postgres::Session session({.url = store.options().database_url,
                               .application_name = store.options().service + "-lose"});
    for (int deadlocks = 0;; ++deadlocks) {
        try {
            session.transaction(statements);
            break;
        } catch (const postgres::SqlError& error) {
            if (!error.retryable() || deadlocks >= kTailDeadlockRetries) throw;
            std::this_thread::sleep_for(kTailRetryDelay);
        }
    }
    note_recoveries(store, by);
    for (const auto& loss : losses)
        log::warn("a lost tail was given up", {{"lane", loss.lane},
                                               {"kept_to", loss.head},
                                               {"lost_to", loss.last},
                                               {"principal", by.principal},
                                               {"reason", by.reason}});
    return losses;
}

std::vector<HeldWork> held_work(postgres::Session& session, const HeldFilter& filter,
                                const std::optional<HeldWork>& after, int limit) {
    const auto from = after.value_or(HeldWork{.lane = -1});
    const auto rows = session.query(
        R"sql(
        select lane, kind, key, held_due_at from work
         where held_due_at is not null and starts_with(kind, $1) and ($2 = '' or key = $2)
           and (lane, kind, key) > ($3, $4, $5)
         order by lane, kind, key limit $6)sql",
        postgres::Params()
            .add(filter.kind)
            .add(filter.key)
            .add(from.lane)
            .add(from.kind)
            .add(from.key)
            .add(static_cast<std::int64_t>(limit)));
    std::vector<HeldWork> held;
    for (int row = 0; row < rows.rows(); ++row)
        held.push_back(
            {rows.int4(row, 0), rows.text(row, 1), rows.text(row, 2), rows.time(row, 3)});
    return held;
}

std::int64_t release_held_work(postgres::Session& session, const HeldFilter& filter) {
    return session
        .query(R"sql(
            update work set due_at = held_due_at, held_due_at = null
             where held_due_at is not null and starts_with(kind, $1) and ($2 = '' or key = $2))sql",
               postgres::Params().add(filter.kind).add(filter.key))
        .affected();
}

}  // namespace flowstack::eventlog
