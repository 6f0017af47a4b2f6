#include "services/gateway/dispatch/dispatcher.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "common/core/broken_world.h"
#include "common/core/thread_pool.h"
#include "common/observability/log.h"
#include "common/observability/span.h"
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
// Nobody else queues here while this replica has all lanes, and our own commits say what they put.
// We look all the same: a replica that has just lost its lanes may still answer a call.
constexpr milliseconds kLookAloneEvery{1'000};
// A commit whose answer was lost is looked for in the log: first after so long, then again, and not
// for longer than a server can still be busy with it.
constexpr milliseconds kUnresolvedLookAfter{200};
constexpr milliseconds kUnresolvedLookAgain{1'000};
constexpr milliseconds kUnresolvedFor{60'000};
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

// A channel that has or had something to send. `entry` and `queue` are guarded by State::mutex.
struct SendingChannel {
    std::shared_ptr<const ChannelEntry> entry;  // as its settings are now
    ChannelQueue queue;
    std::map<MessageId, AttemptPtr> announced;  // of the dispatcher's thread
};

struct DispatchQueueName {
    ChannelId channel_id;
    int priority = 0;
};
// The queue whose rows are of this kind; nothing when the kind is another one.
std::optional<DispatchQueueName> dispatch_queue_of(std::string_view kind) {
    if (!kind.starts_with(kDispatchPrefix)) return std::nullopt;
    kind.remove_prefix(kDispatchPrefix.size());
    const auto slash = kind.rfind('/');
    if (slash == std::string_view::npos) return std::nullopt;
    DispatchQueueName name{.channel_id = ChannelId(std::string(kind.substr(0, slash)))};
    const auto digits = kind.substr(slash + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), name.priority);
    if (error != std::errc{} || end != digits.data() + digits.size() || name.priority < 0 ||
        name.priority >= kPriorities)
        return std::nullopt;
    return name;
}

}  // namespace

struct Dispatcher::State final : AttemptListener, std::enable_shared_from_this<State> {
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
          oldest_gauge(metrics.gauge("flowstack_gateway_dispatch_oldest_seconds",
                                     "how long the first message that may leave has been due")),
          breakers_gauge(metrics.gauge("flowstack_gateway_breakers_open",
                                       "channels with messages whose provider fails")),
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
                [this](const LaneRecovery::Retry& retry) { await(retry); }) {
        // A lane that comes is waited for, not found by looking.
        owners.on_gain([loop = loop](int) { loop->wake(); });
    }

    // ---------------------------------------------------------------- the one thread

    void run() {
        while (true) {
            auto until =
                std::min({next_look, reading_again_at(), std::max(next_search_at(), next_read)});
            if (stopping) until = std::min(until, Steady::now() + kStopPollInterval);
            // Asked before the inbox is: what was being written then is in the inbox when it is
            // written.
            const bool some_enter = entering_at_once > 0;
            auto taken = loop->take(until);
            if (stopping) {
                // What was begun gets its outcome, as long as there is time.
                const bool idle = taken.jobs.empty() && attempts->open() == 0 && !some_enter;
                if (idle || Steady::now() > give_up_at.load()) return;
            }
            for (auto& job : taken.jobs) guarded(job);
            attempts->flush();
            next_look = Steady::now() + std::chrono::seconds(1);
            guarded([this] { look_at(lanes.look(Steady::now())); });
            publish_lanes();
            read_table();
            guarded([this] { begin_and_call(); });
            attempts->flush();
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

    // ---------------------------------------------------------------- channels, under the mutex

    SendingChannel& channel_of(const std::shared_ptr<const ChannelEntry>& entry) {
        auto& channel = channels[entry->tenant + "/" + entry->channel.channel_id];
        if (!channel) {
            channel.reset(new SendingChannel{
                entry, ChannelQueue(queue_options(options), entry->channel.limits), {}});
            by_id.emplace(entry->channel.channel_id, channel.get());
        }
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

    bool stands_still(const ChannelEntry& entry) const {
        const auto tenant = directory.tenant(entry.tenant);
        // What a closed tenant has queued is cancelled when its turn comes, paused or not.
        if (tenant && tenant->tenant.status == TenantStatus::closed) return false;
        return entry.paused || (tenant && tenant->tenant.status == TenantStatus::suspended);
    }

    bool is_open(int lane) const { return open.contains(lane); }

    // ---------------------------------------------------------------- lanes

    // What the other threads may know of lanes.
    void publish_lanes() {
        const auto now_open = lanes.open_lanes();
        const std::lock_guard lock(mutex);
        std::erase_if(open, [&](const auto& lane) {
            const auto found = now_open.find(lane.first);
            return found == now_open.end() || found->second != lane.second.epoch;
        });
        for (const auto& [lane, epoch] : now_open)
            if (open.try_emplace(lane, OpenLane{epoch, {}}).second) next_search = {};
        if (open.empty()) oldest_gauge.set(0);
    }

    // The chat's next messages wait for this one, which comes from the table again by then.
    void await(const LaneRecovery::Retry& retry) {
        const auto entry = directory.channel(retry.ref.tenant, retry.ref.channel_id);
        if (!entry) return;
        const std::lock_guard lock(mutex);
        auto& channel = channel_of(entry);
        active.insert(&channel);
        channel.queue.await(retry.ref.customer_id, retry.priority, retry.message_id,
                            retry.due_at - clock.now(), instant(Steady::now()));
    }

    // ---------------------------------------------------------------- the table

    // A row of the queues was put by this process. On any thread.
    void row_was_put(const eventlog::WorkNews& news) {
        const auto queue = dispatch_queue_of(news.kind);
        if (!queue) return;
        {
            const std::lock_guard lock(mutex);
            // Another replica's lane; one that is being opened is searched then.
            if (!is_open(news.lane)) return;
            const auto due_at = instant_of(news.due_at);
            bool known = false;
            const auto [first, last] = by_id.equal_range(queue->channel_id);
            for (auto at = first; at != last; ++at) {
                auto& channel = *at->second;
                if (channel.entry->lane != news.lane) continue;
                known = true;
                channel.queue.row_put(queue->priority, due_at, instant(Steady::now()));
                active.insert(&channel);
            }
            if (!known || due_at > instant(Steady::now()))
                next_search = std::min(next_search, steady(due_at));
        }
        loop->wake();
    }

    // The moment of a time of the wall clock, not before that time.
    Instant instant_of(Time at) const {
        return instant(Steady::now()) + (at - clock.now()) + milliseconds(at > clock.now() ? 1 : 0);
    }

    Steady::time_point next_search_at() {
        const std::lock_guard lock(mutex);
        return stopping || open.empty() ? Steady::time_point::max() : next_search;
    }

    // When the table must be read for the sake of the active channels.
    Steady::time_point reading_again_at() {
        if (stopping) return Steady::time_point::max();
        const std::lock_guard lock(mutex);
        for (const auto* channel : active)
            for (int priority = 0; priority < kPriorities; ++priority)
                if (wants_reading(*channel, priority)) return next_read;
        return Steady::time_point::max();
    }

    bool wants_reading(const SendingChannel& channel, int priority) const {
        return is_open(channel.entry->lane) &&
               channel.queue.must_read(priority, instant(Steady::now())) &&
               channel.queue.room(priority) > 0 && !stands_still(*channel.entry);
    }

    // Searches for queues that hold something, if it is time, and reads those that must be read.
    void read_table() {
        const auto began = Steady::now();
        if (stopping || began < next_read) return;
        bool asked = false;
        const bool worked = guarded([&] {
            if (began >= next_search_at()) {
                asked = true;
                search();
            }
            asked = read_rows() || asked;
        });
        if (!asked && worked) return;
        // A slow store is not asked more often than it can answer, an absent one rarely. What took
        // long may also have been this process, which stood still: it waits no longer than for an
        // absent store.
        const auto took = Steady::now() - began;
        next_read = Steady::now() +
                    (worked ? std::clamp<Steady::duration>(took, kPollGap, kStoreAwayRetryAfter)
                            : kStoreAwayRetryAfter);
    }

    // Whatever the queues of our lanes hold that we have not heard of.
    void search() {
        std::vector<std::int32_t> asked;
        const auto asked_at = Steady::now();
        {
            const std::lock_guard lock(mutex);
            for (const auto& [lane, known] : open) asked.push_back(lane);
            next_search = Steady::time_point::max();
        }
        std::vector<QueueReader::DueQueue> found;
        try {
            found = queue_reader.queues(asked);
        } catch (...) {
            const std::lock_guard lock(mutex);
            next_search = {};
            throw;
        }
        const std::lock_guard lock(mutex);
        auto next = asked_at + (owners.alone() ? kLookAloneEvery : options.poll_interval);
        Duration oldest{};
        for (const auto& queue : found) {
            const auto entry = directory.channel(queue.tenant, queue.channel_id);
            if (!entry || entry->lane != queue.lane) continue;
            auto& channel = channel_of(entry);
            if (queue.due && !stands_still(*entry))
                oldest = std::max<Duration>(oldest, clock.now() - queue.due_at);
            const auto now = instant(Steady::now());
            const auto due_at = queue.due ? now : std::max(now, instant_of(queue.due_at));
            channel.queue.row_put(queue.priority, due_at, now);
            if (queue.due)
                active.insert(&channel);
            else
                next = std::min(next, steady(due_at));
        }
        oldest_gauge.set(std::chrono::duration<double>(oldest).count());
        for (const int lane : asked)
            if (const auto lane_open = open.find(lane); lane_open != open.end())
                lane_open->second.searched_at = asked_at;
        next_search = std::min(next_search, next);
    }

    // True when the store was asked.
    bool read_rows() {
        std::vector<QueueReader::Wanted> wanted;
        struct Asked {
            SendingChannel* channel;
            int priority;
            std::uint64_t begun;
        };
        std::vector<Asked> asked;
        const auto asked_at = instant(Steady::now());
        {
            const std::lock_guard lock(mutex);
            for (auto* channel : active) {
                refresh(*channel);
                for (int priority = 0; priority < kPriorities; ++priority) {
                    if (!wants_reading(*channel, priority)) continue;
                    const auto& in_memory = channel->queue.rows(priority);
                    wanted.push_back({.lane = channel->entry->lane,
                                      .channel_id = channel->entry->channel.channel_id,
                                      .priority = priority,
                                      .room = channel->queue.room(priority),
                                      .in_memory = {in_memory.begin(), in_memory.end()}});
                    asked.push_back({channel, priority, channel->queue.begin_read(priority)});
                }
            }
        }
        if (wanted.empty()) return false;
        const auto rows = queue_reader.due_rows(wanted);
        const std::lock_guard lock(mutex);
        for (const auto& row : rows.due)
            asked.at(row.queue).channel->queue.add({.message_id = row.message_id,
                                                    .customer_id = row.ref.customer_id,
                                                    .priority = asked.at(row.queue).priority,
                                                    .tried_before = row.ref.attempt > 0});
        for (std::size_t i = 0; i < asked.size(); ++i) {
            const auto& [channel, priority, begun] = asked[i];
            const bool all = rows.count[i] < static_cast<std::size_t>(wanted[i].room);
            const auto& next_due = rows.next_due[i];
            const auto next = next_due ? instant_of(*next_due) : Instant::max();
            channel->queue.was_read(priority, begun, asked_at, all, next);
            if (next_due) next_search = std::min(next_search, steady(next));
        }
        return true;
    }

    // ---------------------------------------------------------------- what begins

    void begin_and_call() {
        while (!read_later.empty() && read_later.begin()->first <= Steady::now()) {
            to_read.push_back(read_later.begin()->second);
            read_later.erase(read_later.begin());
        }
        if (!read_later.empty()) look_at(read_later.begin()->first);
        while (!unresolved.empty() && unresolved.begin()->first <= Steady::now())
            resolve(unresolved.extract(unresolved.begin()).mapped());
        if (!unresolved.empty()) look_at(unresolved.begin()->first);
        std::vector<AttemptPtr> called;
        std::size_t rows = 0;
        int breakers_open = 0;
        {
            const std::lock_guard lock(mutex);
            const auto now = instant(Steady::now());
            for (auto at = active.begin(); at != active.end();) {
                auto& channel = **at;
                rows += channel.queue.rows();
                if (channel.queue.breaker().state(now) != resilience::CircuitBreaker::State::closed)
                    ++breakers_open;
                take_announced(channel, called);
                begin(channel);
                if (const auto again = channel.queue.look_again(); again != Instant::max())
                    look_at(steady(again));
                at = finished_with(channel) ? active.erase(at) : std::next(at);
            }
        }
        rows_gauge.set(static_cast<double>(rows));
        breakers_gauge.set(breakers_open);
        for (const auto& attempt : called) attempts->call(attempt);
    }

    bool finished_with(const SendingChannel& channel) const {
        if (!channel.queue.idle()) return false;
        const auto now = instant(Steady::now());
        if (!is_open(channel.entry->lane)) return true;
        for (int priority = 0; priority < kPriorities; ++priority)
            if (channel.queue.must_read(priority, now)) return false;
        return true;
    }

    void begin(SendingChannel& channel) {
        if (stopping) return;
        auto& queue = channel.queue;
        if (!is_open(channel.entry->lane)) {
            queue.forget_waiting();
            return;
        }
        refresh(channel);
        queue.set_suspended(stands_still(*channel.entry));
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
    void take_announced(SendingChannel& channel, std::vector<AttemptPtr>& called) {
        for (const auto& message_id : channel.queue.call(instant(Steady::now()))) {
            auto announced = channel.announced.extract(message_id);
            if (announced) called.push_back(announced.mapped());
        }
    }

    // ---------------------------------------------------------------- what is being queued

    class Leaving;

    // On any thread.
    DeparturePtr ask(const std::string& tenant, const QueueMessage& message,
                     const eventlog::Folded<Contact>& contact, OtherWriters others);

    // The log knows whether a commit counted whose answer was lost.
    void resolve_later(const std::shared_ptr<Leaving>& one, Steady::duration after);
    void resolve(const std::shared_ptr<Leaving>& one);

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
        std::vector<AttemptPtr> called;
        {
            const std::lock_guard lock(mutex);
            auto& channel = channel_of(*attempt);
            active.insert(&channel);
            channel.announced[attempt->message_id] = attempt;
            // One that was written together with its message is announced by that.
            if (!channel.queue.entered(attempt->message_id, true, instant(Steady::now())))
                channel.queue.announce(attempt->message_id);
            take_announced(channel, called);
        }
        for (const auto& one : called) attempts->call(one);
    }

    void answered(const AttemptPtr& attempt, const Outcome& outcome) override {
        const std::lock_guard lock(mutex);
        auto& queue = channel_of(*attempt).queue;
        const auto now = instant(Steady::now());
        const auto* refused = std::get_if<Refused>(&outcome);
        if (refused != nullptr && refused->error.error_class == ErrorClass::too_fast)
            queue.slow_down(now);
        queue.answered(attempt->message_id, says_ill(outcome), now);
    }

    void given_back(const AttemptPtr& attempt, bool still_queued) override {
        const std::lock_guard lock(mutex);
        channel_of(*attempt).queue.give_back(attempt->message_id, options.held_retry_after,
                                             still_queued, instant(Steady::now()));
        next_look = Steady::now();
    }

    void finished(const AttemptPtr& attempt, std::optional<Time> retry_at) override {
        std::optional<Duration> retry_in;
        if (retry_at) retry_in = *retry_at - clock.now();
        const std::lock_guard lock(mutex);
        channel_of(*attempt).queue.finish(attempt->message_id, retry_in, instant(Steady::now()));
        next_look = Steady::now();
    }

    // ---------------------------------------------------------------- what people ask

    std::optional<ChannelView> look(const std::string& tenant, const ChannelId& channel_id) {
        const auto entry = directory.channel(tenant, channel_id);
        if (!entry || !lanes.is_open(entry->lane) || !owners.guard(entry->lane))
            return std::nullopt;
        const std::lock_guard lock(mutex);
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
    metrics::Gauge oldest_gauge;
    metrics::Gauge breakers_gauge;

    std::shared_ptr<Loop> loop = std::make_shared<Loop>();
    std::shared_ptr<ThreadPool> readers;
    MessageStreams streams;
    FactsReader facts;
    QueueReader queue_reader;
    std::shared_ptr<Attempts> attempts;
    LaneRecovery lanes;

    // The queues are shared with those who queue messages. Held for moments only, never while
    // somebody else is called.
    std::mutex mutex;
    std::map<std::string, std::unique_ptr<SendingChannel>> channels;
    std::multimap<ChannelId, SendingChannel*> by_id;
    std::set<SendingChannel*> active;  // those whose queue is not idle, or must be read
    struct OpenLane {
        std::int64_t epoch = 0;
        Steady::time_point searched_at{};
    };
    std::map<int, OpenLane> open;
    Steady::time_point next_search{};  // for queues of which nobody told us
    bool closed = false;               // nothing leaves at once any more
    std::atomic<int> entering_at_once{0};

    // Of the one thread.
    Steady::time_point next_read{};  // the table is not read before
    Steady::time_point next_look{};
    std::deque<AttemptPtr> to_read;
    int reads_open = 0;
    std::multimap<Steady::time_point, AttemptPtr> read_later;
    std::multimap<Steady::time_point, std::shared_ptr<Leaving>> unresolved;

    std::atomic<Steady::time_point> give_up_at{Steady::time_point::max()};
    std::atomic<bool> stopping{false};
    std::thread thread;
};

// ---------------------------------------------------------------- messages that are being queued

class Dispatcher::State::Leaving final : public Departure,
                                         public std::enable_shared_from_this<Leaving> {
public:
    Leaving(std::weak_ptr<State> state, AttemptPtr attempt,
            std::optional<eventlog::NewEvent> attempted, const eventlog::OwnerGuard& guard)
        : state_(std::move(state)),
          attempt_(std::move(attempt)),
          attempted_(std::move(attempted)),
          guard_(guard),
          asked_at_(Steady::now()) {}
    ~Leaving() override { not_written(); }

    void join(eventlog::Command& command) override {
        if (!attempted_) return;
        command.parts.front().events.push_back(*attempted_);
        // The contact must still be what was judged: after STOP's commit nothing leaves.
        command.parts.push_back({contact_stream(attempt_->tenant, attempt_->customer_id),
                                 attempt_->contact_version,
                                 {}});
        command.owner_guard = guard_;
    }
    bool at_once() const override { return attempted_.has_value(); }
    Time attempted_at() const override { return attempted_ ? attempted_->occurred_at : Time{}; }

    void written(const eventlog::Position& queued, const std::string& correlation_id) override {
        if (std::exchange(told_, true)) return;
        const auto state = state_.lock();
        if (!state) return;
        if (!attempted_) return end(*state, true);
        attempt_->version = 2;
        attempt_->cause = {{queued.service, queued.lane, queued.position + 1},
                           correlation_id,
                           trace::on() ? trace::current() : trace::Context{}};
        // First into the inbox: whoever sees that it has left us finds it there.
        state->loop->post(
            [&state = *state, attempt = attempt_] { state.attempts->adopt(attempt); });
        --state->entering_at_once;
    }
    void not_written() override { give_place_back(false); }
    // While nobody knew what became of the command, the message was queued by another one.
    void queued_otherwise() { give_place_back(true); }
    void unknown() override {
        if (told_) return;
        // As if it were queued: then its row is looked for.
        if (!attempted_) return written({}, {});
        if (const auto state = state_.lock())
            state->loop->post([&state = *state, self = shared_from_this()] {
                state.resolve_later(self, kUnresolvedLookAfter);
            });
    }

    const Attempt& attempt() const { return *attempt_; }
    Steady::time_point asked_at() const { return asked_at_; }
    std::int64_t epoch() const { return guard_.owner_epoch; }
    // Whether this event of the message's stream is the one that this replica meant to write.
    bool is_ours(const eventlog::Recorded& event, const std::string& replica) const {
        if (!attempted_ || event.type != attempted_->type ||
            event.occurred_at != attempted_->occurred_at)
            return false;
        const auto fact = decode_message(event.type, event.payload);
        const auto* attempted = std::get_if<SendAttempted>(&fact);
        return attempted != nullptr && attempted->replica == replica;
    }

private:
    void give_place_back(bool has_row) {
        if (std::exchange(told_, true)) return;
        const auto state = state_.lock();
        if (!state) return;
        end(*state, false, has_row);
        if (!attempted_) return;
        state->attempts->not_written(*attempt_);
        --state->entering_at_once;
    }

    void end(State& state, bool written, bool has_row = false) {
        {
            const std::lock_guard lock(state.mutex);
            auto& channel = state.channel_of(*attempt_);
            const auto now = instant(Steady::now());
            channel.queue.entered(attempt_->message_id, written, now);
            if (has_row)
                channel.queue.wait_for_row(attempt_->customer_id,
                                           attempt_->message.message.priority, attempt_->message_id,
                                           now);
            if (written || has_row) state.active.insert(&channel);
        }
        // A chat may go on.
        state.loop->wake();
    }

    // Whoever queues a message may hold its departure for longer than the dispatcher lives.
    std::weak_ptr<State> state_;
    AttemptPtr attempt_;
    std::optional<eventlog::NewEvent> attempted_;
    eventlog::OwnerGuard guard_;
    Steady::time_point asked_at_;
    bool told_ = false;
};

DeparturePtr Dispatcher::State::ask(const std::string& tenant, const QueueMessage& message,
                                    const eventlog::Folded<Contact>& contact, OtherWriters others) {
    const auto entry = directory.channel(tenant, message.channel_id);
    if (!entry) return nullptr;
    const auto guard = owners.guard(entry->lane);
    const auto lane_since = owners.since(entry->lane);
    if (!guard || !lane_since) return nullptr;

    auto attempt = std::make_shared<Attempt>();
    attempt->tenant = tenant;
    attempt->message_id = message.message_id;
    attempt->customer_id = message.customer_id;
    attempt->priority = message.priority;
    attempt->channel = entry;
    attempt->contact_version = contact.version;
    attempt->message = evolve(Message{}, MessageQueued{.message = message});
    // Before it is written, as for every attempt.
    attempt->not_after = Steady::now() + options.attempt_start_max;

    // What the log must be asked for is left to the way through the table: who was merged, and
    // whether the customer wrote since.
    std::optional<SendAttempted> attempted;
    const auto* known = std::get_if<OpenContact>(&contact.state);
    if (known != nullptr && message.preconditions.nothing_inbound_since == Time{}) {
        auto& to = attempt->message.message.to;
        if (to.empty()) to = address_of(*known);
        const auto decision =
            decide(attempt->message,
                   BeginAttempt{.facts = facts.known_facts(tenant, message.channel_id, known),
                                .replica = options.replica,
                                .now = clock.now()});
        if (decision.accepted() && !to.empty())
            if (const auto* event = std::get_if<SendAttempted>(&decision.events().front()))
                attempted = *event;
    }
    // Others who may queue for this chat tell us nothing of it.
    auto known_since = *lane_since;
    if (others == OtherWriters::replicas) {
        if (!owners.alone()) attempted.reset();
    } else if (const auto since =
                   owners.since(store.lane_of(by_customer(message.customer_id), tenant))) {
        known_since = std::max(known_since, *since);
    } else {
        attempted.reset();
    }

    std::optional<eventlog::NewEvent> event;
    if (attempted) event = encode(MessageEvent(*attempted), clock.now());
    const std::lock_guard lock(mutex);
    if (closed) return nullptr;
    const auto lane_open = open.find(entry->lane);
    const bool may_leave =
        attempted && lane_open != open.end() && lane_open->second.epoch == guard->owner_epoch;
    const auto searched_at =
        lane_open == open.end() ? Instant{} : instant(lane_open->second.searched_at);
    auto& channel = channel_of(entry);
    channel.queue.set_suspended(stands_still(*entry));
    const auto way =
        channel.queue.enter({.message_id = message.message_id,
                             .customer_id = message.customer_id,
                             .priority = message.priority},
                            may_leave, instant(known_since), searched_at, instant(Steady::now()));
    if (!way) return nullptr;
    if (*way == ChannelQueue::Way::queue) {
        event.reset();
    } else {
        attempt->message = evolve(attempt->message, *attempted);
        attempts->being_written(*attempt);
        ++entering_at_once;
    }
    auto departure = std::make_shared<Leaving>(weak_from_this(), attempt, std::move(event), *guard);
    return departure;
}

void Dispatcher::State::resolve_later(const std::shared_ptr<Leaving>& one, Steady::duration after) {
    unresolved.emplace(Steady::now() + after, one);
    look_at(Steady::now() + after);
}

// The one way in which a message that leaves at once could be forgotten, or called twice, is to
// guess whether its attempt is in the log. So it is read.
void Dispatcher::State::resolve(const std::shared_ptr<Leaving>& one) {
    const bool taken = readers->post([this, one] {
        const auto& attempt = one->attempt();
        std::vector<eventlog::Recorded> events;
        bool read = true;
        try {
            events = store.read_stream(message_stream(attempt.tenant, attempt.message_id));
        } catch (const std::exception& error) {
            read = false;
            log::warn("an attempt's commit could not be looked for yet",
                      {{"message", attempt.message_id.text()}, {"error", error.what()}});
        }
        loop->post([this, one, events = std::move(events), read] {
            if (!read) return resolve_later(one, kUnresolvedLookAgain);
            // With another event after it, the lane's next owner has judged it.
            if (events.size() == 2 && one->is_ours(events[1], options.replica)) {
                const auto& first = events[0];
                return one->written(first.where(), first.meta.correlation_id.empty()
                                                       ? first.event_id.text()
                                                       : first.meta.correlation_id);
            }
            const auto guard = owners.guard(one->attempt().channel->lane);
            const bool lane_gone = !guard || guard->owner_epoch != one->epoch();
            if (!events.empty()) return one->queued_otherwise();
            // The guard refuses what is still under way; or nothing is under way any more.
            if (lane_gone || Steady::now() - one->asked_at() > kUnresolvedFor)
                return one->not_written();
            resolve_later(one, kUnresolvedLookAgain);
        });
    });
    if (!taken) resolve_later(one, kUnresolvedLookAgain);
}

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
    {
        const std::lock_guard lock(state_->mutex);
        state_->closed = true;
    }
    state_->give_up_at = Steady::now() + grace;
    state_->stopping = true;
    state_->loop->wake();
    if (state_->thread.joinable()) state_->thread.join();
    state_->loop->close();
    state_->readers->stop(ThreadPool::Waiting::run);
}

void Dispatcher::wake(const eventlog::WorkNews& news) { state_->row_was_put(news); }

void Dispatcher::settings_changed() { state_->loop->wake(); }

DeparturePtr Dispatcher::ask(const std::string& tenant, const QueueMessage& message,
                             const eventlog::Folded<Contact>& contact, OtherWriters others) {
    return state_->ask(tenant, message, contact, others);
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
