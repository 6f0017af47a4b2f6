#include "common/service/commit_notes.h"

#include <utility>

namespace flowstack::service {

CommitNotes& CommitNotes::of_this_thread() {
    thread_local CommitNotes notes;
    return notes;
}

eventlog::DeriveFn CommitNotes::noting(eventlog::DeriveFn derive, std::set<std::string> unhurried) {
    return [derive = std::move(derive), unhurried = std::move(unhurried)](
               const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
               eventlog::Derived& out) {
        auto& notes = of_this_thread();
        if (!unhurried.contains(event.type)) notes.hurried_lanes.insert(lane);
        derive(stream, lane, event, out);
        if (!out.settings.empty()) notes.settings = true;
    };
}

CommitNotes CommitNotes::take() { return std::exchange(of_this_thread(), {}); }

}  // namespace flowstack::service
