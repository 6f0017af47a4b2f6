#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"

// Does what is due in the lanes that this replica owns: timers, dispatches, provider pushes.
//
// A row is handed to its kind's handler once and is in flight until `done` is called. It goes away
// because the handler appends an event from which a WorkDel (or a WorkPut with a later time) is
// derived; a row that is still there after `done` is handed out again after retry_delay.
namespace flowstack::eventlog {

struct WorkRow {
    int lane = 0;
    std::string kind;
    std::string key;
    Time due_at{};
    std::string ref;
    OwnerGuard guard;  // for the appends that follow from it
};

struct WorkOptions {
    // How often to look while others may write to our lanes. While this replica has every lane, ten
    // times as long if more is due than may be in flight; else until the next row is due, a second
    // at most.
    std::chrono::milliseconds poll_interval{10};
    std::chrono::milliseconds retry_delay{1000};
    int in_flight_max = 256;  // of one kind
    int threads = 2;          // threads that run the handlers
};

class WorkRunner {
public:
    using Done = std::function<void()>;
    // May throw: the failure is logged and the row is tried again. Work that takes long keeps
    // `done` and calls it later.
    using Handler = std::function<void(const WorkRow&, Done done)>;

    WorkRunner(Store& store, Owners& owners, WorkOptions options = {});
    ~WorkRunner();

    // Call it before start(). in_flight_max 0 means the option's.
    void handle(const std::string& kind, Handler handler, int in_flight_max = 0);
    void start();
    void stop();
    // Says that a row of this kind is due at that time of the wall clock, so that it does not wait
    // for the next poll. Nothing happens when the kind has no handler here.
    void wake(const std::string& kind, Time due_at);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::eventlog
