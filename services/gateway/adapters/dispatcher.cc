#include "services/gateway/adapters/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <unordered_map>

#include "common/core/broken_world.h"
#include "common/observability/log.h"
#include "common/resilience/gcra.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "services/gateway/adapters/reactions.h"
#include "services/gateway/adapters/resources.h"
#include "services/gateway/inbound/pool.h"

namespace flowstack::gateway {
namespace {

using Steady = std::chrono::steady_clock;
using resilience::CircuitBreaker;
using resilience::Gcra;
using std::chrono::milliseconds;

// A retry that waits longer than this lets later messages of its chat pass.
constexpr milliseconds kChatWaitMax{60'000};
// … and if it does not come back so long after its time, they go on without it.
constexpr milliseconds kChatPatience{5'000};
constexpr milliseconds kStoreRetryMs{200};
constexpr milliseconds kPollGap{2};  // however often it is woken
constexpr milliseconds kStoreAwayRetryMs{1'000};
constexpr milliseconds kLookMs{2'000};
constexpr milliseconds kInboundRetryMs{20};       // the read model is asked again what came in
constexpr milliseconds kInboundPatience{10'000};  // … as long as a message stays in memory for that
constexpr int kDecisionsMax = 5;  // how often a decision is made again on what others wrote first
constexpr std::size_t kPairsMax = 50'000;
constexpr std::size_t kReadsQueuedMax = 100'000;
constexpr std::size_t kReadTogetherMax = 64;
constexpr int kReadsOpenMax = 2;

using ChatKey = std::pair<std::string, int>;  // customer, priority

// What a command of ours comes from.
struct Cause {
    eventlog::Position event;
    std::string correlation_id;
};

// One message on its way.
struct Job {
    std::string tenant;
    std::string message_id;
    std::string customer_id;
    int priority = 0;
    Time due_at{};
    std::shared_ptr<const ChannelEntry> channel;

    // Once it is read.
    Message message;
    std::int64_t version = 0;
    Cause cause;
    std::int64_t contact_version = 0;
    DispatchFacts facts;
    // What came in from this customer is judged by the read model once it shows this position of
    // the customer's lane: the head when it was first asked. Zero: not asked yet.
    std::int64_t inbound_head = 0;
    bool inbound_known = true;
    Steady::time_point inbound_asked{};
    CircuitBreaker::Ticket ticket = 0;
    bool asked_breaker = false;
    int decisions = 0;
    // Counted from before the attempt is written: whoever stood still since must not call any more,
    // the lane's next owner has waited that long and judged it lost.
    Steady::time_point not_after{};
};
using JobPtr = std::shared_ptr<Job>;

// Whose last word a job asks for.
struct Inbound {
    Job* job = nullptr;
    std::string customer;
};

template <class State>
Cause cause_of(const eventlog::Folded<State>& folded) {
    return {folded.last, folded.correlation_id};
}

struct Chat {
    bool busy = false;
    // A message that comes back for another attempt goes before the others of its chat; they wait
    // for it, at the latest until then.
    std::string awaited;
    Steady::time_point blocked_until{};
    std::deque<JobPtr> waiting;
};

struct ChannelQueue {
    std::string tenant;
    std::string channel_id;
    std::shared_ptr<const ChannelEntry> entry;
    std::map<ChatKey, Chat> chats;
    // Rows that are in memory: waiting, in flight or resting.
    std::set<std::string> held[kPriorities];
    std::map<std::string, Steady::time_point> resting;
    int in_flight = 0;
    std::optional<Gcra> number;  // what may begin
    // What may be called, by the same limit: between the two is an append, and appends come back in
    // clumps, while the provider counts calls.
    std::optional<Gcra> wire;
    std::multimap<int, JobPtr> announced;  // attempts that are written and not called yet
    ChannelLimits limits;
    std::map<std::string, Gcra> pairs;
    CircuitBreaker breaker;
    std::int64_t credentials_warned = 0;  // the channel's version of which the log was told

    explicit ChannelQueue(resilience::BreakerPolicy policy) : breaker(policy) {}
};

}  // namespace

struct Dispatcher::State : std::enable_shared_from_this<Dispatcher::State> {
    State(eventlog::Store& s, eventlog::Owners& o, Directory& d, Contacts& c, const DerivedKeys& k,
          const Providers& p, const Clock& clk, metrics::Registry& metrics, DispatcherOptions opts)
        : store(s),
          owners(o),
          directory(d),
          contacts(c),
          keys(k),
          providers(p),
          clock(clk),
          options(std::move(opts)),
          messages(s),
          session({.url = s.options().database_url, .application_name = "gateway-dispatch"}),
          attempts_total(metrics.counter("flowstack_gateway_send_attempts_total", "calls begun")),
          accepted_total(metrics.counter("flowstack_gateway_sends_accepted_total",
                                         "messages that the provider took")),
          failed_total(
              metrics.counter("flowstack_gateway_sends_failed_total", "answers that refused")),
          unknown_total(
              metrics.counter("flowstack_gateway_sends_unknown_total", "answers that were lost")),
          suppressed_total(metrics.counter("flowstack_gateway_sends_suppressed_total",
                                           "messages that were not allowed to leave")),
          queued_gauge(metrics.gauge("flowstack_gateway_dispatch_rows",
                                     "queue rows that the dispatcher holds")),
          reads(options.read_threads, kReadsQueuedMax) {
        std::random_device seed;
        random.seed(seed());
        run_id = std::to_string(seed()) + std::to_string(seed());
    }

    // ---------------------------------------------------------------- the one thread

    void post(std::function<void()> job) {
        {
            const std::lock_guard lock(mutex);
            inbox.push_back(std::move(job));
        }
        woken.notify_one();
    }

    void run() {
        auto next_poll = Steady::now();
        auto last_poll = next_poll - kPollGap;
        while (true) {
            std::deque<std::function<void()>> jobs;
            {
                std::unique_lock lock(mutex);
                woken.wait_until(lock, std::min(next_poll, next_pump),
                                 [&] { return stopping || wake_asked || !inbox.empty(); });
                if (stopping) {
                    // What was begun gets its outcome, as long as there is time.
                    const bool idle = inbox.empty() && calls_open == 0 && appends_open == 0 &&
                                      announced_open == 0;
                    if (idle || Steady::now() > give_up_at.load()) return;
                    if (inbox.empty()) woken.wait_for(lock, milliseconds(5));
                }
                jobs.swap(inbox);
                if (wake_asked) next_poll = std::min(next_poll, last_poll + kPollGap);
                wake_asked = false;
            }
            for (auto& job : jobs) guarded(job);
            guarded([this] { look_at_lanes(); });
            if (Steady::now() >= next_poll) {
                last_poll = Steady::now();
                const bool search = last_poll >= next_search;
                bool found = false;
                const bool worked = guarded([&] { found = poll(search); });
                // A slow store is not asked more often than it can answer, an absent one rarely.
                const auto pause = found ? options.poll_ms : owners.poll_every(options.poll_ms);
                const auto took = std::max<Steady::duration>(pause, Steady::now() - last_poll);
                next_poll = Steady::now() + (worked ? took : Steady::duration(kStoreAwayRetryMs));
                if (worked && !search) next_poll = std::min(next_poll, next_search);
            }
            next_pump = Steady::now() + std::chrono::seconds(1);
            guarded([this] { pump_all(); });
            guarded([this] { read_gathered(); });
        }
    }

    bool guarded(const std::function<void()>& body) {
        try {
            body();
            return true;
        } catch (const std::exception& error) {
            log::warn("dispatch: tried again", {{"error", error.what()}});
            return false;
        }
    }

    // ---------------------------------------------------------------- lanes

    // A lane that came: nothing is called before an old owner's calls can have begun no more.
    void look_at_lanes() {
        const auto now = Steady::now();
        std::set<int> mine;
        for (const int lane : owners.lanes()) {
            mine.insert(lane);
            const auto since = owners.since(lane);
            const auto guard = owners.guard(lane);
            if (!since || !guard) continue;
            auto& known = lanes[lane];
            if (known.epoch == guard->owner_epoch || known.settle_again_at > now) continue;
            if (now - *since < options.attempt_start_ms_max) {
                next_pump = std::min(next_pump, *since + options.attempt_start_ms_max);
                known.open = false;
                continue;
            }
            // First what an old owner has left open, then the queues.
            known.epoch = guard->owner_epoch;
            known.open = false;
            recover(lane, *guard);
        }
        std::erase_if(lanes, [&](const auto& lane) { return !mine.contains(lane.first); });
    }

    void recover(int lane, eventlog::OwnerGuard guard) {
        reads.post([self = shared_from_this(), lane, guard] {
            std::vector<Retry> retries;
            try {
                self->declare_lost(lane, guard);
                retries = self->retries_of(lane);
            } catch (const std::exception& error) {
                log::warn("open attempts are not settled yet",
                          {{"lane", lane}, {"error", error.what()}});
                self->post([self, lane] {
                    auto& known = self->lanes[lane];
                    known.epoch = 0;
                    known.settle_again_at = Steady::now() + kStoreAwayRetryMs;
                });
                return;
            }
            self->post([self, lane, guard, retries] {
                auto& known = self->lanes[lane];
                if (known.epoch != guard.owner_epoch) return;
                for (const auto& retry : retries) self->await(retry);
                known.open = true;
            });
        });
    }

    // A message that was tried by whoever owned the lane before, and is not due yet.
    struct Retry {
        WorkRef ref;
        std::string message_id;
        int priority = 0;
        Time due_at{};
    };

    // On a reading thread.
    std::vector<Retry> retries_of(int lane) {
        const auto rows = store.pool().with([&](postgres::Session& s) {
            return s.query(
                "select key, priority, due_at, ref from work where lane = $1 and "
                "starts_with(kind, $2) and due_at > statement_timestamp() and due_at < $3",
                postgres::Params().add(lane).add(kDispatchPrefix).add(clock.now() + kChatWaitMax));
        });
        std::vector<Retry> retries;
        for (int row = 0; row < rows.rows(); ++row)
            if (const auto ref = read_ref(rows.text(row, 3)); ref && ref->attempt > 0)
                retries.push_back({*ref, rows.text(row, 0), rows.int4(row, 1), rows.time(row, 2)});
        return retries;
    }

    void await(const Retry& retry) {
        const auto entry = directory.channel(retry.ref.tenant, retry.ref.channel_id);
        if (!entry) return;
        await(chat_of(queue_of(entry), retry.ref.customer_id, retry.priority), retry.message_id,
              retry.due_at - clock.now());
    }

    // The chat's next messages wait for this one, which comes from the table again by then.
    static void await(Chat& chat, const std::string& message_id, Micros wait) {
        chat.awaited = message_id;
        chat.blocked_until = Steady::now() + std::max<Micros>(wait, Micros(0)) + kChatPatience;
    }

    // On a reading thread.
    void declare_lost(int lane, eventlog::OwnerGuard guard) {
        const auto rows = store.pool().with([&](postgres::Session& s) {
            return s.query("select key, ref from work where lane = $1 and kind = $2",
                           postgres::Params().add(lane).add(kAttemptKind));
        });
        for (int row = 0; row < rows.rows(); ++row) {
            const auto id = rows.text(row, 0);
            const auto ref = read_ref(rows.text(row, 1));
            if (!ref) continue;
            {
                const std::lock_guard lock(mutex);
                if (open_attempts.contains(id)) continue;  // our own, still under way
            }
            for (int tries = 0; tries < kDecisionsMax; ++tries) {
                const auto stream = message_stream(ref->tenant, id);
                const auto folded = messages.load(stream);
                const auto tenant = directory.tenant(ref->tenant);
                const auto decision = decide(
                    folded.state, DeclareLost{ref->attempt, policy_of(options.policy, tenant.get()),
                                              clock.now()});
                if (!decision.accepted() || decision.events().empty()) break;
                auto command = command_for(ref->tenant, ref->customer_id, stream, folded.version,
                                           cause_of(folded), decision.events());
                command.id = "lost/" + id + "/" + std::to_string(ref->attempt);
                command.owner_guard = guard;
                const auto verdict = store.append(std::move(command));
                if (verdict.outcome == eventlog::Outcome::wrong_version) continue;
                if (verdict.accepted()) {
                    unknown_total.add();
                    log::warn("an attempt was left open by its sender: UNKNOWN",
                              {{"message", id}, {"tenant", ref->tenant}});
                }
                break;
            }
        }
    }

    // ---------------------------------------------------------------- the queues

    ChannelQueue& queue_of(const std::shared_ptr<const ChannelEntry>& entry) {
        const auto key = entry->tenant + "/" + entry->channel.channel_id;
        auto& queue = queues[key];
        if (!queue) {
            resilience::BreakerPolicy policy;
            policy.failures_to_open = options.breaker_failures;
            policy.open_for = options.breaker_open_ms;
            policy.open_for_max = options.breaker_open_max_ms;
            queue = std::make_unique<ChannelQueue>(policy);
            queue->tenant = entry->tenant;
            queue->channel_id = entry->channel.channel_id;
        }
        if (queue->entry != entry) {
            queue->entry = entry;
            const auto& limits = entry->channel.limits;
            if (!queue->number || !(queue->limits == limits)) {
                queue->limits = limits;
                const int rate =
                    std::max(1, limits.per_second - limits.inbound_headroom_per_second);
                const resilience::GcraLimit limit{static_cast<double>(rate), std::max(1, rate / 4)};
                queue->number.emplace(limit);
                queue->wire.emplace(limit);
                queue->pairs.clear();
            }
        }
        return *queue;
    }

    // The queue has something to look at from now on.
    Chat& chat_of(ChannelQueue& queue, const std::string& customer, int priority) {
        active.insert(&queue);
        return queue.chats[{customer, priority}];
    }

    bool stands_still(const ChannelQueue& queue) const {
        if (queue.entry->paused) return true;
        const auto tenant = directory.tenant(queue.tenant);
        return tenant && tenant->tenant.status == TenantStatus::suspended;
    }

    using QueuePriority = std::pair<ChannelQueue*, int>;

    // The queues in which something is due: from one kind of the table to the next, by the index on
    // them. What it costs grows with the lanes and with the queues that hold something, not with
    // the channels that there are, nor with what they hold.
    std::set<QueuePriority> due_queues() {
        std::vector<std::int32_t> open;
        for (const auto& [lane, known] : lanes)
            if (known.open) open.push_back(lane);
        if (open.empty()) return {};
        const auto rows = session.query(
            "with recursive first(lane, kind, due_at, ref) as ("
            "select w.* from unnest($1::int[]) l(lane) cross join lateral (select lane, kind, "
            "due_at, ref from work where lane = l.lane order by kind, due_at limit 1) w "
            "union all "
            "select w.* from first f cross join lateral (select lane, kind, due_at, ref from work "
            "where lane = f.lane and kind > f.kind order by kind, due_at limit 1) w) "
            "select lane, kind, ref from first "
            "where starts_with(kind, $2) and due_at <= statement_timestamp()",
            postgres::Params().add_array(std::span<const std::int32_t>(open)).add(kDispatchPrefix));
        std::set<QueuePriority> due;
        for (int row = 0; row < rows.rows(); ++row) {
            const auto ref = read_ref(rows.text(row, 2));
            if (!ref) continue;
            const auto channel = directory.channel(ref->tenant, ref->channel_id);
            if (!channel || channel->lane != rows.int4(row, 0)) continue;
            for (int priority = 0; priority < kPriorities; ++priority)
                if (rows.text(row, 1) == dispatch_kind(ref->channel_id, priority))
                    due.emplace(&queue_of(channel), priority);
        }
        return due;
    }

    // Asks busy queues, and with `search` whichever others have something. True when there was
    // something.
    bool poll(bool search) {
        if (stopping) return false;
        std::set<QueuePriority> due;
        if (search) {
            due = due_queues();
            next_search = Steady::now() + options.poll_ms;
        }
        for (auto* queue : active) {
            const auto entry = directory.channel(queue->tenant, queue->channel_id);
            if (!entry) continue;
            queue_of(entry);  // what its settings say now
            for (int priority = 0; priority < kPriorities; ++priority) due.emplace(queue, priority);
        }
        std::vector<std::int32_t> row_lanes;
        std::vector<std::string> kinds;
        std::vector<std::int32_t> rooms;
        std::vector<std::string> held;
        std::vector<std::pair<ChannelQueue*, int>> asked;
        for (const auto& [candidate, priority] : due) {
            auto& queue = *candidate;
            const auto lane = lanes.find(queue.entry->lane);
            if (lane == lanes.end() || !lane->second.open || stands_still(queue)) continue;
            const int room =
                options.queued_in_memory_max - static_cast<int>(queue.held[priority].size());
            // Fetched by halves: a row more or less is not worth a question.
            if (room < (options.queued_in_memory_max + 1) / 2) continue;
            row_lanes.push_back(queue.entry->lane);
            kinds.push_back(dispatch_kind(queue.channel_id, priority));
            rooms.push_back(room);
            asked.emplace_back(&queue, priority);
            held.insert(held.end(), queue.held[priority].begin(), queue.held[priority].end());
        }
        if (asked.empty()) return false;
        const auto rows = session.query(
            "select c.n, w.key, w.due_at, w.ref from unnest($1::int[], $2::text[], $3::int[]) "
            "with ordinality c(lane, kind, room, n) cross join lateral (select key, due_at, ref "
            "from work where lane = c.lane and kind = c.kind and due_at <= statement_timestamp() "
            "and key <> all ($4::text[]) order by due_at, key limit c.room) w "
            "order by w.due_at, w.key",
            postgres::Params()
                .add_array(std::span<const std::int32_t>(row_lanes))
                .add_array(std::span<const std::string>(kinds))
                .add_array(std::span<const std::int32_t>(rooms))
                .add_array(std::span<const std::string>(held)));
        for (int row = 0; row < rows.rows(); ++row) {
            auto& [queue, priority] = asked.at(static_cast<std::size_t>(rows.int8(row, 0) - 1));
            const auto ref = read_ref(rows.text(row, 3));
            if (!ref) continue;
            auto job = std::make_shared<Job>();
            job->tenant = ref->tenant;
            job->message_id = rows.text(row, 1);
            job->customer_id = ref->customer_id;
            job->priority = priority;
            job->due_at = rows.time(row, 2);
            if (!queue->held[priority].insert(job->message_id).second) continue;
            auto& chat = chat_of(*queue, job->customer_id, priority);
            const bool awaited = chat.awaited == job->message_id;
            if (awaited) {
                chat.awaited.clear();
                chat.blocked_until = {};
            }
            // A retry is due later than what was queued after it, and still comes first.
            if (awaited || ref->attempt > 0)
                chat.waiting.push_front(std::move(job));
            else
                chat.waiting.push_back(std::move(job));
        }
        return rows.rows() > 0;
    }

    void pump_all() {
        while (!read_later.empty() && read_later.begin()->first <= Steady::now()) {
            read(read_later.begin()->second);
            read_later.erase(read_later.begin());
        }
        if (!read_later.empty()) next_pump = std::min(next_pump, read_later.begin()->first);
        std::size_t rows = 0;
        for (auto at = active.begin(); at != active.end();) {
            auto& queue = **at;
            for (const auto& held : queue.held) rows += held.size();
            call_announced(queue);
            pump(queue);
            const bool rests =
                queue.chats.empty() && queue.resting.empty() && queue.announced.empty();
            at = rests ? active.erase(at) : std::next(at);
        }
        queued_gauge.set(static_cast<double>(rows));
    }

    void pump(ChannelQueue& queue) {
        const auto now = Steady::now();
        // Rows that rested may be read from the table again.
        for (auto rest = queue.resting.begin(); rest != queue.resting.end();) {
            if (rest->second <= now) {
                for (auto& held : queue.held) held.erase(rest->first);
                rest = queue.resting.erase(rest);
            } else {
                next_pump = std::min(next_pump, rest->second);
                ++rest;
            }
        }
        if (stopping) return;
        const auto lane = lanes.find(queue.entry->lane);
        if (lane == lanes.end() || !lane->second.open) {
            forget_waiting(queue);
            return;
        }
        if (queue.chats.empty()) return;
        if (stands_still(queue)) return;
        for (int priority = 0; priority < kPriorities; ++priority) {
            for (auto at = queue.chats.begin(); at != queue.chats.end();) {
                auto& [chat_key, chat] = *at;
                if (chat_key.second != priority) {
                    ++at;
                    continue;
                }
                if (chat.waiting.empty() && !chat.busy && chat.blocked_until <= now) {
                    at = queue.chats.erase(at);
                    continue;
                }
                ++at;
                if (chat.busy || chat.waiting.empty()) continue;
                if (chat.blocked_until > now) {
                    next_pump = std::min(next_pump, chat.blocked_until);
                    continue;
                }
                if (queue.in_flight >= options.in_flight_max) return;
                const auto verdict = may_send(queue, chat_key.first);
                if (verdict > milliseconds(0)) {
                    next_pump = std::min(next_pump, now + verdict);
                    if (number_is_out) return;
                    continue;
                }
                auto job = chat.waiting.front();
                chat.waiting.pop_front();
                chat.busy = true;
                ++queue.in_flight;
                job->channel = queue.entry;
                begin(queue, job);
            }
        }
    }

    void forget_waiting(ChannelQueue& queue) {
        for (auto& [key, chat] : queue.chats) {
            for (const auto& job : chat.waiting) queue.held[job->priority].erase(job->message_id);
            chat.waiting.clear();
        }
        std::erase_if(queue.chats, [](const auto& chat) { return !chat.second.busy; });
    }

    // Zero: takes the tokens. Else how long to wait, and whether nobody on this number may send.
    milliseconds may_send(ChannelQueue& queue, const std::string& customer) {
        number_is_out = false;
        const auto now = resilience::Instant(clock.now());
        const auto up = [](resilience::Duration wait) {
            return std::chrono::ceil<milliseconds>(
                       std::min<resilience::Duration>(wait, std::chrono::seconds(60))) +
                   milliseconds(1);
        };
        if (const auto wait = queue.breaker.retry_after(now); wait.count() > 0) {
            number_is_out = true;
            return up(wait);
        }
        if (const auto number = queue.number->peek(now); !number) {
            number_is_out = true;
            return up(number.retry_after);
        }
        if (queue.pairs.size() > kPairsMax)
            std::erase_if(queue.pairs, [&](const auto& pair) { return pair.second.rested(now); });
        auto& pair = queue.pairs
                         .try_emplace(customer,
                                      resilience::GcraLimit{
                                          1.0 / std::max(1, queue.limits.pair_interval_seconds),
                                          std::max(1, queue.limits.pair_burst)})
                         .first->second;
        if (const auto verdict = pair.take(now); !verdict) return up(verdict.retry_after);
        queue.number->take(now);
        return milliseconds(0);
    }

    // ---------------------------------------------------------------- one message

    void begin(ChannelQueue& queue, const JobPtr& job) {
        if (!job->asked_breaker) {
            const auto ticket = queue.breaker.ask(resilience::Instant(clock.now()));
            if (!ticket) {
                rest(queue, job, options.held_retry_ms);
                return;
            }
            job->ticket = *ticket;
            job->asked_breaker = true;
        }
        read(job);
    }

    ChannelQueue* queue_of(const JobPtr& job) {
        const auto found =
            queues.find(job->channel->tenant + "/" + job->channel->channel.channel_id);
        return found == queues.end() ? nullptr : found->second.get();
    }

    void read(const JobPtr& job) { to_read.push_back(job); }

    // What gathers while the readers are busy is asked for together.
    void read_gathered() {
        while (!to_read.empty() && reads_open < kReadsOpenMax) {
            const auto count = std::min(to_read.size(), kReadTogetherMax);
            std::vector<JobPtr> jobs(to_read.begin(),
                                     to_read.begin() + static_cast<std::ptrdiff_t>(count));
            const bool taken = reads.post([self = shared_from_this(), jobs] {
                std::string error;
                try {
                    self->fold(jobs);
                } catch (const std::exception& e) {
                    error = e.what();
                    log::warn("messages could not be read",
                              {{"messages", jobs.size()}, {"error", error}});
                }
                self->post([self, jobs, read = error.empty()] {
                    --self->reads_open;
                    for (const auto& job : jobs)
                        if (read)
                            self->attempt(job);
                        else
                            self->give_back(job, self->options.held_retry_ms);
                });
            });
            if (!taken) return;  // as many wait already as may
            ++reads_open;
            to_read.erase(to_read.begin(), to_read.begin() + static_cast<std::ptrdiff_t>(count));
        }
    }

    // On a reading thread.
    void fold(const std::vector<JobPtr>& jobs) {
        std::vector<eventlog::StreamName> names, customers;
        for (const auto& job : jobs) {
            names.push_back(message_stream(job->tenant, job->message_id));
            customers.push_back(contact_stream(job->tenant, job->customer_id));
        }
        const auto read = messages.load_all(names);
        const auto known = contacts.folds().load_all(customers);
        std::vector<Inbound> inbound;
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            jobs[i]->message = read[i].state;
            jobs[i]->version = read[i].version;
            jobs[i]->cause = cause_of(read[i]);
            learn_facts(*jobs[i], known[i], inbound);
        }
        look_for_inbound(inbound);
    }

    // What is left to look for goes to `inbound`.
    void learn_facts(Job& job, const eventlog::Folded<Contact>& contact,
                     std::vector<Inbound>& inbound) {
        job.contact_version = contact.version;
        job.facts = {};
        // The guard stays on the contact that the message was queued for; if that one closed, the
        // survivor's words count.
        std::string customer = job.customer_id;
        auto state = contact.state;
        if (std::holds_alternative<MergedContact>(state)) {
            auto found = contacts.follow(job.tenant, customer);
            customer = found.customer_id;
            state = std::move(found.contact.state);
        }
        if (const auto* open = std::get_if<OpenContact>(&state)) {
            job.facts.marketing = open->marketing;
            job.facts.utility = open->utility;
            if (job.message.message.to.empty()) job.message.message.to = address_of(*open);
        }
        const auto& conditions = job.message.message.preconditions;
        const bool asks_for_inbound =
            conditions.nothing_inbound_since != Time{} ||
            (conditions.needs_open_window &&
             clock.now() >= window_end(conditions.window_evidence, options.window_margin_ms));
        if (asks_for_inbound) inbound.push_back({&job, customer});
        const auto tenant = directory.tenant(job.tenant);
        job.facts.tenant_suspended = tenant && tenant->tenant.status == TenantStatus::suspended;
        job.facts.tenant_closed = tenant && tenant->tenant.status == TenantStatus::closed;
        job.facts.channel_paused = job.channel->paused;
        job.facts.window_margin = options.window_margin_ms;
    }

    // When a customer wrote last, as the read model knows it, and whether it knows what was
    // committed when it was first asked. Documents, cursors and heads are of one snapshot.
    void look_for_inbound(const std::vector<Inbound>& asked) {
        if (asked.empty()) return;
        std::vector<std::string> tenants, customers;
        std::vector<std::int32_t> on;
        for (const auto& [job, customer] : asked) {
            tenants.push_back(job->tenant);
            customers.push_back(customer);
            on.push_back(store.lane_of(by_customer(customer), job->tenant));
        }
        const auto rows = store.pool().with([&](postgres::Session& s) {
            return s.query(
                "select l.position, coalesce(c.position, 0), coalesce(r.body, '') from "
                "unnest($1::text[], $2::text[], $3::int[]) with ordinality a(tenant, customer, "
                "lane, n) join lanes l on l.lane = a.lane left join cursors c on c.consumer = $4 "
                "and c.source = $4 and c.lane = a.lane left join read_model r on r.tenant = "
                "a.tenant and r.kind = 'contact' and r.id = a.customer order by a.n",
                postgres::Params()
                    .add_array(std::span<const std::string>(tenants))
                    .add_array(std::span<const std::string>(customers))
                    .add_array(std::span<const std::int32_t>(on))
                    .add(store.options().service));
        });
        for (int row = 0; row < rows.rows(); ++row) {
            auto& job = *asked[static_cast<std::size_t>(row)].job;
            if (job.inbound_head == 0) {
                job.inbound_head = rows.int8(row, 0);
                job.inbound_asked = Steady::now();
            }
            v1::Contact resource;
            if (resource.ParseFromString(rows.text(row, 2)))
                job.facts.last_inbound = time_of(resource.last_inbound_time());
            // What comes in later only keeps a window open for longer.
            const bool open =
                clock.now() < window_end(job.facts.last_inbound, options.window_margin_ms);
            const bool asks_for_silence =
                job.message.message.preconditions.nothing_inbound_since != Time{};
            job.inbound_known =
                rows.int8(row, 1) >= job.inbound_head || (open && !asks_for_silence);
        }
    }

    eventlog::Command command_for(const std::string& tenant, const std::string& customer,
                                  eventlog::StreamName stream, std::int64_t version,
                                  const Cause& cause, const std::vector<MessageEvent>& events) {
        eventlog::Command command;
        command.tenant = tenant;
        command.meta.routing = by_customer(customer);
        command.meta.actor = "dispatcher:" + options.replica;
        if (cause.event.position != 0) command.meta.causation = cause.event;
        command.meta.correlation_id = cause.correlation_id;
        if (const auto entry = directory.tenant(tenant))
            command.meta.settings_version = entry->version;
        command.dedupe = eventlog::Dedupe::version;
        command.parts.push_back({std::move(stream), version, encode_all(events, clock.now())});
        return command;
    }

    void attempt(const JobPtr& job) {
        if (!job->inbound_known) {
            // Suppressing on what is not known yet would be a guess, and so would be sending.
            const auto now = Steady::now();
            if (now - job->inbound_asked >= kInboundPatience)
                give_back(job, options.held_retry_ms);
            else
                read_later.emplace(now + kInboundRetryMs, job);
            return;
        }
        auto decision =
            decide(job->message, BeginAttempt{job->facts, options.replica, clock.now()});
        if (!decision.accepted()) {
            switch (decision.rejection()) {
                case MessageRejection::not_due:
                case MessageRejection::held:
                    // Rested, or the clock of the database is ahead of ours.
                    give_back(job, options.held_retry_ms);
                    return;
                default:
                    // It is not in the queue any more: the row goes with the event that said so.
                    give_back(job, options.held_retry_ms, false);
                    return;
            }
        }
        const auto guard = owners.guard(job->channel->lane);
        if (stopping || !guard) {
            give_back(job, options.held_retry_ms);
            return;
        }
        auto command =
            command_for(job->tenant, job->customer_id, message_stream(job->tenant, job->message_id),
                        job->version, job->cause, decision.events());
        const auto* attempted = std::get_if<SendAttempted>(&decision.events().front());
        if (attempted != nullptr) {
            // The contact must still be what was judged: after STOP's commit nothing begins.
            command.parts.push_back(
                {contact_stream(job->tenant, job->customer_id), job->contact_version, {}});
            command.owner_guard = *guard;
            // Of this process and decision only: "already done" then means that we did it.
            command.id = "attempt/" + job->message_id + "/" + std::to_string(attempted->attempt) +
                         "/" + run_id + "/" + std::to_string(job->version) + "/" +
                         std::to_string(job->contact_version);
        } else {
            command.id = "end/" + job->message_id + "/" + std::to_string(job->version);
        }
        const bool calls = attempted != nullptr;
        if (calls) {
            job->not_after = Steady::now() + options.attempt_start_ms_max;
            const std::lock_guard lock(mutex);
            open_attempts.insert(job->message_id);
        }
        const auto& events = decision.events();
        append(command,
               [self = shared_from_this(), job, events, calls](const eventlog::Verdict& verdict) {
                   if (!verdict.accepted()) {
                       if (calls) self->close(job);
                       if (verdict.outcome == eventlog::Outcome::wrong_version &&
                           ++job->decisions < kDecisionsMax)
                           self->read(job);  // somebody wrote first: decide again on that
                       else
                           self->give_back(job, self->options.held_retry_ms);
                       return;
                   }
                   for (const auto& event : events) job->message = evolve(job->message, event);
                   job->version += static_cast<std::int64_t>(events.size());
                   job->cause.event = {self->store.options().service, verdict.lane,
                                       verdict.first_position};
                   if (calls) {
                       self->announce(job);
                   } else {
                       self->suppressed_total.add();
                       self->finish(job, std::nullopt);
                   }
               });
    }

    // Until the store has answered: a lost connection is asked again with the same command.
    void append(const eventlog::Command& command,
                std::function<void(const eventlog::Verdict&)> then) {
        ++appends_open;
        ask(command,
            [self = shared_from_this(), then = std::move(then)](const eventlog::Verdict& verdict) {
                --self->appends_open;
                then(verdict);
            });
    }

    void ask(const eventlog::Command& command, std::function<void(const eventlog::Verdict&)> then) {
        store.append_async(
            command, [self = shared_from_this(), command, then = std::move(then)](
                         const eventlog::Verdict& verdict, const std::exception_ptr& error) {
                if (!error) {
                    self->post([then, verdict] { then(verdict); });
                    return;
                }
                try {
                    std::rethrow_exception(error);
                } catch (const eventlog::CommandRefused& refused) {
                    log::error("an append of the dispatcher was refused",
                               {{"command", command.id}, {"error", refused.what()}});
                    eventlog::Verdict none;
                    none.outcome = eventlog::Outcome::not_owner;
                    self->post([then, none] { then(none); });
                    return;
                } catch (const std::exception& away) {
                    log::warn("an append waits for the store", {{"error", away.what()}});
                }
                self->reads.post([self, command, then] {
                    std::this_thread::sleep_for(kStoreRetryMs);
                    self->ask(command, then);
                });
            });
    }

    void announce(const JobPtr& job) {
        auto* queue = queue_of(job);
        if (queue == nullptr) return call(job);
        ++announced_open;
        queue->announced.emplace(job->priority, job);
        call_announced(*queue);
    }

    // In any case, also when we stop or the lane is gone: their attempts are written.
    void call_announced(ChannelQueue& queue) {
        while (!queue.announced.empty()) {
            if (const auto verdict = queue.wire->take(resilience::Instant(clock.now())); !verdict) {
                next_pump =
                    std::min(next_pump,
                             Steady::now() + std::chrono::ceil<milliseconds>(verdict.retry_after));
                return;
            }
            const auto job = queue.announced.begin()->second;
            queue.announced.erase(queue.announced.begin());
            --announced_open;
            call(job);
        }
    }

    void call(const JobPtr& job) {
        const auto& m = job->message.message;
        const auto& channel = job->channel->channel;
        const auto* provider = providers.find(channel.kind);
        if (provider == nullptr) {
            settle(job, rejected("no provider of the kind " + channel.kind));
            return;
        }
        OutboundCall out;
        out.content.ParseFromString(m.content);
        if (const auto faults = provider->faults_of(out.content); !faults.empty()) {
            settle(job, rejected(faults.front().field + ": " + faults.front().description));
            return;
        }
        if (m.to.empty()) {
            settle(job, rejected("the customer has no address"));
            return;
        }
        attempts_total.add();
        out.channel_external_id = channel.external_id;
        out.credentials = job->channel->access_token;
        out.previous_credentials = job->channel->previous_access_token;
        out.to = m.to;
        out.message_id = m.message_id;
        out.callback_data = keys.callback_data(
            job->tenant,
            {m.message_id, m.customer_id, job->message.attempts, m.priority, m.origin});
        out.timeout = options.send_timeout_ms;
        out.not_after = job->not_after;
        ++calls_open;
        provider->send(std::move(out), [self = shared_from_this(), job](const Outcome& outcome) {
            self->post([self, job, outcome] {
                --self->calls_open;
                self->settle(job, outcome);
            });
        });
    }

    // By us, before anybody was called.
    static Refused rejected(std::string why) {
        return {{ErrorClass::rejected, "", std::move(why), "", {}}};
    }

    // The outcome is written, whatever others wrote meanwhile.
    void settle(const JobPtr& job, const Outcome& outcome) {
        learn(job, outcome);
        write_outcome(job, outcome);
    }

    void learn(const JobPtr& job, const Outcome& outcome) {
        auto* queue = queue_of(job);
        if (queue == nullptr) return;
        const auto now = resilience::Instant(clock.now());
        bool ill =
            std::holds_alternative<Lost>(outcome) || std::holds_alternative<NotSent>(outcome);
        if (const auto* refused = std::get_if<Refused>(&outcome)) {
            const auto error_class = refused->error.error_class;
            ill = trips_breaker(error_class);
            if (error_class == ErrorClass::too_fast) {
                queue->number->block_until(now + std::chrono::seconds(1));
                queue->wire->block_until(now + std::chrono::seconds(1));
            }
            if (pauses_channel(error_class)) pause(job->channel, refused->error);
            failed_total.add();
        } else if (const auto* accepted = std::get_if<Accepted>(&outcome)) {
            accepted_total.add();
            if (accepted->by_previous_credentials) warn_of_credentials(*queue);
        } else if (std::holds_alternative<Lost>(outcome)) {
            unknown_total.add();
        }
        if (!job->asked_breaker) return;
        job->asked_breaker = false;
        if (ill)
            queue->breaker.failed(job->ticket, now);
        else
            queue->breaker.succeeded(job->ticket, now);
    }

    void write_outcome(const JobPtr& job, const Outcome& outcome) {
        const auto tenant = directory.tenant(job->tenant);
        const auto decision = decide(
            job->message,
            RecordOutcome{job->message.attempts, outcome, policy_of(options.policy, tenant.get()),
                          std::uniform_real_distribution<double>(0, 1)(random), clock.now()});
        if (!decision.accepted() || decision.events().empty()) {
            finish(job, std::nullopt);
            return;
        }
        auto command =
            command_for(job->tenant, job->customer_id, message_stream(job->tenant, job->message_id),
                        job->version, job->cause, decision.events());
        command.id = "outcome/" + job->message_id + "/" + std::to_string(job->message.attempts) +
                     "/" + run_id + "/" + std::to_string(job->version);
        const auto& events = decision.events();
        append(command,
               [self = shared_from_this(), job, outcome, events](const eventlog::Verdict& verdict) {
                   if (verdict.outcome == eventlog::Outcome::wrong_version) {
                       // A status was faster than the answer.
                       self->read_again(job, outcome);
                       return;
                   }
                   std::optional<Time> retry_at;
                   for (const auto& event : events)
                       if (const auto* failed = std::get_if<SendFailed>(&event))
                           if (failed->retry_at != Time{}) retry_at = failed->retry_at;
                   self->finish(job, retry_at);
               });
    }

    void read_again(const JobPtr& job, const Outcome& outcome) {
        const int attempt = job->message.attempts;
        reads.post([self = shared_from_this(), job, outcome, attempt] {
            try {
                const auto folded =
                    self->messages.load(message_stream(job->tenant, job->message_id));
                self->post([self, job, outcome, folded, attempt] {
                    job->message = folded.state;
                    job->version = folded.version;
                    job->cause = cause_of(folded);
                    if (job->message.attempts == attempt)
                        self->write_outcome(job, outcome);
                    else
                        self->finish(job, std::nullopt);
                });
            } catch (const std::exception&) {
                std::this_thread::sleep_for(kStoreRetryMs);
                self->post([self, job, outcome] { self->read_again(job, outcome); });
            }
        });
    }

    // Once for every rotation: each message of the channel would say the same.
    void warn_of_credentials(ChannelQueue& queue) {
        if (queue.credentials_warned == queue.entry->version) return;
        queue.credentials_warned = queue.entry->version;
        log::error("a channel's new credentials were refused; those before the rotation are used",
                   {{"tenant", queue.tenant}, {"channel", queue.channel_id}});
    }

    void pause(const std::shared_ptr<const ChannelEntry>& channel, const SendError& refusal) {
        const auto reason = "provider error" + (refusal.code.empty() ? "" : " " + refusal.code) +
                            ": " + refusal.title;
        reads.post([self = shared_from_this(), channel, reason] {
            try {
                const auto stream = channel_stream(channel->tenant, channel->channel.channel_id);
                const auto folded = self->directory.channel_folds().load(stream);
                const auto decision = decide(folded.state, PauseChannel{reason});
                if (!decision.accepted()) return;
                eventlog::Command command;
                command.id =
                    "pause/" + channel->channel.channel_id + "/" + std::to_string(folded.version);
                command.tenant = channel->tenant;
                command.meta.routing = by_channel(channel->channel.channel_id);
                command.meta.actor = "dispatcher:" + self->options.replica;
                command.dedupe = eventlog::Dedupe::version;
                command.parts.push_back(
                    {stream, folded.expected(), encode_all(decision.events(), self->clock.now())});
                self->store.append(std::move(command));
                log::error("a channel was paused: its provider refuses everything",
                           {{"tenant", channel->tenant},
                            {"channel", channel->channel.channel_id},
                            {"reason", reason}});
            } catch (const std::exception& error) {
                log::warn("a channel could not be paused", {{"error", error.what()}});
            }
        });
    }

    // ---------------------------------------------------------------- the end of a job

    void close(const JobPtr& job) {
        const std::lock_guard lock(mutex);
        open_attempts.erase(job->message_id);
    }

    // The message was not sent: its row stays where it is, or is gone by another's event.
    void give_back(const JobPtr& job, milliseconds wait, bool comes_again = true) {
        auto* queue = queue_of(job);
        if (queue == nullptr) return;
        if (job->asked_breaker) queue->breaker.abandoned(job->ticket);
        job->asked_breaker = false;
        if (comes_again)
            rest(*queue, job, wait);
        else
            set_aside(*queue, job, wait);
    }

    // It keeps its place in its chat.
    void rest(ChannelQueue& queue, const JobPtr& job, milliseconds wait) {
        set_aside(queue, job, wait);
        await(chat_of(queue, job->customer_id, job->priority), job->message_id, wait);
    }

    void set_aside(ChannelQueue& queue, const JobPtr& job, milliseconds wait) {
        --queue.in_flight;
        chat_of(queue, job->customer_id, job->priority).busy = false;
        queue.resting[job->message_id] = Steady::now() + wait;
        next_pump = Steady::now();
    }

    void finish(const JobPtr& job, std::optional<Time> retry_at) {
        close(job);
        auto* queue = queue_of(job);
        if (queue == nullptr) return;
        if (job->asked_breaker) queue->breaker.abandoned(job->ticket);
        job->asked_breaker = false;
        --queue->in_flight;
        queue->held[job->priority].erase(job->message_id);
        auto& chat = chat_of(*queue, job->customer_id, job->priority);
        chat.busy = false;
        if (retry_at) {
            const auto wait = *retry_at - clock.now();
            if (wait < kChatWaitMax) await(chat, job->message_id, wait);
        }
        next_pump = Steady::now();
    }

    std::optional<ChannelView> look(const std::string& tenant, const std::string& channel_id) {
        const auto entry = directory.channel(tenant, channel_id);
        if (!entry) return std::nullopt;
        const auto lane = lanes.find(entry->lane);
        if (lane == lanes.end() || !lane->second.open || !owners.guard(entry->lane))
            return std::nullopt;
        ChannelView view;
        const auto found = queues.find(tenant + "/" + channel_id);
        if (found == queues.end()) return view;  // nothing was sent yet
        const auto now = resilience::Instant(clock.now());
        const auto& queue = *found->second;
        view.breaker = queue.breaker.state(now);
        view.breaker_since = Time(queue.breaker.since(now));
        view.failures_in_a_row = queue.breaker.failures_in_a_row();
        view.retry_after = std::chrono::ceil<milliseconds>(queue.breaker.retry_after(now));
        view.in_flight = queue.in_flight;
        return view;
    }

    struct Lane {
        std::int64_t epoch = 0;
        bool open = false;
        Steady::time_point settle_again_at{};
    };

    eventlog::Store& store;
    eventlog::Owners& owners;
    Directory& directory;
    Contacts& contacts;
    const DerivedKeys& keys;
    const Providers& providers;
    const Clock& clock;
    DispatcherOptions options;
    eventlog::Folds<MessageCodec> messages;
    postgres::Session session;
    std::string run_id;
    std::mt19937_64 random;

    metrics::Counter attempts_total, accepted_total, failed_total, unknown_total, suppressed_total;
    metrics::Gauge queued_gauge;

    // Of the one thread.
    std::map<std::string, std::unique_ptr<ChannelQueue>> queues;
    std::set<ChannelQueue*> active;  // those with a chat, a resting row or an announced attempt
    Steady::time_point next_search = Steady::now();  // for others that have something
    std::map<int, Lane> lanes;
    std::deque<JobPtr> to_read;
    int reads_open = 0;
    std::multimap<Steady::time_point, JobPtr> read_later;
    bool number_is_out = false;
    Steady::time_point next_pump{};
    int calls_open = 0;
    int announced_open = 0;

    std::atomic<int> appends_open{0};
    std::atomic<Steady::time_point> give_up_at{Steady::time_point::max()};
    std::mutex mutex;
    std::condition_variable woken;
    std::deque<std::function<void()>> inbox;
    std::set<std::string> open_attempts;
    bool wake_asked = false;
    std::atomic<bool> stopping{false};
    std::thread thread;
    Pool reads;
};

Dispatcher::Dispatcher(eventlog::Store& store, eventlog::Owners& owners, Directory& directory,
                       Contacts& contacts, const DerivedKeys& keys, const Providers& providers,
                       const Clock& clock, metrics::Registry& metrics, DispatcherOptions options)
    : state_(std::make_shared<State>(store, owners, directory, contacts, keys, providers, clock,
                                     metrics, std::move(options))) {}

Dispatcher::~Dispatcher() { stop(milliseconds(0)); }

void Dispatcher::start() {
    state_->thread = std::thread([state = state_.get()] { state->run(); });
}

void Dispatcher::stop(milliseconds grace) {
    state_->give_up_at = Steady::now() + grace;
    state_->stopping = true;
    state_->woken.notify_one();
    if (state_->thread.joinable()) state_->thread.join();
    state_->reads.stop();
}

void Dispatcher::wake(Time due_at) {
    // What leaves later is found by a poll.
    if (due_at > state_->clock.now()) return;
    {
        const std::lock_guard lock(state_->mutex);
        if (state_->wake_asked) return;
        state_->wake_asked = true;
    }
    state_->woken.notify_one();
}

std::optional<Dispatcher::ChannelView> Dispatcher::look(const std::string& tenant,
                                                        const std::string& channel_id) {
    const auto answer = std::make_shared<std::promise<std::optional<ChannelView>>>();
    auto future = answer->get_future();
    state_->post([state = state_, answer, tenant, channel_id] {
        answer->set_value(state->look(tenant, channel_id));
    });
    if (future.wait_for(kLookMs) != std::future_status::ready)
        throw Unavailable("the dispatcher does not answer");
    return future.get();
}

void Dispatcher::evidence_over(const eventlog::WorkRow& row,
                               const eventlog::WorkRunner::Done& done) {
    auto& s = *state_;
    const auto ref = read_ref(row.ref);
    if (ref) {
        const auto stream = message_stream(ref->tenant, row.key);
        const auto folded = s.messages.load(stream);
        const auto decision = decide(folded.state, SendUnknownAgain{ref->attempt});
        if (decision.accepted() && !decision.events().empty()) {
            auto command = s.command_for(ref->tenant, ref->customer_id, stream, folded.version,
                                         cause_of(folded), decision.events());
            command.id = "send_again/" + row.key + "/" + std::to_string(ref->attempt);
            command.owner_guard = row.guard;
            s.store.append(std::move(command));
        }
    }
    done();
}

}  // namespace flowstack::gateway
