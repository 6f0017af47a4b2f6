#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/eventlog/source.h"
#include "common/eventlog/turn.h"

// Applies each event of each source exactly once: cursor, projections and append in one
// transaction.
//
// One thread. Positions at or below the cursor are skipped, the next one is applied, a gap is
// refilled from the source's own log. An event that cannot be applied is parked with every later
// one of its routing key.
namespace flowstack::eventlog {

struct ConsumptionOptions {
    std::string consumer;  // name of this service
    int batch_events_max = 200;
    std::chrono::milliseconds head_compare_every{3000};
    std::chrono::milliseconds retry_delay{100};
    // When a run of events leads to no command, their cursors are saved after this long at the
    // latest.
    std::chrono::milliseconds idle_cursor_after{250};
    // Documents are written with the next append, or after they have waited this long.
    std::chrono::milliseconds document_delay{0};
    int attempts_before_parking = 5;
};

// A record as the bus brings it.
struct BusRecord {
    std::string source;  // service name
    int lane = 0;
    std::string key;  // tenant/routing key
    std::string value;
    // It did not come by the bus: the source's relay told it at once, and the bus brings it later
    // (followers.h). It is applied when it is the next one of its lane and never causes a refill.
    bool hint = false;
};

class Consumption {
public:
    using Handler = std::function<void(const Recorded&, Turn&)>;

    Consumption(Store& store, std::map<std::string, std::shared_ptr<Source>> sources,
                ConsumptionOptions options);
    ~Consumption();

    // Decides, and may append. Called for every event of every source in order.
    void react(Handler handler);
    // Projects: only puts documents, and only from the event and the document. Must give the same
    // when replayed.
    void project(Handler handler);

    // Reads together what the handlers will need for a batch (read_ahead). Called before they are,
    // with the batch's events as they are stored.
    using Preparation =
        std::function<void(std::span<const Recorded* const> events, Pending& pending)>;
    void prepare(Preparation preparation);

    // Starts to work on these lanes of every source: reads their cursors and parked keys.
    void assign(const std::vector<int>& lanes);
    void unassign(const std::vector<int>& lanes);

    // Applies what the bus brought, and retries until it counts or the lane is taken away. Compares
    // heads and refills when it is time. Call again and again from one thread, with an empty batch
    // too.
    void apply(std::vector<BusRecord> records);

    // What became of the hints of the lanes that are assigned. From any thread.
    struct Hints {
        std::int64_t applied = 0;
        std::int64_t late = 0;     // had been applied already
        std::int64_t dropped = 0;  // no room, or not as it must be: the bus brings it
    };
    Hints hints() const;

    // When `apply` has something to do even if the bus brings nothing: documents or cursors to
    // write, heads to compare. In the past when it could not do it.
    std::chrono::steady_clock::time_point due() const;

    // May be called from any thread: `apply` returns soon and leaves what is not yet applied to the
    // next owner.
    void stop();

    // Drops all documents and makes them again from position 1 up to the cursors. Nothing else may
    // run.
    void rebuild();

    struct Progress {
        std::string source;
        int lane = 0;
        std::int64_t applied = 0;
        std::int64_t parked = 0;
        // Of the events that this process has heard of: how many are not applied, and since when
        // the oldest of them has been known.
        std::int64_t behind = 0;
        std::optional<std::chrono::steady_clock::time_point> behind_since{};
    };
    std::vector<Progress> progress() const;

    struct Released {
        std::int64_t released = 0;
        std::int64_t left = 0;
        std::string why_left{};  // why the first event that is left failed again
    };
    // Tries the parked events of one key again, in order, as their source's log has them. Events
    // that now succeed are no longer parked. On the thread of `apply`. Throws Unavailable when the
    // source is away and std::out_of_range when the lane is not assigned here.
    Released release(const std::string& source, int lane, const std::string& routing_key);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::eventlog
