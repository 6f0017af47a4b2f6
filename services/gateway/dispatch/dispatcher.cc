#include "services/gateway/dispatch/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "common/core/broken_world.h"
#include "common/core/thread_pool.h"
#include "common/observability/log.h"
#include "services/gateway/dispatch/attempt.h"
#include "services/gateway/dispatch/channel_queue.h"
#include "services/gateway/dispatch/facts_reader.h"
#include "services/gateway/dispatch/lane_recovery.h"
#include "services/gateway/dispatch/loop.h"
#include "services/gateway/dispatch/message_streams.h"
#include "services/gateway/dispatch/queue_reader.h"

namespace flowstack::gateway {
namespace {

using Steady = std::chrono::steady_clock;
using resilience::Duration;
using resilience::Instant;
using std::chrono::milliseconds;

constexpr milliseconds kPollGap{2};  // between two polls, however often it is woken
constexpr milliseconds kStopPollInterval{5};
constexpr milliseconds kStoreAwayRetryAfter{1'000};
constexpr milliseconds kLookEvery{2'000};
constexpr milliseconds kInboundRetryAfter{20};    // the read model is asked again what came in …
constexpr milliseconds kInboundPatience{10'000};  // … as long as a message stays in memory for that
constexpr std::size_t kReadsQueuedMax = 100'000;
constexpr std::size_t kReadTogetherMax = 64;
constexpr int kReadsOpenMax = 2;

// The queues' clock is the steady one.
Instant instant(Steady::time_point at) {
    return Instant(std::chrono::duration_cast<Duration>(at.time_since_epoch()));
}
Steady::time_point steady(Instant at) { return Steady::time_point(at.time_since_epoch()); }

QueueOptions queue_options(const DispatcherOptions& options) {
    QueueOptions queue;
    queue.in_flight_max = options.in_flight_max;
    queue.rows_max = options.queued_in_memory_max;
    queue.breaker.failures_to_open = options.breaker_failures;
    queue.breaker.open_for = options.breaker_open_for;
    queue.breaker.open_for_max = options.breaker_open_for_max;
    return queue;
}

// A channel that has or had something to send.
struct SendingChannel {
    std::shared_ptr<const ChannelEntry> entry;  // as its settings are now
    ChannelQueue queue;
    std::map<MessageId, AttemptPtr> announced;
};

}  // namespace

struct Dispatcher::State final : AttemptListener {
    State(eventlog::Store& s, eventlog::Owners& o, Directory& d, Contacts& contacts,
          const DerivedKeys& keys, const Providers& providers, const Clock& c,
          metrics::Registry& metrics, DispatcherOptions opts)
        : store(s),
          owners(o),
          directory(d),
          clock(c),
          options(std::move(opts)),
          rows_gauge(metrics.gauge("flowstack_gateway_dispatch_rows",
                                   "queue rows that the dispatcher holds")),
          readers(std::make_shared<ThreadPool>(ThreadPoolOptions{.name = "dispatch-read",
                                                                 .threads = options.read_threads,
                                                                 .waiting_max = kReadsQueuedMax})),
          streams(s, d, c, options.policy, "dispatcher:" + options.replica),
          facts(s, d, contacts, streams, c, options.window_margin),
          queue_reader(s.options().database_url),
          attempts(std::make_shared<Attempts>(s, o, d, keys, providers, c, options,
                                              dispatch_counters(metrics), streams, readers, loop,
                                              *this)),
          lanes(s, o, c, options, dispatch_counters(metrics), streams, *attempts, *readers, *loop,
                [this](const LaneRecovery::Retry& retry) { await(retry); }) {}

    // ---------------------------------------------------------------- the one thread

    void run() {
        auto next_poll = Steady::now();
        auto last_poll = next_poll - kPollGap;
        while (true) {
            auto until = std::min(next_poll, next_look);
            if (stopping) until = std::min(until, Steady::now() + kStopPollInterval);
            auto taken = loop->take(until);
            if (stopping) {
                // What was begun gets its outcome, as long as there is time.
                const bool idle = taken.jobs.empty() && attempts->open() == 0;
                if (idle || Steady::now() > give_up_at.load()) return;
            }
            if (taken.woken) next_poll = std::min(next_poll, last_poll + kPollGap);
            for (auto& job : taken.jobs) guarded(job);
            next_look = Steady::now() + std::chrono::seconds(1);
            guarded([this] { look_at(lanes.look(Steady::now())); });
            if (Steady::now() >= next_poll) {
                last_poll = Steady::now();
                const bool search = last_poll >= next_search;
                bool found = false;
                const bool worked = guarded([&] { found = poll(search); });
                // A slow store is not asked more often than it can answer, an absent one rarely.
                const auto pause =
                    found ? options.poll_interval : owners.poll_every(options.poll_interval);
                const auto took = std::max<Steady::duration>(pause, Steady::now() - last_poll);
                next_poll =
                    Steady::now() + (worked ? took : Steady::duration(kStoreAwayRetryAfter));
                if (worked && !search) next_poll = std::min(next_poll, next_search);
            }
            guarded([this] { begin_and_call(); });
            guarded([this] { read_gathered(); });
        }
    }

    bool guarded(const std::function<void()>& body) {
        try {
            body();
            return true;
        } catch (const std::exception& error) {
            log::warn("dispatcher: a step failed and is repeated", {{"error", error.what()}});
            return false;
        }
    }

    void look_at(Steady::time_point moment) { next_look = std::min(next_look, moment); }

    // ---------------------------------------------------------------- channels

    SendingChannel& channel_of(const std::shared_ptr<const ChannelEntry>& entry) {
        auto& channel = channels[entry->tenant + "/" + entry->channel.channel_id];
        if (!channel)
            channel.reset(new SendingChannel{
                entry, ChannelQueue(queue_options(options), entry->channel.limits), {}});
        if (channel->entry != entry) {
            channel->entry = entry;
            channel->queue.set_limits(entry->channel.limits);
        }
        return *channel;
    }

    // Takes over what the channel's settings say now.
    void refresh(SendingChannel& channel) {
        if (const auto entry =
                directory.channel(channel.entry->tenant, channel.entry->channel.channel_id))
            channel_of(entry);
    }

    // The channel of an attempt, which has been made before; its settings may be older.
    SendingChannel& channel_of(const Attempt& attempt) {
        return *channels.at(attempt.tenant + "/" + attempt.channel->channel.channel_id);
    }

    bool stands_still(const SendingChannel& channel) const {
        if (channel.entry->paused) return true;
        const auto tenant = directory.tenant(channel.entry->tenant);
        return tenant && tenant->tenant.status == TenantStatus::suspended;
    }

    // The chat's next messages wait for this one, which comes from the table again by then.
    void await(const LaneRecovery::Retry& retry) {
        const auto entry = directory.channel(retry.ref.tenant, retry.ref.channel_id);
        if (!entry) return;
        auto& channel = channel_of(entry);
        active.insert(&channel);
        channel.queue.await(retry.ref.customer_id, retry.priority, retry.message_id,
                            retry.due_at - clock.now(), instant(Steady::now()));
    }

    // ---------------------------------------------------------------- rows

    // Reads rows of busy channels, and with `search` of whichever others have something. True when
    // there was something.
    bool poll(bool search) {
        if (stopping) return false;
        std::set<std::pair<SendingChannel*, int>> due;
        if (search) {
            for (const auto& queue : queue_reader.due_queues(lanes.open_lanes())) {
                const auto entry = directory.channel(queue.tenant, queue.channel_id);
                if (entry && entry->lane == queue.lane)
                    due.emplace(&channel_of(entry), queue.priority);
            }
            next_search = Steady::now() + options.poll_interval;
        }
        for (auto* channel : active) {
            refresh(*channel);
            for (int priority = 0; priority < kPriorities; ++priority)
                due.emplace(channel, priority);
        }
        std::vector<QueueReader::Wanted> wanted;
        std::vector<std::pair<SendingChannel*, int>> asked;
        for (const auto& [channel, priority] : due) {
            const auto& entry = *channel->entry;
            if (!lanes.is_open(entry.lane) || stands_still(*channel)) continue;
            const int room = channel->queue.room(priority);
            if (room == 0) continue;
            wanted.push_back({entry.lane, entry.channel.channel_id, priority, room,
                              &channel->queue.rows(priority)});
            asked.emplace_back(channel, priority);
        }
        if (wanted.empty()) return false;
        const auto rows = queue_reader.due_rows(wanted);
        for (const auto& row : rows) {
            const auto& [channel, priority] = asked.at(row.queue);
            active.insert(channel);
            channel->queue.add({.message_id = row.message_id,
                                .customer_id = row.ref.customer_id,
                                .priority = priority,
                                .tried_before = row.ref.attempt > 0});
        }
        return !rows.empty();
    }

    void begin_and_call() {
        while (!read_later.empty() && read_later.begin()->first <= Steady::now()) {
            to_read.push_back(read_later.begin()->second);
            read_later.erase(read_later.begin());
        }
        if (!read_later.empty()) look_at(read_later.begin()->first);
        std::size_t rows = 0;
        for (auto at = active.begin(); at != active.end();) {
            auto& channel = **at;
            rows += channel.queue.rows();
            call_announced(channel);
            begin(channel);
            if (const auto again = channel.queue.look_again(); again != Instant::max())
                look_at(steady(again));
            at = channel.queue.idle() ? active.erase(at) : std::next(at);
        }
        rows_gauge.set(static_cast<double>(rows));
    }

    void begin(SendingChannel& channel) {
        if (stopping) return;
        auto& queue = channel.queue;
        if (!lanes.is_open(channel.entry->lane)) {
            queue.forget_waiting();
            return;
        }
        refresh(channel);
        queue.set_suspended(stands_still(channel));
        for (auto& row : queue.begin(instant(Steady::now()))) {
            auto attempt = std::make_shared<Attempt>();
            attempt->tenant = channel.entry->tenant;
            attempt->message_id = std::move(row.message_id);
            attempt->customer_id = std::move(row.customer_id);
            attempt->priority = row.priority;
            attempt->channel = channel.entry;
            to_read.push_back(std::move(attempt));
        }
    }

    // In any case, also when we stop or the lane is gone: these attempts are written.
    void call_announced(SendingChannel& channel) {
        for (const auto& message_id : channel.queue.call(instant(Steady::now()))) {
            auto announced = channel.announced.extract(message_id);
            if (announced) attempts->call(announced.mapped());
        }
    }

    // ---------------------------------------------------------------- reading

    // Attempts that gather while the readers are busy are read together.
    void read_gathered() {
        while (!to_read.empty() && reads_open < kReadsOpenMax) {
            const auto count = std::min(to_read.size(), kReadTogetherMax);
            const auto end = to_read.begin() + static_cast<std::ptrdiff_t>(count);
            const std::vector<AttemptPtr> batch(to_read.begin(), end);
            const bool taken = readers->post([this, batch] {
                bool read = true;
                try {
                    facts.read(batch);
                } catch (const std::exception& error) {
                    read = false;
                    log::warn("messages not read: the store did not answer",
                              {{"messages", batch.size()}, {"error", error.what()}});
                }
                loop->post([this, batch, read] {
                    --reads_open;
                    for (const auto& attempt : batch)
                        if (read)
                            was_read(attempt);
                        else
                            given_back(attempt, true);
                });
            });
            if (!taken) return;  // as many wait already as may
            ++reads_open;
            to_read.erase(to_read.begin(), end);
        }
    }

    void was_read(const AttemptPtr& attempt) {
        if (attempt->inbound_known) {
            if (stopping)
                given_back(attempt, true);
            else
                attempts->begin(attempt);
            return;
        }
        // Suppressing on what is not known yet would be a guess, and so would be sending.
        const auto now = Steady::now();
        if (now - attempt->inbound_asked >= kInboundPatience)
            given_back(attempt, true);
        else
            read_later.emplace(now + kInboundRetryAfter, attempt);
    }

    // ---------------------------------------------------------------- what attempts tell

    void read_again(const AttemptPtr& attempt) override { to_read.push_back(attempt); }

    void announced(const AttemptPtr& attempt) override {
        auto& channel = channel_of(*attempt);
        channel.announced[attempt->message_id] = attempt;
        channel.queue.announce(attempt->message_id);
        call_announced(channel);
    }

    void answered(const AttemptPtr& attempt, const Outcome& outcome) override {
        auto& queue = channel_of(*attempt).queue;
        const auto now = instant(Steady::now());
        const auto* refused = std::get_if<Refused>(&outcome);
        if (refused != nullptr && refused->error.error_class == ErrorClass::too_fast)
            queue.slow_down(now);
        queue.answered(attempt->message_id, says_ill(outcome), now);
    }

    void given_back(const AttemptPtr& attempt, bool still_queued) override {
        channel_of(*attempt).queue.give_back(attempt->message_id, options.held_retry_after,
                                             still_queued, instant(Steady::now()));
        next_look = Steady::now();
    }

    void finished(const AttemptPtr& attempt, std::optional<Time> retry_at) override {
        std::optional<Duration> retry_in;
        if (retry_at) retry_in = *retry_at - clock.now();
        channel_of(*attempt).queue.finish(attempt->message_id, retry_in, instant(Steady::now()));
        next_look = Steady::now();
    }

    // ---------------------------------------------------------------- what people ask

    std::optional<ChannelView> look(const std::string& tenant, const ChannelId& channel_id) {
        const auto entry = directory.channel(tenant, channel_id);
        if (!entry || !lanes.is_open(entry->lane) || !owners.guard(entry->lane))
            return std::nullopt;
        ChannelView view;
        const auto found = channels.find(tenant + "/" + channel_id);
        if (found == channels.end()) return view;  // nothing was sent yet
        const auto now = instant(Steady::now());
        const auto& breaker = found->second->queue.breaker();
        view.breaker = breaker.state(now);
        if (const auto since = breaker.since(now); since != Instant{})
            view.breaker_since = clock.now() - (now - since);
        view.failures_in_a_row = breaker.failures_in_a_row();
        view.retry_after = std::chrono::ceil<milliseconds>(breaker.retry_after(now));
        view.in_flight = found->second->queue.in_flight();
        return view;
    }

    eventlog::Store& store;
    eventlog::Owners& owners;
    Directory& directory;
    const Clock& clock;
    const DispatcherOptions options;
    metrics::Gauge rows_gauge;

    std::shared_ptr<Loop> loop = std::make_shared<Loop>();
    std::shared_ptr<ThreadPool> readers;
    MessageStreams streams;
    FactsReader facts;
    QueueReader queue_reader;
    std::shared_ptr<Attempts> attempts;
    LaneRecovery lanes;

    // Of the one thread.
    std::map<std::string, std::unique_ptr<SendingChannel>> channels;
    std::set<SendingChannel*> active;                // those whose queue is not idle
    Steady::time_point next_search = Steady::now();  // for others that have something
    Steady::time_point next_look{};
    std::deque<AttemptPtr> to_read;
    int reads_open = 0;
    std::multimap<Steady::time_point, AttemptPtr> read_later;

    std::atomic<Steady::time_point> give_up_at{Steady::time_point::max()};
    std::atomic<bool> stopping{false};
    std::thread thread;
};

Dispatcher::Dispatcher(eventlog::Store& store, eventlog::Owners& owners, Directory& directory,
                       Contacts& contacts, const DerivedKeys& keys, const Providers& providers,
                       const Clock& clock, metrics::Registry& metrics, DispatcherOptions options)
    : state_(std::make_unique<State>(store, owners, directory, contacts, keys, providers, clock,
                                     metrics, std::move(options))) {}

Dispatcher::~Dispatcher() { stop(milliseconds(0)); }

void Dispatcher::start() {
    state_->thread = std::thread([state = state_.get()] { state->run(); });
}

void Dispatcher::stop(milliseconds grace) {
    state_->give_up_at = Steady::now() + grace;
    state_->stopping = true;
    state_->loop->wake();
    if (state_->thread.joinable()) state_->thread.join();
    state_->loop->close();
    state_->readers->stop(ThreadPool::Waiting::run);
}

void Dispatcher::wake(Time due_at) {
    // What leaves later is found by a poll.
    if (due_at <= state_->clock.now()) state_->loop->wake();
}

std::optional<Dispatcher::ChannelView> Dispatcher::look(const std::string& tenant,
                                                        const ChannelId& channel_id) {
    const auto answer = std::make_shared<std::promise<std::optional<ChannelView>>>();
    auto future = answer->get_future();
    state_->loop->post([state = state_.get(), answer, tenant, channel_id] {
        answer->set_value(state->look(tenant, channel_id));
    });
    try {
        if (future.wait_for(kLookEvery) == std::future_status::ready) return future.get();
    } catch (const std::future_error&) {
        // It has ended and dropped the question.
    }
    throw Unavailable("the dispatcher does not answer");
}

void Dispatcher::evidence_over(const eventlog::WorkRow& row,
                               const eventlog::WorkRunner::Done& done) {
    auto& s = *state_;
    if (const auto ref = read_ref(row.ref)) {
        const MessageId message_id(row.key);
        const auto folded = s.streams.folds().load(message_stream(ref->tenant, message_id));
        const auto decision = decide(folded.state, SendUnknownAgain{.attempt = ref->attempt});
        if (decision.accepted() && !decision.events().empty()) {
            auto command = s.streams.command(ref->tenant, ref->customer_id, message_id,
                                             folded.version, cause_of(folded), decision.events());
            command.id = "send_again/" + row.key + "/" + std::to_string(ref->attempt);
            command.owner_guard = row.guard;
            s.store.append(std::move(command));
        }
    }
    done();
}

}  // namespace flowstack::gateway
