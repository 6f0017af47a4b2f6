#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/eventlog/store.h"
#include "common/messaging/brokers.h"

// A log that was restored to an earlier moment has lost its tail: events that were published, and
// read by others. Its lanes refuse to be written to (LaneRefuses) until the tail was taken back
// from the bus, or a person has declared it lost (docs/adr/0022-lost-tail.md).
namespace flowstack::eventlog {

// Streams of events about the log itself. Handlers, projections and derivations never see them.
inline constexpr std::string_view kLogCategory = "log";
inline bool is_about_the_log(const StreamName& stream) { return stream.category == kLogCategory; }

// The lane's log has lost what others know, or nobody has looked yet since the database was
// restored or failed over: nothing was written. It is a state of the store that people end
// (docs/runbooks/FlowStackTailLost.md).
struct LaneRefuses : postgres::StoreUnavailable {
    using postgres::StoreUnavailable::StoreUnavailable;
};

// Adds what follows from the next event of a command to what follows from those before it. append()
// deletes the rows of a command before it puts any, so a row that an earlier event puts and this
// one deletes is not put at all. Nothing follows from events about the log itself.
void derive_next(const DeriveFn& derive, const StreamName& stream, int lane, const NewEvent& event,
                 Derived& derived);

// Positions that were declared lost.
struct Gap {
    std::int64_t first = 0;
    std::int64_t last = 0;
};
// The gap that this event, a TailLost, ends. Nothing for every other event, and where none was
// lost. Throws CorruptStream for one whose position is not behind its gap.
std::optional<Gap> gap_before(const Recorded& event);
// Whether the event is the next one of its lane after `position`: directly, or behind a gap that
// begins there or before.
bool follows(const Recorded& event, std::int64_t position);

// What a person, for whom it is done, is called in the events.
struct Ordered {
    std::string principal;
    std::string reason;
    std::string role{};
    std::string source_address{};
};

// What became of one lane.
struct Recovery {
    int lane = 0;
    std::int64_t from = 0;           // the first position that was missing, 0: none was
    std::int64_t to = 0;             // the last one that is known to be published
    std::int64_t recovered = 0;      // events taken back by this call
    std::int64_t payloads_lost = 0;  // of these: private ones, of which the bus has the envelope
    std::int64_t missing = 0;        // what is not there yet
    // Why not, when the bus cannot give it; which position was refused.
    std::string refused{};
    std::int64_t refused_at = 0;
};

// Takes the lost tail of every lane back from the bus, event by event at its own position: checked
// against what is kept, against its stream and its lane, byte for byte. Claims, heads, settings
// changes and work are made of the events, as append() does it. A position that the bus does not
// have, or has otherwise, ends a lane there. When no lane misses anything more, all of them are
// opened. May be stopped by `enough`, die or be called again at any time: it goes on where it was.
// Throws messaging::BusUnavailable and postgres::StoreUnavailable.
std::vector<Recovery> recover_tails(Store& store, const messaging::Brokers& brokers,
                                    const std::string& topic, const Ordered& by,
                                    const std::function<bool()>& enough);

// A lane whose tail was given up, or would be.
struct Loss {
    int lane = 0;
    std::int64_t head = 0;  // the last kept position
    std::int64_t last = 0;  // the last lost one; the new epoch begins behind it
};
struct LossRequest {
    // The lanes; none: those that refuse to be written to.
    std::vector<int> lanes{};
    // No lane goes on below it, whatever else is known. 0: what the bus, readers and the log know
    // is all that there is.
    std::int64_t above = 0;
    // What was decided by then may have been done in the lost tail.
    Time at{};
    bool dry_run = false;
};
// Nothing says how far a lane was published, so `above` must.
struct NothingKnown : std::runtime_error {
    using std::runtime_error::runtime_error;
};
// Gives the tails of these lanes up, in one transaction: TailLost is the first event of a new epoch
// of each. All open work of the service is held for a person. Opens the lanes when no other one
// misses its tail. Throws NothingKnown, and what recover_tails throws.
std::vector<Loss> lose_tails(Store& store, const messaging::Brokers& brokers,
                             const std::string& topic, const LossRequest& request,
                             const Ordered& by);

// Work that waits for a person.
struct HeldWork {
    int lane = 0;
    std::string kind;
    std::string key;
    Time due_at{};  // when it was due before it was held
};
struct HeldFilter {
    std::string kind{};  // begins with it; empty: every kind
    std::string key{};   // empty: every key
};
// At most `limit` after the last one of the page before, by lane, kind and key.
std::vector<HeldWork> held_work(postgres::Session& session, const HeldFilter& filter,
                                const std::optional<HeldWork>& after, int limit);
// It is due again when it was. Returns how many rows were released.
std::int64_t release_held_work(postgres::Session& session, const HeldFilter& filter);

}  // namespace flowstack::eventlog
