#include "common/eventlog/store.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "common/eventlog/codes.h"
#include "common/eventlog/loop_statements.h"
#include "common/eventlog/tail.h"
#include "common/observability/span.h"

namespace flowstack::eventlog {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kRetryDelay{50};
constexpr int kDeadlockRetriesMax = 10;

std::size_t bytes_of(const Command& command) {
    std::size_t bytes = 256;
    for (const auto& part : command.parts)
        for (const auto& event : part.events) bytes += event.payload.size() + 256;
    return bytes;
}

std::exception_ptr as_refusal(const Command& command, const postgres::SqlError& error) {
    if (error.sqlstate == kClockAhead) return std::make_exception_ptr(ClockAhead(error.what()));
    if (error.sqlstate == kLaneRefuses) return std::make_exception_ptr(LaneRefuses(error.what()));
    return std::make_exception_ptr(CommandRefused("command " + command.id + ": " + error.what()));
}

std::string_view text_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::ok:
            return "ok";
        case Outcome::wrong_version:
            return "wrong_version";
        case Outcome::already_done:
            return "already_done";
        case Outcome::other_body:
            return "other_body";
        case Outcome::claim_taken:
            return "claim_taken";
        case Outcome::not_owner:
            return "not_owner";
    }
    return "";
}

// The wait for the commit is a span of the trace that asked for it. The answer is heard under that
// trace.
Store::Answer traced(const Command& command, const std::string& service, Store::Answer answer) {
    const auto parent = trace::parse(command.meta.traceparent);
    if (!parent) return answer;
    const auto span = std::make_shared<trace::Span>(
        trace::Span::begin(trace::SpanKind::client, "append flowstack_" + service, *parent));
    span->set("db.system.name", "postgresql");
    span->set("db.operation.name", "append");
    span->set("db.namespace", "flowstack_" + service);
    if (!command.parts.empty() && !command.parts.front().events.empty())
        span->set("flowstack.event.type", command.parts.front().events.front().type);
    return [span, context = *parent, answer = std::move(answer)](const Verdict& verdict,
                                                                 const std::exception_ptr& error) {
        if (error)
            span->fail("not_stored");
        else
            span->set("flowstack.append.outcome", text_of(verdict.outcome));
        span->end();
        const trace::Scope scope(context);
        answer(verdict, error);
    };
}

}  // namespace

// One thread and one connection: takes what has gathered, commits it, answers, and takes again.
struct Store::Batcher {
    struct Waiting {
        Command command;
        Answer answer;
        Clock::time_point deadline;
        std::size_t bytes;
        bool may_join;
    };
    // What a batch asks for, and where each of its commands is.
    struct Joined {
        std::vector<Command> commands;
        std::vector<std::size_t> at;
    };

    Batcher(Store& owner, int number)
        : store(owner),
          session(
              {.url = owner.options_.database_url,
               .application_name = owner.options_.service + "-append-" + std::to_string(number)}),
          thread([this] { run(); }) {}

    ~Batcher() { stop(); }

    void stop() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        wake.notify_all();
        if (thread.joinable()) thread.join();
    }

    void push(std::vector<Asked> asked) {
        std::vector<Asked> refused;
        bool closing = false, sooner = false;
        {
            const std::lock_guard lock(mutex);
            closing = stopping;
            if (stopping || queue.size() + asked.size() > store.options_.queue_commands_max)
                refused = std::move(asked);
            else
                sooner = take(std::move(asked));
        }
        if (sooner) wake.notify_one();
        for (auto& one : refused)
            one.answer({}, std::make_exception_ptr(Overloaded(closing ? "the store is closing"
                                                                      : "append queue is full")));
    }

    // Under the mutex. Whether the thread has to look at the queue sooner than it would.
    bool take(std::vector<Asked> asked) {
        const auto now = Clock::now();
        const auto before = due();
        for (auto& [command, answer, may_join, may_wait] : asked) {
            const auto bytes = bytes_of(command);
            const auto goes = may_wait ? now + store.options_.company_wait : now;
            first_due = queue.empty() ? goes : std::min(first_due, goes);
            queue.push_back({std::move(command), std::move(answer),
                             now + store.options_.append_deadline, bytes, may_join});
        }
        return due() < before;
    }

    // Under the mutex. When the queue is to be looked at.
    Clock::time_point due() const {
        if (stopping || queue.size() >= store.options_.batch_commands_max)
            return Clock::time_point::min();
        return queue.empty() ? Clock::time_point::max() : first_due;
    }

    void run() {
        while (true) {
            std::vector<Waiting> batch;
            {
                std::unique_lock lock(mutex);
                for (auto at = due(); at > Clock::now(); at = due())
                    if (at == Clock::time_point::max())
                        wake.wait(lock);
                    else
                        wake.wait_until(lock, at);
                if (queue.empty()) return;
                std::size_t bytes = 0;
                while (!queue.empty() && batch.size() < store.options_.batch_commands_max &&
                       (batch.empty() ||
                        bytes + queue.front().bytes <= store.options_.batch_bytes_max)) {
                    bytes += queue.front().bytes;
                    batch.push_back(std::move(queue.front()));
                    queue.pop_front();
                }
                // What did not fit any more has waited long enough.
                first_due = Clock::time_point::min();
            }
            commit(batch);
        }
    }

    // Made anew for every part of a batch that is halved, so that what may be joined can be refused
    // alone.
    Joined join(std::span<const Waiting> batch) const {
        Joined joined;
        joined.commands.reserve(batch.size());
        joined.at.reserve(batch.size());
        // The command that others may still be added to.
        std::size_t open = 0, open_commands = 0, open_bytes = 0;
        for (const auto& waiting : batch) {
            const auto& options = store.options_;
            const bool may = waiting.may_join && options.join;
            if (may && open_commands > 0 && open_commands < options.joined_commands_max &&
                open_bytes + waiting.bytes <= options.joined_bytes_max &&
                options.join(joined.commands[open], waiting.command)) {
                ++open_commands;
                open_bytes += waiting.bytes;
                joined.at.push_back(open);
                continue;
            }
            joined.at.push_back(joined.commands.size());
            if (may) {
                open = joined.commands.size();
                open_commands = 1;
                open_bytes = waiting.bytes;
            }
            joined.commands.push_back(waiting.command);
        }
        return joined;
    }

    void commit(std::span<Waiting> batch) {
        const auto joined = join(batch);
        AppendCall call;
        try {
            call = append_call(joined.commands, store.options_, store.derive_, false);
        } catch (const std::exception&) {
            // One of the commands cannot be encoded: find it by halving.
            if (batch.size() == 1) return batch[0].answer({}, std::current_exception());
            return halve(batch);
        }
        for (int deadlocks = 0;;) {
            try {
                const auto verdicts =
                    verdicts_from(call, session.query(call.statement.sql, call.statement.params));
                store.committed(verdicts, call.work);
                for (std::size_t i = 0; i < batch.size(); ++i)
                    batch[i].answer(verdicts[joined.at[i]], nullptr);
                return;
            } catch (const postgres::StoreUnavailable&) {
                // The commit may have counted. The same batch is answered "already done" then.
                if (expired(batch)) return fail(batch, std::current_exception());
                std::this_thread::sleep_for(kRetryDelay);
            } catch (const postgres::SqlError& error) {
                const bool shutting_down = error.sqlstate.starts_with(kShuttingDown);
                if (shutting_down || (error.retryable() && ++deadlocks < kDeadlockRetriesMax)) {
                    if (shutting_down) session.disconnect();
                    if (expired(batch))
                        return fail(batch, std::make_exception_ptr(
                                               postgres::StoreUnavailable(error.what())));
                    std::this_thread::sleep_for(kRetryDelay);
                    continue;
                }
                if (store_is_out(error)) {
                    return fail(batch,
                                std::make_exception_ptr(postgres::StoreUnavailable(error.what())));
                }
                if (batch.size() == 1)
                    return batch[0].answer({}, as_refusal(batch[0].command, error));
                return halve(batch);
            }
        }
    }

    // The server is out, or has no schema yet: no command is to blame.
    static bool store_is_out(const postgres::SqlError& error) {
        return server_is_out(error) || error.sqlstate.starts_with(kSyntaxOrMissingTable);
    }

    void halve(std::span<Waiting> batch) {
        commit(batch.first(batch.size() / 2));
        commit(batch.subspan(batch.size() / 2));
    }

    static bool expired(std::span<Waiting> batch) {
        const auto now = Clock::now();
        for (const auto& waiting : batch)
            if (waiting.deadline > now) return false;
        return true;
    }

    static void fail(std::span<Waiting> batch, const std::exception_ptr& error) {
        for (auto& waiting : batch) waiting.answer({}, error);
    }

    Store& store;
    postgres::Session session;
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Waiting> queue;
    Clock::time_point first_due;  // when the first of the queue to be due goes
    bool stopping = false;
    std::thread thread;
};

Store::Store(StoreOptions options, DeriveFn derive)
    : options_(std::move(options)),
      derive_(std::move(derive)),
      pool_(std::make_unique<postgres::Pool>(
          postgres::Session::Options{.url = options_.database_url,
                                     .application_name = options_.service + "-read"},
          options_.read_connections)) {
    const int count = std::clamp(options_.append_connections, 1, kAppendConnectionsMax);
    for (int i = 0; i < count; ++i) batchers_.push_back(std::make_unique<Batcher>(*this, i));
}

Store::~Store() { drain(); }

void Store::drain() {
    for (auto& batcher : batchers_) batcher->stop();
}

void Store::append_async(Command command, Answer answer) {
    std::vector<Asked> asked;
    asked.push_back({std::move(command), std::move(answer)});
    append_async(std::move(asked));
}

void Store::append_async(std::vector<Asked> asked) {
    if (trace::on())
        for (auto& one : asked)
            one.answer = traced(one.command, options_.service, std::move(one.answer));
    std::vector<std::vector<Asked>> groups(batchers_.size());
    for (auto& one : asked) {
        const auto lane =
            static_cast<std::size_t>(lane_of(one.command.meta.routing, one.command.tenant));
        groups[lane % groups.size()].push_back(std::move(one));
    }
    for (std::size_t i = 0; i < groups.size(); ++i)
        if (!groups[i].empty()) batchers_[i]->push(std::move(groups[i]));
}

Verdict Store::append(Command command) {
    std::promise<Verdict> promise;
    auto answered = promise.get_future();
    append_async(std::move(command), [&promise](Verdict verdict, const std::exception_ptr& error) {
        if (error)
            promise.set_exception(error);
        else
            promise.set_value(std::move(verdict));
    });
    return answered.get();
}

Recorded Store::event_from(const postgres::Result& result, int row, Personal personal) const {
    auto event = recorded_from(result, row, options_.service);
    if (personal == Personal::clear)
        if (auto clear = vault().open(event)) event.payload = std::move(*clear);
    return event;
}

std::vector<Recorded> Store::read_stream(const StreamName& stream, std::int64_t from_version,
                                         Personal personal) {
    const auto result = pool_->with([&](postgres::Session& session) {
        return session.query(loops::kStream.sql,
                             postgres::Params().add(stream_id(stream)).add(from_version));
    });
    std::vector<Recorded> events;
    for (int row = 0; row < result.rows(); ++row)
        events.push_back(event_from(result, row, personal));
    return events;
}

std::vector<std::vector<Recorded>> Store::read_streams(std::span<const StreamTail> tails) {
    constexpr int kNumberColumn = 14;
    std::vector<Uuid> ids;
    std::vector<std::int64_t> from;
    for (const auto& tail : tails) {
        ids.push_back(stream_id(tail.stream));
        from.push_back(tail.from_version);
    }
    const auto result = pool_->with([&](postgres::Session& session) {
        return session.query(loops::kStreams.sql,
                             postgres::Params().add_array(ids).add_array(from));
    });
    std::vector<std::vector<Recorded>> events(tails.size());
    for (int row = 0; row < result.rows(); ++row)
        events[static_cast<std::size_t>(result.int8(row, kNumberColumn) - 1)].push_back(
            event_from(result, row, Personal::clear));
    return events;
}

std::vector<Recorded> Store::read_lane(int lane, std::int64_t from, std::int64_t to, int limit,
                                       Personal personal) {
    constexpr auto kHead = std::numeric_limits<std::int64_t>::max();
    const auto result = pool_->with([&](postgres::Session& session) {
        return session.query(loops::kLanePage.sql, postgres::Params()
                                                       .add(lane)
                                                       .add(from)
                                                       .add(to == 0 ? kHead : to)
                                                       .add(static_cast<std::int64_t>(limit)));
    });
    std::vector<Recorded> events;
    std::size_t bytes = 0;
    for (int row = 0; row < result.rows() && bytes < kPageBytesMax; ++row) {
        events.push_back(event_from(result, row, personal));
        bytes += events.back().payload.size() + events.back().meta_bytes.size() + 256;
    }
    return events;
}

std::vector<std::int64_t> Store::heads() {
    const auto result =
        pool_->with([&](postgres::Session& session) { return session.query(loops::kHeads.sql); });
    std::vector<std::int64_t> heads;
    for (int row = 0; row < result.rows(); ++row) heads.push_back(result.int8(row, 0));
    return heads;
}

std::optional<Store::ClaimRow> Store::claim(std::string_view scope, std::string_view kind,
                                            std::string_view key) {
    const auto result = pool_->with([&](postgres::Session& session) {
        return session.query(loops::kClaim.sql, postgres::Params().add(claim_id(scope, kind, key)));
    });
    if (result.rows() == 0) return std::nullopt;
    return ClaimRow{result.text(0, 0), result.uuid(0, 1), Micros{result.int8(0, 2)}};
}

void Store::on_commit(std::function<void(const Commit&)> listener) {
    listeners_.push_back(std::move(listener));
}

void Store::committed(const std::vector<Verdict>& verdicts, std::span<const WorkNews> work) {
    std::map<int, std::int64_t> heads;
    for (const auto& verdict : verdicts) {
        if (verdict.outcome != Outcome::ok || verdict.event_count == 0) continue;
        auto& head = heads[verdict.lane];
        head = std::max(head, verdict.first_position + verdict.event_count - 1);
    }
    if (heads.empty()) return;
    const Commit commit{{heads.begin(), heads.end()}, work};
    for (const auto& listener : listeners_) listener(commit);
}

bool Store::ready(std::string& why) {
    try {
        const auto found = heads().size();
        if (found == static_cast<std::size_t>(options_.lanes)) return true;
        why = "the database has " + std::to_string(found) + " lanes, LANES says " +
              std::to_string(options_.lanes);
    } catch (const postgres::StoreUnavailable& error) {
        why = error.what();
    } catch (const postgres::SqlError& error) {
        why = std::string("schema is missing, run flowctl migrate: ") + error.what();
    }
    return false;
}

}  // namespace flowstack::eventlog
