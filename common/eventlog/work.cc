#include "common/eventlog/work.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>

#include "common/core/thread_pool.h"
#include "common/eventlog/loop_statements.h"
#include "common/observability/log.h"

namespace flowstack::eventlog {
namespace {

using Steady = std::chrono::steady_clock;
using RowKey = std::tuple<int, std::string, std::string>;
constexpr int kMicrosecondsLeft = 5;  // the column
constexpr std::chrono::milliseconds kStoreRetryAfter{200};
// A replica that owns every lane is told of nearly every row, and a poll tells it when the next one
// is due. It looks at least so often for rows that nobody told it of.
constexpr std::chrono::milliseconds kAlonePollEvery{1000};
// The database's clock decides what is due: being a little late finds what being early would miss.
constexpr std::chrono::milliseconds kClocksDiffer{1};
// The least time between two polls, so that rows that come close together are fetched together.
constexpr std::chrono::milliseconds kPollGap{2};

}  // namespace

struct WorkRunner::State {
    struct Kind {
        Handler handler;
        int in_flight_max = 0;
        int in_flight = 0;
    };

    State(Store& s, Owners& o, WorkOptions w)
        : store(s),
          owners(o),
          options(w),
          session({.url = s.options().database_url,
                   .application_name = s.options().service + "-work"}) {}

    // One thread looks for due rows and a few threads run the handlers, so that a slow handler does
    // not delay the others.
    void poll_loop() {
        auto next_poll = Steady::now();
        while (true) {
            {
                std::unique_lock lock(mutex);
                // A row that is due later only shortens the wait.
                while (!stopping && Steady::now() < std::min(next_poll, wake_at))
                    woken.wait_until(lock, std::min(next_poll, wake_at));
                if (stopping) return;
                wake_at = Steady::time_point::max();
            }
            next_poll = Steady::now() + owners.poll_every(options.poll_interval);
            try {
                next_poll = std::max(next_poll, poll());
            } catch (const std::exception& error) {
                log::warn("due work could not be read", {{"error", error.what()}});
                std::unique_lock lock(mutex);
                woken.wait_for(lock, kStoreRetryAfter, [&] { return stopping; });
            }
            std::unique_lock lock(mutex);
            woken.wait_for(lock, kPollGap, [&] { return stopping; });
        }
    }

    // Hands out what is due. Returns when to look again if nobody wakes the runner: not before the
    // usual time, and later only where nothing is missed by that.
    Steady::time_point poll() {
        const auto lanes = owners.lanes();
        if (lanes.empty()) return Steady::now();
        const bool alone = owners.alone();
        const std::vector<std::int32_t> lane_ids(lanes.begin(), lanes.end());
        // One query for all kinds. A kind gets as many rows as it has room for, plus as many as may
        // be in flight or at rest, since those are returned as well.
        std::vector<std::string> names;
        std::vector<std::int64_t> limits;
        std::map<std::string, int> room;
        std::map<std::string, std::int64_t> more;  // of a kind, rows that the answer has room for
        bool all_taken = true;
        {
            const std::lock_guard lock(mutex);
            for (const auto& [name, kind] : kinds) {
                room[name] = kind.in_flight_max - kind.in_flight;
                if (room[name] <= 0) {
                    all_taken = false;
                    continue;
                }
                names.push_back(name);
                limits.push_back(room[name] + kind.in_flight +
                                 static_cast<std::int64_t>(resting.size()));
                more[name] = limits.back();
            }
        }
        if (names.empty()) return Steady::now();
        // A row that is finished while the query runs may still be in its answer. It rests then
        // until after this moment, however long the answer takes, and is not handed out again.
        const auto asked = Steady::now();
        const auto result = session.query(loops::kWorkDue.sql,
                                          postgres::Params()
                                              .add_array(names)
                                              .add_array(limits)
                                              .add_array(std::span<const std::int32_t>(lane_ids))
                                              .add(alone));
        auto again = asked + kAlonePollEvery;
        for (int row = 0; row < result.rows(); ++row) {
            if (const auto left = result.int8(row, kMicrosecondsLeft); left > 0) {
                const auto wait = std::min<std::chrono::microseconds>(
                    std::chrono::microseconds(left), kAlonePollEvery);
                again = std::min(again, asked + wait + kClocksDiffer);
                continue;
            }
            if (--more[result.text(row, 1)] == 0) all_taken = false;  // there may be others
            WorkRow work{.lane = result.int4(row, 0),
                         .kind = result.text(row, 1),
                         .key = result.text(row, 2),
                         .due_at = result.time(row, 3),
                         .ref = result.text(row, 4),
                         .guard = {}};
            if (room[work.kind] <= 0) {
                all_taken = false;
                continue;
            }
            const auto guard = owners.guard(work.lane);
            if (!guard) continue;
            work.guard = *guard;
            const RowKey key{work.lane, work.kind, work.key};
            const std::lock_guard lock(mutex);
            if (const auto rest = resting.find(key); rest != resting.end()) {
                if (rest->second > asked) continue;
                resting.erase(rest);
            }
            auto& kind = kinds.at(work.kind);
            const auto name = work.kind;
            // Refused only while the runner stops: the pool has room for all that may be in flight.
            if (in_flight.contains(key) ||
                !pool->post([this, row = std::move(work), &kind] { run(row, kind); }))
                continue;
            in_flight.insert(key);
            ++kind.in_flight;
            --room[name];
        }
        const auto now = Steady::now();
        const std::lock_guard lock(mutex);
        std::erase_if(resting, [&](const auto& rest) { return rest.second <= now; });
        if (!alone || !all_taken || !in_flight.empty()) return now;
        for (const auto& [key, until] : resting) again = std::min(again, until);
        return again;
    }

    void run(const WorkRow& row, Kind& kind) {
        const auto done = [this, key = RowKey{row.lane, row.kind, row.key}, &kind] {
            finish(key, kind);
        };
        try {
            kind.handler(row, done);
        } catch (const std::exception& error) {
            log::warn("work failed and is tried again",
                      {{"kind", row.kind}, {"key", row.key}, {"error", error.what()}});
            done();
        }
    }

    void finish(const RowKey& key, Kind& kind) {
        const std::lock_guard lock(mutex);
        if (in_flight.erase(key) == 0) return;
        --kind.in_flight;
        // Resting does not matter for a row that the handler's event removed or moved.
        resting[key] = Steady::now() + options.retry_delay;
    }

    Store& store;
    Owners& owners;
    WorkOptions options;
    postgres::Session session;
    std::map<std::string, Kind> kinds;
    std::mutex mutex;
    std::condition_variable woken;
    bool stopping = false;
    Steady::time_point wake_at = Steady::time_point::max();
    std::set<RowKey> in_flight;
    std::map<RowKey, Steady::time_point> resting;
    std::unique_ptr<ThreadPool> pool;  // runs the handlers
    std::thread poller;
};

WorkRunner::WorkRunner(Store& store, Owners& owners, WorkOptions options)
    : state_(std::make_unique<State>(store, owners, options)) {}

WorkRunner::~WorkRunner() { stop(); }

void WorkRunner::handle(const std::string& kind, Handler handler, int in_flight_max) {
    state_->kinds[kind] = {std::move(handler),
                           in_flight_max > 0 ? in_flight_max : state_->options.in_flight_max, 0};
}

void WorkRunner::start() {
    auto& state = *state_;
    if (state.kinds.empty()) return;
    std::size_t in_flight_max = 0;
    for (const auto& [name, kind] : state.kinds)
        in_flight_max += static_cast<std::size_t>(kind.in_flight_max);
    state.pool = std::make_unique<ThreadPool>(ThreadPoolOptions{
        .name = "work", .threads = state.options.threads, .waiting_max = in_flight_max});
    state.poller = std::thread([&state] { state.poll_loop(); });
}

void WorkRunner::stop() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
    }
    state_->woken.notify_all();
    if (state_->poller.joinable()) state_->poller.join();
    // What waits stays in the table and is found by the lane's next owner.
    if (state_->pool) state_->pool->stop(ThreadPool::Waiting::dropped);
}

void WorkRunner::wake(const std::string& kind, Time due_at) {
    if (!state_->kinds.contains(kind)) return;
    const auto now = std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now());
    if (due_at - now > kAlonePollEvery) return;  // a poll sees it and when it is due
    const auto at = due_at <= now ? Steady::now() : Steady::now() + (due_at - now) + kClocksDiffer;
    const std::lock_guard lock(state_->mutex);
    if (at >= state_->wake_at) return;
    state_->wake_at = at;
    state_->woken.notify_one();
}

}  // namespace flowstack::eventlog
