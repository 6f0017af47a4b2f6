#pragma once

#include <string>
#include <vector>

// The statements of the event log that run again and again: for each commit, batch, page or event,
// or by a timer. They stand in this one list, and the code runs these texts.
//
// What such a statement reads must not grow with its tables, so each says how many rows it may
// read, and tests/integration/eventlog/loop_statements_pgtest.cc counts them on tables of a million
// rows, with plans that were made while the tables were empty. Who adds a statement to a loop adds
// it here, or, if it is a service's own, to the loop_statements.h of the service.
namespace flowstack::eventlog {

struct LoopStatement {
    std::string name;
    std::string sql;
    // How many rows of tables and entries of indexes it may read: so many for each row that it
    // returns or changes, and so many however few these are.
    int read_for_each = 2;
    int read_besides = 0;
};

// Of append(), see migrations/eventlog/0002_append.sql.
inline constexpr int kAppendArguments = 58;

namespace loops {

// Membership, about twice a second.
extern const LoopStatement kRenewLease;
extern const LoopStatement kReplicas;
extern const LoopStatement kLanesNow;
// Asked for each RPC of a lane's owner.
extern const LoopStatement kLivingOwner;

// The relay: by a timer, for each commit, and for what came back over the bus.
extern const LoopStatement kRelayHeads;
extern const LoopStatement kRelayPage;
extern const LoopStatement kRelaySave;
extern const LoopStatement kVerifyStretch;
// For each lane that comes, and for each look at what others have read.
extern const LoopStatement kLaneCompared;
extern const LoopStatement kLaneReadTo;

// Due work, by a timer and for each commit that put a row.
extern const LoopStatement kWorkDue;

// Settings changes, by a timer and for each commit that made one.
extern const LoopStatement kSettingsChanges;

// Reads of the log: for each comparison of heads, each page and each folded stream.
extern const LoopStatement kHeads;
extern const LoopStatement kLanePage;
extern const LoopStatement kStream;
extern const LoopStatement kStreams;
extern const LoopStatement kClaim;

// Consumption: for each batch, and for each lane that comes.
extern const LoopStatement kMoveCursors;
extern const LoopStatement kCursor;
extern const LoopStatement kParkedKeys;
extern const LoopStatement kDocument;
extern const LoopStatement kDocuments;
extern const LoopStatement kWriteDocuments;
extern const LoopStatement kDropDocuments;

// Every commit.
extern const LoopStatement kAppend;

}  // namespace loops

// All of the above.
std::vector<const LoopStatement*> loop_statements();

}  // namespace flowstack::eventlog
