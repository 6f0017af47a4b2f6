#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/core/broken_world.h"
#include "common/eventlog/store.h"

// What a consumer's handler sees and does while one event is its turn.
namespace flowstack::eventlog {

// Thrown by a handler when what it needs is away for the moment (another service, the store): the
// event is tried again until it works. Nothing is skipped.
struct TryLater : Unavailable {
    using Unavailable::Unavailable;
};

// A read model's row. `body` is the serialised resource message of the API.
struct Document {
    std::string tenant;
    std::string kind;  // conversation, order, …: one table for all, see docs/ARCHITECTURE.md
    std::string id;
    std::string parent;  // customer, order …: what lists filter by; may be empty
    std::string state;   // what lists filter by; may be empty
    Time sort_at{};
    std::string body;
    bool deleted = false;
    // Set by Turn::put: the event that it shows last.
    int lane = 0;
    std::int64_t position = 0;
};

using DocumentKey = std::tuple<std::string, std::string, std::string>;  // tenant, kind, id
using Documents = std::map<DocumentKey, Document>;

// The documents that a consumer has in memory: those that it has yet to write, and those that it
// has written while it works on their lanes, so that it need not read them again. A written one is
// served only to events of the lane that wrote it last: nobody else writes it then, and whoever
// takes the lane away makes our next commit fail.
class DocumentCache {
public:
    explicit DocumentCache(std::size_t entries_max = 5'000) : entries_max_(entries_max) {}
    const Document* find(const DocumentKey& key, int lane) const;
    const Documents& unsaved() const { return unsaved_; }
    void put_unsaved(const Documents& documents);
    void saved(const Documents& documents);  // these too; nothing is unsaved any more
    void clear();

private:
    void keep(const Documents& documents);

    std::size_t entries_max_;
    Documents unsaved_;
    Documents saved_;
};

// What became of the command of a turn: it is in the log, it never will be, or the store did not
// say.
enum class Fate { written, not_written, unknown };
// Hears it once, on the consumer's thread, and must not throw. `verdict` is that of a written one.
using FateListener = std::function<void(Fate fate, const Verdict& verdict)>;

// Those who wait for the fates of a batch's commands. Whoever was told nothing when the batch ends
// hears what was assumed last: at first that nothing is written.
class Fates {
public:
    Fates() = default;
    Fates(const Fates&) = delete;
    Fates& operator=(const Fates&) = delete;
    ~Fates() { settle(); }

    void add(std::size_t command, FateListener listener) {
        listeners_.emplace_back(command, std::move(listener));
    }
    void assume(Fate fate) { assumed_ = fate; }
    // The commands are in the log, with these verdicts.
    void written(std::span<const Verdict> verdicts);
    // Tells those who were not told yet.
    void settle();

private:
    Fate assumed_ = Fate::not_written;
    std::vector<std::pair<std::size_t, FateListener>> listeners_;
};

// What a batch of consumed events has decided so far: later events of the batch see it before it is
// committed.
class Pending {
public:
    explicit Pending(const DocumentCache* committed = nullptr) : cache(committed) {}

    void add(const Command& command);
    // To the last command.
    void add_to_last(std::vector<Part> parts);
    // Events that the batch adds to a stream, in order.
    std::span<const NewEvent> events(const StreamName& stream) const;
    // What memory knows of a document for an event of this lane; a deleted one is found as well.
    const Document* known(const DocumentKey& key, int lane) const;

    std::vector<Command> commands;
    Fates fates;
    Documents documents;
    const DocumentCache* cache;
    // What the batch has read from the store: it is not asked twice for the same.
    std::map<DocumentKey, std::optional<Document>> documents_read;
    std::map<Uuid, std::int64_t> streams_read;  // stream id → the version that it had

private:
    void note(const std::vector<Part>& parts);

    std::map<StreamName, std::vector<NewEvent>> events_;
};

// A document that the handler of an event of this lane will ask for.
struct WantedDocument {
    DocumentKey key;
    int lane = 0;
};
// Reads those that are not in memory by one query, so that the turns of this batch need not ask the
// store one by one.
void read_ahead(Store& store, Pending& pending, std::span<const WantedDocument> wanted);

class Turn {
public:
    Turn(Store& store, Pending& pending, const Recorded& event, std::optional<Verdict> refusal)
        : store_(store), pending_(pending), event_(event), refusal_(std::move(refusal)) {}

    const Recorded& event() const { return event_; }

    // The one command that this event leads to. Empty id: made from the event and `handler`. Empty
    // meta: correlation, causation, traceparent and settings version are the event's. At most one a
    // turn. While spans are recorded, the command is one below that traceparent, which ends with
    // its fate and is current for the listener. `listener` hears what becomes of it; the event may
    // be handled again then.
    void append(Command command, std::string_view handler = "react", FateListener listener = {});

    // Adds streams of the same lane to the turn's command: what the event leads to besides. Where
    // there is no command yet, it becomes one, routed as the event is. Nobody may append after it.
    void join(std::vector<Part> parts);
    // How the turn's command is routed, or would be.
    const Routing& routing() const;

    // Set when the command of an earlier try of this same event was refused by a claim
    // (claim_taken): the handler decides what to do instead. A wrong version never shows here, the
    // event is simply decided again.
    const std::optional<Verdict>& refusal() const { return refusal_; }

    // An id for the n-th thing that this event makes, the same at every try.
    Uuid derived_id(std::string_view handler, int n) const;

    // Read model. `get` sees what this batch has put.
    std::optional<Document> get(const std::string& tenant, const std::string& kind,
                                const std::string& id);
    void put(Document document);
    // The document of the event's own stream, for kinds that only this stream's events put: before
    // its first event there is none, and the store is not asked.
    std::optional<Document> own(const std::string& kind);

    Store& store() { return store_; }
    const Pending& pending() const { return pending_; }
    Pending& pending() { return pending_; }

private:
    FateListener traced(Command& command, FateListener listener) const;

    Store& store_;
    Pending& pending_;
    const Recorded& event_;
    std::optional<Verdict> refusal_;
    bool appended_ = false;
};

}  // namespace flowstack::eventlog
