#pragma once

#include <set>
#include <string>

#include "common/eventlog/types.h"

namespace flowstack::service {

// What a commit says beyond the heads that it moved. An append derives its events and reports its
// commit on one thread (Store::on_commit), so each thread keeps the notes of the append that it
// makes. An append that fails leaves its notes to the next one of its thread, for which they only
// ask for more hurry than needed.
class CommitNotes {
public:
    // Notes every event, then derives as `derive` does. Somebody waits for the events of all types
    // but `unhurried`.
    static eventlog::DeriveFn noting(eventlog::DeriveFn derive, std::set<std::string> unhurried);
    // The notes of this thread's commit; they are empty afterwards.
    static CommitNotes take();

    std::set<int> hurried_lanes;  // an event was written there that somebody waits for
    bool settings = false;        // settings changed

private:
    static CommitNotes& of_this_thread();
};

}  // namespace flowstack::service
