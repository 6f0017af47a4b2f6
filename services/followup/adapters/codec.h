#pragma once

#include <string>
#include <string_view>

#include "common/core/time.h"
#include "common/eventlog/types.h"
#include "services/followup/domain/task.h"

// Translates between the facts of the rules and their stored form (flowstack.followup.v1). No other
// file knows both.
namespace flowstack::followup {

struct TaskState {
    Task task;
    Time created{};
    Time ended{};  // fired, cancelled or skipped
};

// For eventlog::Folds. Throws CorruptStream for an unknown type or an impossible history.
struct TaskCodec {
    using State = TaskState;
    static State evolve(State state, const std::string& type, const std::string& payload,
                        Time occurred_at);
};

eventlog::NewEvent encode(const Event& event, Time occurred_at);

// Throws CorruptStream for an unknown type and for bytes that are not of their type, and
// std::invalid_argument for a value that a fact cannot hold (common/eventlog/fact.h).
Event decode_task(std::string_view type, std::string_view payload);

const Plan* plan_of(const Task& task);

}  // namespace flowstack::followup
