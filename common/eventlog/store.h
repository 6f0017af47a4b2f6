#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/eventlog/types.h"
#include "common/eventlog/vault.h"
#include "common/postgres/session.h"

// The lane log of one service, as a process sees it: append with group commit, read by stream and
// by lane.
//
// Thread-safe. Appends gather while a commit is in flight and go together in the next one; nothing
// waits when nothing is in flight, unless its caller lets it (Asked::may_wait). Locks are taken in
// a sorted order, so two batches never deadlock. A bad command fails alone.
namespace flowstack::eventlog {

struct StoreOptions {
    std::string service;  // gateway, conversation, …
    std::string database_url;
    int lanes = 64;
    int append_connections = 2;  // lane groups; at most kAppendConnectionsMax
    int read_connections = 4;
    std::size_t batch_commands_max = 500;
    std::size_t batch_bytes_max = 4 << 20;
    std::size_t queue_commands_max = 20'000;  // above it append answers Overloaded at once
    std::chrono::milliseconds append_deadline{10'000};
    // How long a command that may wait (Store::Asked::may_wait) waits for others to go with.
    std::chrono::milliseconds company_wait{0};
    std::string build_id = "dev";
    const Vault* vault = &clear_vault();  // outlives the store
    // Makes one command of two that may be joined and came into one batch: adds to `into` what
    // `more` writes. False: these two cannot be one.
    std::function<bool(Command& into, const Command& more)> join{};
    // So many commands, of so many bytes together, become one at most.
    std::size_t joined_commands_max = 256;
    std::size_t joined_bytes_max = 512 << 10;
};
inline constexpr int kAppendConnectionsMax = 4;

// The queue is full: nothing was written, try later.
struct Overloaded : std::runtime_error {
    using std::runtime_error::runtime_error;
};
// The command itself cannot be stored (too many parts, malformed text …): nothing was written.
struct CommandRefused : std::runtime_error {
    using std::runtime_error::runtime_error;
};
// A lane's clock is more than 5 s ahead of the database's: it refuses until time has caught up.
struct ClockAhead : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Work rows of one kind that were put in one lane.
struct WorkNews {
    int lane = 0;
    std::string kind;
    Time due_at{};  // the earliest
};

// What a commit changed.
struct Commit {
    std::vector<std::pair<int, std::int64_t>> heads;  // lane → its new head
    std::span<const WorkNews> work;
};

class Store {
public:
    Store(StoreOptions options, DeriveFn derive);
    ~Store();

    // The answer comes on a batcher's thread: keep it short, never append-and-wait in it.
    // `error` is set instead of a verdict when the command was refused, or when its fate is unknown
    // (postgres::StoreUnavailable): ask again with the same command id then.
    using Answer = std::function<void(Verdict verdict, std::exception_ptr error)>;
    void append_async(Command command, Answer answer);
    // Several that belong together: those of one lane group go in one commit, unless it is full.
    struct Asked {
        Command command;
        Answer answer;
        // It may share one command with others of its batch (StoreOptions::join). All of them get
        // that command's verdict. One that is refused alone refuses none of the others.
        bool may_join = false;
        // Nobody needs the answer soon: it goes with the next command that is needed soon, or after
        // StoreOptions::company_wait. A commit costs more than several commands do.
        bool may_wait = false;
    };
    void append_async(std::vector<Asked> asked);

    // Waits. Throws what append_async would have handed over.
    Verdict append(Command command);

    // How personal fields are handed over: clear, or as stored for whoever compares bytes.
    enum class Personal { clear, as_stored };

    // Versions from_version and up, in order.
    std::vector<Recorded> read_stream(const StreamName& stream, std::int64_t from_version = 1,
                                      Personal personal = Personal::clear);
    struct StreamTail {
        StreamName stream;
        std::int64_t from_version = 1;
    };
    // The same of several at once, in the order in which they were asked for.
    std::vector<std::vector<Recorded>> read_streams(std::span<const StreamTail> tails);
    // Positions from..to of a lane, at most `limit` events and kPageBytesMax bytes; to = 0 is the
    // head.
    std::vector<Recorded> read_lane(int lane, std::int64_t from, std::int64_t to, int limit,
                                    Personal personal = Personal::clear);
    // The head of every lane, by number.
    std::vector<std::int64_t> heads();
    struct ClaimRow {
        std::string value;
        Uuid holder{};
        Micros age{0};  // since it was made, by the database's clock
    };
    // Who holds a name, if anybody.
    std::optional<ClaimRow> claim(std::string_view scope, std::string_view kind,
                                  std::string_view key);

    // Called after each commit of this process that wrote something, on the thread that committed:
    // keep it short.
    void on_commit(std::function<void(const Commit&)> listener);
    // Called by code that runs append_call in a transaction of its own.
    void committed(const std::vector<Verdict>& verdicts, std::span<const WorkNews> work);

    int lane_of(const Routing& routing, std::string_view tenant) const {
        return eventlog::lane_of(routing, tenant, options_.lanes);
    }
    const StoreOptions& options() const { return options_; }
    postgres::Pool& pool() { return *pool_; }
    const DeriveFn& derive() const { return derive_; }
    const Vault& vault() const { return *options_.vault; }

    // True when the schema is there and has the expected number of lanes; `why` says what is wrong.
    bool ready(std::string& why);

    // Finishes what is queued, then refuses. Called by the destructor too.
    void drain();

private:
    Recorded event_from(const postgres::Result& result, int row, Personal personal) const;

    struct Batcher;
    StoreOptions options_;
    DeriveFn derive_;
    std::unique_ptr<postgres::Pool> pool_;
    std::vector<std::unique_ptr<Batcher>> batchers_;
    std::vector<std::function<void(const Commit&)>> listeners_;
};
inline constexpr std::size_t kPageBytesMax = 3 << 20;

// The one call of append(), for the batcher and for consumers' transactions.
struct AppendCall {
    postgres::Session::Statement statement;
    std::vector<WorkNews> work;  // the rows that it puts

    // What a command's answer is when all commands of the call are ok, but for the lanes' positions
    // and the streams' versions before the call: these are all that append() returns then.
    struct IfAllOk {
        int lane = 0;
        std::size_t lane_index = 0;  // into the lanes of the call
        int offset = 0;              // events before it in its lane
        int events = 0;
        // Of each part: its stream, an index into the streams of the call, and the events before it
        // in the stream.
        std::vector<std::pair<std::size_t, int>> parts;
    };
    std::vector<IfAllOk> if_all_ok;
};
AppendCall append_call(std::span<const Command> commands, const StoreOptions& options,
                       const DeriveFn& derive, bool strict);
std::vector<Verdict> verdicts_from(const AppendCall& call, const postgres::Result& result);
// Which command (from 0) a strict append refused with FS002, and the verdict about it.
std::pair<std::size_t, Verdict> refusal_from(const postgres::SqlError& error);

// Rows of `select <kEventColumns> from events`.
extern const char* const kEventColumns;
Recorded recorded_from(const postgres::Result& result, int row, const std::string& service);

// The envelope as bytes on the bus and in EventLog (flowstack.common.v1.RecordedEvent), and back.
// A private or too large payload is left out.
inline constexpr std::size_t kBusEventBytesMax = 512 * 1024;
std::string to_bus(const Recorded& event);
Recorded from_bus(std::string_view bytes);  // throws std::invalid_argument

}  // namespace flowstack::eventlog
