#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/core/time.h"
#include "common/eventlog/types.h"
#include "services/followup/domain/task.h"

namespace flowstack::followup::v1 {
class Task;
}

// Tasks between their stored form (flowstack.followup.v1 events), the rules' structs, and the API.
namespace flowstack::followup {

inline constexpr const char* kTaskCategory = "task";

// A task's stream. It lives on its customer's lane.
eventlog::StreamName task_stream(const std::string& tenant, const std::string& task_id);

struct TaskState {
    Task task;
    Time created{};
    Time ended{};  // fired, cancelled or skipped
};

// For eventlog::Folds.
struct TaskCodec {
    using State = TaskState;
    // Throws CorruptStream for an unknown type or an impossible history.
    static State evolve(State state, const std::string& type, const std::string& payload,
                        Time occurred_at);
};

// What is stored of `event`, about the task of `plan`.
eventlog::NewEvent encode(const Event& event, const Plan& plan, Time occurred_at);

const Plan* plan_of(const Task& task);

// The API's view of a fold. `version` is that of its stream.
void fill(v1::Task& out, const std::string& tenant, const TaskState& state, std::int64_t version);

// The same view, made event by event for the read model: nothing before the first.
void project(std::optional<v1::Task>& task, const eventlog::Recorded& event);

}  // namespace flowstack::followup
