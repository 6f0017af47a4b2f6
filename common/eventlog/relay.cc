#include "common/eventlog/relay.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "common/eventlog/lag_clock.h"
#include "common/eventlog/loop_statements.h"
#include "common/eventlog/tail.h"
#include "common/messaging/kafka.h"
#include "common/observability/log.h"

namespace flowstack::eventlog {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBusTimeout{3000};
constexpr std::chrono::milliseconds kBusRetryAfter{500};
constexpr std::chrono::milliseconds kPublishedSaveEvery{500};
constexpr std::chrono::milliseconds kCompareAgainAfter{3000};
// While this replica owns every lane it hears of nearly every commit by wake(). Reading the heads
// finds the others, and what a lost call would have told. It is not needed while seen() tells of
// the heads as often.
constexpr std::chrono::milliseconds kAloneHeadsEvery{1000};
constexpr std::chrono::milliseconds kAloneHeadsEveryWhileTold{30'000};
// So much that was read waits for the bus to gather, and no more.
constexpr std::size_t kKeptBytesMax = 4 << 20;
// Records of the topic are compared with the table together: those of so long, or so many.
constexpr std::chrono::milliseconds kVerifyGatherFor{200};
constexpr std::size_t kVerifyGather = 1'000;
constexpr std::size_t kVerifyQueueMax = 20'000;

}  // namespace

struct Relay::State {
    // A lane that is being published.
    struct Lane {
        bool begun = false;
        std::int64_t head = 0;       // known to be committed
        std::int64_t read = 0;       // read from the table; followers have heard of it
        std::int64_t sent = 0;       // handed to the producer
        std::int64_t published = 0;  // contiguous and acknowledged
        std::int64_t saved = 0;      // in the database
        // When a lane that could not be compared with the bus is looked at again.
        Steady::time_point compare_at{};
        std::set<std::int64_t> acknowledged;  // above published
        LagClock lag;                         // of published behind head
        PublishedPage kept;                   // what was read and is not sent
        std::size_t kept_bytes = 0;
        // When what is committed and not read is to be read, and whether somebody waits for it.
        Steady::time_point due = Steady::time_point::max();
        bool hurried = false;
        // When what is kept is to be sent.
        Steady::time_point send_by = Steady::time_point::max();

        // What comes next stands behind positions that were given up: it is read when everything
        // before them is acknowledged.
        bool at_gap = false;

        bool waits_at_gap() const { return at_gap && (published != read || !kept.empty()); }
        std::int64_t unread() const {
            return begun && !waits_at_gap() ? std::max<std::int64_t>(head - read, 0) : 0;
        }
        std::int64_t in_flight() const {
            return sent - published - static_cast<std::int64_t>(acknowledged.size());
        }
        void begin_after(std::int64_t position) {
            read = sent = published = position;
            acknowledged.clear();
            at_gap = false;
            forget_kept();
        }
        void forget_kept() {
            kept.clear();
            kept_bytes = 0;
            send_by = Steady::time_point::max();
        }
    };

    // What wake() was told of a lane.
    struct Woken {
        std::int64_t head = 0;
        Steady::time_point due = Steady::time_point::max();
        bool hurried = false;
    };

    // A record of the service's own topic, as it arrived.
    struct OnTopic {
        int lane = 0;
        int stretch = 0;
        std::string value;
    };

    State(Store& s, Owners& o, RelayOptions r)
        : store(s),
          owners(o),
          options(std::move(r)),
          session({.url = s.options().database_url,
                   .application_name = s.options().service + "-relay",
                   // A lost place costs repeats on the topic. Waiting for the disk would cost a
                   // share of every append's time.
                   .synchronous_commit = false}),
          verify_session({.url = s.options().database_url,
                          .application_name = s.options().service + "-verify"}) {
        owners.on_gain([this](int lane) {
            const std::lock_guard lock(verify_mutex);
            ++stretch[lane];
        });
        owners.on_gain([this](int) { look_at_lanes(); });
        owners.on_loss([this](int) { look_at_lanes(); });
    }

    // A lane has this head, and is to be published by then. The caller holds the lock.
    void tell(int lane, std::int64_t head, Steady::time_point due, bool hurried);

    // The lanes of this replica have changed.
    void look_at_lanes() {
        const std::lock_guard lock(mutex);
        lanes_changed = true;
        woken.notify_one();
    }

    void run() {
        while (!stopping) {
            try {
                const bool changed = take_woken();
                if (changed || Steady::now() >= next_poll) {
                    poll_heads();
                    next_poll = Steady::now() + poll_heads_every();
                }
                bool more = false;
                if (!lanes.empty()) {
                    if (!producer) make_producer();
                    acknowledge(std::chrono::milliseconds(0));
                    const auto moment = this_moment();
                    more = read_due(moment);
                    send_due(moment);
                    if (failed) restart();
                    save(false);
                }
                publish_status();
                if (!more) wait_until(std::min(next_poll, next_due()));
            } catch (const std::exception& error) {
                log::warn("relay paused: the store or the bus is away", {{"error", error.what()}});
                std::unique_lock lock(mutex);
                woken.wait_for(lock, kBusRetryAfter, [&] { return stopping.load(); });
                next_poll = Steady::now();
            }
        }
        try {
            const auto until = Steady::now() + kBusTimeout;
            if (producer)
                for (auto& [number, lane] : lanes) send(number, lane);
            while (producer && in_flight() > 0 && Steady::now() < until)
                acknowledge(std::chrono::milliseconds(10));
            save(true);
        } catch (const std::exception& error) {
            log::warn("relay could not save its position", {{"error", error.what()}});
        }
    }

    void make_producer() {
        producer = std::make_unique<messaging::Producer>(options.brokers);
        producer->on_acknowledgement([this] {
            const std::lock_guard lock(mutex);
            answered = true;
            woken.notify_one();
        });
    }

    std::chrono::milliseconds poll_heads_every() {
        if (!owners.alone()) return options.poll_interval;
        const std::lock_guard lock(mutex);
        const bool hears = Steady::now() - seen_at < 2 * kAloneHeadsEvery;
        return std::max(hears ? kAloneHeadsEveryWhileTold : kAloneHeadsEvery,
                        options.poll_interval);
    }

    // Or until wake(), look_at_lanes() or the bus says that it is time.
    void wait_until(Steady::time_point until) {
        std::unique_lock lock(mutex);
        while (!stopping && !lanes_changed && !answered && Steady::now() < std::min(until, wake_at))
            woken.wait_until(lock, std::min(until, wake_at));
    }

    // What a pass over the lanes depends on, looked at once.
    struct Moment {
        Steady::time_point now = Steady::now();
        bool followed = false;  // by another process
        bool quiet = false;     // nothing is on its way to the bus
        // It is time to send what followers have heard of: of all lanes, with what is not yet read.
        bool all_due = false;
    };
    Moment this_moment() const {
        Moment moment{.followed = followed_by.any(), .quiet = in_flight() == 0};
        if (moment.followed && moment.quiet)
            for (const auto& [number, lane] : lanes)
                moment.all_due |= lane.begun && moment.now >= bus_due(lane);
        return moment;
    }
    // While somebody follows: when the lane has something for the bus.
    static Steady::time_point bus_due(const Lane& lane) {
        auto due = lane.kept.empty() ? Steady::time_point::max() : lane.send_by;
        if (lane.unread() > 0 && !lane.hurried) due = std::min(due, lane.due);
        return due;
    }

    bool has_room() const { return unacknowledged() < options.in_flight_max; }
    bool is_page(std::int64_t events) const { return events >= options.page_events; }

    // When the next pass has something to do, should nothing happen before.
    Steady::time_point next_due() const {
        const Moment moment{.followed = followed_by.any(), .quiet = in_flight() == 0};
        const bool room = has_room();
        auto due = Steady::time_point::max();
        for (const auto& [number, lane] : lanes) {
            const bool waits = room && lane.unread() > 0;
            if (waits && moment.followed && lane.hurried) due = std::min(due, lane.due);
            if (!moment.quiet) continue;  // an acknowledgement wakes
            if (waits) due = std::min(due, lane.due);
            if (!lane.kept.empty())
                due = std::min(due, moment.followed ? lane.send_by : moment.now);
        }
        return due;
    }

    // Records that were handed to the producer and not acknowledged. Counted by lane, so that
    // records of a lane that was lost do not count, although their acknowledgements still arrive.
    std::int64_t in_flight() const {
        std::int64_t sum = 0;
        for (const auto& [number, lane] : lanes) sum += lane.in_flight();
        return sum;
    }
    // Those, and what was read and is not handed over.
    std::int64_t unacknowledged() const {
        std::int64_t sum = 0;
        for (const auto& [number, lane] : lanes) sum += lane.in_flight() + lane.read - lane.sent;
        return sum;
    }

    // Finds what other processes appended; wake() reports what this one appended.
    void poll_heads() {
        const auto owned = owners.lanes();
        std::erase_if(lanes, [&](const auto& entry) {
            return std::find(owned.begin(), owned.end(), entry.first) == owned.end();
        });
        if (owned.empty()) return;
        const std::vector<std::int32_t> ids(owned.begin(), owned.end());
        const auto result =
            session.query(loops::kRelayHeads.sql,
                          postgres::Params().add_array(std::span<const std::int32_t>(ids)));
        for (int row = 0; row < result.rows(); ++row) {
            auto& lane = lanes[result.int4(row, 0)];
            const auto head = result.int8(row, 1);
            // Whether somebody waits for what another process wrote is not known here. For what
            // this one wrote, the time that wake() set counts.
            if (head > lane.head) {
                lane.head = head;
                lane.due = Steady::now();
                lane.hurried = true;
            }
            const bool compared = result.boolean(row, 3);
            if (!lane.begun || (!compared && Steady::now() >= lane.compare_at))
                begin(result.int4(row, 0), lane, result.int8(row, 2), compared);
        }
        publish_status();
    }

    // Compares the lane with the partition: a log that ends before it has lost a tail, and refuses
    // to be written to. Publishing goes on after the last record of the partition, or after the
    // saved position if that is further.
    void begin(int number, Lane& lane, std::int64_t published, bool compared) {
        std::int64_t last = 0;
        if (const auto record =
                messaging::last_record(options.brokers, options.topic, number, kBusTimeout))
            last = from_bus(record->value).position;
        lane.compare_at = Steady::now() + kCompareAgainAfter;
        // A database that was restored, and a bus that has forgotten what was published: nobody
        // here knows what the log has lost. A partition whose records have only expired was
        // written to, and then nothing was published for as long as records are kept.
        if (!compared && last == 0 && published > 0 &&
            !messaging::was_written(options.brokers, options.topic, number, kBusTimeout))
            log::error(
                "the database was restored and the bus has no record of this lane: it refuses to "
                "be written to until its tail is declared lost",
                {{"lane", number}, {"published", published}});
        else if (const auto lost = session.query(loops::kLaneCompared.sql,
                                                 postgres::Params().add(number).add(last));
                 !lost.null(0, 0) && lost.int8(0, 0) > 0)
            log::error("the log has lost its tail: the bus is ahead of it",
                       {{"lane", number}, {"head", lane.head}, {"on_the_bus", last}});
        if (lane.begun) return;
        lane.begin_after(std::max(last, published));
        lane.saved = published;
        lane.begun = true;
        lane.due = Steady::now();
        lane.hurried = true;
    }

    // Whether the lanes of this replica have changed.
    bool take_woken() {
        std::map<int, Woken> woke;
        bool changed = false;
        {
            const std::lock_guard lock(mutex);
            woke.swap(wakes);
            wake_at = Steady::time_point::max();
            changed = std::exchange(lanes_changed, false);
            answered = false;
        }
        for (const auto& [number, told] : woke)
            if (const auto found = lanes.find(number); found != lanes.end()) {
                auto& lane = found->second;
                lane.head = std::max(lane.head, told.head);
                if (lane.read >= lane.head) continue;
                lane.due = std::min(lane.due, told.due);
                lane.hurried |= told.hurried;
            }
        return changed;
    }

    // Whether the lane's new records are to be read now.
    //
    // A follower hears of what somebody waits for at once. Without one, events committed while an
    // acknowledgement is under way are read and sent together when it arrives, or when they fill a
    // page: the bus and each consumer pay for every request.
    bool to_be_read(const Lane& lane, const Moment& moment) const {
        if (is_page(lane.unread())) return true;
        if (moment.followed) return moment.all_due || (lane.hurried && moment.now >= lane.due);
        return moment.quiet && moment.now >= lane.due;
    }

    // Reads what is due of all lanes by one question, and tells the followers. True when there is
    // more to read at once.
    bool read_due(const Moment& moment) {
        std::vector<std::int32_t> ids;
        std::vector<std::int64_t> after;
        std::int64_t events = 0;
        bool more = false;
        for (auto& [number, lane] : lanes) {
            if (lane.at_gap && !lane.waits_at_gap()) {
                lane.due = moment.now;
                lane.hurried = true;
            }
            if (lane.unread() == 0) {
                lane.due = Steady::time_point::max();  // of what comes next, wake() tells
                lane.hurried = false;
                continue;
            }
            if (!to_be_read(lane, moment)) continue;
            if (is_page(events)) {
                more = true;
                continue;
            }
            ids.push_back(number);
            after.push_back(lane.read);
            events += lane.unread();
        }
        if (ids.empty() || !has_room()) return false;
        const auto page = read(ids, after);
        for (const auto number : ids) {
            auto& lane = lanes.at(number);
            const auto gather = moment.followed ? options.hinted_gather : Steady::duration(0);
            if (!lane.kept.empty()) lane.send_by = std::min(lane.send_by, moment.now + gather);
            more |= is_page(lane.unread());
            if (lane.unread() == 0) {
                lane.due = Steady::time_point::max();
                lane.hurried = false;
            }
        }
        followed_by.hear(page);
        return more;
    }

    // At most a page of each lane. It is kept until it is sent.
    PublishedPage read(const std::vector<std::int32_t>& ids,
                       const std::vector<std::int64_t>& after) {
        const auto rows = session.query(loops::kRelayPage.sql,
                                        postgres::Params()
                                            .add_array(std::span<const std::int32_t>(ids))
                                            .add_array(std::span<const std::int64_t>(after))
                                            .add(static_cast<std::int64_t>(options.page_events)));
        ++read_count;
        PublishedPage page;
        std::set<int> wait;  // lanes at a gap
        for (int row = 0; row < rows.rows(); ++row) {
            const auto event = recorded_from(rows, row, store.options().service);
            auto& lane = lanes.at(event.lane);
            if (wait.contains(event.lane)) continue;
            if (event.position != lane.read + 1 && follows(event, lane.read)) {
                lane.at_gap = true;
                if (lane.waits_at_gap()) {
                    wait.insert(event.lane);
                    continue;
                }
                lane.begin_after(event.position - 1);
            }
            // Positions are gapless and become visible in order, so a hole means that a promise of
            // the log is broken.
            if (event.position != lane.read + 1)
                throw std::logic_error("relay: lane " + std::to_string(event.lane) +
                                       " has a gap after " + std::to_string(lane.read));
            page.push_back(std::make_shared<const Published>(
                Published{.lane = event.lane,
                          .position = event.position,
                          .key = event.stream.tenant + "/" + event.meta.routing.key,
                          .value = to_bus(event),
                          .type = event.type,
                          .event_id = event.event_id.text(),
                          .tenant = event.stream.tenant,
                          .traceparent = event.meta.traceparent}));
            lane.read = event.position;
            lane.head = std::max(lane.head, lane.read);
            lane.kept.push_back(page.back());
            lane.kept_bytes += page.back()->bytes();
        }
        return page;
    }

    // Hands to the producer what has gathered long enough, or is too much to keep.
    void send_due(const Moment& moment) {
        std::size_t bytes = 0;
        for (const auto& [number, lane] : lanes) bytes += lane.kept_bytes;
        for (auto& [number, lane] : lanes) {
            if (lane.kept.empty()) continue;
            const bool much =
                bytes >= kKeptBytesMax || is_page(static_cast<std::int64_t>(lane.kept.size()));
            const bool due = !moment.followed || moment.all_due || moment.now >= lane.send_by;
            if (much || (moment.quiet && due)) send(number, lane);
            if (failed || stopping) return;
        }
    }

    void send(int number, Lane& lane) {
        for (const auto& record : lane.kept) {
            // Headers let tools see the basics without decoding. They hold no personal data.
            const auto position = std::to_string(record->position);
            const messaging::RecordHeader headers[] = {{"type", record->type},
                                                       {"event_id", record->event_id},
                                                       {"tenant", record->tenant},
                                                       {"position", position},
                                                       {"traceparent", record->traceparent}};
            while (!producer->produce(options.topic, number, record->key, record->value, headers,
                                      record->position)) {
                // What is left is read again: by the next owner, or when the producer is replaced.
                if (failed || producer->fatal() || stopping) return;
                acknowledge(std::chrono::milliseconds(10));
            }
            lane.sent = record->position;
            ++record_count;
        }
        if (!lane.kept.empty()) ++batch_count;
        lane.forget_kept();
    }

    void acknowledge(std::chrono::milliseconds wait) {
        for (const auto& done : producer->poll(wait)) {
            const auto found = lanes.find(done.partition);
            if (found == lanes.end()) continue;
            auto& lane = found->second;
            if (!done.delivered) {
                failed = true;
                continue;
            }
            // Acknowledgements from before this lane was lost and regained are stale: ignore them.
            if (done.tag <= lane.published || done.tag > lane.sent) continue;
            if (done.tag == lane.published + 1)
                ++lane.published;
            else
                lane.acknowledged.insert(done.tag);
            while (!lane.acknowledged.empty() && *lane.acknowledged.begin() == lane.published + 1) {
                ++lane.published;
                lane.acknowledged.erase(lane.acknowledged.begin());
            }
        }
        // Callers still use the producer, so only the loop in run() may drop it.
        if (producer->fatal()) failed = true;
    }

    // Drops a producer that failed; publishing goes on from the partitions' ends with a new one.
    void restart() {
        log::warn("relay replaces a failed producer", {{"topic", options.topic}});
        producer.reset();
        failed = false;
        for (auto& [number, lane] : lanes) {
            lane.begun = false;
            lane.begin_after(lane.published);
        }
        next_poll = Steady::now();
    }

    void save(bool now) {
        if (!now && Steady::now() - saved_at < kPublishedSaveEvery) return;
        saved_at = Steady::now();
        std::vector<std::int32_t> ids;
        std::vector<std::int64_t> positions;
        for (auto& [number, lane] : lanes)
            if (lane.begun && lane.published > lane.saved) {
                ids.push_back(number);
                positions.push_back(lane.published);
                lane.saved = lane.published;
            }
        if (ids.empty()) return;
        session.query(loops::kRelaySave.sql,
                      postgres::Params().add_array(ids).add_array(positions));
    }

    void publish_status() {
        std::vector<Status> now;
        const auto at = Steady::now();
        for (auto& [number, lane] : lanes) {
            lane.lag.look(lane.published, lane.head, at);
            now.push_back(
                {number, lane.published, lane.head, lane.lag.behind_since(lane.published)});
        }
        const std::lock_guard lock(status_mutex);
        status = std::move(now);
    }

    // ------------------------------------------------------------------ the verifier

    // The topic must be the lane: contiguous but for repeats, and equal to the table byte for byte.
    void verify_loop() {
        while (true) {
            std::vector<OnTopic> batch;
            {
                std::unique_lock lock(verify_mutex);
                verify_ready.wait(lock, [&] { return stopping || !verify_queue.empty(); });
                verify_ready.wait_for(lock, kVerifyGatherFor, [&] {
                    return stopping || verify_queue.size() >= kVerifyGather;
                });
                if (stopping) return;
                batch.swap(verify_queue);
            }
            try {
                verify_batch(batch);
            } catch (const std::exception& error) {
                log::warn("records of the topic were not compared", {{"error", error.what()}});
                const std::lock_guard lock(verify_mutex);
                for (const auto& record : batch) ++stretch[record.lane];
            }
        }
    }

    // Reads the table once for each contiguous range of a lane.
    void verify_batch(const std::vector<OnTopic>& batch) {
        std::map<int, std::map<std::int64_t, std::string_view>> stretches;
        for (const auto& [lane, number, value] : batch) {
            const auto position = from_bus(value).position;
            auto& [known, seen] = verified[lane];
            if (known != number) seen = 0;
            known = number;
            if (seen != 0 && position > seen + 1 && !given_up(lane, seen + 1, position - 1))
                mismatch("the topic has a gap", lane, position);
            seen = std::max(seen, position);
            // A repeated position is allowed if every copy equals the table.
            if (const auto [at, fresh] = stretches[lane].try_emplace(position, value);
                !fresh && at->second != value)
                mismatch("the topic has two events at one place", lane, position);
        }
        for (const auto& [lane, records] : stretches)
            for (auto at = records.begin(); at != records.end();) {
                auto end = at;
                std::int64_t last = 0;
                for (int n = 0; end != records.end() && n < options.page_events; ++end, ++n) {
                    if (last != 0 && end->first != last + 1) break;
                    last = end->first;
                }
                verify_stretch(lane, at, end, last);
                at = end;
            }
    }

    template <class At>
    void verify_stretch(int lane, At at, At end, std::int64_t last) {
        const auto rows = verify_session.query(
            loops::kVerifyStretch.sql, postgres::Params().add(lane).add(at->first).add(last));
        for (int row = 0; at != end; ++at) {
            const bool there = row < rows.rows() && rows.int8(row, 1) == at->first;
            const bool equal =
                there && to_bus(recorded_from(rows, row, store.options().service)) == at->second;
            // The bus keeps what a restored log has lost.
            if (!equal && (there || !lost(lane, at->first)))
                mismatch("the topic differs from the table", lane, at->first);
            if (there) ++row;
        }
    }

    // Whether these positions were given up.
    bool given_up(int lane, std::int64_t from, std::int64_t to) {
        return verify_session
                   .query("select 1 from lost_tails where lane = $1 and first <= $2 and last >= $3",
                          postgres::Params().add(lane).add(from).add(to))
                   .rows() > 0;
    }
    // Whether it was, or the log has yet to take it back.
    bool lost(int lane, std::int64_t position) {
        return given_up(lane, position, position) ||
               verify_session
                       .query("select 1 from lanes where lane = $1 and lost_to >= $2",
                              postgres::Params().add(lane).add(position))
                       .rows() > 0;
    }

    void mismatch(const char* what, int lane, std::int64_t position) {
        ++mismatches;
        log::error(what, {{"lane", lane}, {"position", position}});
    }

    Store& store;
    Owners& owners;
    RelayOptions options;
    postgres::Session session;
    Followers followed_by;
    std::map<int, Lane> lanes;
    bool failed = false;
    Steady::time_point saved_at{};
    Steady::time_point next_poll{};  // of the heads
    std::atomic<bool> stopping{false};
    std::mutex mutex;
    std::condition_variable woken;
    std::map<int, Woken> wakes;
    std::map<int, std::int64_t> told_heads;  // lane → the highest head that wake() was told of
    Steady::time_point seen_at{};            // when seen() was last called
    Steady::time_point wake_at = Steady::time_point::max();  // the earliest of them
    bool lanes_changed = false;
    bool answered = false;  // the bus, to the producer
    mutable std::mutex status_mutex;
    std::vector<Status> status;
    std::atomic<std::int64_t> read_count{0}, batch_count{0}, record_count{0};

    postgres::Session verify_session;
    std::mutex verify_mutex;
    std::condition_variable verify_ready;
    std::vector<OnTopic> verify_queue;
    // A new stretch begins when the next record need not follow the last one seen here: another
    // replica had the lane in between, or a batch was not compared.
    std::map<int, int> stretch;
    std::map<int, std::pair<int, std::int64_t>> verified;  // lane → its stretch, the last position
    std::atomic<std::int64_t> mismatches{0};

    std::unique_ptr<messaging::Producer> producer;  // calls back into the members above
    std::vector<std::thread> threads;
};

Relay::Relay(Store& store, Owners& owners, RelayOptions options)
    : state_(std::make_unique<State>(store, owners, std::move(options))) {}
Relay::~Relay() { stop(); }

void Relay::start() {
    state_->threads.emplace_back([this] { state_->run(); });
    state_->threads.emplace_back([this] { state_->verify_loop(); });
}

void Relay::stop() {
    state_->stopping = true;
    {
        const std::lock_guard lock(state_->mutex);
        state_->woken.notify_all();
    }
    {
        const std::lock_guard lock(state_->verify_mutex);
        state_->verify_ready.notify_all();
    }
    for (auto& thread : state_->threads) thread.join();
    state_->threads.clear();
}

void Relay::wake(int lane, std::int64_t head, bool hurried) {
    const auto due = hurried ? Steady::now() : Steady::now() + state_->options.gather;
    const std::lock_guard lock(state_->mutex);
    state_->tell(lane, head, due, hurried);
}

void Relay::seen(std::span<const std::int64_t> heads) {
    const std::lock_guard lock(state_->mutex);
    state_->seen_at = Steady::now();
    for (std::size_t lane = 0; lane < heads.size(); ++lane)
        if (const int number = static_cast<int>(lane); heads[lane] > state_->told_heads[number])
            state_->tell(number, heads[lane], Steady::now(), true);
}

void Relay::look_again() { state_->look_at_lanes(); }

void Relay::State::tell(int lane, std::int64_t head, Steady::time_point due, bool hurried) {
    auto& told_head = told_heads[lane];
    told_head = std::max(told_head, head);
    auto& known = wakes[lane];
    known.head = std::max(known.head, head);
    known.due = std::min(known.due, due);
    known.hurried |= hurried;
    if (due >= wake_at) return;
    wake_at = due;
    woken.notify_one();
}

void Relay::verify(int lane, std::string value) {
    const std::lock_guard lock(state_->verify_mutex);
    auto& stretch = state_->stretch[lane];
    if (state_->verify_queue.size() >= kVerifyQueueMax) {  // sampled under a flood
        ++stretch;
        return;
    }
    state_->verify_queue.push_back({lane, stretch, std::move(value)});
    const auto waiting = state_->verify_queue.size();
    if (waiting == 1 || waiting == kVerifyGather) state_->verify_ready.notify_one();
}

std::vector<Relay::Status> Relay::status() const {
    const std::lock_guard lock(state_->status_mutex);
    return state_->status;
}

std::int64_t Relay::mismatches() const { return state_->mismatches; }

Followers& Relay::followers() { return state_->followed_by; }

Relay::Counts Relay::counts() const {
    return {state_->read_count, state_->batch_count, state_->record_count};
}

}  // namespace flowstack::eventlog
